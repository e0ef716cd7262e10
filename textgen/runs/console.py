"""Terminal output of a run: progress with bits, speed and time left; the result."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from textgen.core.errors import visible
from textgen.core.experiment import Experiment
from textgen.data.loading import Corpus
from textgen.data.statistics import corpus_warnings, split_lines
from textgen.evaluation.units import NOTHING, format_bits, format_number, unit_line
from textgen.runs.generation import annotated
from textgen.runs.results import bits_cells, memory_cell, real_words_title
from textgen.runs.schemas import Metrics
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.words.tokenizer import language_warnings

if TYPE_CHECKING:
    from textgen.runs.plan import Plan
    from textgen.training.checkpoint import Progress
    from textgen.training.preparation import Prepared

PROMPTS_SHOWN = 2
"""Prompts whose first sample is printed."""


class Screen:
    """Prints to the terminal, or nothing when quiet; warnings are printed all the same."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = Console(highlight=False, quiet=quiet)
        self.loud = Console(highlight=False, stderr=True)
        self._live = list[Callable[[], object]]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal its cursor back, however the training ended."""
        self.end_live()

    def say(self, text: str) -> None:
        """A line, or lines; in a pipe they are not wrapped."""
        self.console.print(Text(visible(text)), soft_wrap=not self.console.is_terminal)

    @contextlib.contextmanager
    def phase(self, text: str, seconds: float | None = None) -> Iterator[None]:
        """A part of the run without steps to count: its name, and on a terminal the time it has
        taken, as a bar where ``seconds`` say how long it will take."""
        self.begin_phase(text, seconds)
        try:
            yield
        finally:
            self.end_live()

    def begin_phase(self, text: str, seconds: float | None = None) -> None:
        """The same until :meth:`end_live`."""
        self.say(f"{text} …")
        if self.quiet or not self.console.is_terminal:
            return
        bar = Bar(BarColumn(), TimeElapsedColumn(), console=self.console, transient=True)
        task, ended, start = bar.add_task("", total=seconds), threading.Event(), time.perf_counter()

        def move() -> None:
            while not ended.wait(0.2):
                passed = time.perf_counter() - start
                bar.update(task, completed=min(passed, 0.99 * seconds) if seconds else 0)

        thread = threading.Thread(target=move, daemon=True)
        self._live += [bar.stop, thread.join, ended.set]
        bar.start()
        thread.start()

    def show_bar(self, bar: Bar) -> None:
        """Show a bar until :meth:`end_live`."""
        self._live.append(bar.stop)
        bar.start()

    def end_live(self) -> None:
        """End the phase or the bar that is shown."""
        while self._live:
            self._live.pop()()

    def warn(self, text: str) -> None:
        shown = Text(visible(text), style="bold red")
        self.loud.print(shown, soft_wrap=not self.loud.is_terminal)

    def corpus(self, experiment: Experiment, loaded: Corpus, *others: Experiment) -> None:
        """The text, its parts, and what to be warned of; ``others`` read the same text."""
        if loaded.warning:
            self.loud.print(_fallback(loaded))
        d = loaded.description
        parts = ", ".join(
            f"{part} {d[part]['documents']} documents {d[part]['characters']:,} characters"
            for part in ("train", "validation", "test")
        )
        self.say(f"{experiment.name}: corpus {loaded.kind} ({loaded.origin})")
        self.say(f"  licence: {loaded.licence}")
        self.say(f"  {parts}")
        for line in split_lines(loaded.names, loaded.division):
            self.say(f"  {line}")
        self.say(f"  language: {loaded.language}")
        if "fitted_on" in d:
            self.say(
                f"  a large corpus: tokenizer and vectors are fitted on "
                f"{d['fitted_on']['characters']:,} characters of the training text; all of it is "
                "encoded into the cache and trained on"
            )
        if self.quiet:
            return
        warnings = corpus_warnings(experiment, loaded)
        for each in (experiment, *others):
            warnings += each.left_out
            warnings += language_warnings(each.tokenizer, loaded.language)
        for warning in dict.fromkeys(warnings):
            self.advise(warning)

    def advise(self, warning: str) -> None:
        """What a result will suffer from, before the work."""
        if not self.quiet:
            text = Text(visible(f"warning: {warning}"), style="bold yellow")
            self.console.print(text, soft_wrap=not self.console.is_terminal)

    def model(self, tokenizer: Tokenizer, parameters: int, experiment: Experiment) -> None:
        self.say(
            f"  {tokenizer.size:,} tokens of {tokenizer.characters_per_token:.2f} characters, "
            f"{experiment.backbone.label}, {parameters:,} parameters; context: "
            f"{experiment.objective.context}"
        )

    def prepared(self, seconds: float, extra_data: Sequence[str]) -> None:
        self.say(f"  prepared in {seconds:.1f} s (counts towards a budget of seconds)")
        for data in extra_data:
            self.say(f"  uses external resources: {data}")

    def planned(self, progress: Progress, plan: Plan | None) -> None:
        """What is to come, before the first update."""
        if plan is not None:
            self.say(
                f"  {progress.updates_planned:,} updates, each validation on "
                f"{progress.validation_share:.0%} of the validation text\n  plan: {plan}"
            )

    def result(
        self, folder: Path, loaded: Corpus, metrics: Metrics, samples: list[dict[str, Any]]
    ) -> None:
        columns = (
            "bpc",
            "model",
            "+ spelling",
            "= total",
            "with memory",
            "tokens/char.",
            "replaced",
        )
        title = "bits per character of raw text, of the network alone and with memory"
        table = Table(*columns, title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for part in ("validation", "test"):
            m = metrics[part]
            table.add_row(
                part,
                *bits_cells(m),
                memory_cell(m),
                f"{m.tokens_per_character:.3f}",
                f"{m.replacement_rate:.1%}",
            )
        self.console.print(table)
        if published := metrics.test.published:
            self.say(f"test, network alone: {unit_line(published['alone'])}")
            if both := published["with_memory"]:
                self.say(f"test, with memory: {unit_line(both)}")
            self.say(f"  {published['comparable']}; summary.md says what each is divided by")
        shares = metrics.generation["real_words"]
        self.say(
            f"{real_words_title(metrics)}: samples {shares['samples']['strict']:.1%}, "
            f"human text {shares['human']['strict']:.1%}"
        )
        title = f"sample at temperature {metrics['generation']['temperature']}"
        firsts = {each["prompt"]: each for each in reversed(samples) if each["method"] == "sample"}
        for prompt, each in reversed(list(firsts.items())[-PROMPTS_SHOWN:]):
            self.console.print(Panel(Text(visible(prompt + each["text"][:600])), title=title))
        if samples[0]["filled"]:
            marked = f"{title}, filled placeholders marked"
            self.console.print(Panel(Text(visible(annotated(samples[0])[:600])), title=marked))
        if loaded.warning:
            self.loud.print(_fallback(loaded))
        self.say(f"written to {folder}/ (summary.md, metrics.json, samples.txt)")
        self.say(f"more text: textgen generate {folder} --prompt …")

    def baselines(self, loaded: Corpus, records: Sequence[dict[str, Any]]) -> None:
        """The records of :func:`textgen.evaluation.baseline`, all of one kind."""
        d, first = loaded.description, records[0]
        self.say(f"  corpus sha256 {d['sha256'][:16]}…  split sha256 {d['split_sha256'][:16]}…")
        reads = "" if first["tokenizer"] else " (on the text itself, not the experiment's tokens)"
        name = first["command"] or first["baseline"]
        self.say(f"  {name}{reads} on the test part, {first['unit']}")
        for data in first["extra_data"]:
            self.say(f"  uses external resources: {data}")
        table = Table("order", "model", "+ spelling", "= total", "tokens/character", "replaced")
        for record in records:
            test = record["test"]
            table.add_row(
                str(record["order"] or NOTHING),
                *format_bits(test["bits_per_character"], 4),
                format_number(test["tokens_per_character"]),
                f"{test['replacement_rate']:.1%}",
            )
        self.console.print(table)


def _fallback(loaded: Corpus) -> Panel:
    return Panel(Text(visible(loaded.warning)), title="FALLBACK CORPUS", style="bold red")


class TrainingDisplay:
    """A bar with bits and speed, and a line for every validation.

    Args:
        screen: where it is shown.
        experiment: how often a sample is shown.
        prepared: the documents that the network learns from.
        plan: the plan of a training that begins.
        sample: writes a text with the network as it is.

    Attributes:
        plan: of the training, or None.
    """

    plan: Plan | None = None

    def __init__(
        self, screen: Screen, experiment: Experiment, prepared: Prepared,
        plan: Callable[[Progress], Plan | None], sample: Callable[[], str],
    ) -> None:  # fmt: skip
        training = prepared.encoded[0]
        tokens = sum(len(e.tokens) + 1 for e in training)
        self._characters_per_token = sum(e.characters + 1 for e in training) / tokens
        self._screen, self._every = screen, experiment.sampling.every
        self._plan, self._sample = plan, sample
        self._part = " (model)" if any(e.replaced for e in training) else ""
        self._unit = "bpc" if prepared.tokenizer.charged else "bits per character kept"
        self._bar = Bar(
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} updates"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=screen.console,
            disable=not screen.console.is_terminal,
        )

    def start(self, progress: Progress) -> None:
        """Print the plan and show the bar."""
        self.plan = self._plan(progress)
        self._screen.end_live()
        self._screen.planned(progress, self.plan)
        self._characters_per_update = progress.characters_per_update
        self._interval = progress.updates, time.perf_counter()
        planned, done = progress.updates_planned, progress.updates
        self._task = self._bar.add_task("", total=planned, completed=done, note="")
        self._screen.show_bar(self._bar)

    def update(self, updates: int, bits_per_token: float) -> None:
        """Move the bar."""
        first, start = self._interval
        speed = (updates - first) * self._characters_per_update / (time.perf_counter() - start)
        bits = bits_per_token / self._characters_per_token
        note = f"training {bits:.3f}{self._part} {self._unit}  {speed / 1000:,.1f}k characters/s"
        self._bar.update(self._task, completed=updates, note=note)

    def validated(self, progress: Progress) -> None:
        """Print the figures of the last interval and, where wanted, what the network writes."""
        screen, row, interval = self._screen, progress.history[-1], len(progress.history)
        screen.say(
            f"  {interval}/{progress.intervals}  update {progress.updates:,}  "
            f"{row['seconds']:.0f} s  train "
            f"{row['training_bits_per_token'] / self._characters_per_token:.3f}{self._part}  "
            f"validation {row['validation_bits_per_character']:.3f} {self._unit}"
            + ("  best" if progress.best_interval == interval else "")
        )
        if self._every and interval % self._every == 0:
            text = visible(self._sample().strip()).replace("\n", "\n  │ ")
            screen.console.print(Text(f"  │ {text}", style="dim"))
        self._interval = progress.updates, time.perf_counter()
