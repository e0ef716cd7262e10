"""A study's plan: how many updates each arm trains for, measured once and kept in ``plan.json``.

All seeds of an arm train for the same number of updates, the planned one. So the seeds are
comparable, and the results depend neither on what else the machine was doing nor on whether the
study was interrupted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import textgen
from textgen.core.errors import UNREADABLE, TextgenError
from textgen.core.experiment import Experiment, load_experiment
from textgen.core.files import write_json
from textgen.core.machine import processor, start_tensorflow
from textgen.core.processes import finish_process, start_process
from textgen.core.study import Study
from textgen.data.loading import load_corpus
from textgen.runs.folder import write_experiment
from textgen.studies.workers import printed, scratch_in
from textgen.training.preparation import prepare

FILE = "plan.json"
SECONDS = 10.0
"""Timed updates take at least so long."""
CALLS = 3
"""Calls that are timed, however long they take."""
PARAMETERS_TOLERANCE = 0.02


@dataclass(frozen=True)
class ArmPlan:
    """An arm's plan, and the measurements behind it.

    Attributes:
        experiment: resolved, under the study's budget, without name and seed.
        updates: of each run; None if the budget is in characters.
        preparation_seconds, seconds_per_update, calls, parameters: as :func:`measure` returns them;
            None if nothing had to be measured.
        threads: used for the measurement and by all runs.
        processor, textgen: the machine and the version that measured.
    """

    experiment: dict[str, Any]
    updates: int | None
    preparation_seconds: float | None
    seconds_per_update: float | None
    calls: int | None
    threads: int
    parameters: int | None
    processor: str
    textgen: str

    @property
    def overrides(self) -> list[str]:
        """The plan as settings of a run."""
        return [f"training.updates={self.updates}"] if self.updates is not None else []


def plan_study(
    study: Study,
    folder: Path,
    *,
    overwrite: bool = False,
    report: Callable[[str, ArmPlan | None], None] = lambda arm, plan: None,
) -> tuple[dict[str, ArmPlan], dict[str, str]]:
    """The plan of every arm: the one stored in ``folder``, or a new one, which is stored there.

    Args:
        folder: of the study's runs.
        overwrite: make a new plan for an arm whose experiment has changed.
        report: called before an arm is planned, with None, and afterwards with its plan.

    Returns:
        The plans of the arms that could be planned, and for each other arm what its measurement
        printed.

    Raises:
        TextgenError: an experiment has changed, the stored plan is damaged, or it was measured on
            another kind of machine.
    """
    kept = read(folder / FILE)
    changed = {arm: d for arm in kept if arm in study.arms if (d := _changes(study, arm, kept))}
    if changed and not overwrite:
        arm, differences = next(iter(changed.items()))
        raise TextgenError(
            f"{folder / FILE}: arms.{arm}",
            found=f"planned from other settings: {'; '.join(differences)}",
            expected="the experiment as it was: the runs of an arm share one plan",
            hint="use --overwrite (in Python overwrite=True) to plan and run this arm again, or "
            "give it another name",
        )
    failed: dict[str, str] = {}
    kept = {arm: made for arm, made in kept.items() if arm not in changed}
    _check_same_machine(study, kept, folder)
    for arm in study.arms:
        if arm in kept:
            continue
        report(arm, None)
        made = _plan_arm(study, arm, folder)
        if isinstance(made, str):
            failed[arm] = made
            continue
        kept[arm] = made
        write_json(folder / FILE, {arm: asdict(made) for arm, made in kept.items()})
        report(arm, made)
    return {arm: kept[arm] for arm in study.arms if arm in kept}, failed


def read(path: Path) -> dict[str, ArmPlan]:
    """The plans in a file; none if there is no file.

    Raises:
        TextgenError: the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        return TypeAdapter(dict[str, ArmPlan]).validate_json(path.read_bytes())
    except UNREADABLE as error:
        reason = str(error).replace("\n", " ")
        raise TextgenError(
            str(path),
            found=f"a damaged plan ({type(error).__name__}: {reason})",
            expected="the file as textgen wrote it",
            hint="restore it, or move the folder away and start the study again",
        ) from None


def _measure_apart(experiment: Experiment, folder: Path, seconds: float) -> dict[str, Any] | str:
    """:func:`measure` in a process of its own, for a study in a folder; if it fails, what that
    process printed."""
    with scratch_in(folder) as scratch:
        settings, output, log = (scratch / name for name in ("arm.toml", "found.json", "log.txt"))
        write_experiment(settings, experiment)
        arguments = [__name__, str(settings), str(seconds), str(output)]
        if code := finish_process(start_process(arguments, log)):
            return printed(log, code)
        return json.loads(output.read_text(encoding="utf-8"))


def measure(experiment: Experiment, *, seconds: float = SECONDS) -> dict[str, Any]:
    """Prepare an experiment, build its network, and time updates that change no weight: on one
    thread by the processor's own clock, for which other work on the machine does not count.

    Args:
        experiment: with as many threads as the runs will have.
        seconds: how long updates are timed, at least; 0 times none.

    Returns:
        ``parameters``, ``preparation_seconds``, and if updates were timed ``seconds_per_update``,
        the median over ``calls`` calls of several updates each.

    Raises:
        TextgenError: an unusable corpus.
    """
    from textgen.training.loop import new_network, new_step, time_updates, windows_of

    settings = experiment.training
    prepared = prepare(experiment, load_corpus(experiment))
    threads = start_tensorflow(settings.threads, settings.deterministic, parts=True)
    network = new_network(experiment, prepared)
    found = {"parameters": network.count_params(), "preparation_seconds": prepared.seconds}
    if seconds:
        windows = windows_of(prepared.encoded[0], experiment.objective)
        step = new_step(network, experiment, windows, threads)
        batches = windows.training(settings.batch, experiment.seed)
        clock = time.process_time if threads == 1 else time.perf_counter
        each, calls = time_updates(step, batches, seconds, CALLS, clock)
        found |= {"seconds_per_update": each, "calls": calls}
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure the experiment of a file, for a number of seconds, and write a file."""
    experiment, seconds, output = arguments
    try:
        found = measure(load_experiment(experiment), seconds=float(seconds))
    except TextgenError as error:
        print(f"textgen: {error}")
        return 2
    write_json(Path(output), found)
    return 0


def updates_within(seconds: float, preparation: float, per_update: float) -> int:
    """How many updates a budget leaves time for.

    Raises:
        TextgenError: not even one.
    """
    count = int((seconds - preparation) / per_update)
    if count < 1:
        raise TextgenError(
            "budget.seconds",
            found=f"{seconds:g}, of which the preparation alone takes {preparation:.1f}",
            expected="time left for updates: tokens, tags and vectors count in the budget",
            hint=f"give more, e.g. seconds = {preparation * 3 + per_update * 100:.0f}",
        )
    return count


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """``table.key: old → new`` for every setting that differs."""
    before, after = dict(_flat(old)), dict(_flat(new))
    return [
        f"{key}: {before.get(key, 'not set')} → {after.get(key, 'not set')}"
        for key in [*before, *(k for k in after if k not in before)]
        if before.get(key) != after.get(key)
    ]


def _flat(data: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _changes(study: Study, arm: str, kept: Mapping[str, ArmPlan]) -> list[str]:
    return differences(kept[arm].experiment, study.experiment(arm).arm)


def _check_same_machine(study: Study, kept: Mapping[str, ArmPlan], folder: Path) -> None:
    """Seconds are comparable on one kind of processor only."""
    here = processor()
    others = {made.processor for made in kept.values()} - {here}
    missing = [arm for arm in study.arms if arm not in kept]
    if study.budget.regime == "seconds" and missing and others:
        raise TextgenError(
            f"{folder / FILE}: arms.{missing[0]}",
            found=f"not planned yet, while other arms were timed on {', '.join(sorted(others))}",
            expected=f"all arms of a budget in seconds timed on one processor; here: {here}",
            hint="add the arm there, or use another --runs (in Python runs_folder) for all arms",
        )


def _parameters_error(wanted: int | None, found: int | None) -> TextgenError | None:
    """The error for an arm that has not as many parameters as the study wants."""
    if wanted is None or found is None or abs(found - wanted) <= PARAMETERS_TOLERANCE * wanted:
        return None
    return TextgenError(
        "budget.parameters",
        found=f"{wanted:,}, but this arm has {found:,}",
        expected=f"as many, within {PARAMETERS_TOLERANCE:.0%}",
        hint="change backbone.units of the arm",
    )


def _plan_arm(study: Study, arm: str, folder: Path) -> ArmPlan | str:
    """One arm's plan or, if it cannot be made, why not."""
    experiment, budget = study.experiment(arm), study.budget
    found: dict[str, Any] | str = {}
    if budget.seconds is not None or budget.parameters is not None:
        seconds = SECONDS if budget.seconds is not None else 0.0
        found = _measure_apart(experiment, folder, seconds)
    if isinstance(found, str):  # of one experiment, whose budget is the study's
        return found.replace("--set training.", "").replace("training.seconds", "budget.seconds")
    if wrong := _parameters_error(budget.parameters, found.get("parameters")):
        return str(wrong)
    count = budget.updates
    if budget.seconds is not None:
        try:
            preparation, each = found["preparation_seconds"], found["seconds_per_update"]
            count = updates_within(budget.seconds, preparation, each)
        except TextgenError as error:
            return str(error)
    return ArmPlan(
        experiment=experiment.arm,
        updates=count,
        preparation_seconds=found.get("preparation_seconds"),
        seconds_per_update=found.get("seconds_per_update"),
        calls=found.get("calls"),
        threads=study.threads,
        parameters=found.get("parameters"),
        processor=processor(),
        textgen=textgen.__version__,
    )
