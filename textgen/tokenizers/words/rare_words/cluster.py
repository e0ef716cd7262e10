"""A rare word becomes the cluster of its vector.

Vectors of words that occur once are mostly made of their spelling (fastText) or of a single context
(word2vec). A word that the training split does not hold goes where most words with its ending are:
any rule will do as long as the text can be read back, and this one needs no vectors afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from textgen.core import Count
from textgen.tokenizers.words.rare_words.base import (
    PolicyTrainingData,
    Rare,
    fitted_speller,
    loaded_speller,
)
from textgen.tokenizers.words.rare_words.placeholders import Placeholders
from textgen.tokenizers.words.rare_words.similar import Guess, word_vectors
from textgen.tokenizers.words.spelling import Speller
from textgen.tokenizers.words.vocabulary import Vocabulary


@dataclass(frozen=True)
class Cluster:
    """One token a cluster: k-means over gensim vectors of the rare words.

    A word costs P(cluster | history) · P(word | cluster), the latter a mixture of the cluster's
    training words and of spelling.

    Args:
        clusters: how many at most.
        vectors: ``"fasttext"`` or ``"word2vec"``, trained on the training split.
        size: of a vector.
        epochs: passes over the training split.
        memory: a rare word that stood in the document before is cheaper than a new one.
    """

    clusters: Annotated[int, Field(gt=1)] = 50
    vectors: Literal["fasttext", "word2vec"] = "fasttext"
    size: Count = 64
    epochs: Count = 5
    memory: bool = False

    def fit(self, data: PolicyTrainingData) -> Placeholders:
        words = sorted({word.core for rare in data.rare for word in rare})
        if not words:
            return Clustered(
                ("0",),
                fitted_speller(data, lambda _, rare: ["0"] * len(rare), self.memory),
                {},
            )
        learnt = word_vectors(data, self.vectors, self.size, self.epochs)
        points = np.stack([learnt[word] for word in words])
        numbers = _k_means(points, min(self.clusters, len(words)), data.seed)
        known = {word: str(number) for word, number in zip(words, numbers, strict=True)}
        guess = Guess(known)
        speller = fitted_speller(
            data, lambda pieces, rare: [guess(word.core) for word in rare], self.memory
        )
        return Clustered(tuple(sorted(set(known.values()), key=int)), speller, known)

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Placeholders:
        speller = loaded_speller(state["speller"], vocabulary)
        known = {word: name for name, words in speller.examples.items() for word in words}
        return Clustered(tuple(state["clusters"]), speller, known)


def _k_means(points: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """(n,): the cluster of each of (n, size) vectors by direction (Lloyd 1982; k-means++)."""
    from scipy.cluster.vq import kmeans2

    directions = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    _, numbers = kmeans2(
        directions.astype(np.float64), clusters, minit="++", seed=seed, missing="warn"
    )
    return numbers


class Clustered(Placeholders):
    """The class of a rare word is its cluster."""

    def __init__(self, clusters: Sequence[str], speller: Speller, known: dict[str, str]) -> None:
        super().__init__(clusters, speller)
        self._guess = Guess(known or {"": clusters[0]})
        self.names = tuple(f"<cluster {name}>" for name in self.classes)

    def classify(self, pieces: Sequence[str], rare: Sequence[Rare]) -> Sequence[str]:
        return [self._guess(word.core) for word in rare]

    def state(self) -> dict[str, Any]:
        return {"clusters": list(self.classes), **super().state()}
