"""Files that are written whole or not at all, and the cache folder.

Everything in the cache has a checksum; what is damaged is computed again. A budget in seconds
includes the preparation: an arm whose tags are in the cache already would get more training than
one that starts without them, so the cache records how long its content took to make.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import platformdirs

from textgen.core.errors import UNREADABLE, TextgenError, visible, write_failed

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
    write_file(path, text.encode("utf-8", "backslashreplace"))  # half surrogate pairs as escapes


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows that share their keys, with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file(path, text.getvalue())


SECONDS_FILE, CHECKSUMS = "seconds.json", "sha256.json"
Content = TypeVar("Content")
_saved = [0.0]


def cache_folder() -> Path:
    """Where downloads and prepared data are kept: ``TEXTGEN_CACHE``, or the system's place for
    caches."""
    chosen = os.environ.get("TEXTGEN_CACHE")
    return Path(chosen or platformdirs.user_cache_dir("textgen", appauthor=False))


@contextlib.contextmanager
def writing_cache() -> Iterator[None]:
    """A block that writes to the cache something that is needed later.

    Raises:
        TextgenError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        message = f"{error.filename or cache_folder()}: {error.strerror or error}"
        hint = "set TEXTGEN_CACHE to another folder"
        raise TextgenError(f"the cache cannot be written: {message}", hint) from None


def cache_put(path: Path, data: Any) -> None:
    """Put plain data into the cache.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    put_file(path, json.dumps({"sha256": _data_hash(data), "data": data}))


def cache_get(path: Path) -> Any:
    """What :func:`cache_put` has written; None if there is nothing, or if it is damaged."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["sha256"] == _data_hash(stored["data"]):
            return stored["data"]
    except FileNotFoundError:
        return None
    except (*UNREADABLE, LookupError, TypeError):  # also of other JSON
        pass
    _note_damage(path)
    return None


def _note_damage(path: Path) -> None:
    print(visible(f"note: {path} is damaged and is computed again"), file=sys.stderr)


def _data_hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _file_hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file in a folder but of the list of these."""
    return {path.name: sha256_of(path) for path in folder.iterdir() if path.name != CHECKSUMS}


def _is_intact(folder: Path) -> bool:
    with contextlib.suppress(*UNREADABLE):
        stored = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        return bool(stored == _file_hashes(folder))
    return False


def cached_folder(
    folder: Path, read: Callable[[Path], Content], write: Callable[[Path], None]
) -> Content:
    """The content of a folder in the cache, which is written first if it is missing or damaged.

    It is written whole or not at all. The seconds that this once took count as saved whenever it
    is found.

    Args:
        folder: where it is, under a name that depends on its content.
        read: returns the content, or raises one of :data:`textgen.core.errors.UNREADABLE`.
        write: fills an empty folder.

    Raises:
        TextgenError: the cache cannot be written.
    """
    if _is_intact(folder):
        with contextlib.suppress(*UNREADABLE):
            content = read(folder)
            save_seconds(float((folder / SECONDS_FILE).read_text(encoding="utf-8")))
            return content
    if folder.exists():
        _note_damage(folder)
    with writing_cache():
        folder.parent.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as scratch:
            new = Path(scratch) / folder.name
            new.mkdir()
            write(new)
            (new / SECONDS_FILE).write_text(str(time.perf_counter() - start), encoding="utf-8")
            (new / CHECKSUMS).write_text(json.dumps(_file_hashes(new)), encoding="utf-8")
            if not _is_intact(folder):  # as it is if another run was faster
                shutil.rmtree(folder, ignore_errors=True)
                with contextlib.suppress(OSError):
                    new.rename(folder)
        return read(folder)


def save_seconds(seconds: float) -> None:
    """Record that something was read from the cache that took ``seconds`` to make."""
    _saved[0] += seconds


def seconds_saved() -> float:
    """The sum of all seconds recorded in this process."""
    return _saved[0]
