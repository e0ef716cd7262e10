"""The weights of a mixture, by expectation-maximisation (Jelinek & Mercer 1980)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Where the weights of three components start, and as by how many words or contexts those of a class
# are drawn towards those of all.
THIRDS, WEIGHTS_PRIOR = (1 / 3, 1 / 3, 1 / 3), 20.0


def mixture_weights(
    masses: np.ndarray, prior: Sequence[float], strength: float
) -> tuple[float, ...]:
    """The weights that make words most likely.

    Args:
        masses: (n, C) float64, P of each of n words under each of C components.
        prior: (C,) the weights that those found are drawn towards,
        strength: as by so many words.
    """
    weights = before = np.array(prior)
    masses = masses[masses.sum(axis=1) > 0]
    for _ in range(50):
        shares = masses * weights
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
        weights = (shares.sum(axis=0) + strength * before) / (len(masses) + strength)
    return tuple(weights.tolist())
