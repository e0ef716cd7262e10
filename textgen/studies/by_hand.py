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
from textgen.runs.results import read_content
from textgen.studies import execution, preparing, tuning
from textgen.studies.jobs import (
    BUSY,
    BUSY_HINT,
    LOCKS,
    Job,
    Kind,
    State,
    StudyFiles,
    cells_of,
    done_jobs,
    list_jobs,
    planned_arms,
    planning_lock,
    states,
    take,
)
from textgen.studies.pages import plain_plans, write_cell
from textgen.studies.places import Processes
from textgen.studies.planning import PLAN_FILE, is_timed, read_plans, under_budget
from textgen.studies.process import Jobs
from textgen.studies.questions import close
from textgen.studies.study import load_study

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
    if not jobs and job is None:
        execution.run_study(path, **folders, quiet=quiet, **options)
        return
    _refuse(options)
    files = StudyFiles(load_study(path), Path(runs_folder), Path(reports_folder))
    listed = list_jobs(files.study, _skipped(files))

    def command(name: str) -> str:
        return files.command(f"--job={name}")

    if jobs:
        show(listed, states(files, listed), lambda each: command(each.name), json)
        return
    assert job is not None
    chosen = _find(job, listed)
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
    if not jobs and job is None:
        tuning.tune(path, reports_folder=reports_folder, quiet=quiet, **options)
        return
    _refuse(options)
    screen = Screen(quiet)
    search = tuning.open_search(path, reports_folder, False, screen)
    listed = tuning.known_jobs(search)

    def command(name: str) -> str:
        return tuning.tune_command(search, reports_folder, f"--job={name}")

    if jobs:
        found = tuning.trial_states(search, listed)
        show(listed, found, lambda each: command(each.name), json)
        return
    assert job is not None
    chosen = _find(job, listed)

    def is_done() -> bool:
        return _is_done(chosen, search.ended().keys(), command, screen)

    def do() -> None:
        tuning.make_trial(search, chosen, ThisProcess())

    _do_once(chosen, search.lock(chosen), is_done, do)


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


def _do_once(job: Job, lock: Path, is_done: Callable[[], bool], do: Callable[[], object]) -> None:
    """Do a job that is not done, for which this process has it alone.

    Raises:
        TextgenError: another process has taken it; or as the two functions.
    """
    if is_done():
        return
    held = take(lock, LOCK_SECONDS)
    if held is None:
        raise TextgenError(f"{job.name}: {BUSY}", BUSY_HINT)
    try:
        if not is_done():  # by another process, since it was asked
            do()
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


def _skipped(files: StudyFiles) -> Sequence[str]:
    """The cells of a grid whose texts are known to be too small."""
    contents = files.reports / grids.GRID_FILE
    if not files.study.cells or not contents.exists():
        return ()
    read = read_content(contents, grids.Contents, grids.AGAIN)
    return list((read.model_extra or {}).get("skipped", {}))


def _find(name: str, jobs: Sequence[Job]) -> Job:
    by_name = {job.name: job for job in jobs}
    if name not in by_name:
        raise TextgenError(f"--job {name}: no such job", "the same command with --jobs lists them")
    return by_name[name]


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
        others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
        message = f"{job.name} needs {missing[0]}{others} first"
        raise TextgenError(message, f"do it with: {command_of(missing[0])}")
    return False


def _do(files: StudyFiles, job: Job, screen: Screen) -> None:
    """Do a job in this process.

    Raises:
        TextgenError: it has failed.
    """
    command = f"python -m {files.command()}"
    with planning_lock(files.runs, screen.say):
        _plan(files, job, screen)
    if job.kind is Kind.TIME:
        return
    cells = {cell.name: cell for cell in cells_of(files.study)}
    if job.name == Kind.PAGE and files.study.cells:
        grids.Grid(files.reports).write_page()
        return
    cell = cells[job.cell]
    timings = read_plans(files.plan)
    arms = [job.arm] if job.arm else list(files.study.arms)
    plans = {arm: under_budget(cell.study, arm, timings[arm]) for arm in arms}
    if job.kind is Kind.PAGE:
        if cell.name:
            plan_file = files.runs / cell.name / PLAN_FILE
            write_json(plan_file, plain_plans(plans))
        write_cell(files, cell, command, quiet=screen.quiet)
        return
    ready = preparing.Ready({cell.name: cell}, {}, {cell.name: plans}, [job], set(), set())
    execution.do_job(files, ready, ThisProcess(), job)
    with FileLock(files.runs / LOCKS / "questions"):
        close(files.questions, job.arm)


def _plan(files: StudyFiles, job: Job, screen: Screen) -> None:
    """Time the arm of a job that is for this, or plan all arms where nothing has to be timed; of a
    grid whose arms all have a plan write down what it is about."""
    study = files.study
    arms = [job.arm] if job.kind is Kind.TIME else []
    if arms or not is_timed(study):
        with Processes() as place:
            preparing.plan_arms(files, place, False, screen, arms)
    if not study.cells or planned_arms(files) != study.arms.keys():
        return
    if job.kind is not Kind.RUN or not _is_described(files):
        preparing.write_contents(files, preparing.read_texts(study, screen))


def _is_described(files: StudyFiles) -> bool:
    """Whether there is a file with the cells of a grid."""
    contents = files.reports / grids.GRID_FILE
    if not contents.exists():
        return False
    described = read_content(contents, grids.Contents, grids.AGAIN).cells
    return {*described, *_skipped(files)} == {cell.name for cell in files.study.cells}
