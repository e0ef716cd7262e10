"""The queue of a study's jobs: which one is next, and about the time left. It
starts nothing itself: a crew does the jobs, such as :class:`textgen.studies.places.PlaceCrew`."""

import heapq
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from textgen.studies.jobs import Job, Kind
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

    def take(self, job: Job) -> bool:
        """Have a job for this process alone; False if another one has it."""

    def give_back(self, job: Job) -> None:
        """Let others have a job that was taken and not begun."""

    def outcome(self, job: Job) -> Ended | None:
        """How a job that was taken has ended in another process; None if it is still to be done."""

    def begin(self, job: Job) -> None:
        """Begin a job that was taken."""

    def wait(self, seconds: float | None) -> Sequence[Ended]:
        """The jobs that have ended, as soon as there is one, or after so many seconds none."""


class Queue:
    """Jobs that wait, run, are done or have failed, by name.

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
        ready = self._can_begin(crew)
        if not ready:
            return None
        for job in ready:
            if job.name in crew.prefers:
                return job
        first = ready[0]
        if first.kind is Kind.PAGE:  # pages are soon written
            return first
        longest = max(ready, key=self.seconds)
        return longest if self.seconds(longest) >= self._work_left() / crew.slots else first

    def _can_begin(self, crew: Crew) -> list[Job]:
        """The jobs for which there is room, and which need nothing that is still to be done."""
        running = list(self.running.values())
        room = dict[Resources, bool]()
        found = list[Job]()
        for job in self.waiting.values():
            if job.resources not in room:
                room[job.resources] = crew.has_room(job, running)
            if room[job.resources] and all(map(self.has_ended, job.needs)):
                found.append(job)
        return found

    def has_ended(self, name: str) -> bool:
        """Whether a job is done or has failed."""
        return name in self.done or name in self.failures

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
        """A job has ended."""
        job = ended.job
        for jobs in (self.waiting, self.running, self.elsewhere):
            jobs.pop(job.name, None)
        self._began.pop(job.name, None)
        if ended.failure is not None:
            self.failures[job.name] = ended.failure
            return
        self.done.add(job.name)
        if ended.seconds is None:
            return
        self._taken.setdefault(_alike(job), []).append(ended.seconds)
        if job.seconds:
            self._ratios.append(ended.seconds / job.seconds)
        else:
            self._unexpected.append(ended.seconds)

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
    """Have a crew do the jobs of a queue; each when it has ended, here or in another process."""
    while not queue.is_over:
        yield from _begin_jobs(queue, crew)
        if queue.running or queue.elsewhere:
            for ended in crew.wait(LOOK_SECONDS if queue.elsewhere else None):
                queue.end(ended)
                yield ended
        yield from _look_elsewhere(queue, crew)


def _begin_jobs(queue: Queue, crew: Crew) -> Iterator[Ended]:
    """Begin as many jobs as can begin now; those that are found to have ended already."""
    while job := queue.next(crew):
        if not crew.take(job):
            queue.leave(job)
            continue
        ended = crew.outcome(job)
        if ended is None:
            crew.begin(job)
            queue.begin(job)
            continue
        crew.give_back(job)
        queue.end(ended)
        yield ended


def _look_elsewhere(queue: Queue, crew: Crew) -> Iterator[Ended]:
    """Look at the jobs of other processes: those that have ended; one that was interrupted waits
    again."""
    for job in list(queue.elsewhere.values()):
        if not crew.take(job):
            continue
        ended = crew.outcome(job)
        crew.give_back(job)
        if ended is None:
            queue.take_over(job)
            continue
        queue.end(ended)
        yield ended
