"""A tokenizer fitted on the training text; the versions of what figures depend on."""

import platform
from importlib import metadata

from textgen.data.language import Language
from textgen.data.loading import Corpus
from textgen.tokenizers.base import Tokenizer, TokenizerConfig
from textgen.tokenizers.words import Words

# What a cache holds depends on these. Budoux need not be installed.
LIBRARIES = ("regex", "tokenizers", "spacy", "gensim", "numpy", "scipy", "pyppmd", "budoux")


def fit_tokenizer(config: TokenizerConfig, corpus: Corpus, seed: int) -> Tokenizer:
    """A tokenizer fitted on the training split; if that is large, on a sample of it and on the
    alphabet of all of it."""
    texts = [document.text for document in corpus.sample]
    tuning = [document.text for document in corpus.validation]
    alphabet = set[str]()
    if corpus.is_sampled:
        for document in corpus.train:
            alphabet.update(document.text)
    return config.fit(texts, tuning, seed, "".join(sorted(alphabet)), corpus.language.code)


def language_warnings(config: TokenizerConfig, language: Language) -> list[str]:
    """Sentences about settings of a tokenizer that do not fit the language of the training split,
    each with what to do."""
    return config.language_warnings(language) if isinstance(config, Words) else []


def library_versions() -> list[str]:
    """Those of Python, which has tables of Unicode, and of the libraries that figures depend on;
    empty for one that is not installed."""
    return [platform.python_version(), *map(_version, LIBRARIES)]


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""
