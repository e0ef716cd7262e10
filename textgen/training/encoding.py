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
from textgen.core.errors import TextgenError
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
        TextgenError: the file cannot be written, as on a full disk; or the code of a plug-in, on
            which its content depends, stands in no file.
    """
    if not corpus.is_sampled:
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
    plug-ins.

    Raises:
        TextgenError: a plug-in stands in no file, as one that was defined in a notebook.
    """
    settings = [tokenizer, *vars(tokenizer).values()]
    plugins = [setting for setting in settings if is_dataclass(setting)]
    packages = {type(plugin).__module__.split(".")[0] for plugin in plugins}
    plugin_code = packages - {"textgen"}
    paths = list[Path]()
    for name in sorted(OWN_CODE | plugin_code):
        module = import_module(name)
        folders = getattr(module, "__path__", None)  # of a package; several of a namespace package
        file = getattr(module, "__file__", None)
        if folders is not None:
            for folder in folders:
                paths += sorted(Path(folder).rglob("*.py"))
        elif file is not None:
            paths.append(Path(file))
        else:
            message = f"a plug-in was defined in {name}, which is no file"
            hint = "tokens of a large corpus are kept by the code that made them: put it in a file"
            raise TextgenError(message, hint)
    return paths
