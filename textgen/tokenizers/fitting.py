"""A tokenizer fitted on the training text; the versions of what figures depend on."""

import platform
from importlib import metadata

from textgen.data.loading import Corpus
from textgen.tokenizers.base import Tokenizer, TokenizerConfig

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


def library_versions() -> list[str]:
    """Those of Python, which has tables of Unicode, and of the libraries that figures depend on."""
    return [platform.python_version(), *map(metadata.version, LIBRARIES)]
