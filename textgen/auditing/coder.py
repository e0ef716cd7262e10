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
        large, small = _divided(probabilities)
        place = int(np.searchsorted(large, index))
        if place < len(large) and large[place] == index:
            self._put(_first(probabilities, large, small), place)
        else:
            self._put(_first(probabilities, large, small), len(large))
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
        large, small = _divided(probabilities)
        place = self._get(_first(probabilities, large, small))
        if place < len(large):
            return int(large[place])
        return int(small[self._get(probabilities[small])])

    def _get(self, probabilities: np.ndarray) -> int:
        return self._coder.decode(_categorical(probabilities)) if len(probabilities) > 1 else 0


def _divided(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of what is probable and of what is not, rising; never of the impossible."""
    probable = probabilities >= SMALL * probabilities.sum()
    return np.flatnonzero(probable), np.flatnonzero((probabilities > 0) & ~probable)


def _first(probabilities: np.ndarray, large: np.ndarray, small: np.ndarray) -> np.ndarray:
    """Of what is probable, and of all the rest together if there is any."""
    rest = probabilities[small].sum()
    return np.append(probabilities[large], rest) if rest > 0 else probabilities[large]


def _categorical(probabilities: np.ndarray) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(probabilities, perfect=False)
