"""A study as one list of jobs, each of which any machine that shares the folders can do:

    time/ARM         updates of an arm are timed; it then has a plan in ``plan.json``
    run/CELL/RUN     a run is trained and scored; its folder then has ``metrics.json``
    page/CELL        a cell of a grid gets its report and its record, ``cells/CELL.json``
    page             the study gets its page

A study without axes has no cells: its runs are run/RUN. A search has the jobs
trial/SECONDS/ARM/SETTING. Whether a job is done is seen from these
files alone.
"""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.core.files import UNREADABLE
from textgen.core.terminal import command_line
from textgen.report import grid as grids
from textgen.runs.finished import read_metrics
from textgen.runs.folder import is_finished, other_text
from textgen.runs.results import METRICS_FILE, read_content
from textgen.studies.planning import (
    PLAN_FILE,
    ArmPlan,
    differences,
    is_timed,
    plan_in,
    read_plans,
    with_defaults,
    without_budget,
    without_fold,
)
from textgen.studies.sharing import LOCKS, is_taken
from textgen.studies.study import Cell, Resources, Study


class Kind(StrEnum):
    """What a job is for."""

    TIME = "time"
    RUN = "run"
    TRIAL = "trial"
    PAGE = "page"


class State(StrEnum):
    """Of a job, as its files say."""

    DONE = "done"
    RUNNING = "running"
    READY = "ready"
    WAITING = "waiting"


@dataclass(frozen=True)
class Job:
    """A piece of a study's work.

    Attributes:
        name: see above.
        kind: what it is for.
        order: of jobs that are ready, the one with the least comes first.
        resources: what it takes.
        needs: names of the jobs that have to be done before. A page is also written if some of
            those have failed, of the rest.
        cell, arm, run: names of what it is about; empty where it is about none.
        seconds: about what it takes; 0 if that is not known.
    """

    name: str
    kind: Kind
    order: tuple[int, ...]
    resources: Resources
    needs: tuple[str, ...] = ()
    cell: str = ""
    arm: str = ""
    run: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class StudyFiles:
    """Where the files of a study lie.

    Attributes:
        study: whose.
        runs_folder, reports_folder: the folders for all runs and reports.
    """

    study: Study
    runs_folder: Path
    reports_folder: Path

    @property
    def runs(self) -> Path:
        """The folder of the study's runs; those of a cell are in a folder below."""
        return self.runs_folder / self.study.name

    @property
    def reports(self) -> Path:
        """The folder of the study's report, or of its cells' reports and records."""
        return self.reports_folder / self.study.name

    @property
    def plan(self) -> Path:
        return self.runs / PLAN_FILE

    @property
    def questions(self) -> Path:
        """The questions, with the dates on which they were asked."""
        return self.reports / "questions.json"

    def run(self, job: Job) -> Path:
        """The folder of a run."""
        return self.runs / job.cell / job.run

    def log(self, job: Job) -> Path:
        """What is printed meanwhile."""
        return (self.runs / job.cell / "logs" / f"{job.run or job.arm or 'page'}.txt").resolve()

    def record(self, cell: str) -> Path:
        return self.reports / grids.CELLS_FOLDER / f"{cell}.json"

    def page(self, job: Job) -> Path:
        """The page of a cell or of the study, which is that of a report."""
        folder = self.reports
        if job.cell:
            folder = folder / grids.CELLS_FOLDER / job.cell
        return folder / "index.html"

    def lock(self, job: Job) -> Path:
        return self.runs / LOCKS / f"{job.name}.lock"

    def command(self, *options: str) -> str:
        """What repeats the study, or does with further options what they ask for."""
        return study_command(self.study.path, self.runs_folder, self.reports_folder, *options)


def study_command(
    path: Path, runs_folder: str | Path, reports_folder: str | Path, *options: str
) -> str:
    """What repeats a study, with the folders that are not the usual ones, and further options."""
    words = ["textgen", "study", str(path), *options]
    return command_line([*words, *folder_options(runs_folder, reports_folder)])


def folder_options(runs_folder: str | Path, reports_folder: str | Path) -> list[str]:
    """The options of a command whose folders are not the usual ones."""
    options = list[str]()
    if str(runs_folder) != "runs":
        options.append(f"--runs={runs_folder}")
    if str(reports_folder) != "reports":
        options.append(f"--reports={reports_folder}")
    return options


def cells_of(study: Study) -> list[Cell]:
    """The cells of a grid; of a study without axes itself, under no name."""
    budget = (study.budget.regime, study.budget.amounts[0])
    return study.cells or [Cell("", "", None, budget, study)]


def run_job(cell: str, run: str) -> str:
    """The name of a run's job."""
    return "/".join(filter(None, (Kind.RUN, cell, run)))


def list_jobs(study: Study, skipped: Collection[str] = ()) -> list[Job]:
    """All jobs of a study, those first that come first: cells in the order of texts, sizes and
    budgets in the file, in each the first seed of every arm, fold by fold, and so on, so that a
    study that is interrupted is balanced.

    Args:
        study: the study.
        skipped: cells that have no runs.
    """
    jobs = list[Job]()
    timings = dict[str, tuple[str, ...]]((arm, ()) for arm in study.arms)
    if is_timed(study):
        for arm in study.arms:
            name = f"{Kind.TIME}/{arm}"
            timings[arm] = (name,)
            jobs.append(Job(name, Kind.TIME, (-1, 0), study.resources_of(arm), arm=arm))
    pages = list[str]()
    page_resources = Resources(cores=1)
    cells = [cell for cell in cells_of(study) if cell.name not in skipped]
    for number, cell in enumerate(cells):
        runs = list[Job]()
        for arm in study.arms:
            for turn, run in enumerate(cell.study.runs(arm)):
                name = run_job(cell.name, run)
                about = {"cell": cell.name, "arm": arm, "run": run, "needs": timings[arm]}
                resources = study.resources_of(arm)
                runs.append(Job(name, Kind.RUN, (number, turn), resources, **about))  # type: ignore[arg-type]
        runs.sort(key=lambda job: job.order)
        jobs += runs
        names = tuple(job.name for job in runs)
        page = "/".join(filter(None, (Kind.PAGE, cell.name)))
        pages.append(page)
        jobs.append(Job(page, Kind.PAGE, (number, -1), page_resources, names, cell=cell.name))
    if study.cells:
        last = (len(cells), 0)
        jobs.append(Job(Kind.PAGE, Kind.PAGE, last, page_resources, tuple(pages)))
    return jobs


def done_jobs(
    files: StudyFiles, jobs: Sequence[Job], texts: Mapping[str, str] | None = None
) -> set[str]:
    """Names of the jobs that are done, by the files that they leave. Of an arm that has a plan only
    runs with the settings of the study count.

    Args:
        files: of the study.
        jobs: that are asked about, and what they need.
        texts: text → its sha256, where the texts have been read: runs and records of others do not
            count, nor do runs whose results are damaged.

    Raises:
        TextgenError: the plan or a record is damaged; or no update fits into a budget.
    """
    plans = read_plans(files.plan)
    planned = planned_arms(files)
    done = {job.name for job in jobs if job.kind is Kind.TIME and job.arm in planned}
    concerned = {job.cell for job in jobs}
    for cell in cells_of(files.study):
        if cell.name not in concerned:
            continue
        sha256 = texts[cell.text] if texts else ""
        wanted = {run for arm in cell.study.arms for run in cell.study.runs(arm)}
        if cell.name and wanted <= _recorded_runs(files, cell, plans, planned, sha256):
            done.update(job.name for job in jobs if job.cell == cell.name)
        else:
            runs = [job for job in jobs if job.kind is Kind.RUN and job.cell == cell.name]
            done |= _made_runs(files, cell, runs, plans, planned, sha256)
    for job in jobs:
        if job.name == Kind.PAGE and set(job.needs) <= done:
            needed = [each for each in jobs if each.name in job.needs]
            if is_written(files, job, needed):
                done.add(job.name)
    return done


def _recorded_runs(
    files: StudyFiles,
    cell: Cell,
    plans: Mapping[str, ArmPlan],
    planned: Collection[str],
    sha256: str,
) -> set[str]:
    """Names of the runs in the record of a cell that the study wants."""
    if not files.record(cell.name).exists():
        return set()
    record = read_content(files.record(cell.name), grids.CellRecord, grids.AGAIN)
    if sha256 and record.sha256 != sha256:
        return set()
    found = set[str]()
    for arm, recorded in record.arms.items():
        is_wanted = arm not in plans
        if arm in planned:
            is_wanted = is_same_plan(recorded.plan, plan_in(cell, arm, plans[arm]))
        if is_wanted:
            found.update(run.name for run in recorded.runs)
    return found


def _made_runs(
    files: StudyFiles,
    cell: Cell,
    jobs: Sequence[Job],
    plans: Mapping[str, ArmPlan],
    planned: Collection[str],
    sha256: str,
) -> set[str]:
    """Names of the jobs of a cell's runs whose folders hold what the study wants."""
    of_arms = dict[str, list[Job]]()
    for job in jobs:
        if is_finished(files.run(job)):
            of_arms.setdefault(job.arm, []).append(job)
    found = set[str]()
    for arm, finished in of_arms.items():
        if arm not in plans:  # nothing says how many updates they should have
            found.update(job.name for job in finished)
        elif arm in planned:
            updates = plan_in(cell, arm, plans[arm]).updates
            resolved = cell.study.resolved_runs(arm, updates)
            for job in finished:
                if is_same_run(files.run(job), resolved[job.run], sha256):
                    found.add(job.name)
    return found


def is_same_run(run: Path, resolved: Mapping[str, Any], sha256: str = "") -> bool:
    """Whether a folder holds a finished run of these settings; see :func:`run_changes`."""
    return is_finished(run) and not run_changes(run, resolved, sha256)


def run_changes(run: Path, resolved: Mapping[str, Any], sha256: str = "") -> str:
    """Why the run that was begun in a folder is not the one of these settings, or that it is
    damaged; empty if it is the one, or if there is none.

    Args:
        run: the folder.
        resolved: settings of an experiment.
        sha256: of its text, if that has been read: only then text and results are looked at.
    """
    file = run / "experiment.toml"
    if not file.exists():
        return ""
    changes = list[str]()
    try:
        if not _says(file, resolved):
            changes += differences(load_experiment(file).resolved, resolved)
        if sha256:
            changes += filter(None, [other_text(run, sha256)])
            if is_finished(run):
                read_metrics(run)
    except TextgenError as error:
        return error.message
    return "; ".join(changes)


def _says(file: Path, resolved: Mapping[str, Any]) -> bool:
    """Whether a file holds these settings as they are; one of an earlier version may mean the same
    though it does not."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8")) == resolved
    except UNREADABLE:
        return False


def is_planned_run(run: Path, plan: ArmPlan) -> bool:
    """Whether a folder holds a finished run of an arm that was trained by a plan."""
    if not is_finished(run):
        return False
    made = load_experiment(run / "experiment.toml").arm
    planned = plan.experiment
    if plan.updates is not None:
        if made["training"].get("updates") != plan.updates:
            return False
        made, planned = without_budget(made), without_budget(planned)
    return without_fold(made) == without_fold(planned)


def is_same_plan(recorded: Mapping[str, Any], plan: ArmPlan) -> bool:
    """Whether an arm on record was trained by a plan."""
    if recorded["updates"] != plan.updates:
        return False
    return with_defaults(recorded["experiment"]) == plan.experiment


def planned_arms(files: StudyFiles) -> set[str]:
    """The arms that have a plan for the settings of the study. A grid has one for all budgets."""
    study = files.study
    cell = timed_cell(study)
    arms = set[str]()
    for arm, plan in read_plans(files.plan).items():
        if arm not in study.arms:
            continue
        now = cell.study.experiment(arm).arm
        before = plan.experiment
        if study.cells:
            now, before = without_budget(now), without_budget(before)
        if not differences(before, now):
            arms.add(arm)
    return arms


def timed_cell(study: Study) -> Cell:
    """The cell in which updates are timed for all: the whole text, or the one that the study names,
    and the largest budget; a study without axes itself."""
    if not study.cells:
        return cells_of(study)[0]
    *_, last = (cell for cell in study.cells if study.timed_on in (cell.text, ""))
    return study.cell(last.text, last.size and "all", study.budget.amounts[-1])


def is_written(
    files: StudyFiles, page: Job, needed: Sequence[Job], since: float | None = None
) -> bool:
    """Whether a page has been written, after all results that it is about.

    Args:
        files: of the study.
        page: the job of the page.
        needed: the jobs that it needs.
        since: it counts only if it was written after this time, in seconds since 1970.
    """
    written = [files.page(page)]
    results = [files.run(job) / METRICS_FILE for job in needed if job.kind is Kind.RUN]
    if page.cell and all(file.exists() for file in results):
        written.append(files.record(page.cell))
    results += [files.record(job.cell) for job in needed if job.kind is Kind.PAGE]
    if not all(file.exists() for file in written):
        return False
    first = min(file.stat().st_mtime for file in written)
    if since is not None and first <= since:
        return False
    return all(file.stat().st_mtime <= first for file in results if file.exists())


def states(files: StudyFiles, jobs: Sequence[Job]) -> dict[str, State]:
    """Job → its state."""
    done = done_jobs(files, jobs)
    found = dict[str, State]()
    for job in jobs:
        if job.name in done:
            found[job.name] = State.DONE
        elif is_taken(files.lock(job)):
            found[job.name] = State.RUNNING
        elif set(job.needs) <= done:
            found[job.name] = State.READY
        else:
            found[job.name] = State.WAITING
    return found
