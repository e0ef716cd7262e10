"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core.errors import write_failed

if TYPE_CHECKING:
    import numpy as np


def kind_of(path: Path) -> str:
    """``"a file"``, ``"a folder"``, or in words why it is neither."""
    try:
        if path.is_dir():
            return "a folder"
        if path.is_file():
            return "a file"
        if path.exists():
            return "neither a file nor a folder"
        return "a link to nothing" if path.is_symlink() else "no such file"
    except OSError as error:
        return error.strerror or str(error)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put_file(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_file(path: Path, content: str | bytes) -> None:
    """:func:`put_file` with a message for people.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    try:
        put_file(path, content)
    except OSError as error:
        raise write_failed(path, error, "what was there before is unharmed") from None


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The content of an NPZ file.

    Raises:
        ValueError: it is damaged.
        OSError: it cannot be read.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except OSError:
        raise
    except Exception as error:  # NumPy and zipfile raise whatever they meet in a damaged file
        raise ValueError(f"{type(error).__name__}: {error}") from error


def write_json(path: Path, data: Any) -> None:
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    write_file(
        path, text.encode("utf-8", "backslashreplace")
    )  # lone surrogates become JSON escapes


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows that share their keys, with a header."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file(path, text.getvalue())
