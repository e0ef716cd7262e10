"""Bytes on a disk → raw text. The only change made is that CRLF and CR become LF."""

from __future__ import annotations

import codecs
import os
import sys
from functools import partial
from io import BufferedReader, TextIOWrapper
from pathlib import Path

from textgen.core import TextgenError, kind_of, visible

AROUND = 1 << 19
"""Bytes on either side of the first that is not UTF-8, from which the encoding is guessed."""
BLOCK = 1 << 20
"""Characters of a large file that are decoded at a time."""
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path: Path, encoding: str = "auto") -> str:
    """The text of a file.

    Args:
        path: the file.
        encoding: a name Python knows, or ``"auto"``: a byte-order mark, else UTF-8, else a guess
            that is announced on the terminal.

    Raises:
        TextgenError: no such file, an unknown encoding, or bytes that are not text in it.
    """
    _, found = measured(path, encoding)
    with open_text(path, found) as text:
        return text.read()


def measured(path: Path, encoding: str = "auto") -> tuple[int, str]:
    """Number of characters of a file and the encoding it is in, found without holding its text.

    Args:
        path: the file.
        encoding: as for :func:`read_text`.

    Raises:
        TextgenError: as for :func:`read_text`.
    """
    with opened(path) as file:
        head = file.read(4)
    marked = next((name for mark, name in MARKS.items() if head.startswith(mark)), "utf-8")
    chosen = marked if encoding == "auto" else encoding
    try:
        name = codecs.lookup(chosen).name
        if name == "utf-8" and marked == "utf-8-sig":
            chosen = marked
        elif name in MARKS.values() and name not in (marked, "utf-8-sig"):
            chosen = f"{name}-{'le' if sys.byteorder == 'little' else 'be'}"  # no mark says which
        return _length(path, chosen), chosen
    except LookupError:
        raise _unknown(encoding) from None
    except UnicodeDecodeError as error:
        found = _guess(path, error.start) if encoding == "auto" else None
        if found is None:
            bad = (error.object or b"?").hex()
            where = f"byte {error.start} (0x{bad}) is not {chosen} text"
            if b"\0" in _head(path) and not name.startswith(("utf-16", "utf-32")):
                raise TextgenError(
                    str(path),
                    found=f"not a text file: {where}, and there are NUL bytes, as in an image",
                    expected="text",
                    hint="give text files alone; if it is text in UTF-16, state that: [corpus] "
                    'encoding = "utf-16"',
                ) from None
            raise TextgenError(
                str(path),
                found=where,
                expected=f"text in {chosen}",
                hint='state the encoding, e.g. [corpus] encoding = "cp1252", or convert the file',
            ) from None
    except UnicodeError as error:  # of punycode, idna and the like
        raise TextgenError(
            str(path), found=f"it cannot be read as {chosen} ({error})", expected="text in it",
            hint='state another encoding, e.g. [corpus] encoding = "utf-8"',
        ) from None  # fmt: skip
    except ValueError:  # of NUL in a name
        raise _unknown(encoding) from None
    return measured(path, found)


def _unknown(encoding: str) -> TextgenError:
    expected = "a text encoding Python knows"
    return TextgenError("corpus.encoding", found=repr(encoding), expected=expected)


def _length(path: Path, encoding: str) -> int:
    file = opened(path)
    with TextIOWrapper(file, encoding=encoding) as text:
        try:
            return sum(map(len, iter(partial(text.read, BLOCK), "")))
        except UnicodeDecodeError as error:
            bad = error.object[error.start : error.start + 1]
            placed = UnicodeDecodeError(error.encoding, bad, 0, 1, error.reason)
            # in the file: what could not be decoded ends where reading stopped
            placed.start = file.tell() - len(error.object) + error.start
            raise placed from None


def open_text(path: Path, encoding: str, errors: str = "strict") -> TextIOWrapper:
    """A file for reading its text; CRLF and CR are read as LF."""
    return TextIOWrapper(opened(path), encoding=encoding, errors=errors)


def check_readable_name(path: Path, corpus: Path) -> None:
    """Check that documents can be called after a file of a corpus.

    Raises:
        TextgenError: its name is not UTF-8.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise TextgenError(
            f"corpus.path: {corpus}",
            found=f"a file whose name is not UTF-8: {os.fsencode(path.name)!r}",
            expected="names that are text",
            hint="rename it",
        ) from None


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


def _head(path: Path) -> bytes:
    with opened(path) as file:
        return file.read(1 << 16)


def _guess(path: Path, bad: int) -> str | None:
    """The likely encoding of a file that is not UTF-8, announced on the terminal, or None.

    Args:
        path: the file.
        bad: the first byte that is not UTF-8.
    """
    from charset_normalizer import from_bytes

    start = max(0, bad - AROUND)
    with opened(path) as file:
        file.seek(start)
        part = file.read(2 * AROUND)
    if start:
        part = part[part.find(b"\n", 0, AROUND) + 1 :]  # not from the middle of a character
    best = None if b"\0" in _head(path) else from_bytes(part).best()
    if best is None:
        return None
    print(
        f"note: {visible(str(path))} is not UTF-8 (byte {bad}); read as {best.encoding}. "
        'Write encoding = "…" in [corpus] if that is wrong.',
        file=sys.stderr,
    )
    return best.encoding
