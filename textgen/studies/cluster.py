"""Runs as tasks of a Ray cluster: the same process elsewhere, its run folder sent back.

Does not handle: going on with a run that a machine of the cluster had begun. A task that is cut
short starts again from the run folder on this machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from textgen.core import TextgenError, finish_process, resolve_experiment, write_file
from textgen.runs import LOCK, begin_folder, prepare_folder
from textgen.studies.workers import CRASHES, POLL_SECONDS, Job, Outcome, printed, start_run
from textgen.training import connected, environment

Files = dict[str, bytes]


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
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    finally:
        lock.release()
