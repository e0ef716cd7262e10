"""The weights of a mixture, by expectation-maximisation."""

from collections.abc import Sequence

import numpy as np

# The prior of the weights of three components, and how many words it is worth.
THIRDS = (1 / 3, 1 / 3, 1 / 3)
THIRDS_STRENGTH = 0.5
# How many words the weights of all classes are worth, towards which those of a class are drawn.
WEIGHTS_PRIOR = 20.0
ROUNDS = 50


def mixture_weights(masses: np.ndarray, prior: Sequence[float] | None = None) -> tuple[float, ...]:
    """The weights of a mixture that make words most likely, by expectation-maximisation (Jelinek &
    Mercer 1980).

    Args:
        masses: (n, C) float64, P of each of n words under each of C components.
        prior: (C,) of a class, the weights of all words, towards which those found are drawn; None
            for :data:`THIRDS`.
    """
    drawn_to = np.array(THIRDS if prior is None else prior)
    strength = THIRDS_STRENGTH if prior is None else WEIGHTS_PRIOR
    masses = masses[masses.sum(axis=1) > 0]
    weights = drawn_to
    for _ in range(ROUNDS):
        shares = masses * weights  # how much of each word every component explains
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
        weights = (shares.sum(axis=0) + strength * drawn_to) / (len(masses) + strength)
    return tuple(weights.tolist())
