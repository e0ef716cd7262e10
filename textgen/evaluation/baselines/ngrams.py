"""Interpolated modified Kneser–Ney over the tokens of any tokenizer (Chen & Goodman 1999)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.core.settings import Count
from textgen.tokenizers.kneser_ney import KneserNeyModel, fit_kneser_ney


@dataclass(frozen=True)
class KneserNey:
    """n-grams of ``order`` tokens: each is predicted from up to ``order − 1`` before it.

    Longer ones than those of ``orders`` hardly ever occur twice, and memory grows with their
    length.
    """

    reads_bytes: ClassVar[bool] = False
    orders: ClassVar[range] = range(1, 17)
    order: Count = 4

    def fit(self, documents: Sequence[np.ndarray], size: int) -> KneserNeyModel:
        """As :func:`textgen.tokenizers.fit_kneser_ney`."""
        return fit_kneser_ney(documents, self.order, size)


@dataclass(frozen=True)
class Unigram:
    """Tokens by their frequency in the training split: Kneser–Ney of order 1, what a model that
    reads no context reaches."""

    reads_bytes: ClassVar[bool] = False
    orders: ClassVar[range] = range(0)

    def fit(self, documents: Sequence[np.ndarray], size: int) -> KneserNeyModel:
        """As :meth:`KneserNey.fit`."""
        return fit_kneser_ney(documents, 1, size)
