"""A study in the terminal: arms × seeds, the time left, the results at the end."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table

from textgen.core.experiment import Experiment
from textgen.core.study import Study, run_name
from textgen.data.loading import load_corpus
from textgen.evaluation.significance import fewest_documents
from textgen.evaluation.units import NOTHING, UNCHARGED, format_bits
from textgen.runs.console import Screen
from textgen.runs.folder import Resumed, read_metrics
from textgen.runs.schemas import Metrics

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.studies.planning import ArmPlan

WAITING, RUNNING, FAILED = "·", "running", "failed"
NOT_PLANNED = "–"


class StudyProgress:
    """The state of every run of a study: a live table on a terminal, otherwise a line per event.

    Args:
        study: gives the arms and seeds.
        workers: runs at once, to estimate the time left; None where that is not known.
        quiet: show nothing.
    """

    def __init__(self, study: Study, workers: int | None = 1, quiet: bool = False) -> None:
        self.study, self.workers = study, workers
        self.screen = Screen(quiet)
        self.states = dict[str, str]()
        self._resumed = set[str]()
        self._took = list[float]()
        self._live = Live(
            get_renderable=self._render, console=self.screen.console, refresh_per_second=2
        )

    def __enter__(self) -> StudyProgress:
        if self.states:
            self.screen.say(self._to_come())
        if self.screen.console.is_terminal and not self.screen.quiet:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live.is_started:
            self._live.stop()

    def corpus(self, experiments: Sequence[Experiment]) -> None:
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

    def planned(self, arm: str, plan: ArmPlan | None) -> None:
        """Show that an arm is about to be planned (without a plan), or the plan it has got."""
        if plan is None:
            self.screen.say(f"planning {arm} …")
            return
        parts = []
        if plan.preparation_seconds is not None:
            parts.append(f"{plan.preparation_seconds:.1f} s of preparation")
        if plan.seconds_per_update is not None:
            parts.append(f"{plan.seconds_per_update * 1000:.1f} ms an update")
        if plan.updates is not None:
            parts.append(f"{plan.updates:,} updates a run")
        if plan.parameters is not None:
            parts.append(f"{plan.parameters:,} parameters")
        if parts:
            self.screen.say(f"  {', '.join(parts)}")

    def expect(self, name: str, state: str = WAITING, resumed: Resumed | None = None) -> None:
        """Add a run: still to come, or already finished (``state`` is its result). One that is
        resumed says nothing about how long others take."""
        self.states[name] = state
        if resumed:
            self._resumed.add(name)
            self.screen.say(f"{name}: {resumed}")

    def start(self, name: str) -> None:
        self.states[name] = RUNNING

    def end(self, name: str, seconds: float, result: str) -> None:
        """A run has ended, with its result or FAILED."""
        self.states[name] = result
        if result != FAILED and name not in self._resumed:
            self._took.append(seconds)
        if not self._live.is_started:
            self.screen.say(f"  {name}: {result}, {seconds:.0f} s; {self._left()}")

    def _unfinished(self) -> int:
        return sum(state in (WAITING, RUNNING) for state in self.states.values())

    def _seconds_left(self, each: float | None) -> float | None:
        """Until the last run has ended, if one takes ``each``; None where that is not known."""
        left = self._unfinished()
        if not (left and each and self.workers):
            return None
        return each * max(1.0, left / self.workers)

    def _to_come(self) -> str:
        """What is to come, before the first run."""
        number, left = len(self.states), self._unfinished()
        runs = f"{number} run{'s' * (number > 1)}"
        if left < number:
            runs = f"{left or 'none'} of {runs} to be made"
        seconds = self._seconds_left(self.study.budget.seconds)
        if seconds is None:
            return runs
        at_once = f"{self.workers} worker{'s' * ((self.workers or 0) > 1)}"
        return f"{runs}, at least {duration(seconds)} with {at_once}"

    def _left(self) -> str:
        done = f"{len(self.states) - self._unfinished()} of {len(self.states)} runs"
        seconds = self._seconds_left(statistics.mean(self._took) if self._took else None)
        if seconds is None:
            return done
        return f"{done}, about {duration(seconds)} left, done at about {clock(seconds)}"

    def _render(self) -> Table:
        arms = self.study.arms
        places = max(len(arm.numbers) for arm in arms.values())
        table = Table(
            "arm",
            *[""] * places,
            title="seed: bits per character",
            title_justify="left",
            caption=self._left(),
            caption_justify="left",
        )
        for name, arm in arms.items():
            cells = (
                f"{seed}: {self.states.get(run_name(name, seed), NOT_PLANNED)}"
                for seed in arm.numbers
            )
            table.add_row(name, *cells)
        return table

    def results(self, finished: Mapping[str, Sequence[Path]]) -> None:
        """The final table, with a warning if a run used the fallback corpus.

        Args:
            finished: the folders of the finished runs of each arm.
        """
        rows = {
            arm: [read_metrics(folder) for folder in folders]
            for arm, folders in finished.items()
            if folders
        }
        columns = ("arm", "seeds", "bpc", "model + spelling", "parameters", "updates")
        title = "bits per character of the test split"
        table = Table(*columns, title=title, title_justify="left")
        for arm, found in rows.items():
            table.add_row(arm, str(len(found)), *_figures(found))
        self.screen.console.print(table)
        fallbacks = [a for a, found in rows.items() if any(m.corpus.fallback for m in found)]
        if fallbacks:
            self.screen.warn(
                f"FALLBACK CORPUS used instead of the intended one: {', '.join(fallbacks)}"
            )


def result_of(folder: Path) -> str:
    """The result of a finished run: its bits per character on the test split."""
    bits = read_metrics(folder).test.bits_per_character
    return f"{bits.total:.3f}" if bits else "not charged"


def _figures(found: Sequence[Metrics]) -> tuple[str, ...]:
    bits = [m.test.bits_per_character for m in found if m.test.bits_per_character]
    counts = tuple(_range([m.training[key] for m in found]) for key in ("parameters", "updates"))
    if len(bits) < len(found):
        return (UNCHARGED, NOTHING, *counts)
    totals = [b.total for b in bits]
    spread = f" ± {statistics.stdev(totals):.4f}" if len(totals) > 1 else ""
    means = {key: statistics.mean(b[key] for b in bits) for key in ("model", "spelling", "total")}
    model, spelling, total = format_bits(means, 4)
    return (f"{total}{spread}", f"{model} + {spelling}", *counts)


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


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
