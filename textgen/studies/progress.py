"""A study in the terminal: arms × seeds, the time left, the results at the end."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.table import Table

from textgen.core import Experiment, Study
from textgen.runs import read_metrics

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.studies.planning import ArmPlan

WAITING, RUNNING, FAILED = "·", "running", "failed"
NOT_PLANNED = "–"
AFTER_TRAINING = 20.0
"""Seconds that a run is assumed to need on top of its budget, until the first one has ended."""


class StudyProgress:
    """The state of every run of a study: a live table on a terminal, otherwise a line per event.

    Args:
        study: gives the arms and seeds.
        workers: runs at once, to estimate the time left.
        quiet: show nothing.
    """

    def __init__(self, study: Study, workers: int = 1, quiet: bool = False) -> None:
        from textgen.runs import Screen

        self.study, self.workers = study, workers
        self.screen = Screen(quiet)
        self.states: dict[str, str] = {}
        self._resumed = set[str]()
        self._started: dict[str, float] = {}
        self._took: list[float] = []
        self._live = Live(
            get_renderable=self._render, console=self.screen.console, refresh_per_second=2
        )

    def __enter__(self) -> StudyProgress:
        if self.screen.console.is_terminal and not self.screen.quiet:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live.is_started:
            self._live.stop()

    def corpus(self, experiments: Sequence[Experiment]) -> None:
        """Show the text that all arms share, and warnings about it, before any work is done."""
        from textgen.data import load_corpus

        first, *others = experiments
        self.screen.corpus(first, load_corpus(first), *others)

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

    def expect(self, name: str, state: str = WAITING, *, resumed: bool = False) -> None:
        """Add a run: still to come, or already finished (``state`` is its result). A resumed run is
        left out of the estimate of the time left."""
        self.states[name] = state
        if resumed:
            self._resumed.add(name)

    def start(self, name: str) -> None:
        self.states[name] = RUNNING
        self._started[name] = time.perf_counter()

    def end(self, name: str, seconds: float, result: str) -> None:
        """A run has ended, with its result or FAILED."""
        self.states[name] = result
        self._started.pop(name, None)
        if result != FAILED and name not in self._resumed:
            self._took.append(seconds)
        if not self._live.is_started:
            self.screen.say(f"  {name}: {result}, {seconds:.0f} s; {self._left()}")

    def _left(self) -> str:
        states = list(self.states.values())
        unfinished = states.count(WAITING) + states.count(RUNNING)
        done = f"{len(states) - unfinished} of {len(states)} runs"
        budget = self.study.budget.seconds
        if not unfinished or not (self._took or budget):
            return done
        each = statistics.mean(self._took) if self._took else (budget or 0.0) + AFTER_TRAINING
        now = time.perf_counter()
        spent = sum(min(each, now - start) for start in list(self._started.values()))
        return f"{done}, about {_duration((unfinished * each - spent) / self.workers)} left"

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


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
