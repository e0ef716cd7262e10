"""Does a text repeat itself?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Sample, ratio, table

BLOCK = 100
ORDERS = (1, 2, 3)


@dataclass(frozen=True)
class Distinct:
    """Distinct-n: different n-grams of words over all of them, in blocks of 100 words of a sample.

    Li et al., "A diversity-promoting objective function for neural conversation models", NAACL
    2016, but over n-grams where they divide by words, so that no repetition is 1. The
    figure falls with the length of a text: hence blocks of one size, side by side; what is left
    over at the end of a sample, or a shorter sample, is left out.
    """

    labels: ClassVar[dict[str, Label]] = {
        f"distinct_{n}": Label(
            f"different {('', 'single words', 'pairs of words', 'triples of words')[n]} in "
            f"{BLOCK} words",
            "of them",
            ".1%",
            "human",
        )
        for n in ORDERS
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        rows = []
        for sample in samples:
            words = sample.words
            starts = range(0, len(words) - BLOCK + 1, BLOCK)
            row = [len(starts)]
            for n in ORDERS:
                blocks = (words[start : start + BLOCK] for start in starts)
                row.append(
                    sum(len(set(zip(*(b[i:] for i in range(n)), strict=False))) for b in blocks)
                )
            rows.append(row)
        return table(rows, len(ORDERS) + 1)

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        return {
            f"distinct_{n}": ratio(total[..., i], total[..., 0] * (BLOCK - n + 1))
            for i, n in enumerate(ORDERS, start=1)
        }
