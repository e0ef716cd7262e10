"""The cache folder, and how long its content took to make: time that it saves still counts.

A budget in seconds includes the preparation. An arm whose tags are in the cache already would get
more training than one that starts without them, so the cache records how long they took.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import platformdirs

from textgen.core.errors import UNREADABLE, TextgenError

SECONDS = "seconds.json"
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
        content = read(folder)
        save_seconds(float((folder / SECONDS).read_text(encoding="utf-8")))
        return content
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
            with contextlib.suppress(*UNREADABLE):
                return read(folder)  # another run has written it meanwhile
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
