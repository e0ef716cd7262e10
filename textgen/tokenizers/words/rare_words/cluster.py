"""A rare word becomes the cluster of its vector.

Vectors of words that occur once are mostly made of their spelling (fastText) or of a single context
(word2vec). A word that the training split does not hold goes where most words with its ending are:
any rule will do as long as the text can be decoded, and this one needs no vectors afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from textgen.core import Count
from textgen.tokenizers.words.rare_words.base import PolicyTrainingData, RareWord
from textgen.tokenizers.words.rare_words.classes import ClassPolicy
from textgen.tokenizers.words.rare_words.similar import Guess, word_vectors


@dataclass(frozen=True)
class Cluster(ClassPolicy):
    """One token for each cluster: k-means over gensim vectors of the rare words.

    A word costs P(cluster | history) · P(word | cluster), the latter a mixture of the cluster's
    training words and of spelling.

    Args:
        clusters: how many at most.
        vectors: ``"fasttext"`` or ``"word2vec"``, trained on the training split.
        size: of a vector.
        epochs: passes over the training split.
    """

    clusters: Annotated[int, Field(gt=1)] = 50
    vectors: Literal["fasttext", "word2vec"] = "fasttext"
    size: Count = 64
    epochs: Count = 5

    def learn(self, data: PolicyTrainingData) -> list[list[str]]:
        """The words of each cluster."""
        words = sorted({word.core for rare in data.rare for word in rare})
        if not words:
            return [[]]
        learnt = word_vectors(data, self.vectors, self.size, self.epochs)
        points = np.stack([learnt[word] for word in words])
        numbers = _k_means(points, min(self.clusters, len(words)), data.seed)
        clusters = dict[int, list[str]]()
        for word, number in zip(words, numbers.tolist(), strict=True):
            clusters.setdefault(number, []).append(word)
        return [clusters[number] for number in sorted(clusters)]

    @property
    def classes(self) -> Sequence[str]:
        return [f"cluster {number}" for number in range(len(self.learnt))]

    @cached_property
    def _guess(self) -> Guess:
        members = zip(self.classes, self.learnt, strict=True)
        known = {word: name for name, words in members for word in words}
        return Guess(known or {"": self.classes[0]})

    def classify(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        return [self._guess(word.core) for word in rare]


def _k_means(points: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """(n,): the cluster of each of (n, size) vectors by direction (Lloyd 1982; k-means++)."""
    from scipy.cluster.vq import kmeans2

    directions = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    _, numbers = kmeans2(
        directions.astype(np.float64), clusters, minit="++", seed=seed, missing="warn"
    )
    return numbers
