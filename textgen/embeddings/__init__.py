"""PLUG-IN: from a vocabulary to the vectors that the embedding layer starts from."""

import lazy_loader

TABLE = {
    "random": "textgen.embeddings.random:Random",
    "word2vec": "textgen.embeddings.word2vec:Word2Vec",
    "fasttext": "textgen.embeddings.fasttext:FastText",
    "file": "textgen.embeddings.file:File",
}

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
