"""PLUG-IN: first vectors of the embedding layer for the tokens of a vocabulary."""

import lazy_loader

TABLE = {
    "random": "textgen.embeddings.vectors:Random",
    "word2vec": "textgen.embeddings.vectors:Word2Vec",
    "fasttext": "textgen.embeddings.vectors:FastText",
    "file": "textgen.embeddings.file:File",
}

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
