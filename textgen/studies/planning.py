"""The plan of a study: how many updates each arm trains for, measured once and kept in
``plan.json``. All seeds and folds of an arm train for as many. So they are comparable, and the
results depend neither on what else the machine was doing nor on whether the study was interrupted.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from textgen.core.errors import TextgenError
from textgen.core.files import write_json
from textgen.core.machine import processor
from textgen.core.progress import Say, ignore
from textgen.report.arms import flat_settings
from textgen.report.contrast import Contrast
from textgen.runs.folder import is_finished, write_experiment
from textgen.runs.results import read_content
from textgen.studies.places import Processes, Worker, as_they_end
from textgen.studies.study import Study

PLAN_FILE = "plan.json"
TURNS = 3
# Updates are timed for so long at least, or for this share of a budget that is smaller.
TIMED_SECONDS = 10.0
TIMED_SHARE = 0.05
PARAMETERS_TOLERANCE = 0.02


@dataclass(frozen=True)
class ArmPlan:
    """An arm's plan, and the measurements behind it.

    Attributes:
        experiment: resolved, under the study's budget, without name and seed.
        updates: of each run; None if the budget is in characters.
        declared: the questions that the study asked before a run of this arm was finished.
        processor: of the machine that measured.
        preparation_seconds: see :class:`textgen.training.preparation.Prepared`.
        seconds_per_update: on one thread by the processor's own clock, for which other work on the
            machine does not count.
        parameters: of the network. All three are None if nothing had to be measured.
    """

    experiment: dict[str, Any]
    updates: int | None
    processor: str
    preparation_seconds: float | None = None
    seconds_per_update: float | None = None
    parameters: int | None = None
    declared: tuple[Contrast, ...] = ()


def plan_study(
    study: Study,
    folder: Path,
    overwrite: bool = False,
    workers: int = 1,
    say: Say = ignore,
    place: Processes | None = None,
) -> dict[str, ArmPlan]:
    """The plan of every arm: the one stored in ``folder``, or a new one, which is stored there.

    Args:
        study: the study.
        folder: of its runs.
        overwrite: make a new plan for an arm whose experiment has changed.
        workers: arms prepared at once; more than one only if a run has a single thread, which is
            timed by the processor's own clock. One is timed at a time.
        say: called with a line before arms are planned, and one for each, with what was measured.
        place: keeps the processes of as many arms as there are workers, for the first run of each.
            Without it all of them end.

    Raises:
        TextgenError: an experiment has changed, the stored plan is damaged, or it was measured on
            another kind of machine; or, when all others are planned, the arms that cannot be.
    """
    path, failures = folder / PLAN_FILE, list[str]()
    plans = read_plans(path)
    declared = {arm: plan.declared for arm, plan in plans.items()}
    for arm in study.arms:
        # runs of a grid lie in the folders of its cells
        if not any(is_finished(p) for name in study.runs(arm) for p in folder.rglob(name)):
            declared[arm] = study.contrasts
    plans = {arm: replace(plan, declared=declared[arm]) for arm, plan in plans.items()}
    for arm in plans.keys() & study.arms.keys():
        changes = differences(plans[arm].experiment, study.experiment(arm).arm)
        if changes and not overwrite:
            message = f"arms.{arm} was planned from other settings: {'; '.join(changes)}"
            raise TextgenError(f"{path}: {message}", "plan and run it again with --overwrite")
        if changes:
            del plans[arm]
    missing = [arm for arm in study.arms if arm not in plans]
    machines = {plan.processor for plan in plans.values()} - {processor()}
    if study.seconds is not None and missing and machines:
        message = f"timed on {', '.join(machines)}, but arms.{missing[0]} would be on {processor()}"
        raise TextgenError(f"{path}: {message}", "add it on that one, or use another --runs folder")
    write_json(path, {arm: asdict(plan) for arm, plan in plans.items()})
    if missing:
        say(f"planning {', '.join(missing)} …")
    at_once = workers if study.threads == 1 else 1
    with contextlib.ExitStack() as stack:
        processes = place or stack.enter_context(Processes())
        for first in range(0, len(missing), at_once):
            arms = missing[first : first + at_once]
            for arm, measured in _measured(study, arms, folder, processes).items():
                try:
                    plan = _plan_arm(study, arm, measured)
                except TextgenError as error:
                    failures.append(f"{arm}: {error.message}")
                    continue
                plans[arm] = replace(plan, declared=declared.get(arm, ()))
                write_json(path, {name: asdict(plans[name]) for name in plans})
                if plan.seconds_per_update is not None:
                    updates = f"{plan.updates:,} updates of {1000 * plan.seconds_per_update:.1f} ms"
                    say(f"  {arm}: {plan.preparation_seconds:.1f} s of preparation, then {updates}")
            processes.keep(workers)
    if failures:
        message = f"{len(failures)} of {len(study.arms)} arms cannot be planned; no run was started"
        hint = "correct each arm and repeat the command; the other plans are kept"
        raise TextgenError(f"{study.path}: {message}: {'; '.join(failures)}", hint)
    return {arm: plans[arm] for arm in study.arms}


def _measured(
    study: Study, arms: Sequence[str], folder: Path, processes: Processes
) -> dict[str, dict[str, Any] | TextgenError]:
    """What is measured of arms, or why one cannot be: ``parameters``, ``preparation_seconds``, and
    if the budget is in seconds ``seconds_per_update``; nothing if nothing has to be.

    All are prepared side by side; but while one is timed, nothing else is done. They are timed in
    turns, so that a machine that slows down for a while slows all of them; of its turns an arm's
    fastest counts. The process of each is kept for its first run.
    """
    measured = dict[str, dict[str, Any] | TextgenError]((arm, {}) for arm in arms)
    if study.seconds is None and study.budget.parameters is None:
        return measured
    workers = dict[str, Worker]()

    def log_of(arm: str) -> Path:
        return folder / "logs" / f"{arm}.txt"

    def begin(arm: str) -> None:
        log = log_of(arm)
        write_experiment(log.with_suffix(".toml"), study.experiment(arm))
        try:
            workers[arm] = processes.start(log)
            path = str(log.with_suffix(".toml"))
            measured[arm] = workers[arm].do("begin", log, experiment=path)
        except TextgenError as error:
            measured[arm] = error

    for _ in as_they_end(begin, arms, len(arms)):
        pass
    paces = {arm: list[float]() for arm in arms}
    if study.seconds is not None:
        seconds = min(TIMED_SECONDS, TIMED_SHARE * study.seconds) / TURNS
        for _, arm in product(range(TURNS), arms):
            if isinstance(measured[arm], TextgenError):
                continue
            try:
                paces[arm].append(workers[arm].do("time", log_of(arm), seconds=seconds))
            except TextgenError as error:
                measured[arm] = error
    for arm, found in measured.items():
        if isinstance(found, TextgenError):
            continue
        if paces[arm]:
            found["seconds_per_update"] = min(paces[arm])
        first_run = folder / next(iter(study.runs(arm)))
        processes.kept[first_run.resolve()] = workers[arm]
    return measured


def read_plans(path: Path) -> dict[str, ArmPlan]:
    """The plans in a file; none if there is no file.

    Raises:
        TextgenError: the file is damaged.
    """
    hint = "restore the file, or move the folder away and start the study again"
    return read_content(path, dict[str, ArmPlan], hint) if path.exists() else {}


def _plan_arm(study: Study, arm: str, measured: dict[str, Any] | TextgenError) -> ArmPlan:
    """One arm's plan, from what was measured or why nothing could be.

    Raises:
        TextgenError: why it cannot be made.
    """
    if isinstance(measured, TextgenError):
        raise measured
    wanted = study.budget.parameters
    parameters = measured.get("parameters", 0)
    if wanted is not None and abs(parameters - wanted) > PARAMETERS_TOLERANCE * wanted:
        within = f"change backbone.units until the two agree within {PARAMETERS_TOLERANCE:.0%}"
        message = f"{wanted:,}, but this arm has {parameters:,}: {within}"
        raise TextgenError(f"budget.parameters: {message}")
    plan = ArmPlan(study.experiment(arm).arm, None, processor(), **measured)
    return under_budget(study, arm, plan)


def under_budget(study: Study, arm: str, plan: ArmPlan) -> ArmPlan:
    """A plan with the experiment and the updates of this study's arm.

    Raises:
        TextgenError: no update fits into the budget.
    """
    (amount,) = study.budget.amounts
    preparation = plan.preparation_seconds or 0.0
    updates = int(amount) if study.budget.regime == "updates" else None
    if study.seconds is not None:
        update = plan.seconds_per_update or math.inf
        updates = int((amount - preparation) / update)
        if updates < 1:
            message = f"{amount:g}, but the preparation alone takes {preparation:.1f}"
            enough = f"give more, e.g. seconds = {preparation * 3 + update * 100:.0f}"
            raise TextgenError(f"budget.seconds: {message}: {enough}")
    return replace(plan, experiment=study.experiment(arm).arm, updates=updates)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """``table.key: old → new`` for every setting that differs."""
    before = dict(flat_settings(old))
    after = dict(flat_settings(new))
    changes = list[str]()
    for key in {**before, **after}:
        first, second = before.get(key, "not set"), after.get(key, "not set")
        if first != second:
            changes.append(f"{key}: {first} → {second}")
    return changes
