"""Arms × seeds under one budget, then the report."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment
from textgen.core.system import write_file
from textgen.report.comparison import Comparison, compare_runs
from textgen.runs.folder import is_finished, resumed, stored_experiment, take_folder, text_of
from textgen.studies.progress import FAILED, StudyProgress, result_of
from textgen.studies.study import ArmPlan, Study, differences, load_study, plan_study, run_name
from textgen.studies.workers import Job, check_cluster, run_jobs

MAX_FAILURES = 4
"""Failed runs whose reasons are shown at the end; all of them have log files."""


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
        path: a study file, see :mod:`textgen.studies.study`.
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
    study = load_study(path)
    if workers < 1:
        raise TextgenError(f"--workers: {workers} is less than 1")
    if address is not None:
        check_cluster(address)
    folder = Path(runs_folder) / study.name
    known = address in (None, "local")  # how many a cluster makes at once is up to it
    progress = StudyProgress(study, workers if known else None, quiet)
    busy = "another process is working on this study"
    lock = take_folder(folder, busy, "wait until it has ended")
    try:
        text = progress.corpus([study.experiment(arm) for arm in study.arms]).sha256
        plans, failures = plan_study(study, folder, overwrite=overwrite, report=progress.planned)
        write_logs(folder, failures, study.arms)
        if failures:
            count = f"{len(failures)} of {len(study.arms)} arms cannot be planned"
            hint = "correct each as it says and repeat the command: the other plans are kept"
            raise failed_error(f"{path}: {count}; no run was started", folder, failures, hint)
        experiments = planned_experiments(study, plans)
        jobs = _jobs(experiments, folder, text, overwrite, progress)
        ended = run_jobs(jobs, folder, workers, address=address, threads=study.threads)
        with progress.running(), closing(ended):
            for job, failure, seconds in ended:
                if failure is not None:
                    failures[job.name] = failure
                result = FAILED if failure is not None else result_of(folder / job.name)
                progress.end(job.name, seconds, result)
        write_logs(folder, failures, [experiment.name for experiment in experiments])
        names = [run_name(arm, seed) for arm in plans for seed in study.arms[arm].numbers]
        finished = [folder / n for n in names if n not in failures and is_finished(folder / n)]
        folders = {"--runs": runs_folder, "--reports": reports_folder}
        options = [f"{key}={value}" for key, value in folders.items() if str(value) != key[2:]]
        report = compare_runs(
            finished,
            name=study.name,
            title=study.title,
            contrasts=study.contrasts,
            plan={a: asdict(p) for a, p in plans.items() if p.seconds_per_update is not None},
            command=shlex.join(["python", "-m", "textgen", "study", str(study.path), *options]),
            reports_folder=Path(reports_folder),
            quiet=quiet,
        ) if finished else None  # fmt: skip
    finally:
        lock.release()
    if report is None or failures:
        rest = f"; the report of the rest: {os.fspath(report)}" if report else ""
        hint = "correct the cause and repeat the command: finished runs are kept"
        count = f"{len(failures)} of {len(experiments)} runs failed{rest}"
        raise failed_error(f"{folder}: {count}", folder, failures, hint)
    return report


def planned_experiments(study: Study, plans: Mapping[str, ArmPlan]) -> list[Experiment]:
    """All runs of the planned arms: first the first seed of every arm, and so on, so that a study
    that is interrupted is balanced."""
    return [
        study.experiment(arm, study.arms[arm].numbers[place], plan.overrides)
        for place in range(max(len(arm.numbers) for arm in study.arms.values()))
        for arm, plan in plans.items()
        if place < len(study.arms[arm].numbers)
    ]


def _jobs(
    experiments: Sequence[Experiment],
    folder: Path,
    text: str,
    overwrite: bool,
    progress: StudyProgress,
) -> list[Job]:
    """The runs that are not finished yet; ``text`` is the sha256 of the study's text as it is now.

    Raises:
        TextgenError: a folder holds another run, or a damaged one, which may not be overwritten.
    """
    jobs = []
    for experiment in experiments:
        run, changes, result = folder / experiment.name, list[str](), None
        if (run / "experiment.toml").exists():
            try:
                changes = differences(stored_experiment(run).resolved, experiment.resolved)
                before = text_of(run)
                if before and before.sha256 != text:
                    changes.append(f"other text ({before.kind}, sha256 {before.sha256[:12]}…)")
                result = result_of(run) if is_finished(run) and not changes else None
            except TextgenError as error:
                if not overwrite:
                    raise
                changes = [error.message]
            if changes and not overwrite:
                message = f"a run of another experiment: {'; '.join(changes)}"
                raise TextgenError(f"{run}: {message}", "replace it with --overwrite")
        begun = result is None and not changes
        progress.expect(experiment.name, result, resumed(run) if begun else "")
        if result is None:
            jobs.append(Job(experiment, replace=bool(changes)))
    return jobs


def _log(folder: Path, name: str) -> Path:
    return folder / "failed" / f"{name}.txt"


def write_logs(folder: Path, failures: Mapping[str, str], names: Iterable[str]) -> None:
    """Write the logs of this time's failures; older logs of these arms and runs are deleted."""
    for name in names:
        _log(folder, name).unlink(missing_ok=True)
    for name, log in failures.items():
        write_file(_log(folder, name), log)


def failed_error(
    summary: str, folder: Path, failures: Mapping[str, str], hint: str
) -> TextgenError:
    """The error for arms that cannot be planned or runs that have failed, with the last line that
    each printed but for hints."""
    reasons = []
    for name, log in list(failures.items())[:MAX_FAILURES]:
        lines = [line for line in log.splitlines() if line.strip() and "hint:" not in line]
        reasons.append(f"{name} ({_log(folder, name)}): {lines[-1].strip() if lines else 'silent'}")
    return TextgenError(f"{summary}: {'; '.join(reasons)}", hint)
