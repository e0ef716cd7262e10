"""A study's plan: how many updates every arm is given, measured once and kept in ``plan.json``.

All seeds of an arm train the same number of updates, the planned one rounded to whole rounds. That
makes them comparable, and what they compute does not depend on what else the machine was doing, nor
on whether the study was cut short and started again.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import textgen
from textgen.core import (
    UNREADABLE,
    Study,
    TextgenError,
    finish_process,
    processor,
    resolve_experiment,
    start_process,
    write_json,
)
from textgen.runs import write_experiment
from textgen.studies.calibration import SECONDS
from textgen.studies.workers import told

FILE = "plan.json"
SCHEMA = 1


@dataclass(frozen=True)
class ArmPlan:
    """What was planned for an arm, and from what.

    Attributes:
        experiment: resolved, under the study's budget, without name and seed.
        updates: of each run; None where the budget is in characters.
        preparation_seconds, seconds_per_update, calls: as ``calibration.measure`` has found them;
            None where nothing had to be measured. So is ``parameters``.
        threads, kernel: they were measured with; all seeds are computed alike.
        units: of each layer.
        parameters_wanted: those that ``units`` were solved for.
        processor, textgen: what it was measured on and with.
    """

    experiment: dict[str, Any]
    updates: int | None
    preparation_seconds: float | None
    seconds_per_update: float | None
    calls: int | None
    threads: int
    units: list[int]
    parameters: int | None
    parameters_wanted: int | None
    processor: str
    textgen: str
    kernel: str = "fused"

    @property
    def overrides(self) -> list[str]:
        """The plan as settings of a run."""
        budget = [f"training.updates={self.updates}"] if self.updates is not None else []
        return [*budget, f"backbone.units={self.units}", f'training.kernel="{self.kernel}"']


def plan_study(
    study: Study,
    folder: Path,
    *,
    overwrite: bool = False,
    tell: Callable[[str, ArmPlan | None], None] = lambda arm, plan: None,
) -> tuple[dict[str, ArmPlan], dict[str, str]]:
    """Every arm's plan: the one kept in ``folder``, or a new one, which is kept from then on.

    Args:
        study: its arms.
        folder: of the study's runs.
        overwrite: plan arms anew whose experiment is another one now.
        tell: called with each arm that is planned, without its plan before and with it after.

    Returns:
        The plans of the arms that could be planned; of the others, what was printed meanwhile.

    Raises:
        TextgenError: an experiment has changed, a damaged plan, or another machine.
    """
    kept = read(folder / FILE)
    changed = {arm: d for arm in kept if arm in study.arms if (d := _changes(study, arm, kept))}
    if changed and not overwrite:
        arm, differences = next(iter(changed.items()))
        raise TextgenError(
            f"{folder / FILE}: arms.{arm}",
            found=f"planned from other settings: {'; '.join(differences)}",
            expected="the experiment as it was: the runs of an arm share one plan",
            hint="use --overwrite to plan and run this arm anew, or give it another name",
        )
    failed: dict[str, str] = {}
    kept = {arm: made for arm, made in kept.items() if arm not in changed}
    _check_same_machine(study, kept, folder)
    for arm in study.arms:
        if arm in kept:
            continue
        tell(arm, None)
        made = _plan_arm(study, arm)
        if isinstance(made, str):
            failed[arm] = made
            continue
        kept[arm] = made
        write(folder / FILE, study.name, kept)
        tell(arm, made)
    return {arm: kept[arm] for arm in study.arms if arm in kept}, failed


def read(path: Path) -> dict[str, ArmPlan]:
    """The plans in a file; none if it is not there.

    Raises:
        TextgenError: the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']}, this textgen: {SCHEMA}")
        return {arm: ArmPlan(**values) for arm, values in data["arms"].items()}
    except UNREADABLE as error:
        raise TextgenError(
            str(path),
            found=f"a damaged plan ({type(error).__name__}: {error})",
            expected="the file as textgen wrote it",
            hint="put it back, or move the folder away and start the study again",
        ) from None


def write(path: Path, name: str, plans: Mapping[str, ArmPlan]) -> None:
    arms = {arm: asdict(made) for arm, made in plans.items()}
    write_json(path, {"schema": SCHEMA, "study": name, "arms": arms})


def updates_within(seconds: float, preparation: float, per_update: float) -> int:
    """Updates that a budget leaves time for.

    Raises:
        TextgenError: not even for one.
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
    """``table.key: old → new`` of every setting that is not the same."""
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
    old = kept[arm].experiment
    # a setting that is new in this textgen has its default in older plans; one that it does not
    # know any more shows as a difference
    with contextlib.suppress(TextgenError):
        old = resolve_experiment({**old, "name": arm, "seed": 1}).arm
    wanted = [kept[arm].parameters_wanted, study.budget.parameters]
    parameters = [f"budget.parameters: {wanted[0]} → {wanted[1]}"] * (wanted[0] != wanted[1])
    return [*differences(old, study.experiment(arm).arm), *parameters]


def _check_same_machine(study: Study, kept: Mapping[str, ArmPlan], folder: Path) -> None:
    """Seconds mean something on one kind of processor only."""
    here = processor()
    others = {made.processor for made in kept.values()} - {here}
    missing = [arm for arm in study.arms if arm not in kept]
    if study.budget.regime == "seconds" and missing and others:
        raise TextgenError(
            f"{folder / FILE}: arms.{missing[0]}",
            found=f"not planned yet, while other arms were timed on {', '.join(sorted(others))}",
            expected=f"all arms of a budget in seconds timed on one processor; here: {here}",
            hint="add the arm there, or use another --runs to plan and run all arms here",
        )


def _plan_arm(study: Study, arm: str) -> ArmPlan | str:
    """One arm's plan, or what was printed when it failed."""
    experiment, budget = study.experiment(arm), study.budget
    found: dict[str, Any] = {}
    if budget.seconds is not None or budget.parameters is not None:
        seconds = SECONDS if budget.seconds is not None else 0.0
        with tempfile.TemporaryDirectory() as scratch:
            settings, output = Path(scratch) / f"{arm}.toml", Path(scratch) / "found.json"
            log = Path(scratch) / "log.txt"
            write_experiment(settings, experiment)
            arguments = [str(settings), "--output", str(output), "--seconds", str(seconds)]
            if budget.parameters is not None:
                arguments += ["--parameters", str(budget.parameters)]
            if code := finish_process(start_process(["studies.calibration", *arguments], log)):
                return told(log, code)
            found = json.loads(output.read_text(encoding="utf-8"))
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
        units=found.get("units", list(experiment.backbone.units)),
        parameters=found.get("parameters"),
        parameters_wanted=budget.parameters,
        processor=processor(),
        textgen=textgen.__version__,
        kernel=found.get("kernel", experiment.training.kernel),
    )
