"""What is shown of a study's jobs while they are done: on a terminal a table that fills, in a pipe
a line now and then; and about the time left."""

import textwrap
import time
from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from textgen.core.terminal import visible
from textgen.runs.finished import read_metrics
from textgen.studies.jobs import Job, Kind, StudyFiles
from textgen.studies.places import printed_lines
from textgen.studies.queue import Ended, Queue

MAX_STATE_CHARACTERS = 60  # of what a run prints meanwhile
MAX_LINE_CHARACTERS = 98  # in a pipe, behind two spaces


class Display:
    """What is shown.

    Args:
        files: of the study.
        jobs: all of its jobs.
        queue: with those that are not done.
        slots: how many are done at once.
        after: seconds of work that is not in the queue, behind it.

    Attributes:
        results: run that has ended → its bits per character, or that it has failed; only of cells
            that are not on record.
    """

    def __init__(
        self, files: StudyFiles, jobs: Sequence[Job], queue: Queue, slots: int, after: float = 0.0
    ) -> None:
        self._files = files
        self._queue = queue
        self._slots = slots
        self._after = after
        self._begin = time.monotonic()
        self._cells = dict[str, dict[str, list[Job]]]()  # cell → arm → runs
        for job in jobs:
            if job.kind is Kind.RUN:
                self._cells.setdefault(job.cell, {}).setdefault(job.arm, []).append(job)
        self._runs = [job for job in jobs if job.kind is Kind.RUN]
        self._pages = [job.name for job in jobs if job.kind is Kind.PAGE and job.cell]
        self.results = dict[str, str]()
        unrecorded = {job.cell for job in queue.waiting.values()}
        for job in self._runs:
            if job.name in queue.done and job.cell in unrecorded:
                self.results[job.name] = self._result(job)

    def end(self, ended: Ended) -> str:
        """A job has ended: a line that says so, if it is worth one."""
        job = ended.job
        if job.kind is Kind.PAGE:
            how = "its report failed" if ended.failure else "its report is written"
            return f"{job.cell}: {how}; {self.progress()}"
        if job.kind is not Kind.RUN:
            return ""
        result = "failed" if ended.failure else self._result(job)
        self.results[job.name] = result
        taken = "by another process" if ended.seconds is None else f"{ended.seconds:.0f} s"
        return f"{_label(job)}: {result}, {taken}; {self.progress()}"

    def progress(self) -> str:
        """The time that has elapsed, how many runs have ended, and about the time left."""
        ended = sum(self._queue.has_ended(job.name) for job in self._runs)
        parts = [f"{_clock(self._elapsed)} elapsed", f"{ended} of {len(self._runs)} runs"]
        if self._pages:
            written = sum(map(self._queue.has_ended, self._pages))
            parts.append(f"{written} of {len(self._pages)} cells")
        return ", ".join(filter(None, [*parts, self._time_left()]))

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._begin

    def _time_left(self) -> str:
        """About the time left; empty if nothing is known of it."""
        left = None if self._queue.is_over else self._queue.time_left(self._slots)
        if left is None:
            return ""
        left += self._after
        return f"about {_clock(left)} left" if left else "over the estimate"

    def lines(self) -> str:
        """A line for each run that has begun: the time, and what the run is doing."""
        clock = ", ".join(filter(None, [_clock(self._elapsed), self._time_left()]))
        lines = list[str]()
        for job in list(self._queue.running.values()):
            if printed_lines(self._files.log(job)):
                line = f"{clock}; {_label(job)}: {self._state(job)}"
                lines.append(textwrap.shorten(line, MAX_LINE_CHARACTERS, placeholder=""))
        return "\n".join(lines) or self.progress()

    def table(self) -> Group:
        """The results of runs and what the others are doing, a row for each arm of each cell that
        is being trained; the progress."""
        rows = Table.grid(padding=(0, 2))
        running = {job.cell for job in list(self._queue.running.values())}
        for cell, arms in self._cells.items():
            if cell and cell not in running:
                continue
            for arm, runs in arms.items():
                cells = [self.results.get(job.name) or self._state(job) for job in runs]
                name = f"{cell} {arm}" if cell else arm
                rows.add_row(name, *(Text(visible(text)) for text in cells))
        return Group("bits per character:", rows, self.progress())

    def _state(self, job: Job) -> str:
        """What a run that has not ended is doing."""
        if job.name in self._queue.elsewhere:
            return "in another process"
        if job.name not in self._queue.running:
            return "waiting"
        printed = printed_lines(self._files.log(job))
        last = printed[-1] if printed else "starting"
        return textwrap.shorten(last, MAX_STATE_CHARACTERS, placeholder="")

    def _result(self, job: Job) -> str:
        """Bits per character of a finished run, of the part that the study compares."""
        part = read_metrics(self._files.run(job)).test.parts[self._files.study.part]
        bits = part.bits_per_character
        return f"{bits.total:.3f}" if bits else "not charged"


def _label(job: Job) -> str:
    """What a job is called in a line."""
    return job.name.partition("/")[2]


def _clock(seconds: float) -> str:
    """``"2:05"``, in minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
