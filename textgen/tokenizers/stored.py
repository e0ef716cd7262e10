"""Encoded training documents in a file that is mapped into memory.

Does not handle: surface forms of placeholders, which only the scoring of held-out text needs.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textgen.data import Document
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.tokens import BOUNDARY, EncodedDocument, smallest_dtype

TOKENS, INDEX = "tokens.bin", "index.npy"


def write_part(
    tokenizer: Tokenizer, documents: Iterable[Document], tokens: Path, index: Path
) -> None:
    """Encode documents one after another.

    Args:
        tokens: file for the tokens of all of them, an end mark after each document.
        index: file for an (n, 4) int64 array: tokens, characters, pieces, replaced.
    """
    rows, dtype = list[tuple[int, int, int, int]](), smallest_dtype(tokenizer.size)
    end = np.array([BOUNDARY], dtype=dtype).tobytes()
    with tokens.open("wb") as file:
        for document in documents:
            found = tokenizer.encode(document.text, training=True)
            file.write(found.tokens.astype(dtype, copy=False).tobytes())
            file.write(end)
            rows.append((len(found.tokens), found.characters, found.pieces, found.replaced))
    np.save(index, np.array(rows, dtype=np.int64).reshape(-1, 4))


class Stored(Sequence[EncodedDocument]):
    """Encoded training documents in a file.

    Args:
        folder: holds :data:`TOKENS` and :data:`INDEX`, as :func:`write_part` writes them.
        size: number of tokens of the tokenizer.

    Attributes:
        sizes: (n,) int64, tokens of each document, the end mark included.
        offsets: (n + 1,) int64, where each document begins in ``flat``.
        flat: the tokens of all documents, read from the file on access.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._index = np.load(folder / INDEX, allow_pickle=False)
        self.sizes = self._index[:, 0] + 1
        self.offsets = np.concatenate([[0], np.cumsum(self.sizes)])
        with (folder / TOKENS).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.flat = np.frombuffer(self._map, dtype=smallest_dtype(size))
        if len(self.flat) != self.offsets[-1]:
            raise ValueError(f"{len(self.flat)} tokens, not {self.offsets[-1]}")

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        _, characters, pieces, replaced = self._index[i].tolist()
        start = self.offsets[i]
        tokens = self.flat[start : start + self.sizes[i] - 1]
        return EncodedDocument(tokens, (), np.zeros(0), characters, pieces, replaced)

    def __iter__(self) -> Iterator[EncodedDocument]:
        return (self[i] for i in range(len(self)))

    def release(self) -> None:
        """Free the memory that the parts read so far take; the file itself is untouched."""
        if hasattr(self._map, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
