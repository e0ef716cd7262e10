"""How much of a text was not written by the model itself?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Sample, ratio, table


@dataclass(frozen=True)
class Refilled:
    """Placeholders of rare words that were filled in, for every 1,000 words."""

    labels: ClassVar[dict[str, Label]] = {
        "refilled": Label("placeholders filled in", "per 1,000 words", ".1f", "human"),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        return table([[len(s.words), len(s.filled)] for s in samples], 2)

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        return {"refilled": 1000 * ratio(total[..., 1], total[..., 0])}
