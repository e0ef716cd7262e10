"""The cache folder, and how long its content took to make: time that it saves still counts.

Everything in it has a checksum that is verified when it is read; what is damaged is made anew.

A budget in seconds includes the preparation. An arm whose tags are in the cache already would get
more training than one that starts without them, so the cache records how long they took.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from textgen.core.errors import UNREADABLE, TextgenError
from textgen.core.files import put_file, sha256_of
from textgen.core.signs import visible

SECONDS, CHECKSUMS = "seconds.json", "sha256.json"
UNFINISHED = "new-"
FORGOTTEN = 86_400.0
"""Seconds after which a folder that a killed run left unfinished is removed."""
Content = TypeVar("Content")
_saved = [0.0]


def cache_folder() -> Path:
    """Where downloads and prepared data are kept: ``TEXTGEN_CACHE``, or the system's place for
    caches."""
    given = os.environ.get("TEXTGEN_CACHE")
    return Path(given or platformdirs.user_cache_dir("textgen", appauthor=False))


@contextlib.contextmanager
def writing_cache() -> Iterator[None]:
    """A block that writes to the cache something that is needed later.

    Raises:
        TextgenError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise cache_unusable(
            error.filename or cache_folder(), error.strerror or str(error)
        ) from None


def cache_unusable(place: str | Path, found: str) -> TextgenError:
    return TextgenError(
        str(place),
        found=found,
        expected="a cache folder that can be written to",
        hint="set TEXTGEN_CACHE to another one",
    )


def keep(path: Path, data: Any) -> None:
    """Put plain data into the cache.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    put_file(path, json.dumps({"sha256": _data_hash(data), "data": data}))


def kept(path: Path) -> Any:
    """What :func:`keep` has put there; None if it has not, or if it is damaged, which is told."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(stored, dict) and stored.get("sha256") == _data_hash(stored.get("data")):
            return stored["data"]
    except FileNotFoundError:
        return None
    except UNREADABLE:
        pass
    tell_damaged(path)
    return None


def tell_damaged(path: Path) -> None:
    """Say that a part of the cache is made anew."""
    told = visible(f"note: {path} is damaged, or of another version: it is made anew")
    print(told, file=sys.stderr)


def _data_hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _file_hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file in a folder but of the list of these."""
    return {path.name: sha256_of(path) for path in folder.iterdir() if path.name != CHECKSUMS}


def _unharmed(folder: Path) -> bool:
    return json.loads((folder / CHECKSUMS).read_text(encoding="utf-8")) == _file_hashes(folder)


def cached_folder(
    folder: Path, read: Callable[[Path], Content], write: Callable[[Path], None]
) -> Content:
    """The content of a folder in the cache, which is written first if it is missing or damaged.

    It is written whole or not at all. The seconds that this once took count as saved whenever it
    is found.

    Args:
        folder: where it is, under a name that depends on its content.
        read: returns the content, or raises one of :data:`textgen.core.UNREADABLE`.
        write: fills an empty folder.

    Raises:
        TextgenError: the cache cannot be written.
    """
    with contextlib.suppress(*UNREADABLE):
        if _unharmed(folder):
            content = read(folder)
            save_seconds(float((folder / SECONDS).read_text(encoding="utf-8")))
            return content
    if folder.exists():
        tell_damaged(folder)
    with writing_cache():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another run removes them too
            for left in folder.parent.glob(f"{UNFINISHED}*"):
                if time.time() - left.stat().st_mtime > FORGOTTEN:
                    shutil.rmtree(left, ignore_errors=True)
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=UNFINISHED) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            write(made)
            (made / SECONDS).write_text(str(time.perf_counter() - start), encoding="utf-8")
            (made / CHECKSUMS).write_text(json.dumps(_file_hashes(made)), encoding="utf-8")
            with contextlib.suppress(*UNREADABLE):
                if _unharmed(folder):  # another run has written it meanwhile
                    return read(folder)
            shutil.rmtree(folder, ignore_errors=True)  # a damaged one, if there is any
            with contextlib.suppress(OSError):  # another run was faster after all
                made.rename(folder)
    try:
        return read(folder)
    except UNREADABLE:
        raise cache_unusable(folder, "what was written cannot be read") from None


def save_seconds(seconds: float) -> None:
    """Record that something was read from the cache that took ``seconds`` to make."""
    _saved[0] += seconds


def seconds_saved() -> float:
    """The sum of all seconds recorded in this process."""
    return _saved[0]
