"""Files that are written whole or not at all; what reading a damaged one raises."""

import contextlib
import csv
import hashlib
import io
import json
import lzma
import os
import secrets
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from textgen.core.errors import TextgenError, write_failed

# What reading and checking a damaged file raises. A bug raises others, such as KeyError: what is
# read is checked before it is used.
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    RecursionError,
    MemoryError,
    csv.Error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


# Windows refuses to replace or to move what another program, such as a virus scanner, is reading.
MAX_BUSY_SECONDS = 2.0
BUSY_PAUSE = 0.02


class PathKind(StrEnum):
    """What a path leads to, in the words of a message."""

    FILE = "a file"
    FOLDER = "a folder"
    OTHER = "neither a file nor a folder"  # a device, a pipe
    MISSING = "no such file"
    REFUSED = "refused by the system"


def kind_of(path: Path) -> PathKind:
    """What a path leads to."""
    try:
        if path.is_dir():
            return PathKind.FOLDER
        if path.is_file():
            return PathKind.FILE
        return PathKind.OTHER if path.exists() else PathKind.MISSING
    except OSError:
        return PathKind.REFUSED


def found_at(path: Path) -> str:
    """What a path leads to, in words; where the system refuses it, its reason."""
    try:
        path.exists()
    except OSError as error:
        return error.strerror or str(error)
    return str(kind_of(path))


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(
    path: Path,
    content: str | bytes | Callable[[BinaryIO], object],
    safe: str = "what was there before is unharmed",
    unfinished: str = "",
) -> None:
    """Write a file whole or not at all.

    Args:
        path: of the file.
        content: what it holds, or a function that writes it.
        safe: part of the error: what is unharmed.
        unfinished: name of the file until it is whole, where no other process writes the same:
            what a killed process left is written over. If empty, a name of its own.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    if kind_of(path) is PathKind.OTHER:  # a device would be replaced
        raise TextgenError(f"{path}: {found_at(path)}", "give the path of a file")
    own_name = f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new"
    temporary = path.with_name(unfinished or own_name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(as_utf8(content) if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        move(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise write_failed(path, error, safe) from None
        raise


def move(source: Path, target: Path) -> None:
    """Give a file or a folder another name, which a file may have had before. Where another program
    reads one of the two, and the system refuses for that, it is tried again for a moment.

    Raises:
        OSError: it is refused, for whatever reason, for longer.
    """
    end = time.perf_counter() + MAX_BUSY_SECONDS
    while True:
        try:
            source.replace(target)
            return
        except PermissionError:
            if time.perf_counter() > end:
                raise
        time.sleep(BUSY_PAUSE)


def as_utf8(text: str) -> bytes:
    """A text in UTF-8, half surrogate pairs as escapes."""
    return text.encode("utf-8", "backslashreplace")


def write_json(path: Path, data: Any) -> None:
    write_file(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def scratch_of(file: Path) -> Path:
    """The folder beside a file in which whoever writes it keeps what it needs meanwhile."""
    return file.with_suffix(".scratch")


def csv_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows that share their keys, with a header, as CSV in UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return as_utf8(text.getvalue())


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of an NPZ file.

    Raises:
        ValueError: it is damaged, or cannot be read.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except Exception as error:  # NumPy and zipfile raise whatever they meet in a damaged file
        raise ValueError(f"{type(error).__name__}: {error}") from error
