"""A folder of the user's own texts: every file is a document."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from textgen.core import TextgenError
from textgen.data import slices
from textgen.data.decoding import read_text
from textgen.data.documents import Document, in_pieces
from textgen.data.slices import whole_file


@dataclass(frozen=True)
class Folder:
    """Text files in a folder and the folders below it.

    Where they are larger than memory may be (:data:`textgen.data.slices.LARGE`), a file is
    read when it is wanted, and one that is very long counts as a collection and is cut in pieces.

    Args:
        path: the folder, relative to where the command is run.
        pattern: which files, as a glob.
        encoding: a name Python knows, or ``"auto"``.
        licence: shown wherever results are.
    """

    path: Path
    pattern: str = "*.txt"
    encoding: str = "auto"
    licence: str = "the user's own"

    @property
    def origin(self) -> str:
        return str(self.path)

    def documents(self) -> list[Document]:
        if not self.path.is_dir():
            raise TextgenError(
                f"corpus.path: {self.path}",
                found="no such folder",
                expected="a folder of text files",
                hint="paths are relative to where the command is run",
            )
        try:
            files = sorted(p for p in self.path.rglob(self.pattern) if p.is_file())
        except (ValueError, NotImplementedError) as error:
            raise TextgenError(
                "corpus.pattern",
                found=f"{self.pattern!r}: {error}",
                expected='a glob below the folder, e.g. "*.txt" or "tales/**/*.txt"',
            ) from None
        for file in files:
            try:
                str(file).encode("utf-8")
            except UnicodeEncodeError:
                raise TextgenError(
                    f"corpus.path: {self.path}",
                    found=f"a file whose name is not UTF-8: {os.fsencode(file.name)!r}",
                    expected="names that are text",
                    hint="rename it",
                ) from None
        if not files:
            raise TextgenError(
                f"corpus.path: {self.path}",
                found=f"no file that matches {self.pattern!r}",
                expected="at least three text files",
                hint='set [corpus] pattern, e.g. "*.md"',
            )
        if sum(p.stat().st_size for p in files) > slices.LARGE:
            return [
                piece
                for p in files
                for piece in in_pieces(
                    Document(p.relative_to(self.path).as_posix(), whole_file(p, self.encoding))
                )
            ]
        return [
            Document(p.relative_to(self.path).as_posix(), read_text(p, self.encoding))
            for p in files
        ]
