"""The cache folder: what is expensive to prepare, kept whole or not at all.

Everything in the cache has a checksum; what is damaged is computed again. A budget in seconds
includes the preparation: an arm whose tags are in the cache already would get more training than
one that starts without them, so the cache records what its content took to make, and that is what
:class:`Stopwatch` counts, also for the run that made it.
"""

import contextlib
import functools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from textgen.core.context import temporarily
from textgen.core.errors import TextgenError
from textgen.core.files import UNREADABLE, move, sha256_of
from textgen.core.terminal import visible

DATA_FILE = "data.json"
MAKING_FILE = "making.json"  # processor seconds of an entry and of those that it was made from
CHECKSUMS = "textgen-sha256.json"  # also the mark of an entry: no folder without it is removed
UNFINISHED = "textgen-new-"  # begins the name of a folder that is being written
UNFINISHED_MARK = "textgen-unfinished"  # an empty file in such a folder
MAX_UNUSED_SECONDS = 30 * 24 * 3600
Content = TypeVar("Content")


class Stopwatch:
    """The seconds of what is done within its ``with`` statement, the same whether or not the cache
    saves a part of it: by a clock outside of the cache; and of everything that comes from there,
    counted once, the processor time that making it took.

    Attributes:
        making: processor seconds by the folder in the cache.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.making = dict[str, float]()
        self.clock = clock
        self.start = clock()

    def counting(self) -> contextlib.AbstractContextManager[None]:
        return temporarily(_stopwatch, self)

    def outside(self) -> float:
        """The seconds outside of the cache."""
        return self.clock() - self.start

    def seconds(self) -> float:
        return self.outside() + sum(self.making.values())

    def count(self, folder: Path) -> None:
        """Add what a folder in the cache, and whatever there it was made from, once took."""
        with contextlib.suppress(FileNotFoundError):  # an older version has made it
            self.making |= json.loads((folder / MAKING_FILE).read_text(encoding="utf-8"))


_uncounted = Stopwatch(time.process_time)  # runs where nobody counts
_stopwatch = ContextVar("_stopwatch", default=_uncounted)


@contextlib.contextmanager
def _paused() -> Iterator[None]:
    """The stopwatch of whoever asks for something from the cache stands still."""
    watch = _stopwatch.get()
    before = watch.clock()
    try:
        yield
    finally:
        watch.start += watch.clock() - before  # as if it had started so much later


def cache_folder() -> Path:
    """Where downloads and prepared data are kept: a folder ``textgen`` in ``TEXTGEN_CACHE``, or in
    the system's place for caches."""
    if chosen := os.environ.get("TEXTGEN_CACHE"):
        return Path(chosen) / "textgen"
    return Path(platformdirs.user_cache_dir("textgen", appauthor=False))


def cached(folder: Path, compute: Callable[[], Any]) -> Any:
    """Plain data from a folder in the cache, computed if it is missing or damaged there."""
    return cached_folder(
        folder,
        read=lambda folder: json.loads((folder / DATA_FILE).read_text(encoding="utf-8")),
        write=lambda folder: (folder / DATA_FILE).write_text(
            json.dumps(compute()), encoding="utf-8"
        ),
    )


@_paused()
def cached_folder(
    folder: Path, read: Callable[[Path], Content], write: Callable[[Path], object]
) -> Content:
    """The content of a folder in the cache, which is written first if it is missing or damaged.

    It is written whole or not at all, and removed when it has not been used for a month. For a
    :class:`Stopwatch` it takes what it took when it was made, whether it is made now or found.

    Args:
        folder: where it is, under a name that depends on its content.
        read: returns the content, or raises one of :data:`textgen.core.files.UNREADABLE`.
        write: fills an empty folder.

    Raises:
        TextgenError: the cache cannot be written, or something else stands in the entry's place.
    """
    if _is_intact(folder):
        with contextlib.suppress(*UNREADABLE):
            content = read(folder)
            _stopwatch.get().count(folder)
            with contextlib.suppress(OSError):  # a cache that others keep
                os.utime(folder)
            return content
    if folder.exists():
        if not (folder / CHECKSUMS).exists():
            message = f"the cache: {folder}: not an entry that this version of textgen has written"
            raise TextgenError(message, "move it away, or set TEXTGEN_CACHE to another folder")
        print(visible(f"note: {folder} is damaged and will be recomputed"), file=sys.stderr)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_unused(folder.parent)
        scratch_folder = tempfile.TemporaryDirectory(
            dir=folder.parent,
            prefix=UNFINISHED,
            ignore_cleanup_errors=True,  # Windows removes nothing that another process has open
        )
        with scratch_folder as scratch:
            (Path(scratch) / UNFINISHED_MARK).touch()
            new = Path(scratch) / folder.name
            _fill(new, folder, write)
            if not _is_intact(folder):  # as it is if another run was faster
                with contextlib.suppress(OSError):
                    move(folder, Path(scratch) / "damaged")
                with contextlib.suppress(OSError):
                    move(new, folder)
        content = read(folder)
        _stopwatch.get().count(folder)
        return content
    except OSError as error:
        place = Path(os.fsdecode(error.filename or folder))
        is_of_cache = place.is_relative_to(folder.parent) or folder.is_relative_to(place)
        if not is_of_cache:  # but of what is read to fill it
            raise
        message = f"the cache cannot be written: {place}: {error.strerror or error}"
        raise TextgenError(message, "set TEXTGEN_CACHE to another folder") from None


def _fill(new: Path, folder: Path, write: Callable[[Path], object]) -> None:
    """Write the entry that will stand at ``folder`` into the folder ``new``."""
    new.mkdir()
    watch = Stopwatch(time.process_time)
    with watch.counting():
        write(new)
    making = {**watch.making, str(folder): watch.outside()}
    (new / MAKING_FILE).write_text(json.dumps(making), encoding="utf-8")
    (new / CHECKSUMS).write_text(json.dumps(_file_hashes(new)), encoding="utf-8")


@functools.cache  # once a process: some folders get an entry for every document
def _remove_unused(folder: Path) -> None:
    """Remove entries that have not been used for long, and what processes that were killed left."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            written_here = (path / CHECKSUMS).exists() or (path / UNFINISHED_MARK).exists()
            if written_here and time.time() - path.stat().st_mtime > MAX_UNUSED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _file_hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file in a folder but of the list of these."""
    return {path.name: sha256_of(path) for path in folder.iterdir() if path.name != CHECKSUMS}


def _is_intact(folder: Path) -> bool:
    with contextlib.suppress(*UNREADABLE):
        stored = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        return bool(stored == _file_hashes(folder))
    return False
