"""The small random vectors of Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textgen.embeddings.base import Vectors


@dataclass(frozen=True)
class Random:
    """Random vectors for all tokens. There are no settings."""

    frozen = False

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        return Vectors()
