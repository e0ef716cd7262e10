"""A folder of the user's own texts: every file is a document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textgen.core.errors import TextgenError
from textgen.core.files import kind_of
from textgen.data.corpora.base import CorpusConfig
from textgen.data.documents import Document
from textgen.data.reading import check_readable_name, read_documents


@dataclass(frozen=True)
class Folder(CorpusConfig):
    """Text files in a folder and the folders below it.

    If they are too large for memory (:data:`textgen.data.reading.LARGE` bytes in all), they are
    converted to files of their own in the cache; one above
    :data:`textgen.data.reading.MAX_DOCUMENT` characters then counts as a collection and is cut.

    Args:
        path: the folder, relative to where the command is run.
        pattern: which files, as a glob.
        encoding: a name Python knows, or ``"auto"``.
        licence: shown wherever results are.
        source: where the texts come from, shown likewise; the path if it is not given.
    """

    path: Path
    pattern: str = "*.txt"
    encoding: str = "auto"
    licence: str = "the user's own"
    source: str | None = None

    @property
    def origin(self) -> str:
        return self.source or str(self.path)

    def documents(self) -> list[Document]:
        where = f"corpus.path: {self.path}"
        if (kind := kind_of(self.path)) != "a folder":
            found = kind.replace("such file", "such folder")
            hint = "paths are relative to where the command is run"
            if kind == "a file":
                hint = f"to read it: --set corpus.kind=file --set corpus.path={self.path}"
            raise TextgenError(where, found=found, expected="a folder of text files", hint=hint)
        files = self._files()
        for file in files:
            check_readable_name(file, self.path)
            if not file.exists():
                hint = "correct or remove it, or leave it out by [corpus] pattern"
                raise TextgenError(f"{file}: a link to nothing", hint=hint)
        if not files:
            found = f"no file that matches {self.pattern!r}"
            raise TextgenError(where, found=found, hint='set [corpus] pattern, e.g. "*.md"')
        named = {path.relative_to(self.path).as_posix(): path for path in files}
        return read_documents(named, self.encoding)

    def _files(self) -> list[Path]:
        """Those that match the pattern, links to nothing among them."""
        try:
            if ".." in Path(self.pattern).parts:
                raise ValueError("it leads out of the folder")
            found = sorted(self.path.rglob(self.pattern))
        except (ValueError, NotImplementedError, OSError) as error:
            hint = 'write a glob below the folder, e.g. "*.txt" or "tales/**/*.txt"'
            raise TextgenError(f"corpus.pattern {self.pattern!r}: {error}", hint=hint) from None
        return [path for path in found if path.is_file() or not path.exists()]
