"""Arms × seeds under one budget, then the report."""

import math
import os
import statistics
import textwrap
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment, load_experiment
from textgen.core.files import write_file, write_json
from textgen.core.machine import cores
from textgen.core.terminal import command_line, visible
from textgen.data.documents import count_characters
from textgen.data.loading import Corpus, load_corpus, pool_folds
from textgen.evaluation.baselines import compute_references
from textgen.evaluation.significance import fewest_documents
from textgen.report import grid as grids
from textgen.report.arms import group_runs
from textgen.report.comparison import Comparison, compare_runs
from textgen.runs.console import Screen
from textgen.runs.finished import load_run, read_metrics
from textgen.runs.folder import is_finished, other_text, take_folder
from textgen.runs.results import read_content
from textgen.studies import planning
from textgen.studies import study as studies
from textgen.studies.places import Processes, Tasks, printed_lines, run_all
from textgen.studies.planning import ArmPlan, under_budget
from textgen.studies.study import Cell, Study

MAX_STATE_CHARACTERS = 60  # of what a run prints meanwhile
MAX_LINE_CHARACTERS = 98  # in a pipe, behind two spaces


def run_study(
    path: str | Path,
    *,
    runs_folder: str | Path = "runs",
    reports_folder: str | Path = "reports",
    workers: int = 1,
    address: str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Comparison | grids.Grid:
    """Plan a study, make the runs that are missing, and write its report.

    Args:
        path: a study file, see :mod:`textgen.studies.study`.
        runs_folder: the runs go into a subfolder that is named after the file.
        reports_folder: the folder for reports.
        workers: runs at once.
        address: address of a Ray cluster for the runs; its machines must share these folders.
        overwrite: plan and run again whatever has changed.
        quiet: no progress on the terminal.

    Returns:
        The comparison; for a study with axes, the grid of its cells. A study that was
        interrupted is resumed, and ends with the same results.

    Raises:
        TextgenError: anything wrong with the files or the folder; arms that cannot be planned, all
            of them at once and before any run; or, after everything else is done and the report is
            written, that some runs have failed.
    """
    study = studies.load_study(path)
    screen = Screen(quiet)
    if workers < 1:
        raise TextgenError(f"--workers: {workers} is less than 1")
    folder = Path(runs_folder) / study.name
    reports = Path(reports_folder)
    command = f"python -m {study_command(study.path, runs_folder, reports_folder)}"
    place: Processes | Tasks = Tasks(address, study.threads) if address else Processes()
    with lock_study(folder), place:
        job = _Job(place, workers, overwrite, command, screen)
        if study.cells:
            return _run_grid(study, folder, reports / study.name, job)
        return _run_cell(study, study.name, folder, reports, job)


@dataclass(frozen=True)
class _Job:
    """How runs are made and shown.

    Attributes:
        place, workers, overwrite: where, and as :func:`run_study` has them.
        command: in reports.
        screen: of the study.
        cell: which one of a grid this is, in words.
        after: what the later cells take, as a multiple of this one.
        about: what is kept of a cell beside its results; nothing is kept if it is empty.
    """

    place: Processes | Tasks
    workers: int
    overwrite: bool
    command: str
    screen: Screen
    cell: str = ""
    after: float = 0.0
    about: Mapping[str, Any] = field(default_factory=dict)


def _run_cell(study: Study, name: str, folder: Path, reports: Path, job: _Job) -> Comparison:
    """Plan a study without axes, make the runs that are missing, and write its report.

    Raises:
        TextgenError: as :func:`run_study`.
    """
    place = job.place
    screen = job.screen
    folds = show_text(study, screen)
    with screen.stage():
        here = place if isinstance(place, Processes) and not job.cell else None
        plans = planning.plan_study(study, folder, job.overwrite, job.workers, screen.say, here)
    experiments = planned_experiments(study, plans)
    replaced = _replaced(experiments, folder, folds[0].sha256, job.overwrite)
    missing = [e for e in experiments if e.name in replaced or not is_finished(folder / e.name)]
    if not missing:
        screen.say("all runs exist already; the report is written again")
    at_once = job.workers
    if isinstance(place, Tasks):  # the cluster queues them
        at_once = max(1, len(missing))
    ended = run_all(missing, folder, place, at_once=at_once, replaced=replaced)
    # beside the runs, so that no core is idle; the report finds them in the cache
    references = Thread(target=compute_references, args=(folds,), daemon=True)
    references.start()
    characters = sum(map(count_characters, folds[0].parts.values()))
    failures = _show_runs(ended, missing, study, folder, at_once, characters, job)
    if references.is_alive():
        with screen.stage("scoring models without a network"):
            references.join()
    finished = [folder / e.name for e in experiments if e.name not in failures]
    report = None
    try:
        report = compare_runs(
            finished,
            name=name,
            title=study.title,
            contrasts=study.contrasts,
            part=study.part,
            embed=() if study.embed else None,
            plan=_plain(plans),
            command=job.command,
            reports_folder=reports,
            overwrite=True,  # hours of training must not end in a question
            quiet=screen.quiet,
        )
    except TextgenError:  # if a fold has failed in every arm, nothing is left to compare
        if not failures:
            raise
    if report is None or failures:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failures.items())
        message = f"{len(failures)} of {len(experiments)} runs failed: {reasons}"
        if report:
            message += f"; the report of the rest: {os.fspath(report)}"
        hint = f"see {folder / 'logs'}; when the command is repeated, finished runs are kept"
        raise TextgenError(f"{folder}: {message}", hint)
    if job.about:
        arms = group_runs([load_run(run) for run in finished], plans)
        record = grids.record_cell(arms, folds, _plain(plans), **job.about)
        write_file(reports / f"{name}.json", record.model_dump_json() + "\n")
    return report


def _run_grid(study: Study, folder: Path, reports: Path, job: _Job) -> grids.Grid:
    """Make the cells that are not on record, each with its report, then the page of all.

    Raises:
        TextgenError: as :func:`run_study`; or no text is as large as a size.
    """
    screen, texts, room = job.screen, dict[str, str](), dict[str, int]()
    for text in study.texts or ("",):
        folds = show_text(study.cell(text, None, study.budget.amounts[0]).study, screen)
        texts[text], room[text] = folds[0].sha256, min(count_characters(f.train) for f in folds)
    skipped = {
        cell.name: f"the training text has {room[cell.text]:,} characters"
        for cell in study.cells
        if isinstance(cell.size, int) and cell.size > room[cell.text]
    }
    for name, reason in skipped.items():
        screen.warn(f"SKIPPED: {name}: {reason}")
    cells = [cell for cell in study.cells if cell.name not in skipped]
    if not cells:
        raise TextgenError(f"{study.path}: sizes: every training text is smaller", "lower sizes")
    contents, plans = reports / grids.GRID_FILE, folder / planning.PLAN_FILE
    if contents.exists() and not plans.exists():  # cells on record need no runs
        write_json(plans, read_content(contents, grids.Contents, grids.AGAIN).timed)
    *_, last = (cell for cell in study.cells if study.timed_on in (cell.text, ""))
    timed = study.cell(last.text, last.size and "all", study.budget.amounts[-1])
    with screen.stage():
        found = planning.plan_study(timed.study, folder, job.overwrite, job.workers, screen.say)
    planned = {
        c.name: _plain({a: under_budget(c.study, a, p) for a, p in found.items()}) for c in cells
    }
    content: dict[str, Any] = {"name": study.name, "title": study.title or study.name}
    content |= {"command": job.command, "part": study.part, "skipped": skipped}
    content |= {"contrasts": [asdict(c) for c in study.contrasts], "cells": [*planned]}
    write_json(contents, content | {"timed_on": timed.name, "timed": _plain(found)})
    home, failures = reports / grids.CELLS_FOLDER, list[str]()
    records = grids.Grid(reports).cells
    missing = [
        cell
        for cell in cells
        if not _holds(records.get(cell.name), cell, planned[cell.name], texts[cell.text], job)
    ]
    beside = overhead(0)[0] if study.seconds else 0.0
    costs = [beside + cell.budget[1] for cell in missing]
    for number, cell in enumerate(missing, 1):
        plan, new = folder / cell.name / planning.PLAN_FILE, planned[cell.name]
        stored = _plain(planning.read_plans(plan))  # of other settings: found by their runs
        same = [a for a in new.keys() & stored if stored[a]["experiment"] == new[a]["experiment"]]
        write_json(plan, new | {a: new[a] | {"declared": stored[a]["declared"]} for a in same})
        place = f"{cell.name}, cell {len(cells) - len(missing) + number} of {len(cells)}: "
        about = {key: value for key, value in cell._asdict().items() if key != "study"}
        after = sum(costs[number:]) / costs[number - 1]
        own = replace(job, cell=place, after=after, about=about)
        try:
            _run_cell(cell.study, cell.name, folder / cell.name, home, own)
        except TextgenError as error:
            failures.append(error.message)
    grid = grids.Grid(reports)
    grid.write_page()
    if failures:
        message = f"{len(failures)} of {len(cells)} cells failed: {'; '.join(failures)}"
        raise TextgenError(message, "when the command is repeated, finished runs are kept")
    return grid


def _holds(
    record: grids.CellRecord | None, cell: Cell, plans: Mapping[str, Any], sha256: str, job: _Job
) -> bool:
    """Whether a record has all runs of a cell, under these plans and on this text.

    Raises:
        TextgenError: it is of other settings or text, and may not be overwritten.
    """
    if record is None:
        return False
    if record.sha256 != sha256 or not _same_plans(record, plans):
        if job.overwrite:
            return False
        message = f"{cell.name} was recorded with other settings, updates or text"
        raise TextgenError(message, "replace it with --overwrite")
    recorded_runs = {run.name for arm in record.arms.values() for run in arm.runs}
    planned_runs = {name for arm in plans for name in cell.study.runs(arm)}
    return planned_runs <= recorded_runs


def _same_plans(record: grids.CellRecord, plans: Mapping[str, Any]) -> bool:
    """Whether the arms that a record shares with plans were trained alike and as long."""
    for arm in record.arms.keys() & plans.keys():
        recorded = record.arms[arm].plan
        planned = plans[arm]
        if recorded["experiment"] != planned["experiment"]:
            return False
        if recorded["updates"] != planned["updates"]:
            return False
    return True


def _plain(plans: Mapping[str, ArmPlan]) -> dict[str, Any]:
    """Plans as JSON has them."""
    return {arm: asdict(plan) for arm, plan in plans.items()}


def overhead(characters: int) -> tuple[float, float]:
    """About the seconds that a run of a small experiment takes beside its training (scoring,
    samples), and a study beside its runs on two cores (planning, models without a network, report),
    on a text of so many characters."""
    millions = characters / 1e6
    return 21 + 6.5 * millions, 31 + 7 * millions


def lock_study(folder: Path) -> AbstractContextManager[object]:
    """Lock the folder of a study's runs for this process and a block.

    Raises:
        TextgenError: another process has locked it, or it cannot be written.
    """
    busy = "another process is working on this study"
    return take_folder(folder, busy, "wait until it has ended")


def study_command(path: Path, runs_folder: str | Path, reports_folder: str | Path) -> str:
    """What repeats a study, with the folders that are not the usual ones."""
    words = ["textgen", "study", str(path)]
    if str(runs_folder) != "runs":
        words.append(f"--runs={runs_folder}")
    if str(reports_folder) != "reports":
        words.append(f"--reports={reports_folder}")
    return command_line(words)


def show_text(study: Study, screen: Screen) -> list[Corpus]:
    """The text that all arms share, in each of its folds, shown with its warnings before any work
    is done."""
    first, *others = (study.experiment(arm) for arm in study.arms)
    arm = next(iter(study.arms))
    runs = study.runs_of_first_seed(arm)
    folds = [load_corpus(study.experiment(arm, name)) for name in runs]
    if len({corpus.sha256 for corpus in folds}) > 1:
        message = f"{study.path}: folds: one fold leaves a single document to train on"
        raise TextgenError(message, "use more folds, or more documents")
    loaded = pool_folds(folds)
    screen.corpus(first, loaded, *others)
    questions = len(study.contrasts)
    documents = len(loaded.names["test"])
    fewest = fewest_documents(questions or 1)
    if fewest_documents() <= documents < fewest:
        screen.advise(
            f"The {documents} documents of the test part cannot answer {questions} questions, "
            f"whatever the results: at least {fewest} are needed. Declare fewer "
            "[[contrasts]], or hold out more."
        )
    return folds


def planned_experiments(study: Study, plans: dict[str, ArmPlan]) -> list[Experiment]:
    """All runs of the planned arms: first the first seed of every arm, fold by fold, and so on, so
    that a study that is interrupted is balanced."""
    runs = [(turn, arm, name) for arm in plans for turn, name in enumerate(study.runs(arm))]
    in_turn = sorted(runs, key=lambda run: run[0])
    return [study.experiment(arm, name, plans[arm].updates) for _, arm, name in in_turn]


def _replaced(
    experiments: Sequence[Experiment], folder: Path, sha256: str, overwrite: bool
) -> set[str]:
    """Names of runs whose folders hold another run, one on other text than that of this sha256, or
    a damaged one.

    Raises:
        TextgenError: there are such runs, and they may not be overwritten.
    """
    names = set[str]()
    for experiment in experiments:
        run = folder / experiment.name
        if not (run / "experiment.toml").exists():
            continue
        try:
            stored = load_experiment(run / "experiment.toml")
            changes = planning.differences(stored.resolved, experiment.resolved)
            if text := other_text(run, sha256):
                changes.append(text)
            if is_finished(run):
                read_metrics(run)
        except TextgenError as error:
            changes = [error.message]
        if changes and not overwrite:
            message = f"{run} holds another run: {'; '.join(changes)}"
            raise TextgenError(message, "replace it with --overwrite")
        if changes:
            names.add(experiment.name)
    return names


class _Display:
    """What is shown of the runs of a study while they are made.

    Attributes:
        waiting: names of the runs that have not ended, in the order in which they begin.
        results: name of a run that has ended → its bits per character, or that it has failed.
    """

    def __init__(
        self,
        missing: Sequence[Experiment],
        study: Study,
        folder: Path,
        workers: int,
        characters: int,
        job: _Job,
    ) -> None:
        self._folder = folder
        self._workers = workers
        self._job = job
        self._runs = {arm: list(study.runs(arm)) for arm in study.arms}
        self.waiting = [experiment.name for experiment in missing]
        self.results = dict[str, str]()
        for names in self._runs.values():
            for name in names:
                if name not in self.waiting:
                    self.results[name] = _result(folder / name)
        self._total = len(self.results) + len(missing)
        self._rounds = math.ceil(len(missing) / workers)
        self._begin = time.monotonic()
        self._seconds_taken = list[float]()
        beside_training, self._report_seconds = overhead(characters)
        self._planned_seconds = 0.0  # of a run; 0 where it is not known
        if study.seconds:
            runs_on_a_core = max(1.0, workers * study.threads / cores())
            self._planned_seconds = (study.seconds + beside_training) * runs_on_a_core

    def end(self, name: str, failure: str | None, seconds: float) -> None:
        """A run has ended."""
        if failure is None:
            self._seconds_taken.append(seconds)
            self.results[name] = _result(self._folder / name)
        else:
            self.results[name] = "failed"
        self.waiting.remove(name)

    def progress(self) -> str:
        """The time that has elapsed, how many runs have ended, and about the time left."""
        elapsed = time.monotonic() - self._begin
        ended = f"{len(self.results)} of {self._total} runs"
        parts = [f"{self._job.cell}{_clock(elapsed)} elapsed", ended, self._time_left(elapsed)]
        return ", ".join(filter(None, parts))

    def _time_left(self, elapsed: float) -> str:
        """About the time left after so many seconds; empty if nothing is known of it."""
        per_run = self._planned_seconds
        if self._seconds_taken:
            per_run = max(per_run, statistics.mean(self._seconds_taken))
        if not self.waiting or not per_run:
            return ""
        # of the report's share, planning has taken a part
        of_this_cell = per_run * self._rounds + self._report_seconds
        left = of_this_cell * (1 + self._job.after) - elapsed
        return f"about {_clock(left)} left" if left > 0 else "over the estimate"

    def lines(self) -> str:
        """A line for each run that has begun: the time, and what the run is doing."""
        elapsed = time.monotonic() - self._begin
        times = [f"{self._job.cell}{_clock(elapsed)}", self._time_left(elapsed)]
        clock = ", ".join(filter(None, times))
        lines = list[str]()
        for name in self.waiting[: self._workers]:
            if printed_lines(self._log(name)):
                line = f"{clock}; {name}: {self._state(name)}"
                lines.append(textwrap.shorten(line, MAX_LINE_CHARACTERS, placeholder=""))
        return "\n".join(lines) or self.progress()

    def table(self) -> Group:
        """The results of runs and what the others are doing, a row for each arm; the progress."""
        rows = Table.grid(padding=(0, 2))
        for arm, names in self._runs.items():
            cells = [self.results.get(name) or self._state(name) for name in names]
            rows.add_row(arm, *(Text(visible(cell)) for cell in cells))
        return Group("bits per character:", rows, self.progress())

    def _log(self, name: str) -> Path:
        return self._folder / "logs" / f"{name}.txt"

    def _state(self, name: str) -> str:
        """What a run that has not ended is doing."""
        if name not in self.waiting[: self._workers]:
            return "waiting"
        printed = printed_lines(self._log(name))
        last = printed[-1] if printed else "starting"
        return textwrap.shorten(last, MAX_STATE_CHARACTERS, placeholder="")


def _show_runs(
    ended: Generator[tuple[str, str | None, float]],
    missing: Sequence[Experiment],
    study: Study,
    folder: Path,
    workers: int,
    characters: int,
    job: _Job,
) -> dict[str, str]:
    """Show runs as they end, on a terminal in a table that fills, with the time left; why some have
    failed, by name."""
    display = _Display(missing, study, folder, workers, characters, job)
    failures = dict[str, str]()
    screen = job.screen
    live = Live(get_renderable=display.table, console=screen.console, refresh_per_second=2)
    shown = screen.console.is_terminal and not screen.quiet
    if missing and not shown:
        screen.say(f"training: {display.progress()}")
    with live if shown else screen.lines(display.lines), closing(ended):
        for name, failure, seconds in ended:
            display.end(name, failure, seconds)
            if failure is not None:
                failures[name] = failure
            if not shown:
                result = display.results[name]
                screen.say(f"  {name}: {result}, {seconds:.0f} s; {display.progress()}")
    return failures


def _result(run: Path) -> str:
    """Bits per character of a finished run."""
    bits = read_metrics(run).test.parts["network"].bits_per_character
    return f"{bits.total:.3f}" if bits else "not charged"


def _clock(seconds: float) -> str:
    """``"2:05"``, in minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
