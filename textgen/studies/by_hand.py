"""``textgen study`` and ``textgen tune``: all of their jobs, a list of these, or a single one. Any
scheduler can have the jobs done, in any order that their needs allow."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock

from textgen.core.errors import TextgenError
from textgen.core.files import write_json
from textgen.core.terminal import json_line
from textgen.report import grid as grids
from textgen.runs.console import Screen
from textgen.runs.folder import is_finished
from textgen.runs.results import read_content
from textgen.studies import execution, preparing, tuning
from textgen.studies.jobs import (
    Job,
    Kind,
    State,
    StudyFiles,
    done_jobs,
    list_jobs,
    planned_arms,
    run_changes,
    states,
)
from textgen.studies.pages import find_cell, write_cell
from textgen.studies.places import Processes
from textgen.studies.planning import (
    PLAN_FILE,
    ArmPlan,
    is_timed,
    plain_plans,
    plan_in,
    read_plans,
)
from textgen.studies.process import Jobs
from textgen.studies.questions import close
from textgen.studies.sharing import (
    BUSY,
    BUSY_HINT,
    LOCKS,
    forget_failure,
    planning_lock,
    record_failure,
    take,
)
from textgen.studies.study import Cell, load_study

# A listing that looks at a job's lock holds it for a moment.
LOCK_SECONDS = 2.0


def study(
    path: str | Path,
    *,
    runs_folder: str | Path,
    reports_folder: str | Path,
    jobs: bool = False,
    job: str | None = None,
    json: bool = False,
    quiet: bool = False,
    **options: Any,
) -> None:
    """The command ``textgen study``: with ``jobs`` a list, also as ``json``; or a single ``job``;
    or the study, see :func:`textgen.studies.execution.run_study`."""
    folders: dict[str, Any] = {"runs_folder": runs_folder, "reports_folder": reports_folder}
    _check_listing(jobs, job, json)
    if not jobs and job is None:
        execution.run_study(path, **folders, quiet=quiet, **options)
        return
    _refuse(options)
    files = StudyFiles(load_study(path), Path(runs_folder), Path(reports_folder))
    _move_runs(files)
    listed = list_jobs(files.study, _skipped(files))

    def command(name: str) -> str:
        return files.command(f"--job={name}")

    if jobs:
        show(listed, states(files, listed), lambda each: command(each.name), json)
        return
    assert job is not None
    chosen = next((each for each in listed if each.name == job), None)
    if chosen is None:
        raise _unknown(job)
    screen = Screen(quiet)
    concerned = [each for each in listed if each is chosen or each.name in chosen.needs]

    def is_done() -> bool:
        return _is_done(chosen, done_jobs(files, concerned), command, screen)

    _do_once(chosen, files.lock(chosen), is_done, lambda: _do(files, chosen, screen))


def tune(
    path: str | Path,
    *,
    reports_folder: str | Path,
    jobs: bool = False,
    job: str | None = None,
    json: bool = False,
    quiet: bool = False,
    **options: Any,
) -> None:
    """The command ``textgen tune``, as :func:`study`. The trials of a later budget are known when
    those before have ended."""
    _check_listing(jobs, job, json)
    if not jobs and job is None:
        tuning.tune(path, reports_folder=reports_folder, quiet=quiet, **options)
        return
    _refuse(options)
    screen = Screen(quiet)
    search = tuning.open_search(tuning.load_search(path), reports_folder)
    listed = tuning.known_jobs(search)

    def command(name: str) -> str:
        return tuning.tune_command(search, reports_folder, f"--job={name}")

    if jobs:
        found = tuning.trial_states(search, listed)
        show(listed, found, lambda each: command(each.name), json)
        return
    assert job is not None
    chosen = next((each for each in listed if each.name == job), None)
    if chosen is None:
        if tuning.is_of_a_later_budget(search, job, listed):
            message = f"--job {job}: all trainings of the budget before have to end first"
            raise TextgenError(message, "they decide which settings go on; --jobs lists them")
        raise _unknown(job)

    def is_done() -> bool:
        return _is_done(chosen, search.ended().keys(), command, screen)

    def do() -> None:
        tuning.make_trial(search, chosen, ThisProcess())

    _do_once(chosen, search.lock(chosen), is_done, do)


def _check_listing(jobs: bool, job: str | None, json: bool) -> None:
    """Raises:
    TextgenError: a list in a form is asked for without the list, or a list and a single job.
    """
    if json and not jobs:
        raise TextgenError("--json: only with --jobs", "add --jobs, or leave --json out")
    if jobs and job is not None:
        raise TextgenError("--jobs lists jobs, --job does one", "leave one of them out")


def _refuse(options: Mapping[str, Any]) -> None:
    """Raises:
    TextgenError: there are options that only the whole study has.
    """
    given = [
        f"--{name}" for name, value in options.items() if value is not None and value is not False
    ]
    if given:
        names = " and ".join(given)
        hint = f"leave {names} out, or --jobs and --job"
        raise TextgenError(f"{names}: only without --jobs and --job", hint)


def _unknown(name: str) -> TextgenError:
    return TextgenError(f"--job {name}: no such job", "the same command with --jobs lists them")


def _do_once(job: Job, lock: Path, is_done: Callable[[], bool], do: Callable[[], object]) -> None:
    """Do a job that is not done, for which this process has it alone. It is also tried if it has
    failed before; if it fails, no other process that works on the study tries it again.

    Raises:
        TextgenError: another process has taken it; or as the two functions.
    """
    if is_done():
        return
    held = take(lock, LOCK_SECONDS)
    if held is None:
        raise TextgenError(f"{job.name}: {BUSY}", BUSY_HINT)
    try:
        if is_done():  # by another process, since it was asked
            return
        forget_failure(lock)
        try:
            do()
        except TextgenError as error:
            record_failure(lock, error.message)
            raise
    finally:
        held.release()


class ThisProcess:
    """A place for jobs: this process."""

    def do(self, job: Job, method: str, log: Path, **arguments: Any) -> Any:
        """As :meth:`textgen.studies.places.Processes.do`; the log is what this process prints."""
        return getattr(Jobs(), method)(**arguments)


def show(
    jobs: Sequence[Job],
    found: Mapping[str, State],
    command_of: Callable[[Job], str],
    as_json: bool,
) -> None:
    """Print a list of jobs, with the state, the resources and the command of each."""
    records = list[dict[str, Any]]()
    for job in jobs:
        about = {"job": job.name, "state": str(found[job.name]), "needs": list(job.needs)}
        records.append({**about, **asdict(job.resources), "command": command_of(job)})
    if as_json:
        print(json_line(records, indent=2))
        return
    width = max((len(job.name) for job in jobs), default=0)
    for record in records:
        takes = f"{record['cores']} {'core' if record['cores'] == 1 else 'cores'}"
        if record["gpus"]:
            takes += f", {record['gpus']:g} GPU"
        if record["memory"]:
            takes += f", {record['memory']:g} GB"
        print(f"{record['job']:{width}}  {record['state']:7}  {takes}  {record['command']}")
    done = sum(state is State.DONE for state in found.values())
    print(f"{done} of {len(jobs)} jobs are done")


def _move_runs(files: StudyFiles) -> None:
    """Move the finished runs of a study that had no axes into the cells that it has now, as the
    study's own command does: a list would otherwise have them made again."""
    study = files.study
    if not study.cells:
        return
    runs = {run for cell in study.cells for arm in study.arms for run in cell.study.runs(arm)}
    if not any(is_finished(files.runs / run) for run in runs):
        return
    with planning_lock(files.runs):
        arms = planned_arms(files)
        cells = {cell.name: cell for cell in study.cells}
        plans = {name: _plans_of(files, cell, arms) for name, cell in cells.items()}
        preparing.move_runs_into_cells(files, cells, plans)


def _skipped(files: StudyFiles) -> Collection[str]:
    """The cells of a grid whose texts are smaller than their size: as its list of cells says, or
    where there is none yet, as the texts do."""
    study = files.study
    if all(not isinstance(cell.size, int) for cell in study.cells):
        return ()
    contents = files.reports / grids.GRID_FILE
    if contents.exists():
        described = read_content(contents, grids.Contents, grids.AGAIN)
        skipped = list((described.model_extra or {}).get("skipped", {}))
        if {*described.cells, *skipped} == {cell.name for cell in study.cells}:
            return skipped
    return preparing.too_large(study, preparing.read_texts(study, Screen(quiet=True)))


def _is_done(
    job: Job, done: Collection[str], command_of: Callable[[str], str], screen: Screen
) -> bool:
    """Whether a job is among those that are done, and says so.

    Raises:
        TextgenError: something that it needs is not done.
    """
    if job.name in done:
        screen.say(f"{job.name} is done already")
        return True
    missing = [name for name in job.needs if name not in done]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        message = f"{job.name} needs {missing[0]}{others} first"
        raise TextgenError(message, f"do it with: {command_of(missing[0])}")
    return False


def _do(files: StudyFiles, job: Job, screen: Screen) -> None:
    """Do a job in this process.

    Raises:
        TextgenError: it has failed.
    """
    with planning_lock(files.runs, screen.say):
        if job.kind is Kind.TIME:
            _plan(files, screen, [job.arm])
        elif not is_timed(files.study) and not _is_planned(files):
            _plan(files, screen, [])
    if job.kind is Kind.RUN:
        _make_run(files, job)
    elif job.kind is Kind.PAGE:
        _write_page(files, job, screen)


def _is_planned(files: StudyFiles) -> bool:
    """Whether all arms have a plan."""
    return planned_arms(files) == files.study.arms.keys()


def _plan(files: StudyFiles, screen: Screen, arms: Sequence[str]) -> None:
    """Plan some arms, or all if none is named. When all arms of a grid have a plan, what the grid
    is about is written down."""
    with Processes() as place:
        preparing.plan_arms(files, place, False, screen, arms)
    if files.study.cells and _is_planned(files):
        preparing.write_contents(files, preparing.read_texts(files.study, screen))


def _plans_of(files: StudyFiles, cell: Cell, arms: Collection[str]) -> dict[str, ArmPlan]:
    """The plans of some arms in a cell."""
    plans = read_plans(files.plan)
    return {arm: plan_in(cell, arm, plans[arm]) for arm in arms}


def _make_run(files: StudyFiles, job: Job) -> None:
    """Make a run.

    Raises:
        TextgenError: its folder holds another one; or it has failed.
    """
    cell = find_cell(files.study, job.cell)
    plans = _plans_of(files, cell, [job.arm])
    resolved = cell.study.resolved_runs(job.arm, plans[job.arm].updates)
    if changes := run_changes(files.run(job), resolved[job.run]):
        hint = f"replace it with: {files.command('--overwrite')}"
        raise TextgenError(f"{files.run(job)} holds another run: {changes}", hint)
    ready = preparing.Ready({cell.name: cell}, {}, {cell.name: plans}, [job], set(), set())
    execution.do_job(files, ready, ThisProcess(), job)
    with FileLock(files.runs / LOCKS / "questions"):
        close(files.questions, job.arm)


def _write_page(files: StudyFiles, job: Job, screen: Screen) -> None:
    """Write the page of a cell, or of the study."""
    if files.study.cells and not job.cell:
        preparing.write_contents(files, preparing.read_texts(files.study, screen))
        grids.Grid(files.reports).write_page()
        return
    cell = find_cell(files.study, job.cell)
    if cell.name:
        plans = _plans_of(files, cell, files.study.arms)
        write_json(files.runs / cell.name / PLAN_FILE, plain_plans(plans))
    write_cell(files, cell, f"python -m {files.command()}", quiet=screen.quiet)
