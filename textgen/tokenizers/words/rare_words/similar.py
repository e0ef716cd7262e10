"""What rare words are like: vectors of all words, and a guess for a word without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from textgen.embeddings import train_vectors
from textgen.tokenizers.words.rare_words.base import PolicyTrainingData
from textgen.tokenizers.words.vocabulary import Vocabulary, split_space

PIECE = 1000
LONGEST = 6


def word_vectors(
    data: PolicyTrainingData, kind: Literal["word2vec", "fasttext"], size: int, epochs: int
) -> Any:
    """gensim vectors of every word of the training split, in the form the vocabulary knows it."""
    sentences = [
        [known_form(piece, data.vocabulary) for piece in pieces[i : i + PIECE]]
        for pieces in data.documents
        for i in range(0, len(pieces), PIECE)
    ]
    return train_vectors(sentences, kind=kind, size=size, epochs=epochs, seed=data.seed)


def known_form(piece: str, vocabulary: Vocabulary) -> str:
    """The vocabulary's word for a piece, or a rare piece itself, without the leading space."""
    parts = vocabulary.parts(piece)
    word = piece if parts is None else vocabulary.words[parts[1]]
    return split_space(word)[1]


class Guess:
    """What most words with the same ending have: for words the training split did not hold.

    Args:
        known: word → what it has.
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
        raise LookupError("nothing is known")
