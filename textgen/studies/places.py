"""Where jobs are done: processes on this machine, which end when the study does. A Ray cluster is
another such place: :mod:`textgen.studies.cluster`."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from pathlib import Path
from typing import Any, Protocol, TypeVar

import filelock

from textgen.core.errors import TextgenError
from textgen.core.progress import Cancelled
from textgen.studies.jobs import Job
from textgen.studies.queue import Ended
from textgen.studies.sharing import failure_of, record_failure, take

GRACE_SECONDS = 30.0  # between SIGTERM and SIGKILL
MAX_THREADS = 1000  # which wait for jobs
Work = TypeVar("Work")
Result = TypeVar("Result")


class Doer(Protocol):
    """Does jobs."""

    def do(self, job: Job, method: str, log: Path, **arguments: Any) -> Any:
        """Have a process do a job; see :meth:`Processes.do`."""


class Place(Doer, Protocol):
    """Does several jobs at once, each in a process of its own."""

    kept: dict[str, "Worker"]

    @property
    def slots(self) -> int:
        """About how many jobs are done at once."""

    def has_room(self, job: Job, running: Iterable[Job]) -> bool:
        """Whether another job can begin beside those that are running."""

    def release(self, name: str) -> None:
        """End the process that is kept for a job, if there is one."""

    def stop(self) -> None:
        """Stop what is running, and begin nothing any more; a second call changes nothing."""


def printed_lines(log: Path) -> list[str]:
    """What a process has printed, without blank lines; nothing if it has not begun."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return [line.strip() for line in text.splitlines() if line.strip()]


class Worker:
    """A process that does jobs, see :mod:`textgen.studies.process`.

    Args:
        log: gets what it prints before its first job.
        gpu: the only graphics processor that it sees; empty for all.
    """

    def __init__(self, log: Path, gpu: str = "") -> None:
        environment = dict(os.environ)
        if gpu:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "textgen.studies.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=environment,
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

    Args:
        workers: how many jobs are done at once.
        gpus: graphics processors of this machine, as ``CUDA_VISIBLE_DEVICES`` has them: each
            process sees a single one, that of the fewest others.

    Attributes:
        slots: the number of jobs at once.
        kept: those that have begun the experiment of a run, by the name of that job.
    """

    def __init__(self, workers: int = 1, gpus: Sequence[str] = ()) -> None:
        self.slots = workers
        self.kept = dict[str, Worker]()
        self._gpus = gpus
        self._gpu_of = dict[Worker, str]()
        self._started = list[Worker]()
        self._closed = False
        self._starting = threading.Lock()

    def has_room(self, job: Job, running: Iterable[Job]) -> bool:
        """Whether another job can begin."""
        return len(list(running)) < self.slots

    def start(self, log: Path) -> Worker:
        """A new process; see :class:`Worker`.

        Raises:
            Cancelled: the block has been left.
        """
        with self._starting:
            if self._closed:
                raise Cancelled
            gpu = self._free_gpu()
            worker = Worker(log, gpu)
            self._started.append(worker)
            self._gpu_of[worker] = gpu
        return worker

    def _free_gpu(self) -> str:
        """The graphics processor that the fewest processes use; empty if there is none."""
        users = Counter(self._gpu_of.values())
        return min(self._gpus, key=lambda gpu: users[gpu], default="")

    def end(self, worker: Worker) -> None:
        """End one of them, which has no job."""
        worker.end()
        self.discard(worker)

    def discard(self, worker: Worker) -> None:
        """One of them has ended by itself."""
        with self._starting:
            self._started.remove(worker)
            del self._gpu_of[worker]

    def keep(self, number: int) -> None:
        """Of those that are kept, keep the first so many, and end the others."""
        for name in list(self.kept)[number:]:
            self.release(name)

    def release(self, name: str) -> None:
        """End the process that is kept for a job, if there is one."""
        worker = self.kept.pop(name, None)
        if worker:
            self.end(worker)

    def do(self, job: Job, method: str, log: Path, **arguments: Any) -> Any:
        """Have a process do a job: the one that was kept for it, if there is one.

        Args:
            job: which one.
            method: of :class:`textgen.studies.process.Jobs`.
            log: gets what it prints.
            arguments: of that method, as JSON has them.

        Raises:
            Cancelled, TextgenError: as :meth:`start` and :meth:`Worker.do`.
        """
        worker = self.kept.pop(job.name, None) or self.start(log)
        try:
            result = worker.do(method, log, **arguments)
        except TextgenError:  # it has ended by itself
            self.discard(worker)
            raise
        self.end(worker)
        return result

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop all of them, and start none any more."""
        with self._starting:
            self._closed = True
            left = list(self._started)
        for worker in left:
            worker.stop()
        for worker in left:
            worker.wait()


class PlaceCrew:
    """The crew of a place: each job in a thread that waits for it.

    Args:
        place: does the jobs.
        do: has it do one.
        lock_of: a job's lock.
        is_done: whether a job is done, as its files say.
    """

    def __init__(
        self,
        place: Place,
        do: Callable[[Job], None],
        lock_of: Callable[[Job], Path],
        is_done: Callable[[Job], bool],
    ) -> None:
        self._place = place
        self._do = do
        self._lock_of = lock_of
        self._is_done = is_done
        self._threads = ThreadPoolExecutor(MAX_THREADS)
        self._begun = dict[Future[Ended], Job]()
        self._locks = dict[str, filelock.BaseFileLock]()

    @property
    def slots(self) -> int:
        return self._place.slots

    @property
    def prefers(self) -> Collection[str]:
        return self._place.kept

    def has_room(self, job: Job, running: Iterable[Job]) -> bool:
        return self._place.has_room(job, running)

    def take(self, job: Job) -> bool:
        lock = take(self._lock_of(job))
        if lock is None:
            self._place.release(job.name)
            return False
        self._locks[job.name] = lock
        return True

    def give_back(self, job: Job) -> None:
        self._place.release(job.name)
        self._locks.pop(job.name).release()

    def outcome(self, job: Job) -> Ended | None:
        if self._is_done(job):
            return Ended(job)
        failure = failure_of(self._lock_of(job))
        return Ended(job, failure) if failure is not None else None

    def begin(self, job: Job) -> None:
        self._begun[self._threads.submit(self._timed, job)] = job

    def _timed(self, job: Job) -> Ended:
        begin = time.perf_counter()
        failure = None
        try:
            self._do(job)
        except TextgenError as error:
            failure = error.message
        return Ended(job, failure, time.perf_counter() - begin)

    def wait(self, seconds: float | None) -> Sequence[Ended]:
        if not self._begun:
            time.sleep(seconds or 0)
            return []
        ended_jobs = list[Ended]()
        futures, _ = wait(self._begun, seconds, FIRST_COMPLETED)
        for future in futures:
            job = self._begun.pop(future)
            try:
                ended = future.result()
                # here, and not where it has failed: what fails because all is being stopped is no
                # failure, and waits for another process
                if ended.failure is not None:
                    record_failure(self._lock_of(job), ended.failure)
            finally:
                self._locks.pop(job.name).release()
            ended_jobs.append(ended)
        return ended_jobs

    def close(self) -> None:
        """Begin no other job. Those that are running are stopped before another process may take
        them over."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._begun:
            self._place.stop()
            wait(self._begun, GRACE_SECONDS)
        for lock in self._locks.values():
            lock.release()


def wait_until_free(lock: Path) -> None:
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
