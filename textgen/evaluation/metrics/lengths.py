"""Are words as long as in human text?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Sample, ratio


@dataclass(frozen=True)
class WordLengths:
    """Letters in a word, without marks and apostrophes: the mean, and the distance of the
    distribution.

    Wasserstein-1 distance on the line: Σ |F(n) − G(n)| over the two cumulative distributions
    (Vallender, "Calculation of the Wasserstein distance between probability distributions on the
    line", Theory of Probability and its Applications 18, 1974). It is the number of letters by
    which words would have to grow or shrink, on average, to be as long as the training text's.
    """

    labels: ClassVar[dict[str, Label]] = {
        "word_length": Label("mean length of a word", "letters", ".2f"),
        "word_length_distance": Label(
            "distance of the word lengths from the training text's", "letters", ".3f", "lower"
        ),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        found = [lengths(sample.counts) for sample in samples]
        size = max(len(human.once(training_lengths)), *map(len, found), 1)
        return np.array([np.pad(row, (0, size - len(row))) for row in found])

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        known = human.once(training_lengths)
        known = np.pad(known, (0, total.shape[-1] - len(known)))
        words = total.sum(-1)
        cumulative = ratio(total.cumsum(-1), words[..., None])
        distance = np.abs(cumulative - ratio(known.cumsum(), known.sum())).sum(-1)
        return {
            "word_length": ratio(total @ np.arange(total.shape[-1]), words),
            "word_length_distance": distance,
        }


def lengths(counts: Counter[str]) -> np.ndarray:
    """(longest + 1,) float64: how many words have each length in letters."""
    letters = [sum(map(str.isalpha, word)) for word in counts]
    return np.bincount(letters or [0], list(counts.values()) or [0])


def training_lengths(human: Human) -> np.ndarray:
    """How many words of the training text have each length."""
    return lengths(human.counts)
