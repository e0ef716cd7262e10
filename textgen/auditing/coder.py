"""An arithmetic coder that is driven by a model's probabilities.

The coder rounds to multiples of 2^-24 of the whole. So what is improbable is coded in two steps:
that it is, and then which.
"""

from __future__ import annotations

import constriction
import numpy as np

WORD = 32
"""Bits of a word of compressed text."""
SMALL = 2.0**-12
"""Share of the whole below which a probability counts as small."""


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
        large, small, first = _divided(probabilities)
        place = int(np.searchsorted(large, index))
        if place < len(large) and large[place] == index:
            self._put(first, place)
        else:
            self._put(first, len(large))
            self._put(probabilities[small], int(np.searchsorted(small, index)))

    def _put(self, probabilities: np.ndarray, index: int) -> None:
        if len(probabilities) > 1:  # what is certain needs no bits
            self._coder.encode(index, _categorical(probabilities))

    def words(self) -> np.ndarray:
        """(n,) uint32, everything that was written."""
        return self._coder.get_compressed()


class Decoder:
    """Reads what an :class:`Encoder` has written."""

    def __init__(self, words: np.ndarray) -> None:
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def get(self, probabilities: np.ndarray) -> int:
        """The next choice; ``probabilities`` are those that it was written with."""
        large, small, first = _divided(probabilities)
        place = self._get(first)
        return int(large[place] if place < len(large) else small[self._get(probabilities[small])])

    def _get(self, probabilities: np.ndarray) -> int:
        return self._coder.decode(_categorical(probabilities)) if len(probabilities) > 1 else 0


def _divided(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers of what is probable and of what is not, rising, never of the impossible; and the
    probabilities of the former, with that of all the rest together if there is any."""
    probable = probabilities >= SMALL * probabilities.sum()
    large, small = np.flatnonzero(probable), np.flatnonzero((probabilities > 0) & ~probable)
    rest = probabilities[small].sum()
    return large, small, np.append(probabilities[large], [rest] if rest > 0 else [])


def _categorical(probabilities: np.ndarray) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(probabilities, perfect=False)
