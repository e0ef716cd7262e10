"""Runs in processes of their own, some at once."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from textgen.core import GRACE_SECONDS, Experiment, read_log, start_process, stopped_after
from textgen.runs import LOCK, write_experiment

POLL_SECONDS = 0.2
CRASHES = {-s for s in signal.Signals if s.name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE")}
"""Exit codes of a process that was ended by a fault in a library, not by the run or by anyone."""


@dataclass(frozen=True)
class Job:
    """One run of a study; ``replace`` what its folder holds now."""

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


def locally(
    jobs: Sequence[Job], folder: Path, workers: int
) -> Generator[Job | Outcome, None, None]:
    """Run jobs on this machine; one whose process crashes is started again, once:
    from its last checkpoint, or from the beginning where it is to replace a run.

    Args:
        jobs: begun in this order.
        folder: where their run folders lie.
        workers: processes at once.

    Yields:
        Each job when it is begun or begun again, and its outcome when it has ended.
    """
    waiting = list(jobs)
    running: dict[str, subprocess.Popen[bytes]] = {}
    begun: dict[str, tuple[Job, float]] = {}
    crashed = set[str]()
    with tempfile.TemporaryDirectory() as place, stopped_after(running):
        scratch = Path(place)
        while waiting or running:
            if waiting and len(running) < workers:
                job = waiting.pop(0)
                begun[job.name] = job, time.perf_counter()
                running[job.name] = start_run(job, folder, scratch)
                yield job
                continue
            time.sleep(POLL_SECONDS)
            for name in [n for n, process in running.items() if process.poll() is not None]:
                code = running.pop(name).returncode
                job, since = begun[name]
                if code in CRASHES and name not in crashed:
                    crashed.add(name)
                    running[name] = start_run(job, folder, scratch)
                    yield job
                    continue
                log = told(scratch / f"{name}.txt", code)
                yield Outcome(job, code, log, time.perf_counter() - since)


def told(log: Path, code: int) -> str:
    """What a process printed, and which signal ended it if one did."""
    ending = f"\nended by {signal.Signals(-code).name}" if code < 0 else ""
    return read_log(log) + ending


def start_run(job: Job, folder: Path, scratch: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``textgen.run`` for a job; what it prints goes to ``scratch/NAME.txt``.

    Args:
        folder: where run folders lie.
        scratch: for the settings and the log.
        options: of ``subprocess.Popen``.
    """
    settings = scratch / f"{job.name}.toml"
    write_experiment(settings, job.experiment)
    _wait_for_orphan(folder / job.name)
    arguments = ["run", str(settings), "--runs", str(folder), "--quiet"]
    arguments += ["--overwrite"] * job.replace
    return start_process(arguments, scratch / f"{job.name}.txt", **options)


def _wait_for_orphan(folder: Path) -> None:
    """A process whose study was killed a moment ago may need another to notice it."""
    if (folder / LOCK).exists():
        with (
            contextlib.suppress(filelock.Timeout),
            filelock.FileLock(folder / LOCK, timeout=GRACE_SECONDS),
        ):
            pass
