"""An arithmetic coder that is driven by a model's probabilities: what a claimed likelihood is worth.

What can be chosen is coded as the coder rounds it, to multiples of 2^-24 of the whole.
"""

from __future__ import annotations

import constriction
import numpy as np

WORD = 32
"""Bits of a word of compressed text."""


class Encoder:
    """Writes choices."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def put(self, probabilities: np.ndarray, index: int) -> None:
        """Write one choice.

        Args:
            probabilities: (n,) float64 of what can be chosen, none negative; they need not sum to
                one, for the coder normalises them.
            index: what was chosen; its probability is above 0.
        """
        there = np.flatnonzero(probabilities)
        if len(there) > 1:  # what is certain needs no bits
            place = int(np.searchsorted(there, index))
            self._coder.encode(place, _categorical(probabilities[there]))

    def words(self) -> np.ndarray:
        """(n,) uint32, everything that was written."""
        return self._coder.get_compressed()


class Decoder:
    """Reads what an :class:`Encoder` has written."""

    def __init__(self, words: np.ndarray) -> None:
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def get(self, probabilities: np.ndarray) -> int:
        """The next choice; ``probabilities`` are those that it was written with."""
        there = np.flatnonzero(probabilities)
        place = self._coder.decode(_categorical(probabilities[there])) if len(there) > 1 else 0
        return int(there[place])


def _categorical(probabilities: np.ndarray) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(probabilities, perfect=False)
