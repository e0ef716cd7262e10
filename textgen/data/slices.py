"""Text that stays in its file until somebody reads it: for corpora larger than memory.

Large files are read as UTF-8 with LF line ends, in blocks. One that is something else is written
so into the cache folder first, once.
"""

from __future__ import annotations

import codecs
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from io import BufferedReader
from pathlib import Path

from textgen.core import TextgenError, cache_folder, writing_cache
from textgen.data.decoding import decoded, opened

LARGE = 32_000_000
"""Bytes of a corpus: from there on its text stays in its files."""
BLOCK = 1 << 20
SHORT = 1 << 14


@dataclass(frozen=True, slots=True)
class FileSlice:
    """A part of a UTF-8 file.

    Attributes:
        path: the file.
        start, stop: bytes.
        characters: how many characters ``read`` gives.
        kept: all other characters are left out; empty for none.
    """

    path: Path
    start: int
    stop: int
    characters: int
    kept: str = ""

    def read(self) -> str:
        """The text.

        Raises:
            TextgenError: the file is no longer what it was.
        """
        with opened(self.path) as file:
            file.seek(self.start)
            data = file.read(self.stop - self.start)
        text = filtered(data.decode("utf-8", "replace"), self.kept)
        if len(text) != self.characters:
            raise TextgenError(
                str(self.path),
                found="the file was changed while it was in use",
                expected="text that stays the same as long as a command runs",
                hint="repeat the command",
            )
        return text

    def raw(self) -> Iterator[bytes]:
        """The text as UTF-8, in parts."""
        if self.kept:
            yield self.read().encode()
            return
        with opened(self.path) as file:
            yield from blocks(file, self.start, self.stop)

    def keeping(self, kept: str) -> FileSlice:
        """The same with all other characters left out."""
        text = filtered(self.read(), kept)
        return replace(self, kept=kept, characters=len(text))

    def blank(self) -> bool:
        """Whether there is nothing but white space."""
        with opened(self.path) as file:
            file.seek(self.start)
            head = file.read(min(SHORT, self.stop - self.start)).decode("utf-8", "ignore")
        return not filtered(head, self.kept).strip() and not self.read().strip()


def filtered(text: str, kept: str) -> str:
    """``text`` with all characters but ``kept`` left out; with none given, as it is."""
    return text.translate(dict.fromkeys(map(ord, set(text) - _set(kept)))) if kept else text


@cache
def _set(characters: str) -> frozenset[str]:
    return frozenset(characters)


def whole_file(path: Path, encoding: str = "auto") -> FileSlice:
    """All of a file, of which only a block is ever in memory.

    Args:
        path: the file.
        encoding: as for :func:`textgen.data.decoding.read_text`.

    Raises:
        TextgenError: no such file, an unknown encoding, or bytes that are not text in it.
    """
    (characters, returns), chosen = decoded(path, encoding, lambda name: _count(path, name))
    if codecs.lookup(chosen).name != "utf-8" or returns:
        path = _converted(path, chosen)
        characters, _ = _count(path, "utf-8")
    return FileSlice(path, 0, path.stat().st_size, characters)


def _count(path: Path, encoding: str) -> tuple[int, bool]:
    """Characters of a file, and whether there are carriage returns among them.

    Raises:
        UnicodeDecodeError: with the place of the byte in the file.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    characters, returns, before = 0, False, 0
    with opened(path) as file:
        while True:
            block = file.read(BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                bad = error.object[error.start : error.start + 1]
                placed = UnicodeDecodeError(error.encoding, bad, 0, 1, error.reason)
                placed.start = before + len(block) - len(error.object) + error.start
                raise placed from None
            characters, before = characters + len(text), before + len(block)
            returns = returns or "\r" in text
            if not block:
                return characters, returns


def _converted(path: Path, encoding: str) -> Path:
    """The file as UTF-8 with LF in the cache folder, under the hash of its content."""
    with opened(path) as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(codecs.lookup(encoding).name.encode())
    folder = cache_folder() / "texts"
    target = folder / f"{digest.hexdigest()[:32]}.txt"
    if target.exists():
        return target
    with writing_cache():
        folder.mkdir(parents=True, exist_ok=True)
    with (
        writing_cache(),
        path.open(encoding=encoding, newline=None) as source,  # CRLF and CR are read as LF
        tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=folder, delete=False
        ) as made,
    ):
        try:
            while text := source.read(BLOCK):
                made.write(text)
        except BaseException:
            Path(made.name).unlink()
            raise
    return Path(made.name).replace(target)


def blocks(file: BufferedReader, start: int, stop: int) -> Iterator[bytes]:
    file.seek(start)
    while start < stop and (block := file.read(min(BLOCK, stop - start))):
        yield block
        start += len(block)
