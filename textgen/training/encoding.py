"""The training text as tokens, in memory or in a file.

The file, with all end marks, is part of the cache under a hash of everything that it depends on: a
second run finds it.
"""

import hashlib
import json
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

from textgen.core.cache import cache_folder, cached_folder
from textgen.core.experiment import Experiment
from textgen.data.loading import Corpus
from textgen.tokenizers.base import Tokenizer, TokenizerConfig
from textgen.tokenizers.encoded import Encoded
from textgen.tokenizers.fitting import library_versions
from textgen.tokenizers.stored import Stored, write_documents

# Modules of textgen that turn a text into tokens and charge for spelling; whatever else this
# depends on is in a tokenizer's state.
OWN_CODE = {"textgen.tokenizers", "textgen.ngrams", "textgen.data.language"}


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
    for path in _sources(experiment.tokenizer):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _sources(tokenizer: TokenizerConfig) -> list[Path]:
    """The files of code that turns a text into tokens: textgen's own, and whole packages of
    plug-ins."""
    settings = [tokenizer, *vars(tokenizer).values()]
    plugins = [setting for setting in settings if is_dataclass(setting)]
    packages = {type(plugin).__module__.split(".")[0] for plugin in plugins}
    paths = list[Path]()
    for module in sorted(packages - {"textgen"} | OWN_CODE):
        file = Path(import_module(module).__file__ or "")
        is_package = file.stem == "__init__"
        paths += sorted(file.parent.rglob("*.py")) if is_package else [file]
    return paths
