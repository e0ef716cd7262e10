"""Arms × seeds under one budget, then the report."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment
from textgen.core.files import write_file
from textgen.core.study import Study, check_different, load_study, run_name
from textgen.data.loading import load_corpus
from textgen.report.comparison import compare_runs
from textgen.runs.folder import is_finished, resumed, stored_experiment, take_folder, text_of
from textgen.studies.planning import differences, plan_study
from textgen.studies.progress import FAILED, StudyProgress, result_of
from textgen.studies.workers import Job, check_cluster, run_jobs

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.report.comparison import Comparison
    from textgen.studies.planning import ArmPlan

LAST_LINES = 4
"""How much of a failed process' output is repeated at the end."""
FAILURES_SHOWN = 4
"""How many failed runs are shown at the end; all of them have log files."""


def run_study(
    path: str | Path,
    *,
    runs_folder: str | Path = "runs",
    reports_folder: str | Path = "reports",
    workers: int = 1,
    address: str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Comparison:
    """Plan a study, make the runs that are missing, and write its report.

    Args:
        path: a study file, see :mod:`textgen.core.study`.
        runs_folder: the runs go into a subfolder that is named after the file.
        reports_folder: the folder for reports.
        workers: runs at once.
        address: of a Ray cluster to run them on; ``"local"`` starts one here.
        overwrite: plan and run again whatever has changed.
        quiet: no progress on the terminal.

    Returns:
        The comparison in its report. A study that was interrupted is resumed, and ends with the
        same results.

    Raises:
        TextgenError: anything wrong with the files or the folder; arms that cannot be planned, all
            of them at once and before any run; or, after everything else is done and the report is
            written, that some runs have failed.
    """
    made = load_study(path)
    _check_workers(workers, address)
    folder = Path(runs_folder) / made.name
    known = address in (None, "local")  # how many a cluster makes at once is up to it
    progress = StudyProgress(made, workers if known else None, quiet)
    with _only_process_in(folder):
        progress.corpus([made.experiment(arm) for arm in made.arms])
        plans, unplanned = plan_study(made, folder, overwrite=overwrite, report=progress.planned)
        write_logs(folder, unplanned, list(made.arms))
        if unplanned:
            raise not_planned_error(made, folder, unplanned)
        experiments = _experiments(made, plans)
        jobs = _jobs(experiments, folder, overwrite, progress)
        with progress:
            failures = _run(jobs, made, folder, progress, workers, address)
        write_logs(folder, failures, [e.name for e in experiments])
        finished = {arm: _finished_runs(made, arm, folder, failures) for arm in plans}
        progress.results(finished)
        given = {"--runs": str(runs_folder), "--reports": str(reports_folder)}
        others = [f"{key}={value}" for key, value in given.items() if value != key[2:]]
        command = shlex.join(["python", "-m", "textgen", "study", str(made.path), *others])
        report = _report(made, plans, finished, Path(reports_folder), command, quiet)
    if failures:
        raise failed_error(folder, failures, report)
    assert report is not None  # no failure, hence runs
    return report


def _check_workers(workers: int, address: str | None) -> None:
    if workers < 1:
        raise TextgenError("--workers", found=str(workers), expected="a whole number of at least 1")
    if address is not None:
        check_cluster(address)


@contextlib.contextmanager
def _only_process_in(folder: Path) -> Iterator[None]:
    lock = take_folder(
        folder, found="another process is working on this study", hint="wait until it has ended"
    )
    try:
        yield
    finally:
        lock.release()


def _experiments(made: Study, plans: Mapping[str, ArmPlan]) -> list[Experiment]:
    """All runs of the planned arms: first the first seed of every arm, and so on, so that a study
    that is interrupted is balanced.

    Raises:
        TextgenError: the solved units have made two arms the same.
    """
    planned = {a: made.experiment(a, overrides=p.overrides).arm for a, p in plans.items()}
    check_different(made, planned)
    places = max(len(arm.numbers) for arm in made.arms.values())
    return [
        made.experiment(arm, made.arms[arm].numbers[place], plan.overrides)
        for place in range(places)
        for arm, plan in plans.items()
        if place < len(made.arms[arm].numbers)
    ]


def _jobs(
    experiments: Sequence[Experiment], folder: Path, overwrite: bool, progress: StudyProgress
) -> list[Job]:
    """The runs that are not finished yet.

    Raises:
        TextgenError: a folder holds another run, which may not be overwritten.
    """
    text, jobs = _texts(), []
    for experiment in experiments:
        run = folder / experiment.name
        if not (run / "experiment.toml").exists():
            progress.expect(experiment.name)
            jobs.append(Job(experiment))
            continue
        changes, result = _stored_run(run, experiment, overwrite, text)
        if changes and not overwrite:
            raise TextgenError(
                str(run),
                found=f"a run of another experiment: {'; '.join(changes)}",
                expected="the run that the study has planned",
                hint="use --overwrite (in Python overwrite=True) to replace it; TEXTGEN_DATA and "
                "TEXTGEN_MIRROR say where texts are",
            )
        if changes or result is None:
            progress.expect(experiment.name, resumed=None if changes else resumed(run))
            jobs.append(Job(experiment, replace=bool(changes)))
        else:
            progress.expect(experiment.name, result)
    return jobs


def _stored_run(
    folder: Path, experiment: Experiment, overwrite: bool, text: Callable[[Experiment], str]
) -> tuple[list[str], str | None]:
    """How the run in a folder differs from the planned one, and its result if it is finished.

    Raises:
        TextgenError: it is damaged and may not be overwritten.
    """
    try:
        stored = stored_experiment(folder)
        changes = differences(stored.resolved, experiment.resolved)
        before = text_of(folder)
        result = result_of(folder) if not changes and is_finished(folder) else None
    except TextgenError as error:
        if not overwrite:
            raise
        return [error.found], None
    if before and before.sha256 != text(experiment):
        changes.append(f"on other text ({before.kind}, sha256 {before.sha256[:12]}…)")
    return changes, result


def _texts() -> Callable[[Experiment], str]:
    """A function that gives the sha256 of an experiment's text as it is now; a text that arms share
    is read once."""
    known = dict[str, str]()

    def sha256(experiment: Experiment) -> str:
        key = experiment.text_key
        if key not in known:
            known[key] = load_corpus(experiment).sha256
        return known[key]

    return sha256


def _run(
    jobs: Sequence[Job],
    made: Study,
    folder: Path,
    progress: StudyProgress,
    workers: int,
    address: str | None,
) -> dict[str, str]:
    """Make the runs. Returns the output of those that failed."""
    failures = dict[str, str]()
    outcomes = run_jobs(
        jobs, folder, workers, address=address, threads=made.threads,
        started=lambda job: progress.start(job.name),
    )  # fmt: skip
    with contextlib.closing(outcomes):
        for outcome in outcomes:
            name = outcome.job.name
            if outcome.code:
                failures[name] = outcome.log
            result = FAILED if outcome.code else result_of(folder / name)
            progress.end(name, outcome.seconds, result)
    return failures


def _finished_runs(made: Study, arm: str, folder: Path, failures: Mapping[str, str]) -> list[Path]:
    names = [run_name(arm, seed) for seed in made.arms[arm].numbers]
    return [folder / n for n in names if n not in failures and is_finished(folder / n)]


def _report(
    made: Study,
    plans: Mapping[str, ArmPlan],
    finished: Mapping[str, Sequence[Path]],
    reports_folder: Path,
    command: str,
    quiet: bool,
) -> Comparison | None:
    """Compare the finished runs; None if there are none."""
    folders = [folder for arm in finished.values() for folder in arm]
    if not folders:
        return None
    return compare_runs(
        folders,
        name=made.name,
        title=made.title,
        contrasts=made.contrasts,
        plan={a: asdict(p) for a, p in plans.items() if p.seconds_per_update is not None},
        command=command,
        reports_folder=reports_folder,
        quiet=quiet,
    )


def _log(folder: Path, name: str) -> Path:
    return folder / "failed" / f"{name}.txt"


def write_logs(folder: Path, failures: Mapping[str, str], names: Sequence[str]) -> None:
    """Write the logs of this time's failures; older logs of these arms and runs are deleted."""
    for name in names:
        _log(folder, name).unlink(missing_ok=True)
    for name, log in failures.items():
        write_file(_log(folder, name), log)


def _last_lines(folder: Path, name: str, log: str) -> list[str]:
    lines = log.strip().splitlines()[-LAST_LINES:]
    return [f"{name}, whole log in {_log(folder, name)}:", *(f"  {line}" for line in lines)]


def not_planned_error(made: Study, folder: Path, logs: Mapping[str, str]) -> TextgenError:
    """The error for arms that cannot be planned, with the end of what each printed."""
    found = [f"{len(logs)} of {len(made.arms)} arms cannot be planned; no run was started"]
    for arm, log in logs.items():
        found += _last_lines(folder, arm, log)
    return TextgenError(
        f"{made.path}: arms",
        found=found[0],
        lines=found[1:],
        expected="every arm to fit the budget",
        hint="correct each as it says and repeat the command: the plans of the others are kept",
    )


def failed_error(
    folder: Path, failures: Mapping[str, str], report: Comparison | None
) -> TextgenError:
    """The error for runs that have failed, with the end of what each printed."""
    found = [f"{len(failures)} failed"]
    for name, log in list(failures.items())[:FAILURES_SHOWN]:
        found += _last_lines(folder, name, log)
    if more := list(failures)[FAILURES_SHOWN:]:
        found.append(f"… and {len(more)} more: {', '.join(more)}")
    return TextgenError(
        str(folder),
        found=found[0],
        lines=found[1:],
        expected="every run to finish"
        + (f"; the report of the others: {os.fspath(report)}" if report else ""),
        hint="correct the cause and repeat the command: finished runs are kept",
    )
