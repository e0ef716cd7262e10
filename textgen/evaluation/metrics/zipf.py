"""Do a few words make up most of the text, as in human text?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Sample, ratio

RANKS = 50
"""Beyond them counts are small and tied, and a sample of this size says nothing about their law."""
LEAST = 5
"""A rank whose word is rarer than this is left out, for the same reason."""
FEWEST = 5
"""No line is fitted to fewer ranks."""


@dataclass(frozen=True)
class Zipf:
    """Exponent s of frequency ∝ rank^−s over all samples together (Zipf, Human Behavior and the
    Principle of Least Effort, 1949): minus the slope of log frequency on log rank, least squares.

    Over the 50 most frequent words, as far as they occur five times. Depends on the number of
    words (Piantadosi, "Zipf's word frequency law in natural language", Psychonomic Bulletin &
    Review 21, 2014): compare sets of one size.
    """

    labels: ClassVar[dict[str, Label]] = {
        "zipf_exponent": Label(
            f"Zipf exponent of the {RANKS} most frequent words", "exponent", ".2f", "human"
        ),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        numbers: dict[str, int] = {}
        for sample in samples:
            for word in sample.counts:
                numbers.setdefault(word, len(numbers))
        rows = np.zeros((len(samples), max(len(numbers), 1)))
        for row, sample in zip(rows, samples, strict=True):
            row[[numbers[word] for word in sample.counts]] = list(sample.counts.values())
        return rows

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        ranks = min(RANKS, total.shape[-1])
        top = -np.sort(np.partition(-total, ranks - 1, axis=-1)[..., :ranks], axis=-1)
        used = (top >= LEAST).astype(float)
        x = np.broadcast_to(np.log(np.arange(1, ranks + 1)), top.shape)
        y = np.log(np.maximum(top, 1))
        n = used.sum(-1)
        x = x - ratio((used * x).sum(-1), n)[..., None]
        slope = ratio((used * x * y).sum(-1), (used * x * x).sum(-1))
        return {"zipf_exponent": np.where(n >= FEWEST, -slope, np.nan)}
