"""How often each token occurs, and nothing else: what a model that reads no context reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.baselines.kneser_ney import KneserNey
from textgen.tokenizers import KneserNeyModel


@dataclass(frozen=True)
class Unigram:
    """Tokens by their frequency in the training split: Kneser–Ney of order 1."""

    reads_bytes: ClassVar[bool] = False
    orders: ClassVar[range] = range(0)

    def fit(self, documents: Sequence[np.ndarray], size: int) -> KneserNeyModel:
        """As :meth:`KneserNey.fit`."""
        return KneserNey(order=1).fit(documents, size)
