"""The user's own text: every file of a folder is a document, or one file is cut into documents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textgen.core.errors import TextgenError
from textgen.core.settings import Count, Sha256
from textgen.core.system import kind_of
from textgen.data.documents import CorpusConfig, Document
from textgen.data.reading import check_sha256, file_size, read_documents


@dataclass(frozen=True)
class OwnText(CorpusConfig):
    """What folders and files share."""

    path: Path
    encoding: str = "auto"
    licence: str = "the user's own"
    source: str | None = None

    @property
    def origin(self) -> str:
        return self.source or str(self.path)


@dataclass(frozen=True)
class Folder(OwnText):
    """Text files in a folder and the folders below it.

    If they are large (:data:`textgen.data.reading.LARGE_BYTES` in all), they are read from a copy
    in the cache; one above :data:`textgen.data.reading.MAX_STORED` characters then counts as a
    collection and is cut.

    Args:
        path: the folder, relative to where the command is run.
        pattern: which files, as a glob.
        leave_out: names of files that are not read, e.g. ``["notes.txt", "drafts/old.txt"]``.
        encoding: a name Python knows, or ``"auto"``.
        licence: shown wherever results are.
        source: where the texts come from, shown likewise; the path if it is not given.
    """

    pattern: str = "*.txt"
    leave_out: tuple[str, ...] = ()

    def documents(self) -> list[Document]:
        kind = kind_of(self.path)
        if kind != "a folder":
            message = f"corpus.path: {self.path}: a folder of text files is needed, not {kind}"
            raise TextgenError(message, hint="one file is read by --set corpus.kind=file")
        try:
            if ".." in Path(self.pattern).parts:
                raise ValueError("it leads out of the folder")
            matches = sorted(self.path.rglob(self.pattern))
        except (ValueError, NotImplementedError, OSError) as error:
            hint = 'write a glob below the folder, e.g. "*.txt" or "tales/**/*.txt"'
            raise TextgenError(f"corpus.pattern {self.pattern!r}: {error}", hint=hint) from None
        files = {
            path.relative_to(self.path).as_posix(): path
            for path in matches
            if path.is_file() or not path.exists()  # a link to nothing is refused when it is read
        }
        for name in self.leave_out:
            files.pop(name, None)
        if not files:
            message = f"corpus.path: {self.path}: no file matches {self.pattern!r}"
            raise TextgenError(message, hint='set [corpus] pattern, e.g. "*.md"')
        return read_documents(files, self.encoding)


@dataclass(frozen=True)
class File(OwnText):
    """A single text file, divided at every ``separator`` or else cut into ``pieces``.

    The pieces are of about equal size, each cut at the first blank line (else the line end, else
    the space) within half a piece from its ideal end on. Pieces of one work are not independent
    documents: differences measured on them hold for this text only. Where ``[split]`` divides the
    text in contiguous shares, each share is cut into pieces of this size, or into none if
    ``pieces`` is 1.

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

    separator: str = ""
    pieces: Count | None = None
    sha256: Sha256 | None = None

    @property
    def origin(self) -> str:
        checked = f"; sha256 {self.sha256[:12]}… checked" if self.sha256 else ""
        return super().origin + checked

    @property
    def one_text(self) -> bool:
        """Joined together, the documents are the text."""
        return not self.separator

    def documents(self) -> list[Document]:
        if kind_of(self.path) == "a folder":
            message = f"corpus.path: {self.path} is a folder, not a text file"
            raise TextgenError(message, hint="a folder is read by --set corpus.kind=folder")
        if self.sha256:
            hint = f"get it from {self.source or 'where it is published'}"
            check_sha256(self.path, self.sha256, hint)
        return read_documents(
            {self.path.name: self.path},
            self.encoding,
            separator=self.separator,
            pieces=self.pieces or default_pieces(file_size(self.path)),
        )


def default_pieces(size: int) -> int:
    """How many documents a file of this size, in bytes, is cut into: 128, of which the smallest
    default share of [split] holds ten; fewer of a short text, for they have 500 bytes at least or
    are 64; more of a long one, for they have 200 kB at most: what is held out of it is limited, too
    (:data:`textgen.data.splits.HELD_OUT`)."""
    return max(64, min(128, size // 500), size // 200_000)
