"""Bytes on a disk → documents of raw text; the only change made is that CRLF and CR become LF.

Files that are larger than memory are converted once to a folder of documents in the cache, one
UTF-8 file each, which are read one at a time whenever their text is needed.

Does not handle: millions of very short documents, each of which becomes a file.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, TypeVar

from textgen.core.errors import TextgenError, visible
from textgen.core.files import cache_folder, cached_folder, kind_of, sha256_of
from textgen.data.documents import Document, TextFile, file_changed_error

GUESS_REACH = 1 << 19
"""Bytes on either side of the first that is not UTF-8, from which the encoding is guessed."""
BLOCK = 1 << 20
"""Characters read at a time."""
CUT_REACH = 1 << 20
"""How far beyond its ideal place a cut may fall, in characters."""
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
LARGE = 32_000_000
"""Bytes of a corpus above which it is converted, and not read into memory."""
MAX_DOCUMENT = 2_000_000
"""Characters of a converted document. A longer one counts as a collection and is cut."""
PIECE_SIZE = 250_000
"""Characters of the pieces that it is cut into, about."""
INDEX = "documents.json"
VERSION = 2
"""To be raised whenever the same files would be divided or written in another way."""
Part = TypeVar("Part")
Result = TypeVar("Result")


def read_text(path: Path, encoding: str = "auto") -> str:
    """The text of a file.

    Args:
        path: the file.
        encoding: a name Python knows, or ``"auto"``: a byte-order mark, else UTF-8, else a guess
            that is announced on the terminal.

    Raises:
        TextgenError: no such file, an unknown encoding, or bytes that are not text in it.
    """
    return _decoded(path, encoding, lambda text: text.read())[0]


def text_length(path: Path, encoding: str = "auto") -> tuple[int, str]:
    """Number of characters of a file and the encoding it is in, found without holding its text.

    Arguments and errors are those of :func:`read_text`.
    """
    return _decoded(path, encoding, _length)


def _length(text: TextIO) -> int:
    return sum(map(len, iter(partial(text.read, BLOCK), "")))


def _decoded(path: Path, encoding: str, consume: Callable[[TextIO], Result]) -> tuple[Result, str]:
    """What ``consume`` makes of the text of a file, and the encoding it is in."""
    file = opened(path)
    head = file.peek(4)[:4]
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)), "")
    chosen = (marked or "utf-8") if encoding == "auto" else encoding
    try:
        name = codecs.lookup(chosen).name
        if name == "utf-8" and marked == "utf-8-sig":
            chosen = marked
        elif name in ("utf-16", "utf-32") and name != marked:
            chosen = f"{name}-{'le' if sys.byteorder == 'little' else 'be'}"  # no mark says which
        with TextIOWrapper(file, encoding=chosen) as text:
            try:
                return consume(text), chosen
            except UnicodeDecodeError as error:
                # what could not be decoded ends where reading stopped
                start = file.tell() - len(error.object) + error.start
                bad = error.object[error.start]
    except UnicodeError as error:  # of punycode, idna and the like
        raise TextgenError(f"{path}: it cannot be read as {chosen} ({error})") from None
    except (LookupError, ValueError):  # ValueError: NUL in a name
        where = f"corpus.encoding: {encoding!r}"
        raise TextgenError(f"{where} is not a text encoding that Python knows") from None
    if encoding == "auto" and (guessed := _guess(path, start)):
        return _decoded(path, guessed, consume)
    found = f"byte {start} (0x{bad:02x}) is not {chosen} text"
    hint = 'state the encoding, e.g. [corpus] encoding = "cp1252", or convert the file'
    if _has_nul(path) and not name.startswith(("utf-16", "utf-32")):
        found = f"not a text file: {found}, and there are NUL bytes, as in an image"
        hint = 'give text files alone; if it is text in UTF-16, state [corpus] encoding = "utf-16"'
    raise TextgenError(str(path), found=found, hint=hint)


def open_text(path: Path, encoding: str, errors: str = "strict") -> TextIOWrapper:
    """A file for reading its text; CRLF and CR are read as LF."""
    return TextIOWrapper(opened(path), encoding=encoding, errors=errors)


def check_readable_name(path: Path, corpus: Path) -> None:
    """Refuse a file of a corpus whose name is not UTF-8, for documents are called after it."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        found = f"a file whose name is not UTF-8: {os.fsencode(path.name)!r}"
        raise TextgenError(f"corpus.path: {corpus}", found=found, hint="rename it") from None


def opened(path: Path) -> BufferedReader:
    """The file, for reading its bytes.

    Raises:
        TextgenError: it cannot be opened.
    """
    found = kind_of(path)
    try:
        if found == "a file":
            return path.open("rb")
    except OSError as error:
        found = error.strerror or str(error)
    raise TextgenError(
        str(path), found=found, expected="a readable text file", hint="correct the path in [corpus]"
    )


def _has_nul(path: Path) -> bool:
    with opened(path) as file:
        return b"\0" in file.read(1 << 16)


def _guess(path: Path, bad: int) -> str:
    """The likely encoding of a file that is not UTF-8, announced on the terminal; empty if none is
    likely.

    Args:
        path: the file.
        bad: the first byte that is not UTF-8.
    """
    from charset_normalizer import from_bytes

    start = max(0, bad - GUESS_REACH)
    with opened(path) as file:
        file.seek(start)
        part = file.read(2 * GUESS_REACH)
    if start:
        part = part[part.find(b"\n", 0, GUESS_REACH) + 1 :]  # not from inside a character
    best = None if _has_nul(path) else from_bytes(part).best()
    if best is None:
        return ""
    print(
        f"note: {visible(str(path))} is not UTF-8 (byte {bad}); read as {best.encoding}. "
        'Write encoding = "…" in [corpus] if that is wrong.',
        file=sys.stderr,
    )
    return best.encoding


def cut(text: TextIO, characters: int, pieces: int) -> Iterator[str | None]:
    """A text in at most ``pieces`` parts of about equal size.

    A part ends at the first blank line (else the line end, else the space) within half a piece
    from its ideal end on; if there is none, the next part is joined to it.

    Args:
        text: the text, from its first character on.
        characters: its length.
        pieces: number of parts, at most.

    Yields:
        The text in blocks, with None after each part.
    """
    reach = min(max(1, characters // pieces // 2), CUT_REACH)
    start = at = 0  # where the current part begins, and where ``held`` does
    held = ""  # read, not yielded yet
    for i in range(1, pieces):
        target = characters * i // pieces
        begin, stop = max(target, start), min(characters, target + reach)
        if begin >= stop:
            continue
        while at < begin and (block := held or text.read(min(BLOCK, begin - at))):
            yield block[: begin - at]
            held = block[begin - at :]
            at += len(block) - len(held)
        held += text.read(max(0, stop - at - len(held)))
        for mark in ("\n\n", "\n", " "):
            found = held.find(mark, 0, stop - at)
            if found >= 0:
                end = found + len(mark)
                yield held[:end]
                yield None
                held, start = held[end:], at + end
                at = start
                break
    yield held
    while block := text.read(BLOCK):
        yield block
    yield None


def divide_at(text: TextIO, separator: str) -> Iterator[str | None]:
    """A text divided at every separator, which belongs to no part; yields as :func:`cut` does."""
    held = ""
    while block := text.read(BLOCK):
        *parts, held = (held + block).split(separator)
        for part in parts:
            yield part
            yield None
        safe = max(0, len(held) - len(separator) + 1)  # beyond it a separator may have begun
        yield held[:safe]
        held = held[safe:]
    yield held
    yield None


def cut_text(text: str, pieces: int) -> list[str]:
    """``text`` in at most ``pieces`` parts whose concatenation is ``text``; see :func:`cut`."""
    blocks = cut(io.StringIO(text), len(text), pieces)
    return ["".join(part) for part in _parts(blocks)]


def _parts(blocks: Iterator[str | None]) -> Iterator[Iterator[Any]]:
    """The blocks of each part, which have to be read before the next part."""
    for first in blocks:
        yield itertools.takewhile(lambda block: block is not None, itertools.chain([first], blocks))


def numbered(name: str, parts: Sequence[Part]) -> list[tuple[str, Part]]:
    """The parts of a text, each with the name of its document: ``name#01``, ``name#02``, …"""
    width = len(str(len(parts)))
    return [(f"{name}#{i:0{width}d}", part) for i, part in enumerate(parts, start=1)]


def read_documents(
    files: Mapping[str, Path], encoding: str, *, separator: str = "", pieces: int = 0
) -> list[Document]:
    """The documents of some files, in memory or, of more than :data:`LARGE` bytes, on disk.

    Args:
        files: name → file.
        encoding: as for :func:`read_text`.
        separator: what divides each file into documents.
        pieces: if there is no separator, the number of documents that each file is cut into; if
            this is 0 too, each file is a document.

    Raises:
        TextgenError: a file that is not text or that changes meanwhile, or a cache folder that
            cannot be written.
    """
    if sum(map(file_size, files.values())) > LARGE:
        return _convert(files, encoding, separator, pieces)
    documents = list[Document]()
    for name, path in files.items():
        text = read_text(path, encoding)
        if separator or pieces:
            parts = text.split(separator) if separator else cut_text(text, pieces)
            documents += [Document(name, part) for name, part in numbered(name, parts) if part]
        else:
            documents.append(Document(name, text))
    return documents


def file_size(path: Path) -> int:
    """Bytes of a file; 0 if there is none, which reading it says."""
    return path.stat().st_size if kind_of(path) == "a file" else 0


def _convert(
    files: Mapping[str, Path], encoding: str, separator: str, pieces: int
) -> list[Document]:
    """The documents of some files, converted unless the cache holds them already."""
    key = _key(files, encoding, separator, pieces)

    def write(folder: Path) -> None:
        rows = _write(files, encoding, separator, pieces, folder)
        (folder / INDEX).write_text(json.dumps(rows), encoding="utf-8")
        if _key(files, encoding, separator, pieces) != key:
            raise file_changed_error(next(iter(files.values())))

    return cached_folder(cache_folder() / "texts" / key, _read, write)


def _key(files: Mapping[str, Path], encoding: str, separator: str, pieces: int) -> str:
    """A hash of everything that the documents depend on."""
    settings = [VERSION, MAX_DOCUMENT, PIECE_SIZE, CUT_REACH, encoding, separator, pieces]
    hashes = {name: file_sha256(path) for name, path in files.items()}
    return hashlib.sha256(json.dumps([settings, hashes]).encode()).hexdigest()[:32]


def file_sha256(path: Path) -> str:
    """The sha256 of a file of a corpus.

    Raises:
        TextgenError: it cannot be opened.
    """
    opened(path).close()
    return sha256_of(path)


def _read(folder: Path) -> list[Document]:
    documents = []
    for name, file, characters in json.loads((folder / INDEX).read_text(encoding="utf-8")):
        documents.append(Document(name, TextFile(folder / file, characters) if characters else ""))
    return documents


def _write(
    files: Mapping[str, Path], encoding: str, separator: str, pieces: int, folder: Path
) -> list[tuple[str, str, int]]:
    """Write the documents: name, file and characters of each."""
    # not .txt: the cache may lie in the folder that is read
    unused = (folder / f"{i}.utf8" for i in itertools.count(1))
    rows = []
    for name, path in files.items():
        characters, found = text_length(path, encoding)
        try:
            with open_text(path, found) as text:
                if separator:
                    blocks = divide_at(text, separator)
                else:
                    blocks = cut(text, characters, pieces or 1)
                parts = _write_parts(blocks, unused)
        except UnicodeError:  # there was none when it was measured
            raise file_changed_error(path) from None
        whole = not separator and not pieces
        for document, (file, length) in [(name, parts[0])] if whole else numbered(name, parts):
            for row in _in_pieces(document, file, length, unused):
                if whole or row[2]:
                    rows.append(row)
    return [(name, file.name, length) for name, file, length in rows]


def _in_pieces(
    name: str, file: Path, characters: int, unused: Iterator[Path]
) -> list[tuple[str, Path, int]]:
    """Name, file and characters of a document, or of the pieces of one that is too long."""
    if characters <= MAX_DOCUMENT:
        return [(name, file, characters)]
    with open_text(file, "utf-8", "surrogatepass") as text:
        parts = _write_parts(cut(text, characters, -(-characters // PIECE_SIZE)), unused)
    file.unlink()
    return [(piece, path, length) for piece, (path, length) in numbered(name, parts) if length]


def _write_parts(blocks: Iterator[str | None], unused: Iterator[Path]) -> list[tuple[Path, int]]:
    """Write each part of a text into a file of its own: the files, and characters in each."""
    written = []
    for part in _parts(blocks):
        path, characters = next(unused), 0
        with path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
            for block in part:
                file.write(block)
                characters += len(block)
        written.append((path, characters))
    return written
