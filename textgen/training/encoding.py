"""The training text as tokens, in memory or in a file.

The file, with all end marks, is part of the cache under a hash of everything that it depends on: a
second run finds it.
"""

import hashlib
import json
import sys
from dataclasses import is_dataclass
from pathlib import Path

from textgen.core.cache import cache_folder, cached_folder
from textgen.core.experiment import Experiment
from textgen.data.loading import Corpus
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.encoded import Encoded
from textgen.tokenizers.fitting import library_versions
from textgen.tokenizers.stored import Stored, write_documents


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
