"""Runs as tasks of a Ray cluster: the same process elsewhere, its run folder sent back.

Does not handle: going on with a run that a machine of the cluster had begun. A task that is cut
short starts again from the run folder on this machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import socket
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from textgen.core import (
    TextgenError,
    finish_process,
    resolve_experiment,
    silenced_stderr,
    write_file,
)
from textgen.runs import LOCK, begin_folder, prepare_folder
from textgen.studies.workers import CRASHES, POLL_SECONDS, Job, Outcome, printed, start_run
from textgen.training import CHECKPOINT_FILE

PREFIX = "TEXTGEN_"
"""Of the environment variables that processes on the cluster get from here."""
CONNECT_SECONDS = 10.0

Files = dict[str, bytes]


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


def on_ray(
    jobs: Sequence[Job], folder: Path, at_once: int, address: str, threads: int
) -> Generator[Job | Outcome, None, None]:
    """Run jobs on a Ray cluster.

    Args:
        jobs, folder: as of :func:`textgen.studies.workers.locally`.
        at_once: tasks at once, of a cluster that is started here.
        address: the cluster's, or ``"local"`` to start one on this machine.
        threads: cores of a task.

    Yields:
        Each job when it is sent, and its outcome when it has ended.

    Raises:
        TextgenError: no cluster answers.
    """
    with connected(address, at_once * threads) as ray:
        task, sent = ray.remote(num_cpus=threads)(_task), {}
        try:
            for job in jobs:
                files = {} if job.replace else read_files(folder / job.name)
                given = (job.experiment.resolved, files, environment(), str(Path.cwd()))
                sent[task.remote(*given)] = job
                yield job
            while sent:
                done, _ = ray.wait(list(sent), timeout=POLL_SECONDS)
                for reference in done:
                    yield _outcome(ray, reference, sent.pop(reference), folder)
        finally:
            for reference in sent:
                ray.cancel(reference, force=True)


def _outcome(ray: Any, reference: Any, job: Job, folder: Path) -> Outcome:
    """How a task ended; the run folder that it sent back is written."""
    code, log, seconds = 1, "", 0.0
    try:
        code, log, files, seconds = ray.get(reference)
        if code == 0:
            write_files(folder / job.name, job, files)
    except (ray.exceptions.RayError, TextgenError) as error:
        code, log = 1, f"{log}{error}"
    return Outcome(job, code, log, seconds)


def _task(
    resolved: Mapping[str, Any], files: Files, variables: Mapping[str, str], place: str
) -> tuple[int, str, Files, float]:
    """One run, wherever this is called: exit code, what it printed, its folder, seconds."""
    job = Job(resolve_experiment(resolved))
    env = {key: value for key, value in {**os.environ, **variables}.items() if value}
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "runs"
        for name, data in files.items():
            write_file(folder / job.name / name, data)
        for _ in range(2):  # once more after a crash
            process = start_run(
                job,
                folder,
                Path(scratch),
                env=env,
                cwd=place if Path(place).is_dir() else None,  # relative paths in [corpus]
            )
            code = finish_process(process)
            if code not in CRASHES:
                break
        log = printed(Path(scratch) / f"{job.name}.txt", code)
        made = {} if code else read_files(folder / job.name)
    return code, log, made, time.perf_counter() - begin


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
