"""Processes: those of a study's runs, here or as tasks of a Ray cluster, end when the study does.

A run on a cluster writes into the same folder as one that is made here: all machines have to share
it, for example over a network.
"""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import filelock

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment
from textgen.core.progress import Cancelled
from textgen.core.tensorflow import silenced_stderr
from textgen.runs.finished import read_metrics
from textgen.runs.folder import LOCK, is_finished, write_experiment

GRACE_SECONDS = 30.0  # between SIGTERM and SIGKILL
CONNECT_SECONDS = 10.0
Work = TypeVar("Work")
Result = TypeVar("Result")


def printed_lines(log: Path) -> list[str]:
    """What a process has printed, without blank lines; nothing if it has not begun."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return [line.strip() for line in text.splitlines() if line.strip()]


class Worker:
    """A process that does jobs, see :mod:`textgen.studies.process`.

    Args:
        log: gets what it prints before its first job.
        cwd, env: its folder and its environment, if they are not those of this process.
    """

    def __init__(
        self, log: Path, cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "textgen.studies.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=cwd,
                env=env,
            )

    def do(self, job: str, log: Path, **arguments: Any) -> Any:
        """Have it do a job, and wait for the result.

        Args:
            job: a method of :class:`textgen.studies.process.Jobs`.
            log: gets what it prints.
            arguments: of the job, as JSON has them.

        Raises:
            TextgenError: it failed, with the last line that it printed or the signal that ended it.
        """
        assert self._process.stdin
        assert self._process.stdout
        line = json.dumps([str(log), job, arguments]) + "\n"
        with contextlib.suppress(BrokenPipeError):  # it has ended: see below
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        result = self._process.stdout.readline()
        if result:
            return json.loads(result)
        code = self._process.wait()
        if code < 0:
            raise TextgenError(f"ended by {signal.Signals(-code).name}")
        lines = [line for line in printed_lines(log) if "hint:" not in line]
        raise TextgenError(lines[-1] if lines else f"exit code {code}")

    def end(self) -> None:
        """End it, which has no job."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self.wait()

    def stop(self) -> None:
        """Ask it to stop, also in the middle of a job."""
        self._process.terminate()

    def wait(self) -> None:
        """Wait until it has ended; it is killed if it does not."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self._process.kill()


class Processes(contextlib.AbstractContextManager["Processes"]):
    """Processes of this block: when it is left, none runs any more, and none starts.

    Attributes:
        kept: those that have begun the experiment of a run, by the folder of that run.
    """

    def __init__(self) -> None:
        self.kept = dict[Path, Worker]()
        self._started = list[Worker]()
        self._closed = False

    def start(
        self, log: Path, cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> Worker:
        """A new process; see :class:`Worker`.

        Raises:
            Cancelled: the block has been left.
        """
        if self._closed:
            raise Cancelled
        worker = Worker(log, cwd, env)
        self._started.append(worker)
        if self._closed:  # since it was asked above
            worker.stop()
        return worker

    def end(self, worker: Worker) -> None:
        """End one of them, which has no job."""
        worker.end()
        self._started.remove(worker)

    def keep(self, number: int) -> None:
        """Of those that are kept, keep the first so many, and end the others."""
        for run in list(self.kept)[number:]:
            self.end(self.kept.pop(run))

    def do(self, job: str, log: Path, **arguments: Any) -> Any:
        """Have a process of its own do a job.

        Raises:
            Cancelled, TextgenError: as :meth:`start` and :meth:`Worker.do`.
        """
        worker = self.start(log)
        result = worker.do(job, log, **arguments)
        self.end(worker)
        return result

    def run(self, experiment: Path, runs: Path, overwrite: bool, log: Path) -> None:
        """Make a run, in the process that has begun it if there is one.

        Args:
            experiment: its file; the run has its name.
            runs: the folder of its folder.
            overwrite: whether it may replace what is there.
            log: gets what it prints.

        Raises:
            Cancelled, TextgenError: as :meth:`start` and :meth:`Worker.do`.
        """
        worker = self.kept.pop(runs / experiment.stem, None) or self.start(log)
        worker.do("run", log, experiment=str(experiment), runs=str(runs), overwrite=overwrite)
        self.end(worker)

    def __exit__(self, *_: object) -> None:
        self._closed = True
        left = list(self._started)
        for worker in left:
            worker.stop()
        for worker in left:
            worker.wait()


class Tasks:
    """Tasks of a Ray cluster, as :class:`Processes`: when the block is left, none runs any more.

    Ray is quiet, and reports nothing to its makers.

    Args:
        address: of the cluster.
        threads: cores of a task.
    """

    def __init__(self, address: str, threads: int) -> None:
        self.address = address
        self.threads = threads
        self._started = list[Any]()

    def __enter__(self) -> Self:
        """Connect to the cluster.

        Raises:
            TextgenError: Ray is not installed, or no cluster answers.
        """
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        try:
            import ray

            place = urlsplit("//" + self.address.rpartition("//")[2])
            if place.hostname and place.port:  # where nothing answers, Ray itself waits for minutes
                socket.create_connection((place.hostname, place.port), CONNECT_SECONDS).close()
            with silenced_stderr():
                ray.init(self.address, log_to_driver=False, logging_level=logging.ERROR)
        except ImportError:
            hint = 'pip install ".[cluster]", or leave --address out to run here'
            raise TextgenError(f"--address {self.address}: Ray is not installed", hint) from None
        except (OSError, RuntimeError, ValueError) as error:
            reason = f"no Ray cluster answers: {str(error).splitlines()[0]}"
            hint = "start one with: ray start --head"
            raise TextgenError(f"--address {self.address}: {reason}", hint) from None
        self._ray = ray
        self._task = ray.remote(num_cpus=self.threads)(_task)
        return self

    def run(self, experiment: Path, runs: Path, overwrite: bool, log: Path) -> None:
        """As :meth:`Processes.run`."""
        settings = {key: value for key, value in os.environ.items() if key.startswith("TEXTGEN_")}
        # Ray sets this one for its processes; sums of floats must not depend on where they are made
        settings["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "")
        arguments = {"experiment": str(experiment), "runs": str(runs), "overwrite": overwrite}
        task = self._task.remote(arguments, str(log), str(Path.cwd()), settings)
        self._started.append(task)
        try:
            failure = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            failure = str(error)
        if failure is not None:
            raise TextgenError(failure)

    def __exit__(self, *_: object) -> None:
        for task in self._started:
            self._ray.cancel(task, force=True)
        with silenced_stderr():
            self._ray.shutdown()


def _task(
    arguments: Mapping[str, Any], log: str, place: str, extra: Mapping[str, str]
) -> str | None:
    """:meth:`Processes.run` wherever Ray calls this: why it failed, if it did."""
    if not Path(place).is_dir() or not Path(log).parents[1].is_dir():
        return f"{socket.gethostname()} does not have both {place} and {Path(log).parents[1]}"
    env = {key: value for key, value in {**os.environ, **extra}.items() if value}
    with Processes() as processes:
        try:
            worker = processes.start(Path(log), cwd=place, env=env)
            worker.do("run", Path(log), **arguments)
            processes.end(worker)
        except TextgenError as error:
            return error.message
    return None


def run_all(
    experiments: Sequence[Experiment],
    folder: Path,
    place: Processes | Tasks,
    *,
    at_once: int = 1,
    replaced: Set[str] = frozenset(),
) -> Generator[tuple[str, str | None, float], None, None]:
    """Run experiments, started in their order.

    Args:
        experiments: what is run.
        folder: the folder of the run folders, and of ``logs`` with what each run was given and what
            it has printed.
        place: runs them.
        at_once: how many.
        replaced: names of runs whose folders hold something else.

    Yields:
        The name of each run when it has ended, why it failed if it did, and its seconds.
    """

    def run(experiment: Experiment) -> tuple[str, str | None, float]:
        begin = time.perf_counter()
        name = experiment.name
        failure = None
        log = folder.resolve() / "logs" / f"{name}.txt"
        lock = folder / name / LOCK
        write_experiment(log.with_suffix(".toml"), experiment)
        if lock.exists():  # a run of a study that was killed a moment ago may be about to end
            _wait_until_free(lock)
        try:
            place.run(log.with_suffix(".toml"), folder.resolve(), name in replaced, log)
            if not is_finished(folder / name):
                raise TextgenError(f"the run ended, but {folder / name} has no results")
            read_metrics(folder / name)
        except TextgenError as error:
            failure = error.message
        return name, failure, time.perf_counter() - begin

    yield from as_they_end(run, experiments, at_once)


def _wait_until_free(lock: Path) -> None:
    """Wait until no process holds a lock, for GRACE_SECONDS at most."""
    waiting = filelock.FileLock(lock)
    try:
        waiting.acquire(timeout=GRACE_SECONDS)
    except filelock.Timeout:
        return  # what needs it will say so
    waiting.release()


def as_they_end(
    run: Callable[[Work], Result], work: Iterable[Work], at_once: int
) -> Generator[Result, None, None]:
    """What a function makes of some things, so many at once; when it fails, no other is begun."""
    pool = ThreadPoolExecutor(at_once)
    try:
        for future in as_completed([pool.submit(run, each) for each in work]):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
