"""Vectors as Keras starts them: small and random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textgen.embeddings.base import Vectors


@dataclass(frozen=True)
class Random:
    """Nothing is known about a token before training. It has no settings."""

    frozen = False

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        return Vectors()
