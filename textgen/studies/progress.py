"""A study in the terminal: a table that fills, with the time left; in a pipe a line an event."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Group
from rich.live import Live
from rich.table import Table

from textgen.core.experiment import Experiment
from textgen.data.loading import Corpus, load_corpus
from textgen.evaluation.significance import fewest_documents
from textgen.runs.console import Screen
from textgen.runs.finished import read_metrics
from textgen.studies.study import ArmPlan, Study, run_name

FAILED = "failed"


class StudyProgress:
    """The state of every run of a study.

    Args:
        study: gives the arms and seeds.
        workers: runs at once, to estimate the time left; None where that is not known.
        quiet: show nothing.
    """

    def __init__(self, study: Study, workers: int | None = 1, quiet: bool = False) -> None:
        self.study, self.workers = study, workers
        self.screen = Screen(quiet)
        self.results = dict[str, str | None]()
        self._resumed = set[str]()
        self._took = list[float]()
        self._began = time.monotonic()
        self._live = Live(
            get_renderable=self._table, console=self.screen.console, refresh_per_second=2
        )

    def corpus(self, experiments: Sequence[Experiment]) -> Corpus:
        """Show the text that all arms share, and warnings about it, before any work is done."""
        first, *others = experiments
        self.screen.corpus(first, loaded := load_corpus(first), *others)
        questions, documents = len(self.study.contrasts), len(loaded.names["test"])
        if fewest_documents() <= documents < (fewest := fewest_documents(questions or 1)):
            self.screen.advise(
                f"The {documents} documents of the test part cannot answer {questions} questions, "
                f"whatever comes out: {fewest} can, if all of them agree. Declare fewer "
                "[[contrasts]], or hold out more."
            )
        return loaded

    def planned(self, arm: str, plan: ArmPlan | None) -> None:
        """Show that an arm is about to be planned (without a plan), or the plan it has got."""
        if plan is None:
            self.screen.say(f"planning {arm} …")
            return
        figures = {
            "{:.1f} s of preparation": plan.preparation_seconds,
            "{:.1f} ms an update": plan.seconds_per_update and 1000 * plan.seconds_per_update,
            "{:,} updates a run": plan.updates,
            "{:,} parameters": plan.parameters,
        }
        parts = [text.format(value) for text, value in figures.items() if value is not None]
        if parts:
            self.screen.say(f"  {', '.join(parts)}")

    def expect(self, name: str, result: str | None = None, resumed: str = "") -> None:
        """Add a run: still to come, or already finished with a result. One that is resumed says
        nothing about how long others take."""
        self.results[name] = result
        if resumed:
            self._resumed.add(name)
            self.screen.say(f"{name}: {resumed}")

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Show what is to come, and the table while the block runs."""
        number, left = len(self.results), self._unfinished()
        runs = f"{number} run{'s' * (number > 1)}"
        if left < number:
            runs = f"{left or 'none'} of {runs} to be made"
        seconds = self._seconds_left(self.study.budget.seconds)
        at_once = f"{self.workers} worker{'s' * ((self.workers or 0) > 1)}"
        least = "" if seconds is None else f", at least {duration(seconds)} with {at_once}"
        self.screen.say(f"{runs}{least}")
        self._began = time.monotonic()
        if self.screen.console.is_terminal and not self.screen.quiet:
            self._live.start()
        try:
            yield
        finally:
            self._live.stop()

    def end(self, name: str, seconds: float, result: str) -> None:
        """A run has ended, with its result or FAILED."""
        self.results[name] = result
        if result != FAILED and name not in self._resumed:
            self._took.append(seconds)
        if not self._live.is_started:
            self.screen.say(f"  {name}: {result}, {seconds:.0f} s; {self._left()}")

    def _left(self) -> str:
        done = len(self.results) - self._unfinished()
        left = self._seconds_left(statistics.mean(self._took) if self._took else None)
        when = "" if left is None else f", about {duration(left)} left, done at about {clock(left)}"
        return f"{done} of {len(self.results)} runs{when}"

    def _table(self) -> Group:
        passed = int(time.monotonic() - self._began)
        elapsed = f"{passed // 60}:{passed % 60:02} elapsed"
        table = Table(box=None)
        unfinished = [name for name, result in self.results.items() if result is None]
        running = unfinished[: self.workers]
        for arm, settings in self.study.arms.items():
            cells = []
            for seed in settings.numbers:
                name = run_name(arm, seed)
                state = "training" if name in running else "waiting"
                cells.append(f"{seed}: {self.results.get(name) or state}")
            table.add_row(arm, *cells)
        return Group("bits per character, seed by seed:", table, f"{elapsed}, {self._left()}")

    def _unfinished(self) -> int:
        return sum(result is None for result in self.results.values())

    def _seconds_left(self, per_run: float | None) -> float | None:
        """Until the last run has ended, if one takes ``per_run``; None where that is not known."""
        left = self._unfinished()
        if not (left and per_run and self.workers):
            return None
        return per_run * max(1.0, left / self.workers)


def result_of(folder: Path) -> str:
    """The result of a finished run: its bits per character on the test split."""
    bits = read_metrics(folder).test.bits_per_character
    return f"{bits.total:.3f}" if bits else "not charged"


def duration(seconds: float) -> str:
    """``"62 minutes"``, or ``"2.5 hours"`` from 100 minutes on."""
    minutes = max(1, round(seconds / 60))
    if minutes >= 100:
        return f"{minutes / 60:.1f} hours"
    return f"{minutes} minute{'s' * (minutes > 1)}"


def clock(seconds: float) -> str:
    """``"15:40"``, the time so many seconds from now; on another day, ``"Tue 15:40"``."""
    now = time.time()
    then, today = time.localtime(now + seconds), time.localtime(now)
    return time.strftime("%H:%M" if then.tm_yday == today.tm_yday else "%a %H:%M", then)
