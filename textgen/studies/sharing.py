"""How several processes share a study, or a search, by files in the folder ``.jobs``.

There is a lock for each job, which the process that does it holds; one for each process that works
on the study; and beside the lock of a job that has failed, why it has, so that no other process
tries it again. The lock of the whole folder is held while the study is planned.
"""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import filelock

from textgen.core.errors import TextgenError
from textgen.core.files import write_file
from textgen.core.progress import Say, ignore
from textgen.runs.folder import LOCK, take_folder

LOCKS = ".jobs"  # the folder of the jobs' locks, in that of a study's runs
PROCESSES = "processes"  # there, the folder of the locks of the processes at work
FAILED = ".failed"  # what a job's lock is called with, where it is recorded why the job failed
BUSY = "another process is working on this study"
BUSY_HINT = "wait until it has ended"


def is_taken(lock: Path) -> bool:
    """Whether a process holds a lock."""
    if not lock.exists():
        return False
    trying = filelock.FileLock(lock)
    try:
        trying.acquire(timeout=0)
    except filelock.Timeout:
        return True
    trying.release()
    return False


def take(lock: Path, seconds: float = 0.0) -> filelock.BaseFileLock | None:
    """A lock that this process now holds; None if another one does, and still after so many
    seconds."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    taken = filelock.FileLock(lock)
    try:
        taken.acquire(timeout=seconds)
    except filelock.Timeout:
        return None
    return taken


def failure_of(lock: Path) -> str | None:
    """Why the job of a lock has failed in one of the processes at work; None if it has not."""
    try:
        return lock.with_suffix(FAILED).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def record_failure(lock: Path, reason: str) -> None:
    """The job of a lock, which this process holds, has failed."""
    write_file(lock.with_suffix(FAILED), reason)


def forget_failure(lock: Path) -> None:
    """The job of a lock may be tried again."""
    lock.with_suffix(FAILED).unlink(missing_ok=True)


@contextlib.contextmanager
def at_work(folder: Path) -> Iterator[float]:
    """Be one of the processes that work on the study whose runs are in a folder, for a block, which
    is to be begun while it is planned. Where there is no other, jobs that have failed before are
    tried again.

    Yields:
        when the block has begun, by the clock of the folder.
    """
    processes = folder / LOCKS / PROCESSES
    processes.mkdir(parents=True, exist_ok=True)
    others = [file for file in processes.iterdir() if is_taken(file)]
    if not others:
        for record in (folder / LOCKS).rglob(f"*{FAILED}"):
            record.unlink(missing_ok=True)
        for file in processes.iterdir():  # of processes that were killed
            file.unlink(missing_ok=True)
    file = processes / f"{secrets.token_hex(8)}.lock"
    try:
        with filelock.FileLock(file):
            yield file.stat().st_mtime
    finally:
        with contextlib.suppress(OSError):  # Windows: while another process looks at it
            file.unlink()


@contextlib.contextmanager
def lock_study(folder: Path) -> Iterator[None]:
    """Have the folder of a study's runs for this process alone, for a block.

    Raises:
        TextgenError: another process is working on the study, or the folder cannot be written.
    """
    with take_folder(folder, BUSY, BUSY_HINT):
        check_alone(folder)
        yield


def check_alone(folder: Path) -> None:
    """Raises:
    TextgenError: another process works on the study whose runs are in a folder, or does one of its
        jobs.
    """
    if any(is_taken(lock) for lock in (folder / LOCKS).rglob("*.lock")):
        raise TextgenError(f"{folder}: {BUSY}", BUSY_HINT)


@contextlib.contextmanager
def planning_lock(folder: Path, say: Say = ignore) -> Iterator[None]:
    """Plan a study in this block, and no other process does so meanwhile: it waits."""
    if is_taken(folder / LOCK):
        say("another process is planning this study; waiting for it …")
    with take_folder(folder, BUSY, BUSY_HINT, wait=True):
        yield
