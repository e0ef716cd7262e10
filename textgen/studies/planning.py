"""The plan of a study: how many updates each arm trains for, measured once and kept in
``plan.json``. All seeds and folds of an arm train for as many. So they are comparable, and the
results depend neither on what else the machine was doing nor on whether the study was interrupted.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from textgen.core.errors import TextgenError
from textgen.core.experiment import resolve_experiment
from textgen.core.settings import BUDGETS
from textgen.report.arms import flat_settings
from textgen.report.contrast import Contrast
from textgen.runs.results import read_content
from textgen.studies.study import Cell, Study

PLAN_FILE = "plan.json"


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


def is_timed(study: Study) -> bool:
    """Whether something has to be measured of an arm before it can be planned."""
    return study.seconds is not None or study.budget.parameters is not None


def has_timing(plan: ArmPlan, study: Study) -> bool:
    """Whether a plan has all that has to be measured for a study."""
    if study.seconds is not None and plan.seconds_per_update is None:
        return False
    return study.budget.parameters is None or plan.parameters is not None


def without_budget(arm: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an arm but for its budget, on which no time of an update depends."""
    training = {key: value for key, value in arm["training"].items() if key not in BUDGETS}
    return {**arm, "training": training}


def without_fold(arm: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an arm but for the fold that is tested, in which its runs differ."""
    split = {key: value for key, value in arm.get("split", {}).items() if key != "fold"}
    return {**arm, "split": split}


def with_defaults(arm: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an arm on file, with the defaults of those that textgen did not have then. If
    they cannot be read any more, they stay as they are."""
    try:
        return resolve_experiment(dict(arm)).arm
    except TextgenError:
        return dict(arm)


def read_plans(path: Path) -> dict[str, ArmPlan]:
    """The plans in a file; none if there is no file.

    Raises:
        TextgenError: the file is damaged.
    """
    if not path.exists():
        return {}
    hint = "restore the file, or move the folder away and start the study again"
    plans: dict[str, ArmPlan] = read_content(path, dict[str, ArmPlan], hint)
    return {
        arm: replace(plan, experiment=with_defaults(plan.experiment)) for arm, plan in plans.items()
    }


def plain_plans(plans: Mapping[str, ArmPlan]) -> dict[str, Any]:
    """Plans as JSON has them."""
    return {arm: asdict(plan) for arm, plan in plans.items()}


def under_budget(study: Study, arm: str, plan: ArmPlan) -> ArmPlan:
    """A plan with the experiment and the updates of this study's arm.

    Raises:
        TextgenError: no update fits into the budget.
    """
    (amount,) = study.budget.amounts
    preparation = plan.preparation_seconds or 0.0
    updates = int(amount) if study.budget.regime == "updates" else None
    if study.seconds is not None:
        updates = updates_within(amount, preparation, plan.seconds_per_update or math.inf)
    return replace(plan, experiment=study.experiment(arm).arm, updates=updates)


def updates_within(seconds: float, preparation: float, update: float) -> int:
    """How many updates fit into some seconds beside the preparation, given the seconds of each.

    Raises:
        TextgenError: none does.
    """
    updates = int((seconds - preparation) / update)
    if updates < 1:
        message = f"{seconds:g}, but the preparation alone takes {preparation:.1f}"
        enough = f"give more, e.g. seconds = {preparation * 3 + update * 100:.0f}"
        raise TextgenError(f"budget.seconds: {message}: {enough}")
    return updates


def plan_in(cell: Cell, arm: str, plan: ArmPlan) -> ArmPlan:
    """The plan of an arm in a cell of a grid; that of a study without axes is the one on file.

    Raises:
        TextgenError: no update fits into the budget.
    """
    return under_budget(cell.study, arm, plan) if cell.name else plan


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
