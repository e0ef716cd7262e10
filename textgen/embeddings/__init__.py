"""PLUG-IN: symbols → the vectors that the embedding layer starts from."""

TABLE = {
    "random": "textgen.embeddings.random:Random",
    "word2vec": "textgen.embeddings.word2vec:Word2Vec",
    "fasttext": "textgen.embeddings.fasttext:FastText",
    "file": "textgen.embeddings.file:File",
}
