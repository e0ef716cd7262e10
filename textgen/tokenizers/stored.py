"""Encoded documents in a file that is mapped into memory, for corpora larger than it.

The documents are read, encoded and written one at a time.

Does not handle: millions of very short documents, each of which takes some 500 bytes of memory;
surface forms of placeholders, which only the scoring of held-out text needs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from textgen.core.tokens import BOUNDARY
from textgen.data.documents import Document
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.encoded import EncodedDocument, smallest_dtype

TOKENS_FILE, INDEX_FILE = "tokens.bin", "index.npy"


def write_documents(tokenizer: Tokenizer, documents: Sequence[Document], folder: Path) -> None:
    """Write the tokens of all documents, an end mark after each, and an index: an (n, 4) int64
    array of tokens, characters, pieces, replaced."""
    index = list[tuple[int, ...]]()
    dtype = smallest_dtype(tokenizer.size)
    with (folder / TOKENS_FILE).open("wb") as file:
        for document in documents:
            encoded = tokenizer.encode(document.text, training=True)
            file.write(np.append(encoded.tokens, BOUNDARY).astype(dtype).tobytes())
            size = len(encoded.tokens)
            index.append((size, encoded.characters, encoded.pieces, encoded.replaced))
    np.save(folder / INDEX_FILE, np.array(index, dtype=np.int64).reshape(-1, 4))


class Stored(Sequence[EncodedDocument]):
    """Encoded training documents in a file that is mapped into memory.

    Args:
        folder: what :func:`write_documents` has written.
        size: number of tokens of the tokenizer.

    Attributes:
        sizes: (n,) int64, tokens of each document, the end mark included.
        offsets: (n + 1,) int64, where each document begins in ``flat``.
        flat: the tokens of all documents, read from the file on access.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._index = np.load(folder / INDEX_FILE, allow_pickle=False)
        self.sizes = self._index[:, 0] + 1
        self.offsets = np.concatenate([[0], np.cumsum(self.sizes)])
        self.flat = np.asarray(np.memmap(folder / TOKENS_FILE, smallest_dtype(size), "r"))

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, place: int) -> EncodedDocument: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[EncodedDocument]: ...

    def __getitem__(self, place: int | slice) -> EncodedDocument | Sequence[EncodedDocument]:
        if isinstance(place, slice):
            return [self._read(number) for number in range(len(self))[place]]
        if not -len(self) <= place < len(self):
            raise IndexError(f"document {place} of {len(self)}")
        if place < 0:
            return self._read(len(self) + place)
        return self._read(place)

    def _read(self, number: int) -> EncodedDocument:
        """The document of a number from 0 on."""
        start, stop = self.offsets[number], self.offsets[number + 1]
        tokens = self.flat[start : stop - 1]  # without the end mark
        _, characters, pieces, replaced = self._index[number].tolist()
        return EncodedDocument(tokens, (), characters, pieces, replaced)
