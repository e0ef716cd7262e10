"""One file of the user's own text, cut into documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textgen.core import Count, TextgenError
from textgen.data import slices
from textgen.data.cutting import cut, reach_of, split
from textgen.data.decoding import opened, read_text
from textgen.data.documents import Document, in_pieces
from textgen.data.slices import FileSlice, whole_file


@dataclass(frozen=True)
class File:
    """A single text file.

    It is cut at every ``separator``, or, where none is given, into ``pieces`` of about equal size
    at the first blank line (else the line end, else the space) within half a piece from there on.
    Pieces of one work are not independent documents: differences measured on them are about this
    text only. Of a file larger than memory may be, documents that are very long are cut further.

    Args:
        path: the file, relative to where the command is run.
        separator: text between two documents; it belongs to neither.
        pieces: number of documents where there is no separator.
        encoding: a name Python knows, or ``"auto"``.
        licence: shown wherever results are.
    """

    path: Path
    separator: str = ""
    pieces: Count = 40
    encoding: str = "auto"
    licence: str = "the user's own"

    @property
    def origin(self) -> str:
        return str(self.path)

    def documents(self) -> list[Document]:
        parts = self._parts()
        width = len(str(len(parts)))
        return [
            piece
            for i, part in enumerate(parts, start=1)
            if (part if isinstance(part, str) else part.characters)
            for piece in in_pieces(Document(f"{self.path.name}#{i:0{width}d}", part))
        ]

    def _parts(self) -> Sequence[str | FileSlice]:
        with opened(self.path) as file:
            large = file.seek(0, 2) > slices.LARGE
        if large:
            whole = whole_file(self.path, self.encoding)
            if self.separator:
                return split(whole, self.separator)
            return cut(whole, self.pieces)
        text = read_text(self.path, self.encoding)
        if not text.strip():
            raise TextgenError(f"corpus.path: {self.path}", found="no text", expected="some text")
        return text.split(self.separator) if self.separator else cut_text(text, self.pieces)


def cut_text(text: str, pieces: int) -> list[str]:
    """``text`` in at most ``pieces`` parts whose concatenation is ``text``."""
    parts, start = [], 0
    for i in range(1, pieces):
        target = len(text) * i // pieces
        reach = min(len(text), target + reach_of(len(text), pieces))
        for mark in ("\n\n", "\n", " "):
            found = text.find(mark, max(target, start), reach)
            if found >= 0:
                parts.append(text[start : found + len(mark)])
                start = found + len(mark)
                break
    parts.append(text[start:])
    return parts
