"""Is a text caught in a loop?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Sample, ratio, table

LONGEST = 10


@dataclass(frozen=True)
class Loops:
    """Share of words in an n-gram that is repeated at once, for n from 1 to 10.

    A single word counts from three in a row on ("very very" is English), longer stretches from two.
    Punctuation and capitals are left aside.
    """

    labels: ClassVar[dict[str, Label]] = {
        "loops": Label("words in a stretch that is repeated at once", "of words", ".1%", "lower"),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        return table([[len(s.words), looped(s.words).sum()] for s in samples], 2)

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        return {"loops": ratio(total[..., 1], total[..., 0])}


def looped(words: Sequence[str]) -> np.ndarray:
    """(n,) bool: the words that stand in a stretch that is repeated at once, every turn of it."""
    numbers: dict[str, int] = {}
    code = np.array([numbers.setdefault(word, len(numbers)) for word in words], dtype=np.int64)
    inside = np.zeros(len(code) + 1, dtype=np.int64)
    for n in range(1, min(LONGEST, len(code) // 2) + 1):
        same = np.concatenate([[0], code[n:] == code[:-n], [0]])
        edges = np.flatnonzero(np.diff(same))
        starts, stops = edges[::2], edges[1::2]
        long = stops - starts >= max(n, 2)
        inside[starts[long]] += 1
        inside[stops[long] + n] -= 1
    return inside[:-1].cumsum() > 0
