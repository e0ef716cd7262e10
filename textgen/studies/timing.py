"""The timing of a study's arms, from which their plans are made."""

import contextlib
from collections.abc import Callable, Collection, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from textgen.core.errors import TextgenError
from textgen.core.files import write_json
from textgen.core.machine import processor
from textgen.core.progress import Say, ignore
from textgen.runs.folder import write_experiment
from textgen.studies.places import Processes, Worker, as_they_end
from textgen.studies.planning import (
    PLAN_FILE,
    ArmPlan,
    differences,
    has_timing,
    is_timed,
    plain_plans,
    read_plans,
    under_budget,
    without_budget,
)
from textgen.studies.study import Resources, Study

# Updates are timed in so many turns, of which the fastest counts;
TURNS = 3
# all together for so long at least, or for this share of a budget that is smaller.
TIMED_SECONDS = 10.0
TIMED_SHARE = 0.05
PARAMETERS_TOLERANCE = 0.02
# Arm → what was measured of it, or why nothing could be.
Measured = dict[str, dict[str, Any] | TextgenError]
Measure = Callable[[Study, Sequence[str], Path], Measured]


def seconds_of_turn(budget: float) -> float:
    """How long each turn of a timing takes at least, for a training of so many seconds."""
    return min(TIMED_SECONDS, TIMED_SHARE * budget) / TURNS


def plan_study(
    study: Study,
    folder: Path,
    overwrite: bool = False,
    workers: int = 1,
    say: Say = ignore,
    place: Processes | None = None,
    *,
    arms: Sequence[str] = (),
    any_budget: bool = False,
    measure: Measure | None = None,
    processors: Collection[str] = (),
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
        arms: those that are planned; all if none is named.
        any_budget: a stored plan may be of another budget: nothing is timed again for this one.
        measure: measures arms on another machine, as :func:`measure_arms` does here. Arms that are
            measured together take the same resources.
        processors: of the machines that measure; this one's if there are none.

    Raises:
        TextgenError: an experiment has changed, the stored plan is damaged, or it was measured on
            another kind of machine; or, when all others are planned, the arms that cannot be.
    """
    path = folder / PLAN_FILE
    failures = list[str]()
    plans = read_plans(path)
    wanted = list(arms or study.arms)
    measuring = set(processors) or {processor()}
    for arm in [arm for arm in wanted if arm in plans]:
        changes = differences(plans[arm].experiment, study.experiment(arm).arm)
        if not changes:
            continue
        has_another_budget = _differs_in_budget(study, arm, plans[arm])
        is_timed_for_all = any_budget and has_another_budget
        if not (overwrite or is_timed_for_all):
            message = f"arms.{arm} was planned from other settings: {'; '.join(changes)}"
            raise TextgenError(
                f"{path}: {message}", "repeat the study's own command with --overwrite"
            )
        is_timed_here = plans[arm].processor in measuring
        if is_timed_for_all or (has_another_budget and is_timed_here):
            plans[arm] = under_budget(study, arm, plans[arm])
        else:
            del plans[arm]
    missing = [arm for arm in wanted if arm not in plans]
    others = {plan.processor for plan in plans.values()} - measuring
    if study.seconds is not None and missing and others:
        there = ", ".join(sorted(measuring))
        message = f"timed on {', '.join(others)}, but arms.{missing[0]} would be on {there}"
        raise TextgenError(f"{path}: {message}", "add it on that one, or use another --runs folder")
    write_json(path, plain_plans(plans))
    if missing:
        say(f"planning {', '.join(missing)} …")
    at_once = workers if study.threads == 1 else 1
    with contextlib.ExitStack() as stack:
        processes = place or stack.enter_context(Processes())
        for beside in _measured_together(study, missing, at_once):
            if measure and is_timed(study):
                found = measure(study, beside, folder)
            else:
                found = measure_arms(study, beside, folder, processes)
            for arm, measured in found.items():
                try:
                    plans[arm] = _plan_arm(study, arm, measured)
                except TextgenError as error:
                    failures.append(f"{arm}: {error.message}")
                    continue
                plan = plans[arm]
                write_json(path, plain_plans(plans))
                if plan.seconds_per_update is not None:
                    updates = f"{plan.updates:,} updates of {1000 * plan.seconds_per_update:.1f} ms"
                    say(f"  {arm}: {plan.preparation_seconds:.1f} s of preparation, then {updates}")
            processes.keep(workers)
    if failures:
        message = f"{len(failures)} of {len(study.arms)} arms cannot be planned; no run was started"
        hint = "correct each arm and repeat the command; the other plans are kept"
        raise TextgenError(f"{study.path}: {message}: {'; '.join(failures)}", hint)
    return {arm: plans[arm] for arm in wanted}


def _differs_in_budget(study: Study, arm: str, plan: ArmPlan) -> bool:
    """Whether a plan that has a timing would be of the arm but for its budget."""
    now = without_budget(study.experiment(arm).arm)
    return has_timing(plan, study) and not differences(without_budget(plan.experiment), now)


def _measured_together(study: Study, arms: Sequence[str], at_once: int) -> list[list[str]]:
    """Arms in groups of so many at most, each of arms that take the same resources."""
    alike = dict[Resources, list[str]]()
    for arm in arms:
        alike.setdefault(study.resources_of(arm), []).append(arm)
    groups = list[list[str]]()
    for same in alike.values():
        groups += [same[first : first + at_once] for first in range(0, len(same), at_once)]
    return groups


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
    found = {"processor": processor(), **measured}
    plan = ArmPlan(study.experiment(arm).arm, None, **found)
    return under_budget(study, arm, plan)


def measure_arms(study: Study, arms: Sequence[str], folder: Path, processes: Processes) -> Measured:
    """What is measured of arms, or why one cannot be: ``processor``, ``parameters``,
    ``preparation_seconds``, and if the budget is in seconds ``seconds_per_update``; nothing if
    nothing has to be.

    All are prepared side by side; but while one is timed, nothing else is done. They are timed in
    turns, so that a machine that slows down for a while slows all of them; of its turns an arm's
    fastest counts. The process of each is kept for its first run.
    """
    measured: Measured = {arm: {} for arm in arms}
    if not is_timed(study):
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
            if arm in workers:
                processes.discard(workers[arm])

    for _ in as_they_end(begin, arms, len(arms)):
        pass
    paces = {arm: list[float]() for arm in arms}
    if study.seconds is not None:
        seconds = seconds_of_turn(study.seconds)
        for _, arm in product(range(TURNS), arms):
            if isinstance(measured[arm], TextgenError):
                continue
            try:
                paces[arm].append(workers[arm].do("time", log_of(arm), seconds=seconds))
            except TextgenError as error:
                measured[arm] = error
                processes.discard(workers[arm])
    for arm, found in measured.items():
        if isinstance(found, TextgenError):
            continue
        found["processor"] = processor()
        if paces[arm]:
            found["seconds_per_update"] = min(paces[arm])
        processes.kept[arm] = workers[arm]
    return measured
