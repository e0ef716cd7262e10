"""A study: its plan, the runs that are missing, and the report."""

import os
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread

from filelock import FileLock
from rich.live import Live

from textgen.core.errors import TextgenError
from textgen.core.machine import cores, gpus
from textgen.evaluation.baselines import compute_references
from textgen.report import grid as grids
from textgen.report.comparison import Comparison
from textgen.runs.console import Screen
from textgen.runs.finished import read_metrics
from textgen.runs.folder import LOCK, is_finished, write_experiment
from textgen.studies.cluster import Cluster
from textgen.studies.display import Display
from textgen.studies.jobs import Job, Kind, StudyFiles, is_same_run, is_written
from textgen.studies.pages import write_cell
from textgen.studies.places import Doer, PlaceCrew, Processes, wait_until_free
from textgen.studies.planning import differences
from textgen.studies.preparing import Ready, overhead, prepare
from textgen.studies.questions import close
from textgen.studies.queue import Queue, work_off
from textgen.studies.sharing import LOCKS, at_work, planning_lock
from textgen.studies.study import Study, load_study


def run_study(
    path: str | Path,
    *,
    runs_folder: str | Path = "runs",
    reports_folder: str | Path = "reports",
    workers: int | None = None,
    address: str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Comparison | grids.Grid:
    """Plan a study, make the runs that are missing, and write its report.

    Args:
        path: a study file, see :mod:`textgen.studies.study`.
        runs_folder: the runs go into a subfolder that is named after the file.
        reports_folder: the folder for reports.
        workers: runs at once; if None, one for each GPU, or else as many as the cores suffice for.
        address: address of a Ray cluster for the runs; its machines must share these folders.
        overwrite: plan and run again whatever has changed.
        quiet: no progress on the terminal.

    Returns:
        The comparison; for a study with axes, the grid of its cells. A study that was
        interrupted is resumed, and ends with the same results. Several processes may work on it.

    Raises:
        TextgenError: anything wrong with the files or the folder; arms that cannot be planned, all
            of them at once and before any run; or, after everything else is done and the report is
            written, that some runs have failed.
    """
    study = load_study(path)
    screen = Screen(quiet)
    files = StudyFiles(study, Path(runs_folder), Path(reports_folder))
    with ExitStack() as work:
        with open_place(study, workers, address, screen) as place:
            with planning_lock(files.runs, screen.say):
                ready = prepare(files, place, overwrite, screen)
                since = work.enter_context(at_work(files.runs))
            failures = _work(files, ready, place, since, screen)
        return _finish(files, ready, failures, since, screen)


def open_place(
    study: Study, workers: int | None, address: str | None, screen: Screen
) -> Processes | Cluster:
    """Where the jobs of a study are done.

    Raises:
        TextgenError: fewer workers than one.
    """
    if workers is not None and workers < 1:
        raise TextgenError(f"--workers: {workers} is less than 1")
    if address:
        return Cluster(address, study, screen.say)
    own_gpus = gpus()
    usual = len(own_gpus) or max(1, cores() // study.threads)
    return Processes(workers or usual, own_gpus)


def _work(
    files: StudyFiles, ready: Ready, place: Processes | Cluster, since: float, screen: Screen
) -> dict[str, str]:
    """Do the jobs that are left but for the study's own page, shown as they end, beside processes
    that do the same; why some have failed, by name."""
    study = files.study
    jobs = [job for job in ready.jobs if job.name != Kind.PAGE]
    queue = Queue(jobs, ready.done)
    if not queue.waiting:
        if not study.cells:
            screen.say("all runs exist already; the report is written again")
        return {}
    for name in place.kept.keys() - queue.waiting.keys():  # such as of a cell that is no cell
        place.release(name)
    after = 0.0
    references = list[Thread]()
    if not study.cells:
        text = ready.texts[""]
        after = overhead(text.characters, text.held_out)[1]
        # beside the runs, so that no core is idle; the report finds them in the cache
        references.append(Thread(target=compute_references, args=(text.folds,), daemon=True))
        references[0].start()

    def do(job: Job) -> None:
        do_job(files, ready, place, job)

    def is_done(job: Job) -> bool:
        return _is_done(files, ready, job, since)

    crew = PlaceCrew(place, do, files.lock, is_done)
    display = Display(files, jobs, queue, place.slots, after)
    live = Live(get_renderable=display.table, console=screen.console, refresh_per_second=2)
    shown = screen.console.is_terminal and not screen.quiet
    if not shown:
        screen.say(f"training: {display.progress()}")
    with live if shown else screen.lines(display.lines), closing(crew):
        for ended in work_off(queue, crew):
            said = display.end(ended)
            if said and not shown:
                screen.say(f"  {said}")
            if ended.job.kind is Kind.RUN and ended.failure is None:
                with FileLock(files.runs / LOCKS / "questions"):
                    close(files.questions, ended.job.arm)
    for thread in references:
        if thread.is_alive():
            with screen.stage("scoring models without a network"):
                thread.join()
    return queue.failures


def _is_done(files: StudyFiles, ready: Ready, job: Job, since: float) -> bool:
    """Whether a run has been made, or a page written since this process has begun to work."""
    if job.kind is Kind.PAGE:
        needed = [each for each in ready.jobs if each.name in job.needs]
        return is_written(files, job, needed, since)
    cell = ready.cells[job.cell]
    resolved = cell.study.resolved_runs(job.arm, ready.plans[job.cell][job.arm].updates)
    return is_same_run(files.run(job), resolved[job.run], ready.texts[cell.text].sha256)


def do_job(files: StudyFiles, ready: Ready, place: Doer, job: Job) -> None:
    """Have a place do the job of a run, or of a cell's page.

    Raises:
        TextgenError: it has failed; or the experiment of its arm has been changed since the study
            was planned.
    """
    if job.kind is Kind.PAGE:
        place.do(
            job,
            "page",
            files.log(job),
            study=str(files.study.path),
            cell=job.cell,
            runs_folder=str(files.runs_folder),
            reports_folder=str(files.reports_folder),
            command=f"python -m {files.command()}",
        )
        return
    cell = ready.cells[job.cell]
    plan = ready.plans[job.cell][job.arm]
    if changes := differences(plan.experiment, cell.study.experiment(job.arm).arm):
        message = f"arms.{job.arm} has been changed since it was planned: {'; '.join(changes)}"
        raise TextgenError(f"{files.study.path}: {message}", "undo that, or use --overwrite")
    experiment = cell.study.experiment(job.arm, job.run, plan.updates)
    log = files.log(job)
    run = files.run(job)
    write_experiment(log.with_suffix(".toml"), experiment)
    if (run / LOCK).exists():  # a run of a study that was killed a moment ago may be about to end
        wait_until_free(run / LOCK)
    place.do(
        job,
        "run",
        log,
        experiment=str(log.with_suffix(".toml")),
        runs=str(run.parent.resolve()),
        overwrite=job.name in ready.replaced,
    )
    if not is_finished(run):
        raise TextgenError(f"the run ended, but {run} has no results")
    read_metrics(run)


def _finish(
    files: StudyFiles, ready: Ready, failures: Mapping[str, str], since: float, screen: Screen
) -> Comparison | grids.Grid:
    """Write the page of the study, unless another process that works on it has written it.

    Raises:
        TextgenError: it cannot be written; or some jobs have failed.
    """
    page = next(job for job in ready.jobs if job.name == Kind.PAGE)
    with FileLock(files.lock(page)):  # waits for a process that is writing it
        is_there = _is_done(files, ready, page, since)
        if is_there:
            screen.say(f"another process has written the report: {files.page(page)}")
        if files.study.cells:
            return _finish_grid(files, ready, failures, is_there)
        return _finish_study(files, ready, failures, is_there, screen)


def _finish_study(
    files: StudyFiles,
    ready: Ready,
    failures: Mapping[str, str],
    is_there: bool,
    screen: Screen,
) -> Comparison:
    """The report of a study without axes, which is written if it is not there.

    Raises:
        TextgenError: it cannot be written; or some runs have failed.
    """
    names = {job.name: job.run for job in ready.jobs}
    failed = {names[name]: reason for name, reason in failures.items()}
    (cell,) = ready.cells.values()
    report = None
    if is_there:
        report = Comparison(files.reports)
    else:
        command = f"python -m {files.command()}"
        try:
            report = write_cell(files, cell, command, failed, screen.quiet)
        except TextgenError:  # if a fold has failed in every arm, nothing is left to compare
            if not failed:
                raise
    if report is None or failed:
        runs = sum(job.kind is Kind.RUN for job in ready.jobs)
        message = _failed_runs(failed, runs, report)
        hint = f"see {files.runs / 'logs'}; when the command is repeated, finished runs are kept"
        raise TextgenError(f"{files.runs}: {message}", hint)
    return report


def _failed_runs(failed: Mapping[str, str], runs: int, report: Comparison | None) -> str:
    reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
    message = f"{len(failed)} of {runs} runs failed: {reasons}"
    if report:
        message += f"; the report of the rest: {os.fspath(report)}"
    return message


def _finish_grid(
    files: StudyFiles, ready: Ready, failures: Mapping[str, str], is_there: bool
) -> grids.Grid:
    """The cells of a grid, and its page, which is written if it is not there.

    Raises:
        TextgenError: some cells have failed.
    """
    grid = grids.Grid(files.reports)
    if not is_there:
        grid.write_page()
    reasons = list[str]()
    for name in ready.cells:
        runs = [job for job in ready.jobs if job.kind is Kind.RUN and job.cell == name]
        failed = {job.run: failures[job.name] for job in runs if job.name in failures}
        if failed:
            reasons.append(f"{files.runs / name}: {_failed_runs(failed, len(runs), None)}")
        elif f"{Kind.PAGE}/{name}" in failures:
            reasons.append(f"{name}: its report failed: {failures[f'{Kind.PAGE}/{name}']}")
    if reasons:
        message = f"{len(reasons)} of {len(ready.cells)} cells failed: {'; '.join(reasons)}"
        logs = f"see the folders logs in {files.runs}"
        raise TextgenError(message, f"{logs}; when the command is repeated, finished runs are kept")
    return grid
