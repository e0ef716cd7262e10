"""A study's plan: how many updates each arm trains for, measured once and kept in ``plan.json``.

All seeds of an arm train for the same number of updates, the planned one. So the seeds are
comparable, and the results depend neither on what else the machine was doing nor on whether the
study was interrupted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import textgen
from textgen.core.errors import UNREADABLE, TextgenError
from textgen.core.experiment import Experiment, load_experiment
from textgen.core.study import Study
from textgen.core.system import processor, start_tensorflow, write_json
from textgen.data.loading import load_corpus
from textgen.report.arms import flat_settings
from textgen.runs.folder import write_experiment
from textgen.studies.workers import Processes, printed, scratch_in
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
    threads: int
    processor: str
    textgen: str
    preparation_seconds: float | None = None
    seconds_per_update: float | None = None
    calls: int | None = None
    parameters: int | None = None

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
    path = folder / FILE
    plans, failures = read(path), dict[str, str]()
    for arm in plans.keys() & study.arms.keys():
        changes = differences(plans[arm].experiment, study.experiment(arm).arm)
        if changes and not overwrite:
            message = f"arms.{arm} was planned from other settings: {'; '.join(changes)}"
            raise TextgenError(f"{path}: {message}", "plan and run it again with --overwrite")
        if changes:
            del plans[arm]
    missing = [arm for arm in study.arms if arm not in plans]
    others = {plan.processor for plan in plans.values()} - {processor()}
    if study.budget.seconds is not None and missing and others:  # which are of one machine alone
        message = f"timed on {', '.join(others)}, but arms.{missing[0]} would be on {processor()}"
        raise TextgenError(f"{path}: {message}", "add the arm there, or use another --runs folder")
    for arm in missing:
        report(arm, None)
        plan = _plan_arm(study, arm, folder)
        if isinstance(plan, str):
            failures[arm] = plan
            continue
        plans[arm] = plan
        write_json(path, {name: asdict(plans[name]) for name in plans})
        report(arm, plan)
    return {arm: plans[arm] for arm in study.arms if arm in plans}, failures


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
        hint = "restore the file, or move the folder away and start the study again"
        raise TextgenError(f"{path}: a damaged plan: {error}", hint) from None


def _plan_arm(study: Study, arm: str, folder: Path) -> ArmPlan | str:
    """One arm's plan or, if it cannot be made, why not."""
    experiment, budget = study.experiment(arm), study.budget
    updates, measured = budget.updates, dict[str, Any]()
    if budget.seconds is not None or budget.parameters is not None:
        log = _measure_apart(experiment, folder, SECONDS if budget.seconds is not None else 0.0)
        if isinstance(log, str):
            return log
        measured = log
    wanted, parameters = budget.parameters, measured.get("parameters", 0)
    if wanted is not None and abs(parameters - wanted) > PARAMETERS_TOLERANCE * wanted:
        within = f"change its backbone.units until they agree within {PARAMETERS_TOLERANCE:.0%}"
        return f"budget.parameters: {wanted:,}, but this arm has {parameters:,}: {within}"
    if budget.seconds is not None:
        preparation = measured["preparation_seconds"]
        per_update = measured["seconds_per_update"]
        updates = updates_within(budget.seconds, preparation, per_update)
        if updates < 1:
            enough = f"{preparation * 3 + per_update * 100:.0f}"
            message = f"{budget.seconds:g}, but the preparation alone takes {preparation:.1f}"
            return f"budget.seconds: {message}: give more, e.g. seconds = {enough}"
    return ArmPlan(
        experiment=experiment.arm,
        updates=updates,
        threads=study.threads,
        processor=processor(),
        textgen=textgen.__version__,
        **measured,
    )


def updates_within(seconds: float, preparation: float, per_update: float) -> int:
    """How many updates a budget leaves time for."""
    return max(0, int((seconds - preparation) / per_update))


def _measure_apart(experiment: Experiment, folder: Path, seconds: float) -> dict[str, Any] | str:
    """:func:`measure` in a process of its own, for a study in a folder; if it fails, what that
    process printed."""
    with scratch_in(folder) as scratch, Processes() as processes:
        settings, output, log = scratch / "arm.toml", scratch / "measured.json", scratch / "log.txt"
        write_experiment(settings, experiment)
        if code := processes.run([__name__, str(settings), str(seconds), str(output)], log):
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
    measured = {"parameters": network.count_params(), "preparation_seconds": prepared.seconds}
    if seconds:
        windows = windows_of(prepared.encoded[0], experiment.objective)
        step = new_step(network, experiment, windows, threads)
        batches = windows.training(settings.batch, experiment.seed)
        clock = time.process_time if threads == 1 else time.perf_counter
        per_update, calls = time_updates(step, batches, seconds, CALLS, clock)
        measured |= {"seconds_per_update": per_update, "calls": calls}
    return measured


def main(arguments: Sequence[str]) -> int:
    """Measure the experiment of a file, for a number of seconds, and write a file."""
    experiment, seconds, output = arguments
    try:
        measured = measure(load_experiment(experiment), seconds=float(seconds))
    except TextgenError as error:
        print(f"textgen: {error}")
        return 2
    write_json(Path(output), measured)
    return 0


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """``table.key: old → new`` for every setting that differs."""
    before, after = dict(flat_settings(old)), dict(flat_settings(new))
    values = [(k, before.get(k, "not set"), after.get(k, "not set")) for k in {**before, **after}]
    return [f"{key}: {first} → {second}" for key, first, second in values if first != second]
