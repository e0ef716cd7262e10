"""The arithmetic coder that a model's probabilities drive.

``constriction``, which codes, has no wheel for some machines and is imported where it is needed.
"""

import math
from typing import Any

import numpy as np

from textgen.core.errors import TextgenError

# Bits of a word of compressed text.
WORD = 32
# Share of the whole below which a probability counts as small: the coder rounds to multiples of
# 2^-24, so what is improbable is coded in two steps, that it is and then which.
SMALL = 2.0**-12


def check_coder() -> None:
    """Refuse to begin an audit without the library that codes.

    Raises:
        TextgenError: it is not installed.
    """
    _library()


def _library() -> Any:
    try:
        import constriction
    except ImportError:
        message = "an audit needs the arithmetic coder constriction, which is not installed"
        hint = "pip install constriction; where it has no wheel (Linux on ARM), audit elsewhere"
        raise TextgenError(message, hint) from None
    return constriction


class Encoder:
    """Writes choices.

    Raises:
        TextgenError: the library that codes is not installed.
    """

    def __init__(self) -> None:
        self._library = _library()
        self._coder = self._library.stream.queue.RangeEncoder()

    def put(self, probabilities: np.ndarray, index: int) -> None:
        """Write one choice.

        Args:
            probabilities: (n,) float64 of what can be chosen, none negative; they need not sum to
                one, for the coder normalises them.
            index: what was chosen; its probability is above 0.
        """
        large, small, first = _divided(probabilities)
        place = int(np.searchsorted(large, index))
        is_large = place < len(large) and large[place] == index
        if is_large:
            self._put(first, place)
        else:
            self._put(first, len(large))
            self._put(probabilities[small], int(np.searchsorted(small, index)))

    def _put(self, probabilities: np.ndarray, index: int) -> None:
        if len(probabilities) == 1:  # what is certain needs no bits
            return
        self._coder.encode(index, _categorical(self._library, probabilities))

    def words(self) -> np.ndarray:
        """(n,) uint32, everything that was written."""
        return self._coder.get_compressed()

    def bits(self) -> float:
        """Of everything that was written, without what fills up the last words."""
        words, (_, width) = self._coder.pos()  # of the interval of 64 bits that is left
        return float(WORD * (words + 2) - math.log2(width))


class Decoder:
    """Reads what an :class:`Encoder` has written.

    Args:
        words: (n,) uint32.

    Raises:
        TextgenError: the library that codes is not installed.
    """

    def __init__(self, words: np.ndarray) -> None:
        self._library = _library()
        self._coder = self._library.stream.queue.RangeDecoder(words)

    def get(self, probabilities: np.ndarray) -> int:
        """The next choice; ``probabilities`` (n,) are those that it was written with."""
        large, small, first = _divided(probabilities)
        place = self._get(first)
        if place < len(large):
            return int(large[place])
        return int(small[self._get(probabilities[small])])

    def _get(self, probabilities: np.ndarray) -> int:
        if len(probabilities) == 1:
            return 0
        return int(self._coder.decode(_categorical(self._library, probabilities)))


def _divided(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers of what is probable and of what is not, rising, never of the impossible; and the
    probabilities of the former, with that of all the rest together if there is any."""
    is_probable = probabilities >= SMALL * probabilities.sum()
    large = np.flatnonzero(is_probable)
    small = np.flatnonzero((probabilities > 0) & ~is_probable)
    first = probabilities[large]
    rest = probabilities[small].sum()
    if rest > 0:
        first = np.append(first, rest)
    return large, small, first


def _categorical(library: Any, probabilities: np.ndarray) -> Any:
    return library.stream.model.Categorical(probabilities, perfect=False)
