"""One file of the user's own text, cut into documents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textgen.core.errors import TextgenError
from textgen.core.files import kind_of
from textgen.core.settings import Count, Sha256
from textgen.data.corpora.base import CorpusConfig, check_sha256
from textgen.data.documents import Document
from textgen.data.reading import check_readable_name, file_size, read_documents


@dataclass(frozen=True)
class File(CorpusConfig):
    """A single text file.

    It is divided at every ``separator``. If none is given, it is cut into ``pieces`` of about
    equal size, each at the first blank line (else the line end, else the space) within half a
    piece from its ideal end on. Pieces of one work are not independent documents: differences
    measured on them hold for this text only. Where ``[split]`` divides the text in contiguous
    shares, each share is cut into pieces of this size, or into none if ``pieces`` is 1. In a file
    too large for memory, a document above :data:`textgen.data.reading.MAX_DOCUMENT` characters is
    cut further.

    Args:
        path: the file, relative to where the command is run.
        separator: text between two documents; it belongs to neither.
        pieces: number of documents if there is no separator; by default 128, which leaves at least
            eight in each held-out part, but fewer of a text below 64 kB and more of a long one.
        encoding: a name Python knows, or ``"auto"``.
        licence: shown wherever results are.
        source: where the file comes from, shown likewise; its path if it is not given.
        sha256: that of the file, which is refused if it has another one.
    """

    path: Path
    separator: str = ""
    pieces: Count | None = None
    encoding: str = "auto"
    licence: str = "the user's own"
    source: str | None = None
    sha256: Sha256 | None = None

    @property
    def origin(self) -> str:
        checked = f"; sha256 {self.sha256[:12]}… checked" if self.sha256 else ""
        return (self.source or str(self.path)) + checked

    @property
    def one_text(self) -> bool:
        """Joined together, the documents are the text."""
        return not self.separator

    def documents(self) -> list[Document]:
        where = f"corpus.path: {self.path}"
        check_readable_name(self.path, self.path)
        if kind_of(self.path) == "a folder":
            hint = f"to read it: --set corpus.kind=folder --set corpus.path={self.path}"
            raise TextgenError(f"{where} is a folder, not a text file", hint=hint)
        if self.sha256:
            get = f"get it from {self.source or 'where it is published'}"
            check_sha256(self.path, self.sha256, f"{get}, or leave corpus.sha256 out")
        pieces = self.pieces or _pieces(file_size(self.path))
        files = {self.path.name: self.path}
        documents = read_documents(files, self.encoding, separator=self.separator, pieces=pieces)
        if all(isinstance(d.content, str) and not d.content.strip() for d in documents):
            raise TextgenError(f"{where}: no text", hint="choose a file that holds some")
        return documents


def _pieces(size: int) -> int:
    """How many documents a file of this size, in bytes, is cut into: 128, of which the smallest
    default share of [split] holds ten; fewer of a short text, for they have 500 bytes at least or
    are 64; more of a long one, for they have 200 kB at most: what is held out of it is limited, too
    (:data:`textgen.data.splits.HELD_OUT`).
    """
    return max(64, min(128, size // 500), size // 200_000)
