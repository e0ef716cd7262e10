"""Encoded training documents in a file that is mapped into memory.

Does not handle: what the symbols leave open (surfaces), for nobody is charged for training text.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textgen.data import Document
from textgen.tokenizers.base import Codec
from textgen.tokenizers.tokens import BOUNDARY, Encoded, smallest_dtype

SYMBOLS, INDEX = "symbols.bin", "index.npy"


def write_part(codec: Codec, documents: Iterable[Document], symbols: Path, index: Path) -> None:
    """Encode documents one after another.

    Args:
        symbols: file for the symbols of all of them, with an end mark each.
        index: file for an (n, 4) int64 array: symbols, characters, tokens, replaced.
    """
    rows, dtype = list[tuple[int, int, int, int]](), smallest_dtype(codec.size)
    end = np.array([BOUNDARY], dtype=dtype).tobytes()
    with symbols.open("wb") as file:
        for document in documents:
            found = codec.encode(document.text, training=True)
            file.write(found.symbols.astype(dtype, copy=False).tobytes())
            file.write(end)
            rows.append((len(found.symbols), found.characters, found.tokens, found.replaced))
    np.save(index, np.array(rows, dtype=np.int64).reshape(-1, 4))


class Stored(Sequence[Encoded]):
    """Encoded training documents in a file.

    Args:
        folder: with :data:`SYMBOLS` and :data:`INDEX`, as :func:`write_part` makes them.
        size: number of symbols of the codec.

    Attributes:
        sizes: (n,) int64, symbols of each document, the end mark included.
        offsets: (n + 1,) int64, where each document begins in ``flat``.
        flat: the symbols of all documents, read from the file when they are looked at.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._index = np.load(folder / INDEX, allow_pickle=False)
        self.sizes = self._index[:, 0] + 1
        self.offsets = np.concatenate([[0], np.cumsum(self.sizes)])
        with (folder / SYMBOLS).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.flat = np.frombuffer(self._map, dtype=smallest_dtype(size))
        if len(self.flat) != self.offsets[-1]:
            raise ValueError(f"{len(self.flat)} symbols, not {self.offsets[-1]}")

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        _, characters, tokens, replaced = self._index[i].tolist()
        start = self.offsets[i]
        symbols = self.flat[start : start + self.sizes[i] - 1]
        return Encoded(symbols, (), np.zeros(0), characters, tokens, replaced)

    def __iter__(self) -> Iterator[Encoded]:
        return (self[i] for i in range(len(self)))

    def release(self) -> None:
        """Give back the memory of what was looked at; the file itself is untouched."""
        if hasattr(self._map, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
