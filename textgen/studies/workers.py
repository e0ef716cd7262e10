"""The runs of a study: each in a process of its own, here or as a task of a Ray cluster.

Does not handle: resuming a run that a machine of a cluster had begun. A task that is cut short
starts again from the run folder on this machine.

``python -m textgen.studies.workers MODULE …`` runs the ``main`` of a module in a process that ends
when its parent does, even if the parent is killed: the parent holds the other end of its standard
input.
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
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import filelock

from textgen.core.errors import Cancelled, TextgenError
from textgen.core.experiment import Experiment, resolve_experiment
from textgen.core.system import exit_immediately, silenced_stderr, write_file
from textgen.runs.folder import LOCK, begin_folder, prepare_folder, write_experiment
from textgen.training.checkpoint import CHECKPOINT_FILE

GRACE_SECONDS = 30.0
"""Between SIGTERM and SIGKILL."""
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


class Processes:
    """Processes of this block: when it is left, none runs any more, and none starts."""

    def __init__(self) -> None:
        self._lock, self._closed = threading.Lock(), False
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def run(self, arguments: Sequence[str], log: Path, **options: Any) -> int:
        """Run the ``main`` of a module to its end; its exit code.

        Args:
            arguments: the module and its arguments.
            log: gets what it prints.
            options: of ``subprocess.Popen``.

        Raises:
            Cancelled: the block has been left.
        """
        with self._lock:
            if self._closed:
                raise Cancelled
            with log.open("wb") as file:
                process = subprocess.Popen(
                    [sys.executable, "-m", "textgen.studies.workers", *arguments],
                    stdin=subprocess.PIPE,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    **options,
                )
            self._started.append(process)
        return process.wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
        for process in self._started:
            process.terminate()
        for process in self._started:
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def printed(log: Path, code: int) -> str:
    """What a process printed, and the signal that ended it, if one did."""
    ending = f"\nended by {signal.Signals(-code).name}" if code < 0 else ""
    return log.read_text(encoding="utf-8", errors="replace") + ending


def run_jobs(
    jobs: Sequence[Job],
    folder: Path,
    at_once: int,
    *,
    address: str | None = None,
    threads: int = 1,
) -> Generator[tuple[Job, str | None, float], None, None]:
    """Run jobs, started in their order. One whose process crashes is started again, once: from its
    last checkpoint, or from the beginning if it replaces a run.

    Args:
        folder: the folder of the run folders.
        at_once: jobs at once, on this machine or on a cluster that is started here.
        address: of a Ray cluster; ``"local"`` starts one here; None runs them on this machine.
        threads: cores of a job on the cluster.

    Yields:
        Each job when it has ended, what it printed if it failed, and the seconds that it took.

    Raises:
        TextgenError: no cluster answers.
    """
    place = _here(folder) if address is None else _on_ray(folder, at_once, address, threads)
    with place as run:

        def run_one(job: Job) -> tuple[Job, str | None, float]:
            begin = time.perf_counter()
            return job, run(job), time.perf_counter() - begin

        many = at_once if address in (None, "local") else max(1, len(jobs))
        pool = ThreadPoolExecutor(many)
        try:
            for future in as_completed([pool.submit(run_one, job) for job in jobs]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def _here(folder: Path) -> Iterator[Callable[[Job], str | None]]:
    """Runs a job on this machine; no process is left when the block is left."""
    with scratch_in(folder) as scratch, Processes() as processes:
        yield lambda job: _run(job, folder, scratch, processes)


def _run(job: Job, folder: Path, scratch: Path, processes: Processes, **options: Any) -> str | None:
    """One run in a process: what it printed if it failed."""
    settings, log = scratch / f"{job.name}.toml", scratch / f"{job.name}.txt"
    write_experiment(settings, job.experiment)
    _wait_for_other_process(folder / job.name)
    arguments = ["textgen.cli", "run", str(settings), "--runs", str(folder), "--quiet"]
    arguments += ["--overwrite"] * job.replace
    code = processes.run(arguments, log, **options)
    if code in CRASHES:
        code = processes.run(arguments, log, **options)
    return printed(log, code) if code else None


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


def _wait_for_other_process(folder: Path) -> None:
    """A run of a study that was killed a moment ago ends by itself, but may not have ended yet."""
    if (folder / LOCK).exists():
        lock = filelock.FileLock(folder / LOCK, timeout=GRACE_SECONDS)
        with contextlib.suppress(filelock.Timeout), lock:
            pass


def check_cluster(address: str) -> None:
    """Raises:
    TextgenError: Ray is not installed, or nothing answers at ``address``.
    """
    if importlib.util.find_spec("ray") is None:
        hint = 'pip install "textgen-compare[cluster]", or leave --address out to run here'
        raise TextgenError(f"--address {address}: Ray is not installed", hint)
    place = urlsplit("//" + address.rpartition("//")[2])
    try:
        if place.hostname and place.port:  # where nothing answers, Ray itself waits for minutes
            socket.create_connection((place.hostname, place.port), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str, error: Exception) -> TextgenError:
    message = f"--address {address}: no Ray cluster answers: {str(error).splitlines()[0]}"
    return TextgenError(message, 'start one with: ray start --head, or use "local"')


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
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        options |= {"num_cpus": cores, "include_dashboard": False}
        options["_node_ip_address"] = "127.0.0.1"
    try:
        with silenced_stderr():
            ray.init(address=address, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(address, error) from None
    try:
        yield ray
    finally:
        with silenced_stderr():
            ray.shutdown()


@contextlib.contextmanager
def _on_ray(
    folder: Path, at_once: int, address: str, threads: int
) -> Iterator[Callable[[Job], str | None]]:
    """Runs a job as a task of a cluster; the run folder that it sends back is written here."""
    with connected(address, at_once * threads) as ray:
        task, references = ray.remote(num_cpus=threads)(_task), list[Any]()

        def run(job: Job) -> str | None:
            files = {} if job.replace else _read_files(folder / job.name)
            reference = task.remote(job.experiment.resolved, files, _environment(), str(Path.cwd()))
            references.append(reference)
            try:
                failure, files = ray.get(reference)
                if failure is None:
                    _write_files(folder / job.name, job, files)
            except (ray.exceptions.RayError, TextgenError) as error:
                return str(error)
            return failure

        try:
            yield run
        finally:
            for reference in references:
                ray.cancel(reference, force=True)


def _environment() -> dict[str, str]:
    """The variables that a process on the cluster must have as they are here; "" for one that is
    not set."""
    own = {key: value for key, value in os.environ.items() if key.startswith(PREFIX)}
    # Ray sets this one for its processes; sums of floats must not depend on where they are made
    return {**own, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "")}


def _task(
    resolved: Mapping[str, Any], files: Files, variables: Mapping[str, str], place: str
) -> tuple[str | None, Files]:
    """One run, wherever this is called: what it printed if it failed, and its folder."""
    job = Job(resolve_experiment(resolved))
    env = {key: value for key, value in {**os.environ, **variables}.items() if value}
    cwd = place if Path(place).is_dir() else None  # relative paths in [corpus]
    with tempfile.TemporaryDirectory() as scratch, Processes() as processes:
        folder = Path(scratch) / "runs"
        for name, data in files.items():
            write_file(folder / job.name / name, data)
        failure = _run(job, folder, Path(scratch), processes, env=env, cwd=cwd)
        return failure, {} if failure else _read_files(folder / job.name)


def _read_files(folder: Path) -> Files:
    """The files of a run folder by their path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LOCK
    }


def _write_files(folder: Path, job: Job, files: Files) -> None:
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


def main(arguments: Sequence[str]) -> int:
    """Run the ``main`` of a module, until the parent of this process ends."""
    module, *rest = arguments
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return importlib.import_module(module).main(rest)


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):  # not sys.stdin, whose lock would delay the end of this process
            pass
    os._exit(1)


if __name__ == "__main__":
    exit_immediately(main(sys.argv[1:]))
