"""The longest match, from every position of a text, with any part of another text.

A suffix array (Manber & Myers, "Suffix arrays: a new method for on-line string searches", SIAM
Journal on Computing 22, 1993), searched for all places at once, several codes at a step: as many
as fit into 64 bits are packed into one number, which sorts as they do.

Does not handle: a text to search of many hundred million codes (some 20 bytes each); very long
copies cheaply (the time grows with the length of the stretch at every place of it).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SEPARATOR = 0


class Matcher:
    """A text to search.

    Args:
        parts: (n,) integers from 1 … size − 1 each; no match reaches over two of them.
        size: what is not in the text has a code of ``size``.
    """

    def __init__(self, parts: Sequence[np.ndarray], size: int) -> None:
        from pydivsufsort import divsufsort

        self.size = size
        self._bits = size.bit_length()
        self._width = 64 // self._bits
        self._steps = np.uint64(1) << (
            np.arange(self._width, dtype=np.uint64) * np.uint64(self._bits)
        )
        codes = np.concatenate([x for part in parts for x in (part, [SEPARATOR])] or [[SEPARATOR]])
        dtype = np.uint8 if size <= 256 else np.uint32
        self._suffixes = divsufsort(codes.astype(dtype))
        self._keys = self._pack(codes, SEPARATOR)
        self._sorted = self._keys[self._suffixes]

    def longest(self, parts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """For every place of every part: the length of the longest match that starts there.

        Args:
            parts: (n,) integers from 1 … size each.

        Returns:
            (n,) int64 each.
        """
        codes = np.concatenate([x for part in parts for x in (part, [self.size])] or [[self.size]])
        result = self._longest(codes)
        ends = np.cumsum([len(part) + 1 for part in parts], dtype=np.int64)
        return [
            result[end - len(part) - 1 : end - 1] for end, part in zip(ends, parts, strict=True)
        ]

    def _longest(self, codes: np.ndarray) -> np.ndarray:
        query = self._pack(codes, self.size)
        result = np.zeros(len(codes), dtype=np.int64)
        active, depth = np.arange(len(codes)), 0
        start, stop = np.zeros_like(active), np.full_like(active, len(self._suffixes))
        low, high = self._first(query)
        while True:
            missed, found = low == high, low < high
            result[active[missed]] = depth + self._agreeing(
                query[active[missed] + depth], low[missed], start[missed], stop[missed], depth
            )
            active, start, stop = active[found], low[found], high[found]
            if not len(active):
                return result
            depth += self._width
            key = query[active + depth]
            low = self._bound(key, start, stop, depth, right=False)
            high = self._bound(key, low, stop, depth, right=True)

    def _first(self, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The suffixes that begin with each key: from where to where."""
        keys, inverse = np.unique(query, return_inverse=True)  # in order they are found sooner
        low = np.searchsorted(self._sorted, keys)
        high = low.copy()
        found = self._sorted[np.minimum(low, len(self._sorted) - 1)] == keys
        high[found] = np.searchsorted(self._sorted, keys[found], side="right")
        return low[inverse], high[inverse]

    def _agreeing(
        self, key: np.ndarray, low: np.ndarray, start: np.ndarray, stop: np.ndarray, depth: int
    ) -> np.ndarray:
        """How many codes of a key agree with the better of its two neighbours."""
        best = np.zeros(len(key), dtype=np.int64)
        for place in (low - 1, low):
            inside = (start <= place) & (place < stop)
            different = key[inside] ^ self._key(place[inside], depth)
            agree = self._width - np.searchsorted(self._steps, different, side="right")
            best[inside] = np.maximum(best[inside], agree)
        return best

    def _bound(
        self, key: np.ndarray, start: np.ndarray, stop: np.ndarray, depth: int, right: bool
    ) -> np.ndarray:
        """The first place in start … stop whose key is not smaller (``right``: is greater)."""
        low, high = start.copy(), stop.copy()
        open_ = np.flatnonzero(low < high)
        while len(open_):
            middle = (low[open_] + high[open_]) // 2
            there = self._key(middle, depth)
            up = there <= key[open_] if right else there < key[open_]
            low[open_[up]] = middle[up] + 1
            high[open_[~up]] = middle[~up]
            open_ = open_[low[open_] < high[open_]]
        return low

    def _key(self, place: np.ndarray, depth: int) -> np.ndarray:
        return self._keys[self._suffixes[place] + depth]

    def _pack(self, codes: np.ndarray, pad: int) -> np.ndarray:
        """(n,) uint64: the codes from every place on, the first in the highest bits."""
        padded = np.concatenate([codes, np.full(self._width - 1, pad)]).astype(np.uint64)
        keys = np.zeros(len(codes), dtype=np.uint64)
        for step in range(self._width):
            keys = keys << np.uint64(self._bits) | padded[step : step + len(codes)]
        return keys
