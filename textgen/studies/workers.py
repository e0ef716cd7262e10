"""Runs in processes of their own, several at once."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from textgen.core import GRACE_SECONDS, Experiment, read_log, start_process, stopped_after
from textgen.runs import LOCK, write_experiment

POLL_SECONDS = 0.2
CRASHES = {-s for s in signal.Signals if s.name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE")}
"""Exit codes of a process that crashed in a library; the run did not end it, nor did a person."""


@dataclass(frozen=True)
class Job:
    """One run of a study. With ``replace``, whatever its folder holds now is replaced."""

    experiment: Experiment
    replace: bool = False

    @property
    def name(self) -> str:
        return self.experiment.name


@dataclass(frozen=True)
class Outcome:
    """How a job ended: the exit code of its process, all it printed, the seconds it took."""

    job: Job
    code: int
    log: str
    seconds: float


@contextlib.contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """A folder for settings and logs of processes, within the folder of a study that is this
    process's own. What a process that was killed has left in it goes when it is entered again."""
    scratch = folder / ".scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def locally(
    jobs: Sequence[Job], folder: Path, workers: int
) -> Generator[Job | Outcome, None, None]:
    """Run jobs on this machine. One whose process crashes is started again, once: from its last
    checkpoint, or from the beginning if it replaces a run.

    Args:
        jobs: started in this order.
        folder: the folder of the run folders.
        workers: processes at once.

    Yields:
        Each job when it is started or started again, and its outcome when it has ended.
    """
    waiting = list(jobs)
    running: dict[str, subprocess.Popen[bytes]] = {}
    started: dict[str, tuple[Job, float]] = {}
    crashed = set[str]()
    with scratch_in(folder) as scratch, stopped_after(running):
        while waiting or running:
            if waiting and len(running) < workers:
                job = waiting.pop(0)
                started[job.name] = job, time.perf_counter()
                running[job.name] = start_run(job, folder, scratch)
                yield job
                continue
            time.sleep(POLL_SECONDS)
            for name in [n for n, process in running.items() if process.poll() is not None]:
                code = running.pop(name).returncode
                job, since = started[name]
                if code in CRASHES and name not in crashed:
                    crashed.add(name)
                    running[name] = start_run(job, folder, scratch)
                    yield job
                    continue
                log = printed(scratch / f"{name}.txt", code)
                yield Outcome(job, code, log, time.perf_counter() - since)


def printed(log: Path, code: int) -> str:
    """What a process printed, and the signal that ended it, if one did."""
    ending = f"\nended by {signal.Signals(-code).name}" if code < 0 else ""
    return read_log(log) + ending


def start_run(job: Job, folder: Path, scratch: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``textgen run`` for a job; what it prints goes to ``scratch/NAME.txt``.

    Args:
        folder: the folder of the run folders.
        scratch: for the settings and the log.
        options: of ``subprocess.Popen``.
    """
    settings = scratch / f"{job.name}.toml"
    write_experiment(settings, job.experiment)
    _wait_for_other_process(folder / job.name)
    arguments = ["textgen.cli", "run", str(settings), "--runs", str(folder), "--quiet"]
    arguments += ["--overwrite"] * job.replace
    return start_process(arguments, scratch / f"{job.name}.txt", **options)


def _wait_for_other_process(folder: Path) -> None:
    """A run of a study that was killed a moment ago ends by itself, but may not have ended yet."""
    if (folder / LOCK).exists():
        with (
            contextlib.suppress(filelock.Timeout),
            filelock.FileLock(folder / LOCK, timeout=GRACE_SECONDS),
        ):
            pass
