"""Runs in processes of their own, some at once.

A process that is started here (``python -m textgen.workers COMMAND …``) is an ordinary command of
textgen that ends when whoever started it does, however that came about: it holds the other end of
its standard input.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from textgen import runs
from textgen.config import Experiment

POLL_SECONDS = 0.2
GRACE_SECONDS = 30.0
"""For a process that was told to end, before it is made to."""


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
    """Run jobs on this machine.

    Args:
        jobs: begun in this order.
        folder: where their run folders lie.
        workers: processes at once.

    Yields:
        Each job when it is begun, and its outcome when it has ended.
    """
    waiting = list(jobs)
    running: dict[str, subprocess.Popen[bytes]] = {}
    begun: dict[str, tuple[Job, float]] = {}
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
                log = read_log(scratch / f"{name}.txt")
                yield Outcome(job, code, log, time.perf_counter() - since)


def start_run(job: Job, folder: Path, scratch: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``textgen.run`` for a job; what it prints goes to ``scratch/NAME.txt``.

    Args:
        folder: where run folders lie.
        scratch: for the settings and the log.
        options: of ``subprocess.Popen``.
    """
    settings = scratch / f"{job.name}.toml"
    runs.write_experiment(settings, job.experiment)
    _wait_for_orphan(folder / job.name)
    arguments = ["run", str(settings), "--runs", str(folder), "--quiet"]
    arguments += ["--overwrite"] * job.replace
    return start(arguments, scratch / f"{job.name}.txt", **options)


def start(arguments: Sequence[str], log: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``python -m textgen.COMMAND …`` with all it prints in a file."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "textgen.workers", *arguments],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            **options,
        )


def finish(process: subprocess.Popen[bytes]) -> int:
    """Wait for one process, and leave it at work under no circumstances: its exit code."""
    with stopped_after({"": process}):
        return process.wait()


def read_log(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def stopped_after(processes: Mapping[str, subprocess.Popen[bytes]]) -> Iterator[None]:
    """Nothing in ``processes`` is at work any more when the block is left."""
    try:
        yield
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for_orphan(folder: Path) -> None:
    """A process whose study was killed a moment ago may need another to notice it."""
    if (folder / runs.LOCK).exists():
        with (
            contextlib.suppress(filelock.Timeout),
            filelock.FileLock(folder / runs.LOCK, timeout=GRACE_SECONDS),
        ):
            pass


def main(arguments: Sequence[str] | None = None) -> int:
    command, *rest = sys.argv[1:] if arguments is None else arguments
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return importlib.import_module(f"textgen.{command}").main(rest)


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):  # not sys.stdin, whose lock would hold up the end of this process
            pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
