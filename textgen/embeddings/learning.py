"""Word vectors learnt with gensim from the contexts of words, and nearest neighbours among them.

Does not handle: words with several meanings, which share one vector; several threads, which would
make every run differ.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import regex

LETTERS = regex.compile(r"[\p{L}\p{M}]+")
"""A word of letters and their combining marks."""
SCALE = 0.1
"""Root mean square of the components of a network's first vectors. Learnt vectors come in every
size, and a network that starts from large ones saturates."""


def train_vectors(
    sentences: Iterable[Sequence[str]],
    *,
    kind: Literal["word2vec", "fasttext"],
    size: int,
    epochs: int,
    window: int = 5,
    minimum_count: int = 1,
    seed: int,
) -> Any:
    """Vectors of the words of a text, bit-identical for the same sentences and seed.

    ``"word2vec"`` predicts a word from the mean of its neighbours (continuous bag of words,
    Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space", section
    3.1) against negative samples ("Distributed Representations of Words and Phrases and their
    Compositionality", equation 4). ``"fasttext"`` predicts the neighbours from the word
    (skip-gram), whose vector is the mean of its own and those of its character n-grams of 3 to 6
    (Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information", section 3.2, has
    their sum).

    Args:
        sentences: lists of at most 10,000 words; gensim ignores the rest of longer ones. They are
            iterated over ``epochs`` + 2 times, so an iterator will not do.
        kind: one of the two models.
        size: dimensions of a vector.
        epochs: passes over the sentences.
        window: words on either side that count as context.
        minimum_count: rarer words get no vector and are ignored.
        seed: of the first vectors and of the negative samples.

    Returns:
        gensim ``KeyedVectors``: ``key_to_index`` of each word, ``vectors`` (words, ``size``)
        float32. Empty where no word is frequent enough.
    """
    from gensim.models import FastText, Word2Vec
    from gensim.models.keyedvectors import KeyedVectors

    quieten_gensim()
    types = len({word for sentence in sentences for word in sentence})
    settings: dict[str, Any] = {
        "vector_size": size,
        # gensim drops occurrences of words more frequent than this: 1 in 1000 by default, which
        # among 90 characters would be nearly all; so those 10 times as frequent as the average
        "sample": max(1e-3, 10 / max(1, types)),
        "window": window,
        "min_count": minimum_count,
        "epochs": epochs,
        "seed": seed,
        "workers": 1,
    }
    if kind == "word2vec":
        model = Word2Vec(sg=0, **settings)
    else:
        # by default the n-grams share ten times as many vectors, which cost 780 MB
        model = FastText(sg=1, bucket=200_000, min_n=3, max_n=6, **settings)
    model.build_vocab(sentences)
    if not len(model.wv):
        return KeyedVectors(size)
    model.train(sentences, total_examples=model.corpus_count, epochs=epochs)
    return model.wv


def quieten_gensim() -> None:
    """Silence gensim's warnings about small corpora and duplicate words, which do no harm here."""
    logging.getLogger("gensim").setLevel(logging.ERROR)


def nearest(queries: np.ndarray, among: np.ndarray, count: int) -> np.ndarray:
    """The nearest neighbours of some vectors by cosine similarity, nearest first.

    Args:
        queries: (q, size) float.
        among: (n, size) float, the candidates; a query that is one of them is nearest to itself.
        count: number of neighbours, at most n.

    Returns:
        (q, ``count``) int64, rows of ``among``.
    """
    count = min(count, len(among))
    found = np.zeros((len(queries), count), dtype=np.int64)
    if not count:
        return found
    queries, among = _unit(queries), _unit(among)
    rows = max(1, (1 << 24) // len(among))  # 64 MB of similarities at a time
    for start in range(0, len(queries), rows):
        distance = -(queries[start : start + rows] @ among.T)
        best = np.argpartition(distance, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(distance, best, axis=1), axis=1, kind="stable")
        found[start : start + rows] = np.take_along_axis(best, order, axis=1)
    return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def starting_matrix(known: np.ndarray, vectors: np.ndarray, size: int, seed: int) -> np.ndarray:
    """First weights of an embedding layer: learnt vectors, and random ones for the other tokens.

    The components of either kind have a root mean square of :data:`SCALE`.

    Args:
        known: (n,) integers, the tokens with a learnt vector.
        vectors: (n, width) float, these vectors.
        size: number of tokens.
        seed: of the random vectors.

    Returns:
        (``size``, width) float32.
    """
    draw = np.random.default_rng(seed)
    matrix = draw.standard_normal((size, vectors.shape[1]), dtype=np.float32) * np.float32(SCALE)
    if len(known):
        spread = float(np.sqrt(np.mean(np.square(vectors, dtype=np.float64))))
        scaled = spread > np.finfo(np.float32).tiny  # below it the factor is no float32
        matrix[known] = vectors * (SCALE / spread) if scaled else vectors
    return matrix


def nearest_words(
    matrix: np.ndarray,
    names: Sequence[str],
    documents: Sequence[np.ndarray],
    known: np.ndarray,
    *,
    words: int = 5,
    count: int = 5,
) -> dict[str, tuple[str, ...]]:
    """The nearest neighbours of a few frequent words, which show whether the vectors make sense.

    Of tokens that differ only in case or in spaces around them, the most frequent one is shown.
    Tokens without a learnt vector are left out: the neighbours of a random one mean nothing.

    Args:
        matrix: (V, width) float, a vector for each token.
        names: (V,) the text of each token.
        documents: the training documents as tokens.
        known: (n,) integers, the tokens whose vectors were learnt.
        words: number of words, at most: the most frequent of at least five letters.
        count: number of neighbours of each.

    Returns:
        word → its neighbours by cosine, nearest first. Empty where no token is such a word.
    """
    occurrences = np.zeros(len(names), dtype=np.int64)
    for document in documents:
        occurrences += np.bincount(document, minlength=len(names))
    tokens: dict[str, int] = {}
    for token in known[np.argsort(-occurrences[known], kind="stable")].tolist():
        if occurrences[token] and (bare := names[token].strip().lower()):
            tokens.setdefault(bare, token)
    chosen = [s for bare, s in tokens.items() if len(bare) >= 5 and LETTERS.fullmatch(bare)][:words]
    among = np.array(list(tokens.values()), dtype=np.int64)
    near = among[nearest(matrix[chosen], matrix[among], count + 1)] if chosen else among
    return {
        names[token].strip(): tuple(names[n].strip() for n in row if n != token)[:count]
        for token, row in zip(chosen, near, strict=False)
    }
