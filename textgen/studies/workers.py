"""The runs of a study: each in a process of its own, here or as a task of a Ray cluster.

Does not handle: resuming a run that a machine of a cluster had begun. A task that is cut short
starts again from the run folder on this machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import filelock

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment, resolve_experiment
from textgen.core.files import write_file
from textgen.core.machine import silenced_stderr
from textgen.core.processes import GRACE_SECONDS, read_log, start_process, stopped_after
from textgen.runs.folder import LOCK, begin_folder, prepare_folder, write_experiment
from textgen.training.checkpoint import CHECKPOINT_FILE

CRASHES = {-s for s in signal.Signals if s.name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE")}
"""Exit codes of a process that crashed in a library: neither the run nor a person ended it."""
PREFIX = "TEXTGEN_"
"""Of the environment variables that processes on the cluster get from here."""
CONNECT_SECONDS = 10.0

Files = dict[str, bytes]


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


def run_jobs(
    jobs: Sequence[Job],
    folder: Path,
    at_once: int,
    *,
    address: str | None = None,
    threads: int = 1,
    started: Callable[[Job], None] = lambda job: None,
) -> Generator[Outcome, None, None]:
    """Run jobs, started in their order. One whose process crashes is started again, once: from its
    last checkpoint, or from the beginning if it replaces a run.

    Args:
        folder: the folder of the run folders.
        at_once: jobs at once, on this machine or on a cluster that is started here.
        address: of a Ray cluster; ``"local"`` starts one here; None runs them on this machine.
        threads: cores of a job on the cluster.
        started: called with each job when it starts.

    Yields:
        The outcome of each job when it has ended.

    Raises:
        TextgenError: no cluster answers.
    """
    place = _here(folder) if address is None else _on_ray(folder, at_once, address, threads)
    with place as run:

        def run_one(job: Job) -> Outcome:
            started(job)
            begin = time.perf_counter()
            code, log = run(job)
            return Outcome(job, code, log, time.perf_counter() - begin)

        many = at_once if address in (None, "local") else max(1, len(jobs))
        pool = ThreadPoolExecutor(many)
        try:
            for future in as_completed([pool.submit(run_one, job) for job in jobs]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def _here(folder: Path) -> Iterator[Callable[[Job], tuple[int, str]]]:
    """Runs a job on this machine; no process is left when the block is left."""
    running = dict[str, subprocess.Popen[bytes]]()
    with scratch_in(folder) as scratch, stopped_after(running):
        yield lambda job: _run(job, folder, scratch, running)


def _run(
    job: Job,
    folder: Path,
    scratch: Path,
    running: dict[str, subprocess.Popen[bytes]],
    **options: Any,
) -> tuple[int, str]:
    """One run in a process, which is in ``running`` meanwhile: its exit code and what it
    printed. ``options`` are those of ``subprocess.Popen``."""
    settings, log = scratch / f"{job.name}.toml", scratch / f"{job.name}.txt"
    write_experiment(settings, job.experiment)
    _wait_for_other_process(folder / job.name)
    arguments = ["textgen.cli", "run", str(settings), "--runs", str(folder), "--quiet"]
    arguments += ["--overwrite"] * job.replace
    for _ in range(2):  # once more after a crash
        running[job.name] = start_process(arguments, log, **options)
        code = running[job.name].wait()
        if code not in CRASHES:
            break
    return code, printed(log, code)


@contextlib.contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """A folder for settings and logs of processes, within the folder of a study that is this
    process's own. Leftovers of a killed process are removed on entry."""
    scratch = folder / ".scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def printed(log: Path, code: int) -> str:
    """What a process printed, and the signal that ended it, if one did."""
    ending = f"\nended by {signal.Signals(-code).name}" if code < 0 else ""
    return read_log(log) + ending


def _wait_for_other_process(folder: Path) -> None:
    """A run of a study that was killed a moment ago ends by itself, but may not have ended yet."""
    if (folder / LOCK).exists():
        with (
            contextlib.suppress(filelock.Timeout),
            filelock.FileLock(folder / LOCK, timeout=GRACE_SECONDS),
        ):
            pass


def check_cluster(address: str) -> None:
    """Raises:
    TextgenError: Ray is not installed, or nothing answers at ``address``.
    """
    if importlib.util.find_spec("ray") is None:
        raise TextgenError(
            f"--address {address}",
            found="Ray is not installed",
            expected="the package that sends runs to other machines",
            hint='pip install "textgen-compare[cluster]", or leave --address out to run here',
        )
    try:
        _check_reachable(address)
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from None


@contextlib.contextmanager
def connected(address: str, cores: int) -> Iterator[Any]:
    """Ray, connected: quietly, without its dashboard, and nothing reported to its makers. A
    connection that this process has already is used as it is.

    Args:
        address: the cluster's, or ``"local"`` to start one on this machine.
        cores: of a cluster that is started here.

    Raises:
        TextgenError: no cluster answers.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    if ray.is_initialized():
        yield ray
        return
    local: dict[str, Any] = {
        "num_cpus": cores,
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
    }
    try:
        with silenced_stderr():
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **(local if address == "local" else {}),
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(address, error) from None
    try:
        yield ray
    finally:
        with silenced_stderr():
            ray.shutdown()


def _unreachable(address: str, error: Exception) -> TextgenError:
    return TextgenError(
        f"--address {address}",
        found=str(error).splitlines()[0][:200],
        expected='the address of a Ray cluster that is up, or "local"',
        hint="start one with: ray start --head",
    )


def _check_reachable(address: str) -> None:
    """Ray itself waits for minutes if nothing answers.

    Raises:
        OSError: nothing does.
    """
    place = urlsplit("//" + address.rpartition("//")[2])
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), CONNECT_SECONDS).close()


def environment() -> dict[str, str]:
    """The variables that a process on the cluster must have as they are here; "" for one that is
    not set."""
    kept = {key: value for key, value in os.environ.items() if key.startswith(PREFIX)}
    # Ray sets this one for its processes; sums of floats must not depend on where they are made
    return {**kept, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "")}


@contextlib.contextmanager
def _on_ray(
    folder: Path, at_once: int, address: str, threads: int
) -> Iterator[Callable[[Job], tuple[int, str]]]:
    """Runs a job as a task of a cluster; the run folder that it sends back is written here."""
    with connected(address, at_once * threads) as ray:
        task, sent = ray.remote(num_cpus=threads)(_task), list[Any]()

        def run(job: Job) -> tuple[int, str]:
            files = {} if job.replace else read_files(folder / job.name)
            given = (job.experiment.resolved, files, environment(), str(Path.cwd()))
            reference, log = task.remote(*given), ""
            sent.append(reference)
            try:
                code, log, made = ray.get(reference)
                if code == 0:
                    write_files(folder / job.name, job, made)
            except (ray.exceptions.RayError, TextgenError) as error:
                return 1, f"{log}{error}"
            return code, log

        try:
            yield run
        finally:
            for reference in sent:
                ray.cancel(reference, force=True)


def _task(
    resolved: Mapping[str, Any], files: Files, variables: Mapping[str, str], place: str
) -> tuple[int, str, Files]:
    """One run, wherever this is called: exit code, what it printed, its folder."""
    job = Job(resolve_experiment(resolved))
    env = {key: value for key, value in {**os.environ, **variables}.items() if value}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "runs"
        for name, data in files.items():
            write_file(folder / job.name / name, data)
        cwd = place if Path(place).is_dir() else None  # relative paths in [corpus]
        code, log = _run(job, folder, Path(scratch), {}, env=env, cwd=cwd)
        made = {} if code else read_files(folder / job.name)
    return code, log, made


def read_files(folder: Path) -> Files:
    """The files of a run folder by their path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LOCK
    }


def write_files(folder: Path, job: Job, files: Files) -> None:
    """Write a run folder from its files, metrics.json last: it counts as finished only when all of
    them are there.

    Raises:
        TextgenError: another process works in it, or the disk is full.
    """
    lock = prepare_folder(folder, job.experiment, job.replace)
    try:
        begin_folder(folder, job.experiment, job.replace)
        for name in sorted(files, key=lambda name: name == "metrics.json"):
            write_file(folder / name, files[name])
        (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    finally:
        lock.release()
