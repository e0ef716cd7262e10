"""Does the vocabulary grow as in human text?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Sample, ratio, table

AFTER = 150
"""Words: human text of 1,000 characters has some 170."""


@dataclass(frozen=True)
class Heaps:
    """Types among the first 150 words of a sample, and the exponent with which they grow.

    Heaps' law (Heaps, Information Retrieval, 1978, section 7.5) has types V(N) ∝ N^β. β is taken
    from one doubling, log2 V(150) / V(75), V being the mean over samples. Shorter samples are left
    out.
    """

    labels: ClassVar[dict[str, Label]] = {
        "types": Label(f"different words among the first {AFTER}", "words", ".1f", "human"),
        "heaps_exponent": Label(
            f"Heaps exponent from {AFTER // 2} to {AFTER} words", "exponent", ".2f", "human"
        ),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        rows = []
        for sample in samples:
            words = sample.words[:AFTER]
            whole = len(words) == AFTER
            row = [1, len(set(words)), len(set(words[: AFTER // 2]))] if whole else [0, 0, 0]
            rows.append(row)
        return table(rows, 3)

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        samples, types, earlier = np.moveaxis(total, -1, 0)
        return {
            "types": ratio(types, samples),
            "heaps_exponent": np.log2(ratio(types, earlier)),
        }
