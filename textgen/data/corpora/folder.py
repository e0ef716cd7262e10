"""A folder of the user's own texts: every file is a document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textgen.core import TextgenError, kind_of
from textgen.data import conversion
from textgen.data.corpora.base import CorpusConfig
from textgen.data.decoding import check_readable_name, read_text
from textgen.data.documents import Document


@dataclass(frozen=True)
class Folder(CorpusConfig):
    """Text files in a folder and the folders below it.

    If they are too large for memory (:data:`textgen.data.conversion.LARGE` bytes in all), they are
    converted to files of their own in the cache; one above :data:`textgen.data.conversion.LONGEST`
    characters then counts as a collection and is cut into pieces.

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
        if (kind := kind_of(self.path)) != "a folder":
            raise TextgenError(
                f"corpus.path: {self.path}",
                found=kind.replace("such file", "such folder"),
                expected="a folder of text files",
                hint=f"to read one file: --set corpus.kind=file --set corpus.path={self.path}"
                if kind == "a file"
                else "paths are relative to where the command is run",
            )
        try:
            if ".." in Path(self.pattern).parts:
                raise ValueError("it leads out of the folder")
            found = sorted(p for p in self.path.rglob(self.pattern) if not p.is_dir())
        except (ValueError, NotImplementedError, OSError) as error:
            raise TextgenError(
                "corpus.pattern",
                found=f"{self.pattern!r}: {error}",
                expected='a glob below the folder, e.g. "*.txt" or "tales/**/*.txt"',
            ) from None
        files = [file for file in found if file.is_file()]
        if other := next((file for file in found if file.is_symlink() and not file.exists()), None):
            raise TextgenError(
                str(other),
                found="a link to nothing",
                expected="a text file",
                hint="correct or remove it, or leave it out by [corpus] pattern",
            )
        for file in files:
            check_readable_name(file, self.path)
        if not files:
            raise TextgenError(
                f"corpus.path: {self.path}",
                found=f"no file that matches {self.pattern!r}",
                expected="at least three text files",
                hint='set [corpus] pattern, e.g. "*.md"',
            )
        named = {p.relative_to(self.path).as_posix(): p for p in files}
        if sum(p.stat().st_size for p in files) > conversion.LARGE:
            return conversion.convert(named, self.encoding)
        return [Document(name, read_text(p, self.encoding)) for name, p in named.items()]
