"""The training text as tokens, for corpora larger than memory in one file.

The documents are read, encoded and written one at a time. The file, with all end marks, is part of
the cache under a hash of everything that it depends on, and is mapped into memory: a second run
finds it.

Does not handle: millions of very short documents, each of which takes some 500 bytes of memory;
surface forms of placeholders, which only the scoring of held-out text needs.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core.cache import cache_folder, cached_folder
from textgen.core.experiment import Experiment
from textgen.core.tokens import BOUNDARY
from textgen.data.documents import Document
from textgen.data.loading import Corpus
from textgen.tokenizers import base
from textgen.tokenizers.base import Encoded, EncodedDocument, Tokenizer, TokenizerConfig

TOKENS_FILE, INDEX_FILE = "tokens.bin", "index.npy"
LIBRARIES = ("regex", "tokenizers", "spacy", "gensim", "numpy", "pyppmd")  # of what a cache holds


def fit_tokenizer(config: TokenizerConfig, corpus: Corpus, seed: int) -> Tokenizer:
    """A tokenizer fitted on the training split; if that is large, on a sample of it and on the
    alphabet of all of it. Settings that depend on the language are those of the text's."""
    if in_language := getattr(config, "in_language", None):
        config = in_language(corpus.language.code)
    texts, tuning = ([d.text for d in part] for part in (corpus.sample, corpus.validation))
    alphabet: set[str] = set()
    for document in corpus.train if corpus.sample is not corpus.train else ():
        alphabet.update(document.text)
    return config.fit(texts, tuning, seed, "".join(sorted(alphabet)))


def encode_training(experiment: Experiment, tokenizer: Tokenizer, corpus: Corpus) -> Encoded:
    """The training documents as tokens: in memory if the tokenizer was fitted on all of them, else
    in a file.

    Raises:
        TextgenError: the file cannot be written, as on a full disk.
    """
    if corpus.sample is corpus.train:
        return [tokenizer.encode(document.text, training=True) for document in corpus.train]
    return cached_folder(
        cache_folder() / "encoded" / _key(experiment, tokenizer, corpus),
        lambda folder: Stored(folder, tokenizer.size),
        lambda folder: write_documents(tokenizer, corpus.train, folder),
    )


def _key(experiment: Experiment, tokenizer: Tokenizer, corpus: Corpus) -> str:
    """A hash of everything that the tokens depend on; ``extra_data`` names a tagger's weights."""
    split = corpus.description["split_sha256"]
    settings = experiment.resolved["tokenizer"]
    parts = [corpus.sha256, split, settings, tokenizer.state(), tokenizer.extra_data]
    digest = hashlib.sha256(json.dumps([*parts, library_versions()], sort_keys=True).encode())
    plugins = [experiment.tokenizer, *vars(experiment.tokenizer).values()]
    packages = {type(p).__module__.split(".")[0] for p in plugins if is_dataclass(p)}
    encoding = {"textgen.tokenizers", "textgen.data.language"}  # all else is in the state
    for module in sorted(packages - {"textgen"} | encoding):
        file = Path(sys.modules[module].__file__ or "")
        for path in sorted(file.parent.rglob("*.py")) if file.stem == "__init__" else [file]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def library_versions() -> list[str]:
    """Those of Python, which has tables of Unicode, and of the libraries that figures depend on."""
    return [platform.python_version(), *map(metadata.version, LIBRARIES)]


def write_documents(tokenizer: Tokenizer, documents: Sequence[Document], folder: Path) -> None:
    """Write the tokens of all documents, an end mark after each, and an index: an (n, 4) int64
    array of tokens, characters, pieces, replaced."""
    index = list[tuple[int, ...]]()
    dtype = base.smallest_dtype(tokenizer.size)
    with (folder / TOKENS_FILE).open("wb") as file:
        for document in documents:
            encoded = tokenizer.encode(document.text, training=True)
            file.write(np.append(encoded.tokens, BOUNDARY).astype(dtype).tobytes())
            size = len(encoded.tokens)
            index.append((size, encoded.characters, encoded.pieces, encoded.replaced))
    np.save(folder / INDEX_FILE, np.array(index, dtype=np.int64).reshape(-1, 4))


class Stored(Sequence[EncodedDocument]):
    """Encoded training documents in a file that is mapped into memory.

    Args:
        folder: what :func:`write_documents` has written.
        size: number of tokens of the tokenizer.

    Attributes:
        sizes: (n,) int64, tokens of each document, the end mark included.
        offsets: (n + 1,) int64, where each document begins in ``flat``.
        flat: the tokens of all documents, read from the file on access.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._index = np.load(folder / INDEX_FILE, allow_pickle=False)
        self.sizes = self._index[:, 0] + 1
        self.offsets = np.concatenate([[0], np.cumsum(self.sizes)])
        self.flat = np.asarray(np.memmap(folder / TOKENS_FILE, base.smallest_dtype(size), "r"))

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, i: Any) -> Any:  # one of them: nothing takes slices
        tokens = self.flat[self.offsets[i] : self.offsets[i + 1] - 1]
        return EncodedDocument(tokens, (), *self._index[i, 1:].tolist())
