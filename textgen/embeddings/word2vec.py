"""Vectors learnt from the contexts of tokens, on the training split alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from textgen.core import Count
from textgen.embeddings.base import Vectors, sentences
from textgen.embeddings.learning import nearest_words, starting_matrix, train_vectors


@dataclass(frozen=True)
class Word2Vec:
    """Tokens in the same contexts get similar vectors (Mikolov et al. 2013).

    Spelling plays no part, so characters, words and subwords are treated alike. A token that is
    not in the training split starts random.

    Args:
        epochs: passes over the text.
        window: tokens on either side that count as context.
        frozen: keep the vectors fixed while the network is trained.
    """

    epochs: Count = 10
    window: Count = 5
    frozen: bool = False

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        # numbers, since two tokens may share a name
        words = [str(token) for token in range(len(names))]
        return learn("word2vec", words, names, documents, width, seed, self.epochs, self.window)


def learn(
    kind: Literal["word2vec", "fasttext"],
    words: Sequence[str],
    names: Sequence[str],
    documents: Sequence[np.ndarray],
    width: int,
    seed: int,
    epochs: int,
    window: int,
) -> Vectors:
    """Vectors that gensim learns from encoded documents.

    Args:
        kind: as in :func:`textgen.embeddings.learning.train_vectors`.
        words: (V,) a distinct string for each token, which gensim sees in its place.
        names, documents, width, seed: as in :class:`textgen.embeddings.base.Embedding`.
        epochs: passes over the documents.
        window: tokens on either side that count as context.
    """
    text = _Text(documents, words)
    keyed = train_vectors(text, kind=kind, size=width, epochs=epochs, window=window, seed=seed)
    rows = keyed.key_to_index
    found = {token: rows[word] for token, word in enumerate(words) if word in rows}
    return assemble(keyed, found, names, documents, seed)


def assemble(
    keyed: Any,
    rows: Mapping[int, int],
    names: Sequence[str],
    documents: Sequence[np.ndarray],
    seed: int,
    extra_data: tuple[str, ...] = (),
) -> Vectors:
    """First vectors of all tokens, given gensim's for some of them.

    Args:
        keyed: gensim ``KeyedVectors``.
        rows: token → row of its vector in ``keyed``; the other tokens start random.
        names, documents, seed: as in :class:`textgen.embeddings.base.Embedding`.
        extra_data: as in :class:`textgen.embeddings.base.Vectors`.
    """
    known = np.array(list(rows), dtype=np.int64)
    matrix = starting_matrix(known, keyed.vectors[list(rows.values())], len(names), seed)
    near = nearest_words(matrix, names, documents, known)
    return Vectors(matrix, len(known), extra_data, near or None)


@dataclass(frozen=True)
class _Text:
    """Documents as lists of strings, made anew in each pass so that only one is in memory."""

    documents: Sequence[np.ndarray]
    words: Sequence[str]

    def __iter__(self) -> Iterator[list[str]]:
        for piece in sentences(self.documents):
            yield [self.words[token] for token in piece.tolist()]
