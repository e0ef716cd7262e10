"""Which words are alike: vectors of all words, and a guess by the ending for words without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from textgen.embeddings import train_vectors
from textgen.tokenizers.words.rare_words.base import PolicyTrainingData
from textgen.tokenizers.words.vocabulary import Vocabulary, split_space

SENTENCE = 1000
"""Pieces at once for gensim."""
LONGEST = 6
"""Characters of an ending."""


def word_vectors(
    data: PolicyTrainingData, kind: Literal["word2vec", "fasttext"], size: int, epochs: int
) -> Any:
    """gensim vectors of every word of the training split, rare ones included.

    Args:
        data: the training split.
        kind: the algorithm.
        size: of a vector.
        epochs: passes over the training split.

    Returns:
        ``KeyedVectors``: word (as :func:`known_form` gives it) → (size,) float32.
    """
    sentences = [
        [known_form(piece, data.vocabulary) for piece in pieces[i : i + SENTENCE]]
        for pieces in data.documents
        for i in range(0, len(pieces), SENTENCE)
    ]
    return train_vectors(sentences, kind=kind, size=size, epochs=epochs, seed=data.seed)


def known_form(piece: str, vocabulary: Vocabulary) -> str:
    """The vocabulary's word for a piece, or a rare piece itself, without the leading space."""
    parts = vocabulary.parts(piece)
    word = piece if parts is None else vocabulary.words[parts[1]]
    return split_space(word)[1]


class Guess:
    """The value of a word: its own, or the most frequent one among words with the same ending.

    Args:
        known: word → value.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self._endings: dict[str, Counter[str]] = {}
        for word, value in known.items():
            for length in range(min(LONGEST, len(word)) + 1):
                self._endings.setdefault(word[len(word) - length :], Counter())[value] += 1

    def __call__(self, word: str) -> str:
        if word in self._known:
            return self._known[word]
        for length in range(min(LONGEST, len(word)), -1, -1):
            found = self._endings.get(word[len(word) - length :])
            if found:
                return min(found, key=lambda value: (-found[value], value))
        raise LookupError("no known words")
