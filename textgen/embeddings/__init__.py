"""PLUG-IN: first vectors of the embedding layer for the tokens of a vocabulary."""

TABLE = {
    "random": "textgen.embeddings.vectors:Random",
    "word2vec": "textgen.embeddings.vectors:Word2Vec",
    "fasttext": "textgen.embeddings.vectors:FastText",
    "file": "textgen.embeddings.vectors:File",
}
