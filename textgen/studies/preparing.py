"""What a study needs before its jobs can begin: its texts, its plans, and what is done."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from filelock import FileLock

from textgen.core.errors import TextgenError
from textgen.core.files import write_json
from textgen.core.machine import cores
from textgen.data.documents import count_characters
from textgen.data.loading import Corpus, pool_folds
from textgen.evaluation.significance import fewest_documents
from textgen.report import grid as grids
from textgen.runs.console import Screen
from textgen.runs.folder import is_finished
from textgen.runs.results import read_content
from textgen.studies.cluster import Cluster
from textgen.studies.jobs import (
    Job,
    Kind,
    StudyFiles,
    cells_of,
    done_jobs,
    is_same_plan,
    is_same_run,
    list_jobs,
    run_changes,
    run_job,
    timed_cell,
)
from textgen.studies.pages import load_folds
from textgen.studies.places import Processes
from textgen.studies.planning import PLAN_FILE, ArmPlan, plain_plans, plan_in, read_plans
from textgen.studies.questions import declare
from textgen.studies.sharing import LOCKS, check_alone
from textgen.studies.study import Cell, Study
from textgen.studies.timing import plan_study


@dataclass(frozen=True)
class ReadyText:
    """A text of a study, as it was read.

    Attributes:
        folds: in which it is divided.
        sha256: of the whole text.
        characters: of all its parts.
        held_out: characters that a network is scored on, in the fold where these are most.
        room: characters of the training text, in the fold where it is smallest.
    """

    folds: list[Corpus]
    sha256: str
    characters: int
    held_out: int
    room: int


@dataclass(frozen=True)
class Ready:
    """A study whose jobs can begin.

    Attributes:
        cells: name → cell, without those that are skipped.
        texts: by the names that the study gives them.
        plans: cell → arm → its plan.
        jobs: all of them.
        done: names of those that are done.
        replaced: names of the jobs of runs whose folders hold something else.
    """

    cells: dict[str, Cell]
    texts: dict[str, ReadyText]
    plans: dict[str, dict[str, ArmPlan]]
    jobs: list[Job]
    done: set[str]
    replaced: set[str]


def prepare(
    files: StudyFiles, place: Processes | Cluster, overwrite: bool, screen: Screen
) -> Ready:
    """Read the texts of a study, plan its arms, and find out what is done.

    Raises:
        TextgenError: as :func:`run_study`.
    """
    study = files.study
    if overwrite:
        check_alone(files.runs)
    if isinstance(place, Cluster):
        place.check(list_jobs(study), files.runs)
    texts = read_texts(study, screen)
    skipped = too_large(study, texts)
    for name, reason in skipped.items():
        screen.warn(f"SKIPPED: {name}: {reason}")
    cells = {cell.name: cell for cell in cells_of(study) if cell.name not in skipped}
    if not cells:
        raise TextgenError(f"{study.path}: sizes: every training text is smaller", "lower sizes")
    timings = plan_arms(files, place, overwrite, screen)
    plans = dict[str, dict[str, ArmPlan]]()
    for name, cell in cells.items():
        plans[name] = {arm: plan_in(cell, arm, timing) for arm, timing in timings.items()}
    if study.cells:
        move_runs_into_cells(files, cells, plans)
    outdated = _outdated_records(files, cells, plans, texts)
    if outdated and not overwrite:
        message = f"{outdated[0]} was recorded with other settings, updates or text"
        raise TextgenError(message, "replace it with --overwrite")
    jobs = list_jobs(study, skipped)
    done = done_jobs(files, jobs, {text: read.sha256 for text, read in texts.items()})
    left = [job for job in jobs if job.name not in done]
    replaced = _other_runs(files, left, cells, plans, texts)
    if replaced and not overwrite:
        raise TextgenError(next(iter(replaced.values())), "replace it with --overwrite")
    if study.cells:  # not before it is known that nothing is refused
        for name in outdated:  # else it would stand beside new ones if a run of it failed
            files.record(name).unlink()
        write_contents(files, texts)
        for before in ("report.json", "texts.json"):  # of a study without axes: a cell has them now
            (files.reports / before).unlink(missing_ok=True)
        for name in {job.cell for job in left if job.cell}:
            write_json(files.runs / name / PLAN_FILE, plain_plans(plans[name]))
    runs_on_a_core = 1.0
    if isinstance(place, Processes):
        runs_on_a_core = max(1.0, place.slots * study.threads / cores())
    expected = list[Job]()
    for job in jobs:
        seconds = _seconds(job, cells, plans, texts) * runs_on_a_core
        expected.append(replace(job, seconds=seconds))
    return Ready(cells, texts, plans, expected, done, set(replaced))


def read_texts(study: Study, screen: Screen) -> dict[str, ReadyText]:
    """The texts of a study, shown with their warnings."""
    texts = dict[str, ReadyText]()
    for text in study.texts or ("",):
        first = study.cell(text, None, study.budget.amounts[0]).study if study.cells else study
        folds = show_text(first, screen, len(cells_of(study)))
        texts[text] = ReadyText(
            folds,
            sha256=folds[0].sha256,
            characters=sum(map(count_characters, folds[0].parts.values())),
            held_out=max(map(_held_out, folds)),
            room=min(count_characters(fold.train) for fold in folds),
        )
    return texts


def _held_out(fold: Corpus) -> int:
    return count_characters(fold.validation) + count_characters(fold.test)


def too_large(study: Study, texts: Mapping[str, ReadyText]) -> dict[str, str]:
    """The cells whose text is smaller than their size, and why they are skipped."""
    skipped = dict[str, str]()
    for cell in study.cells:
        room = texts[cell.text].room
        if isinstance(cell.size, int) and cell.size > room:
            skipped[cell.name] = f"the training text has {room:,} characters"
    return skipped


def plan_arms(
    files: StudyFiles,
    place: Processes | Cluster,
    overwrite: bool,
    screen: Screen,
    arms: Sequence[str] = (),
) -> dict[str, ArmPlan]:
    """Plan every arm, or some, in the cell in which updates are timed; with the questions that were
    asked in time."""
    study = files.study
    restore_plans(files)
    timed = timed_cell(study)
    with screen.stage():
        timings = plan_study(
            timed.study,
            files.runs,
            overwrite,
            place.slots,
            screen.say,
            place if isinstance(place, Processes) else None,
            arms=arms,
            any_budget=bool(study.cells),
            measure=place.measure if isinstance(place, Cluster) else None,
            processors=place.processors if isinstance(place, Cluster) else (),
        )
    (files.runs / LOCKS).mkdir(parents=True, exist_ok=True)
    for arm in study.arms:
        if arm in place.kept:  # it goes on with the first run of the arm
            first_run = next(iter(timed.study.runs(arm)))
            place.kept[run_job(timed.name, first_run)] = place.kept.pop(arm)
    with FileLock(files.runs / LOCKS / "questions"):
        timings = declare(study, files.questions, timings, _arms_with_results(files))
    write_json(files.plan, {**plain_plans(read_plans(files.plan)), **plain_plans(timings)})
    return timings


def restore_plans(files: StudyFiles) -> None:
    """Take the plans of a grid from its list of cells, if the folder of its runs is gone."""
    contents = files.reports / grids.GRID_FILE
    if files.study.cells and contents.exists() and not files.plan.exists():
        write_json(files.plan, read_content(contents, grids.Contents, grids.AGAIN).timed)


def _arms_with_results(files: StudyFiles) -> set[str]:
    """The arms of which a run is finished, or has been and is on record."""
    study = files.study
    found = set[str]()
    for cell in cells_of(study):
        recorded = set[str]()
        if cell.name and files.record(cell.name).exists():
            recorded = read_content(files.record(cell.name), grids.CellRecord, grids.AGAIN).runs
        for arm in study.arms.keys() - found:
            for run in cell.study.runs(arm):
                if run in recorded or is_finished(files.runs / cell.name / run):
                    found.add(arm)
    return found


def write_contents(files: StudyFiles, texts: Mapping[str, ReadyText]) -> None:
    """Write what a grid is about, whose arms all have a plan: ``grid.json``."""
    study = files.study
    skipped = too_large(study, texts)
    plans = read_plans(files.plan)
    timings = {arm: plans[arm] for arm in study.arms}
    content = {
        "name": study.name,
        "title": study.title or study.name,
        "command": f"python -m {files.command()}",
        "part": study.part,
        "skipped": skipped,
        "contrasts": [asdict(contrast) for contrast in study.contrasts],
        "cells": [cell.name for cell in study.cells if cell.name not in skipped],
        "tuned": study.tuned,
        "tuned_otherwise": study.tuned_otherwise,
        "timed_on": timed_cell(study).name,
        "timed": plain_plans(timings),
    }
    write_json(files.reports / grids.GRID_FILE, content)


def move_runs_into_cells(
    files: StudyFiles, cells: Mapping[str, Cell], plans: Mapping[str, dict[str, ArmPlan]]
) -> None:
    """Where a study without axes has become a grid, its finished runs belong to the cell that has
    their settings: they are moved there as they are."""
    for name, cell in cells.items():
        for arm, plan in plans[name].items():
            runs = [run for run in cell.study.runs(arm) if is_finished(files.runs / run)]
            if not runs:
                continue
            resolved = cell.study.resolved_runs(arm, plan.updates)
            for run in runs:
                target = files.runs / name / run
                if not target.exists() and is_same_run(files.runs / run, resolved[run]):
                    target.parent.mkdir(exist_ok=True)
                    (files.runs / run).rename(target)


def _outdated_records(
    files: StudyFiles,
    cells: Mapping[str, Cell],
    plans: Mapping[str, Mapping[str, ArmPlan]],
    texts: Mapping[str, ReadyText],
) -> list[str]:
    """The cells of a grid whose records are of other settings or text than the study has now.

    Raises:
        TextgenError: a record is damaged.
    """
    outdated = list[str]()
    for name, cell in cells.items():
        if not name or not files.record(name).exists():
            continue
        record = read_content(files.record(name), grids.CellRecord, grids.AGAIN)
        shared = record.arms.keys() & plans[name].keys()
        are_same = all(is_same_plan(record.arms[arm].plan, plans[name][arm]) for arm in shared)
        if record.sha256 != texts[cell.text].sha256 or not are_same:
            outdated.append(name)
    return outdated


def _other_runs(
    files: StudyFiles,
    jobs: Sequence[Job],
    cells: Mapping[str, Cell],
    plans: Mapping[str, Mapping[str, ArmPlan]],
    texts: Mapping[str, ReadyText],
) -> dict[str, str]:
    """The jobs of runs whose folders hold another run, one on other text, or a damaged one → what
    is said of it."""
    found = dict[str, str]()
    resolved = dict[tuple[str, str], dict[str, dict[str, Any]]]()
    for job in jobs:
        run = files.run(job)
        if job.kind is not Kind.RUN or not (run / "experiment.toml").exists():
            continue
        cell = cells[job.cell]
        of_arm = job.cell, job.arm
        if of_arm not in resolved:
            updates = plans[job.cell][job.arm].updates
            resolved[of_arm] = cell.study.resolved_runs(job.arm, updates)
        changes = run_changes(run, resolved[of_arm][job.run], texts[cell.text].sha256)
        if changes:
            found[job.name] = f"{run} holds another run: {changes}"
    return found


def _seconds(
    job: Job,
    cells: Mapping[str, Cell],
    plans: Mapping[str, Mapping[str, ArmPlan]],
    texts: Mapping[str, ReadyText],
) -> float:
    """The seconds that a job takes by its plan; 0 where these are not known."""
    if job.cell not in cells or job.kind is Kind.TIME:
        return 0.0
    text = texts[cells[job.cell].text]
    beside_training, report = overhead(text.characters, text.held_out)
    if job.kind is Kind.PAGE:
        return report
    plan = plans[job.cell][job.arm]
    if plan.seconds_per_update is None or plan.updates is None:
        return 0.0
    training = (plan.preparation_seconds or 0.0) + plan.updates * plan.seconds_per_update
    return training + beside_training


def overhead(characters: int, held_out: int) -> tuple[float, float]:
    """About the seconds that a study takes beside its trainings, fitted to small experiments on two
    cores.

    Args:
        characters: of the whole text.
        held_out: characters of its validation and test parts, on which a run is scored.

    Returns:
        Seconds of each run (scoring, samples), and of the study beside its runs (planning, models
        without a network, report).
    """
    return 21 + 20 * held_out / 1e6, 39 + 2 * characters / 1e6


def show_text(study: Study, screen: Screen, cells: int = 1) -> list[Corpus]:
    """The text that all arms share, in each of its folds, shown with its warnings before any work
    is done. Each question is asked in so many cells."""
    folds = load_folds(study)
    first, *others = (study.experiment(arm) for arm in study.arms)
    loaded = pool_folds(folds)
    screen.corpus(first, loaded, *others)
    questions = cells * len(study.contrasts)
    documents = len(loaded.names["test"])
    fewest = fewest_documents(questions or 1)
    if fewest_documents() <= documents < fewest:
        screen.advise(
            f"The {documents} documents of the test part cannot answer {questions} questions, "
            f"whatever the results: at least {fewest} are needed. Declare fewer "
            "[[contrasts]], or hold out more."
        )
    return folds
