"""The weights of a mixture, by expectation-maximisation."""

from collections.abc import Sequence

import numpy as np

# The prior of the weights of three components, worth half a word; and the pseudo-count that pulls
# the weights of a class towards the shared ones.
THIRDS, WEIGHTS_PRIOR = (1 / 3, 1 / 3, 1 / 3), 20.0


def mixture_weights(masses: np.ndarray, prior: Sequence[float] = ()) -> tuple[float, ...]:
    """The weights of a mixture that make words most likely, by expectation-maximisation (Jelinek &
    Mercer 1980).

    Args:
        masses: (n, C) float64, P of each of n words under each of C components.
        prior: (C,) of a class, the weights of all words, towards which those found are drawn.
    """
    weights = before = np.array(prior or THIRDS)
    strength = WEIGHTS_PRIOR if prior else 0.5
    masses = masses[masses.sum(axis=1) > 0]
    for _ in range(50):
        shares = masses * weights
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
        weights = (shares.sum(axis=0) + strength * before) / (len(masses) + strength)
    return tuple(weights.tolist())
