"""The queue of a study's jobs: which one is next, which are set aside, and about the time left. It
starts nothing itself: a crew does the jobs, such as :class:`textgen.studies.places.PlaceCrew`."""

import heapq
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from textgen.studies.jobs import Job
from textgen.studies.study import Resources

# Between two looks at the jobs that other processes have taken.
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Ended:
    """A job that has ended.

    Attributes:
        job: the job.
        failure: why it failed; None if it is done.
        seconds: what it took; None if another process has done it.
    """

    job: Job
    failure: str | None = None
    seconds: float | None = None


class Crew(Protocol):
    """Does jobs."""

    @property
    def slots(self) -> int:
        """About how many it can do at once."""

    @property
    def prefers(self) -> Collection[str]:
        """Names of jobs for which a process has been kept."""

    def has_room(self, job: Job, running: Iterable[Job]) -> bool:
        """Whether another job can begin beside those that are running; if none is, it can."""

    def start(self, job: Job) -> bool:
        """Begin a job, unless another process has taken it."""

    def wait(self, seconds: float | None) -> Sequence[Ended]:
        """The jobs that have ended, as soon as there is one, or after so many seconds none."""

    def look(self, job: Job) -> Ended | None:
        """That a job of another process has ended: done, or to be taken over if it is not; None
        if that process is still working on it."""


class Queue:
    """Jobs that wait, run, are done, have failed or are set aside, by name.

    Args:
        jobs: all of them.
        done: names of those that are done.
        clock: the time in seconds.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        done: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        waiting = sorted((job for job in jobs if job.name not in done), key=_turn)
        self.waiting = {job.name: job for job in waiting}
        self.running = dict[str, Job]()
        self.elsewhere = dict[str, Job]()
        self.done = set(done)
        self.failures = dict[str, str]()
        self.set_aside = dict[str, str]()
        self._began = dict[str, float]()
        self._taken = dict[tuple[str, str], list[float]]()
        # ratios of seconds taken to those that were expected
        self._ratios = list[float]()
        self._unexpected = list[float]()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.waiting or self.running or self.elsewhere)

    def next(self, crew: Crew) -> Job | None:
        """The job that is to begin now; None if none can.

        The first in turn, but one for which a process has been kept before all others; and towards
        the end the longest one: as soon as it alone would take as long as all that is left, on so
        many slots. Without that, a long job that comes last would keep all others waiting.
        """
        running = list(self.running.values())
        room = dict[Resources, bool]()
        first: Job | None = None
        longest: Job | None = None
        most = 0.0
        for job in self.waiting.values():
            if job.resources not in room:
                room[job.resources] = crew.has_room(job, running)
            if not room[job.resources] or not self._is_ready(job):
                continue
            if job.name in crew.prefers:
                return job
            if first is None:
                first = job
            seconds = self.seconds(job)
            if longest is None or seconds > most:
                longest = job
                most = seconds
        if first is None or first.is_of_the_rest or longest is None:  # pages are soon written
            return first
        return longest if most >= self._work_left() / crew.slots else first

    def _is_ready(self, job: Job) -> bool:
        if job.is_of_the_rest:
            return all(self.has_ended(name) for name in job.needs)
        return all(name in self.done for name in job.needs)

    def has_ended(self, name: str) -> bool:
        """Whether a job is done, has failed or is set aside."""
        return name in self.done or name in self.failures or name in self.set_aside

    def begin(self, job: Job) -> None:
        """A job has begun."""
        self.running[job.name] = self.waiting.pop(job.name)
        self._began[job.name] = self._clock()

    def leave(self, job: Job) -> None:
        """A job is that of another process."""
        self.elsewhere[job.name] = self.waiting.pop(job.name)

    def take_over(self, job: Job) -> None:
        """The other process has ended without having done its job: it waits again."""
        del self.elsewhere[job.name]
        waiting = sorted((*self.waiting.values(), job), key=_turn)
        self.waiting = {each.name: each for each in waiting}

    def end(self, ended: Ended) -> None:
        """A job has ended; if it has failed, what needs it is set aside."""
        job = ended.job
        for jobs in (self.waiting, self.running, self.elsewhere):
            jobs.pop(job.name, None)
        self._began.pop(job.name, None)
        if ended.failure is None:
            self.done.add(job.name)
            if ended.seconds is not None:
                self._taken.setdefault(_alike(job), []).append(ended.seconds)
                if job.seconds:
                    self._ratios.append(ended.seconds / job.seconds)
                else:
                    self._unexpected.append(ended.seconds)
            return
        self.failures[job.name] = ended.failure
        lost = {job.name}
        while lost:
            name = lost.pop()
            for other in list(self.waiting.values()):
                if name in other.needs and not other.is_of_the_rest:
                    del self.waiting[other.name]
                    self.set_aside[other.name] = job.name
                    lost.add(other.name)

    def seconds(self, job: Job) -> float:
        """About what a job takes: as those like it took, or else what was expected, which is longer
        where others took longer, or as all took of which nothing was expected; 0 if nothing is
        known."""
        taken = self._taken.get(_alike(job))
        if taken:
            return sum(taken) / len(taken)
        if job.seconds and self._ratios:
            return job.seconds * max(1.0, sum(self._ratios) / len(self._ratios))
        if not job.seconds and self._unexpected:
            return sum(self._unexpected) / len(self._unexpected)
        return job.seconds

    def _left(self, job: Job) -> float:
        """Seconds left of a running job."""
        return max(0.0, self.seconds(job) - (self._clock() - self._began.get(job.name, 0.0)))

    def _work_left(self) -> float:
        waiting = sum(self.seconds(job) for job in self.waiting.values())
        return waiting + sum(self._left(job) for job in self.running.values())

    def time_left(self, slots: int) -> float | None:
        """About the seconds until all is done, with so many jobs at once, begun in turn; None if
        nothing is known of some."""
        running = list(self.running.values())  # another thread may show this
        waiting = list(self.waiting.values())
        if any(self.seconds(job) <= 0 for job in (*running, *waiting)):
            return None
        idle = max(0, slots - len(running))
        free = [self._left(job) for job in running]
        free += [0.0 for _ in range(idle)]
        heapq.heapify(free)
        end = max(free, default=0.0)
        for job in waiting:
            ends = heapq.heappop(free) + self.seconds(job)
            heapq.heappush(free, ends)
            end = max(end, ends)
        return end


def _turn(job: Job) -> tuple[tuple[int, ...], float]:
    return job.order, -job.seconds


def _alike(job: Job) -> tuple[str, str]:
    """Jobs with the same are expected to take as long."""
    return job.cell, job.arm or job.kind


def work_off(queue: Queue, crew: Crew) -> Iterator[Ended]:
    """Have a crew do the jobs of a queue; each when it has ended."""
    while not queue.is_over:
        while job := queue.next(crew):
            if crew.start(job):
                queue.begin(job)
            else:
                queue.leave(job)
        for ended in crew.wait(LOOK_SECONDS if queue.elsewhere else None):
            queue.end(ended)
            yield ended
        for job in list(queue.elsewhere.values()):
            found = crew.look(job)
            if found is None:
                continue
            if found.failure is None:
                queue.end(found)
                yield found
            else:
                queue.take_over(job)
