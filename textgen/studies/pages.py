"""The report of a study without axes or of a cell, from its finished runs; a cell's record."""

from collections.abc import Collection
from pathlib import Path

from textgen.core.errors import TextgenError
from textgen.core.files import write_file
from textgen.data.loading import Corpus, load_corpus
from textgen.report import grid as grids
from textgen.report.arms import group_runs
from textgen.report.comparison import Comparison, compare_runs
from textgen.runs.finished import load_run
from textgen.studies.jobs import StudyFiles, cells_of, is_planned_run
from textgen.studies.planning import PLAN_FILE, ArmPlan, plain_plans, read_plans
from textgen.studies.study import Cell, Study


def load_folds(study: Study) -> list[Corpus]:
    """The text of a study without axes, in each of its folds.

    Raises:
        TextgenError: the text cannot be had, or a fold leaves too little of it.
    """
    arm = next(iter(study.arms))
    folds = [load_corpus(study.experiment(arm, name)) for name in study.runs_of_first_seed(arm)]
    if len({corpus.sha256 for corpus in folds}) > 1:
        message = f"{study.path}: folds: one fold leaves a single document to train on"
        raise TextgenError(message, "use more folds, or more documents")
    return folds


def find_cell(study: Study, name: str) -> Cell:
    """A cell of a grid by its name; a study without axes under no name."""
    (cell,) = (cell for cell in cells_of(study) if cell.name == name)
    return cell


def write_cell(
    files: StudyFiles,
    cell: Cell,
    command: str,
    failed: Collection[str] = (),
    quiet: bool = False,
) -> Comparison:
    """Write the report of a cell, or of a study without axes, and the record of a cell that has all
    its runs. Only runs that were trained by the plan of their arm count.

    Args:
        files: of the study.
        cell: which one.
        command: that repeats the report.
        failed: names of runs that are left out; so are those that are not finished.
        quiet: print only warnings.

    Raises:
        TextgenError: an arm has no plan, nothing is left to compare, or something cannot be
            written.
    """
    study = cell.study
    folder = files.runs / cell.name
    plans = _plans_of(study, folder)
    turns = [(turn, arm, run) for arm in plans for turn, run in enumerate(study.runs(arm))]
    planned = list[Path]()
    finished = list[Path]()
    for _, arm, name in sorted(turns, key=lambda each: each[0]):
        run = folder / name
        planned.append(run)
        if name not in failed and is_planned_run(run, plans[arm]):
            finished.append(run)
    report = compare_runs(
        finished,
        name=cell.name or files.study.name,
        title=study.title,
        contrasts=study.contrasts,
        part=study.part,
        embed=() if study.embed else None,
        plan=plain_plans(plans),
        command=command,
        reports_folder=files.record(cell.name).parent if cell.name else files.reports_folder,
        overwrite=True,  # hours of training must not end in a question
        quiet=quiet,
    )
    if cell.name and len(finished) == len(planned):
        arms = group_runs([load_run(run) for run in finished], plans)
        about = {key: value for key, value in cell._asdict().items() if key != "study"}
        record = grids.record_cell(arms, load_folds(study), plain_plans(plans), **about)
        write_file(files.record(cell.name), record.model_dump_json() + "\n")
    return report


def _plans_of(study: Study, folder: Path) -> dict[str, ArmPlan]:
    """The plans of a study's arms that are kept with its runs.

    Raises:
        TextgenError: there is none for an arm.
    """
    stored = read_plans(folder / PLAN_FILE)
    for arm in study.arms:
        if arm not in stored:
            message = f"arms.{arm} was added while the study was running"
            raise TextgenError(f"{study.path}: {message}", "repeat the study's command")
    return {arm: stored[arm] for arm in study.arms}
