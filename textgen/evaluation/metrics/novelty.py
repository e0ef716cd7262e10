"""How much is put together from word sequences of the training text?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Sample, ratio, table
from textgen.evaluation.metrics.matching import Matcher

ORDERS = (2, 3, 4, 5)


@dataclass(frozen=True)
class Novelty:
    """Share of n-grams of words that the training text does not have (McCoy et al., "How much do
    language models copy from their training data?", TACL 11, 2023).

    Words are lower-cased and without punctuation. Fewer than in human text speaks of copying, more
    of words thrown together.
    """

    labels: ClassVar[dict[str, Label]] = {
        f"novel_{n}": Label(f"sequences of {n} words that are new", "of them", ".1%", "human")
        for n in ORDERS
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        numbers, matcher = human.once(_training_words)
        coded = [
            np.array([numbers.get(word, matcher.size) for word in sample.words], dtype=np.int64)
            for sample in samples
        ]
        rows = []
        for lengths in matcher.longest(coded):
            row = []
            for n in ORDERS:
                whole = lengths[: max(0, len(lengths) - n + 1)]
                row += [len(whole), int((whole < n).sum())]
            rows.append(row)
        return table(rows, 2 * len(ORDERS))

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        return {
            f"novel_{n}": ratio(total[..., 2 * i + 1], total[..., 2 * i])
            for i, n in enumerate(ORDERS)
        }


def _training_words(human: Human) -> tuple[dict[str, int], Matcher]:
    """A code for every word, and the training documents in these codes."""
    numbers = {word: i for i, word in enumerate(human.counts, start=1)}
    documents = [
        np.array([numbers[word] for word in words], dtype=np.int64) for words in human.words
    ]
    return numbers, Matcher(documents, len(numbers) + 1)
