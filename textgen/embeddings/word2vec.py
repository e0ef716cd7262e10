"""Vectors learnt from the contexts that tokens stand in, on the training split alone."""

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

    It sees which tokens stand beside which and never what they are spelled like, so that
    characters, words and subwords are all the same to it. A token that does not occur in the
    training split starts random.

    Args:
        epochs: times that training goes through the text.
        window: tokens to either side that count as context.
        frozen: leave the vectors as they are while the network is trained.
    """

    epochs: Count = 10
    window: Count = 5
    frozen: bool = False

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        # numbers, for two tokens may share a name
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
    """Vectors that gensim learns from documents as tokens.

    Args:
        kind: as in :func:`textgen.embeddings.learning.train_vectors`.
        words: (V,) what gensim sees in place of each token; no two the same.
        names, documents, width, seed: as in :class:`textgen.embeddings.base.Embedding`.
        epochs: times that training goes through the documents.
        window: tokens to either side that count as context.
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
    """What the embedding layer starts from, where gensim has vectors for some tokens.

    Args:
        keyed: gensim ``KeyedVectors``.
        rows: token → the row of its vector there; the other tokens start random.
        names, documents, seed: as in :class:`textgen.embeddings.base.Embedding`.
        extra_data: as in :class:`textgen.embeddings.base.Vectors`.
    """
    known = np.array(list(rows), dtype=np.int64)
    matrix = starting_matrix(known, keyed.vectors[list(rows.values())], len(names), seed)
    near = nearest_words(matrix, names, documents, known)
    return Vectors(matrix, len(known), extra_data, near or None)


@dataclass(frozen=True)
class _Text:
    """Documents as gensim wants them, made anew at each pass so that only one piece is held."""

    documents: Sequence[np.ndarray]
    words: Sequence[str]

    def __iter__(self) -> Iterator[list[str]]:
        for piece in sentences(self.documents):
            yield [self.words[token] for token in piece.tolist()]
