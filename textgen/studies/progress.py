"""A study in the terminal: arms × seeds, the time left, the results at the end."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.table import Table

from textgen.core import Experiment, Study
from textgen.runs import Resumed, read_metrics
from textgen.studies.estimate import Estimate, clock, duration

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.studies.planning import ArmPlan

WAITING, RUNNING, FAILED = "·", "running", "failed"
NOT_PLANNED = "–"
AROUND = 20.0
"""Seconds that a run is assumed to need on top of its budget where that was not measured."""


class StudyProgress:
    """The state of every run of a study: a live table on a terminal, otherwise a line per event.

    Args:
        study: gives the arms and seeds.
        workers: runs at once, to estimate the time left; None where that is not known.
        quiet: show nothing.

    Attributes:
        plans: of the arms, to estimate what their runs take.
    """

    def __init__(self, study: Study, workers: int | None = 1, quiet: bool = False) -> None:
        from textgen.runs import Screen

        self.study, self.estimate = study, Estimate(workers)
        self.screen = Screen(quiet)
        self.plans: Mapping[str, ArmPlan] = {}
        self.states: dict[str, str] = {}
        self._resumed = set[str]()
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
        from textgen.data import load_corpus
        from textgen.evaluation import fewest_documents

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
            units = " + ".join(map(str, plan.units))
            parts.append(f"{plan.parameters:,} parameters with {units} units")
        if parts:
            self.screen.say(f"  {', '.join(parts)}")

    def expect(self, name: str, state: str = WAITING, resumed: Resumed | None = None) -> None:
        """Add a run: still to come, or already finished (``state`` is its result). One that goes on
        says so, and says nothing about how long others take."""
        self.states[name] = state
        if state != WAITING:
            return
        if resumed:
            self._resumed.add(name)
            self.screen.say(f"{name}: {resumed}")
        self.estimate.expect(name, self._seconds(name, resumed))

    def _seconds(self, name: str, resumed: Resumed | None) -> float | None:
        """That a run will take, about; None of a budget that is not in seconds."""
        budget, plan = self.study.budget.seconds, self.plans.get(name.rpartition("-")[0])
        if budget is None:
            return None
        around = (plan and plan.around_seconds) or AROUND
        left = 1 - resumed.updates / resumed.planned if resumed else 1.0
        return left * budget + around

    def start(self, name: str) -> None:
        self.states[name] = RUNNING
        self.estimate.start(name)

    def end(self, name: str, seconds: float, result: str) -> None:
        """A run has ended, with its result or FAILED."""
        self.states[name] = result
        telling = result != FAILED and name not in self._resumed
        self.estimate.end(name, seconds if telling else None)
        if not self._live.is_started:
            self.screen.say(f"  {name}: {result}, {seconds:.0f} s; {self._left()}")

    def _to_come(self) -> str:
        """What is to come, before the first run."""
        number, left = len(self.states), list(self.states.values()).count(WAITING)
        runs = f"{number} run{'s' * (number > 1)}"
        if left < number:
            runs = f"{left or 'none'} of {runs} to be made"
        seconds, workers = self.estimate.seconds_left(), self.estimate.workers or 0
        if seconds is None:
            return runs
        at_once = f"{workers} worker{'s' * (workers > 1)}"
        return f"{runs}, about {duration(seconds)} with {at_once}, done at about {clock(seconds)}"

    def _left(self) -> str:
        states = list(self.states.values())
        unfinished = states.count(WAITING) + states.count(RUNNING)
        done = f"{len(states) - unfinished} of {len(states)} runs"
        seconds = self.estimate.seconds_left()
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
                f"{seed}: {self.states.get(f'{name}-{seed}', NOT_PLANNED)}" for seed in arm.numbers
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
        fallbacks = [a for a, found in rows.items() if any(m["corpus"]["fallback"] for m in found)]
        if fallbacks:
            self.screen.warn(
                f"FALLBACK CORPUS used instead of the intended one: {', '.join(fallbacks)}"
            )


def result_of(folder: Path) -> str:
    """The result of a finished run: its bits per character on the test split."""
    bits = read_metrics(folder)["test"]["bits_per_character"]
    return f"{bits['total']:.3f}" if bits else "not charged"


def _figures(found: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    from textgen.evaluation import NOTHING, UNCHARGED, format_bits

    bits = [m["test"]["bits_per_character"] for m in found]
    counts = tuple(_range([m["training"][key] for m in found]) for key in ("parameters", "updates"))
    if not all(bits):
        return (UNCHARGED, NOTHING, *counts)
    totals = [b["total"] for b in bits]
    spread = f" ± {statistics.stdev(totals):.4f}" if len(totals) > 1 else ""
    means = {key: statistics.mean(b[key] for b in bits) for key in ("model", "spelling", "total")}
    model, spelling, total = format_bits(means, 4)
    return (f"{total}{spread}", f"{model} + {spelling}", *counts)


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
