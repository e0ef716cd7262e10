"""Bytes on a disk → raw text. The only change made is that CRLF and CR become LF."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path

from textgen.errors import TextgenError

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
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TextgenError(
            str(path),
            found=error.strerror or str(error),
            expected="a readable text file",
            hint="correct the path in [corpus]",
        ) from None
    chosen = encoding
    if encoding == "auto":
        chosen = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(chosen)
    except LookupError:
        raise TextgenError(
            "corpus.encoding", found=repr(encoding), expected="a text encoding Python knows"
        ) from None
    except UnicodeDecodeError as error:
        if encoding != "auto":
            raise _undecodable(path, chosen, error) from None
        text = _guess(path, data, error)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def _guess(path: Path, data: bytes, error: UnicodeDecodeError) -> str:
    from charset_normalizer import from_bytes

    best = None if b"\0" in data[: 1 << 16] else from_bytes(data[: 1 << 20]).best()
    if best is None:
        raise _undecodable(path, "utf-8", error)
    try:
        text = data.decode(best.encoding)
    except UnicodeDecodeError as second:
        raise _undecodable(path, best.encoding, second) from None
    print(
        f"note: {path} is not UTF-8 (byte {error.start}); read as {best.encoding}. "
        'Write encoding = "…" in [corpus] if that is wrong.',
        file=sys.stderr,
    )
    return text


def _undecodable(path: Path, encoding: str, error: UnicodeDecodeError) -> TextgenError:
    bad = error.object[error.start : error.start + 1].hex()
    return TextgenError(
        str(path),
        found=f"byte {error.start} (0x{bad}) is not {encoding} text",
        expected=f"text in {encoding}",
        hint='state the encoding, e.g. [corpus] encoding = "cp1252", or convert the file',
    )
