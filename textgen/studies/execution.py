"""Arms × seeds under one budget, then the report."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from textgen.core import (
    Experiment,
    Study,
    TextgenError,
    check_different,
    load_experiment,
    load_study,
    write_file,
)
from textgen.runs import take_folder, text_of
from textgen.studies.progress import FAILED, StudyProgress, figure
from textgen.studies.workers import Job, locally

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.report import Comparison
    from textgen.studies.planning import ArmPlan


LAST_LINES = 4
"""Of what a failed run printed, repeated at the end."""


SHOWN = 4
"""Failed runs told of at the end; all have their logs."""


def study(
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
        runs_folder: the runs go into a folder in it that is named after the file.
        reports_folder: where reports lie.
        workers: runs at once.
        address: of a Ray cluster to send them to; ``"local"`` starts one here.
        overwrite: plan and run anew where an experiment is another one now.
        quiet: no progress on the terminal.

    Returns:
        The comparison in its report. A study that was interrupted is resumed, with the same figures
        in the end.

    Raises:
        TextgenError: anything wrong with the files or the folder; and, when all else is done and
            the report written, that some runs have failed.
    """
    from textgen.studies.planning import plan_study

    made = load_study(path)
    if workers < 1:
        raise TextgenError("--workers", found=str(workers), expected="a whole number of at least 1")
    if address is not None:
        from textgen.studies.cluster import check_cluster

        check_cluster(address)
    folder = Path(runs_folder) / made.name
    board = StudyProgress(made, workers, quiet)
    with _alone_in(folder):
        plans, failures = plan_study(made, folder, overwrite=overwrite, tell=board.planned)
        # units that were solved for may have made two arms the same
        planned = {a: made.experiment(a, overrides=p.overrides).arm for a, p in plans.items()}
        check_different(made, planned)
        experiments = _experiments(made, plans)
        text = _texts()
        jobs = [j for e in experiments if (j := _job(folder / e.name, e, overwrite, board, text))]
        with board:
            failures |= _run(jobs, made, folder, board, workers, address)
        _write_logs(folder, failures, [*made.arms, *(e.name for e in experiments)])
        finished = {arm: _finished_runs(made, arm, folder, failures) for arm in plans}
        board.results(finished)
        report = _report(made, plans, finished, Path(reports_folder), board)
    if failures:
        raise _failed(folder, failures, report)
    assert report is not None  # no failure, hence runs
    return report


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    lock = take_folder(folder, found="another process is at work on this study", hint="wait for it")
    try:
        yield
    finally:
        lock.release()


def _experiments(made: Study, plans: Mapping[str, ArmPlan]) -> list[Experiment]:
    """Every run of the planned arms; the first seeds of all arms come first, so that a study cut
    short is balanced."""
    places = max(len(arm.numbers) for arm in made.arms.values())
    return [
        made.experiment(arm, made.arms[arm].numbers[place], plan.overrides)
        for place in range(places)
        for arm, plan in plans.items()
        if place < len(made.arms[arm].numbers)
    ]


def _finished(folder: Path) -> bool:
    return (folder / "metrics.json").exists()


def _texts() -> Callable[[Experiment], str]:
    """The sha256 of the text an experiment would read now; a text that arms share is read once."""
    from textgen.data import load_corpus

    known = dict[str, str]()

    def sha256(experiment: Experiment) -> str:
        key = experiment.text_key
        if key not in known:
            known[key] = load_corpus(experiment).sha256
        return known[key]

    return sha256


def _job(
    folder: Path,
    experiment: Experiment,
    overwrite: bool,
    board: StudyProgress,
    text: Callable[[Experiment], str],
) -> Job | None:
    """What there is to do for a run; None if it is finished.

    Raises:
        TextgenError: its folder holds another experiment, or one on other text, which is not to be
            replaced.
    """
    from textgen.studies.planning import differences

    stored = folder / "experiment.toml"
    if stored.exists():
        try:
            other = differences(load_experiment(stored).resolved, experiment.resolved)
            before = text_of(folder)
            told = figure(folder) if not other and _finished(folder) else None
        except TextgenError as error:  # damaged
            if not overwrite:
                raise
            other, before, told = [error.found], None, None
        if before and before["sha256"] != text(experiment):
            other.append(f"on other text ({before['kind']}, sha256 {before['sha256'][:12]}…)")
        if other and not overwrite:
            raise TextgenError(
                str(folder),
                found=f"a run of another experiment: {'; '.join(other)}",
                expected="the run that the study has planned",
                hint="use --overwrite to replace it, or another --runs; text can be named by "
                "TEXTGEN_DATA or TEXTGEN_MIRROR",
            )
        if not other and told is not None:
            board.expect(experiment.name, told)
            return None
        board.expect(experiment.name, resumed=not other)
        return Job(experiment, replace=bool(other))
    board.expect(experiment.name)
    return Job(experiment)


def _run(
    jobs: Sequence[Job],
    made: Study,
    folder: Path,
    board: StudyProgress,
    workers: int,
    address: str | None,
) -> dict[str, str]:
    """Make the runs; of those that failed, what they printed."""
    if jobs and address is not None:
        from textgen.studies.cluster import on_ray

        events = on_ray(jobs, folder, workers, address, made.threads)
    else:
        events = locally(jobs, folder, workers)
    failures = {}
    with contextlib.closing(events):
        for event in events:
            if isinstance(event, Job):
                board.begin(event.name)
            elif event.code:
                failures[event.job.name] = event.log
                board.end(event.job.name, event.seconds, FAILED)
            else:
                board.end(event.job.name, event.seconds, figure(folder / event.job.name))
    return failures


def _finished_runs(made: Study, arm: str, folder: Path, failures: Mapping[str, str]) -> list[Path]:
    names = [f"{arm}-{seed}" for seed in made.arms[arm].numbers]
    return [folder / n for n in names if n not in failures and _finished(folder / n)]


def _log(folder: Path, name: str) -> Path:
    return folder / "failed" / f"{name}.txt"


def _write_logs(folder: Path, failures: Mapping[str, str], names: Sequence[str]) -> None:
    """The logs of what failed this time, and no older ones of these arms and runs."""
    for name in names:
        _log(folder, name).unlink(missing_ok=True)
    for name, log in failures.items():
        write_file(_log(folder, name), log)


def _failed(folder: Path, failures: Mapping[str, str], report: Comparison | None) -> TextgenError:
    found = [f"{len(failures)} failed"]
    for name, log in list(failures.items())[:SHOWN]:
        found += [f"{name}, whole log in {_log(folder, name)}:"]
        found += [f"  {line}" for line in log.strip().splitlines()[-LAST_LINES:]]
    if len(failures) > SHOWN:
        found.append(f"… and {len(failures) - SHOWN} more: {', '.join(list(failures)[SHOWN:])}")
    return TextgenError(
        str(folder),
        found="\n            ".join(found),
        expected="every run to finish"
        + (f"; the report of the others: {os.fspath(report)}" if report else ""),
        hint="correct the cause and repeat the command: finished runs are left alone",
    )


def _report(
    made: Study,
    plans: Mapping[str, ArmPlan],
    finished: Mapping[str, Sequence[Path]],
    reports_folder: Path,
    board: StudyProgress,
) -> Comparison | None:
    """Compare the finished runs; None if there are none."""
    from textgen.report import compare

    folders = [folder for arm in finished.values() for folder in arm]
    if not folders:
        return None
    return compare(
        folders,
        name=made.name,
        title=made.title,
        contrasts=made.contrasts,
        plan={a: asdict(p) for a, p in plans.items() if p.seconds_per_update is not None},
        command=shlex.join(["python", "-m", "textgen.study", str(made.path)]),
        reports_folder=reports_folder,
        quiet=board.screen.quiet,
    )
