"""What the arms of a comparison have not spent, or not been given, alike."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from textgen.report.schema import ArmRow

# Relative difference up to which arms count as matched in a budget.
TOLERANCE = {"seconds": 0.1, "characters": 0.02, "updates": 0.0}
# Relative difference in characters from which the same number of updates is not the same work.
UNEQUAL_WORK = 0.1
# Relative difference in how far the timing of updates was off, from which it was under other load;
# and how much longer than its seconds a training may take on a machine that is not busy.
UNEQUAL_LOAD = 0.1
BUDGET = "training budget"
WORK = "amount of training text in the same number of updates"
LOAD = "machine load while updates were timed"
BUSY = "a busy machine"
PROCESSOR = "processor"


def unequal_spending(arms: Sequence[ArmRow]) -> dict[str, dict[str, str]]:
    """What some of the arms had otherwise than others → an arm's name → what is said of it.

    The budget is unequal if none is the same for all arms, neither as set nor as spent; the work,
    if only the number of updates is, but not the text that they have seen. ``BUSY`` need not be
    unequal: seconds are turned into updates when a training begins, unless a study has a plan, and
    on a busy machine neither the seconds nor the updates are those that were asked for.
    """
    matched = [
        what
        for what, limit in TOLERANCE.items()
        if _excess([float(np.mean(getattr(arm, what))) for arm in arms]) <= limit
    ]
    same_budget = all(arm.budget == arms[0].budget and not arm.start for arm in arms)
    by_updates = "updates" in arms[0].budget if same_budget else matched == ["updates"]
    same_text = _excess([arm.characters for arm in arms]) <= UNEQUAL_WORK
    unequal = dict[str, Mapping[str, str]]()
    if not same_budget and not matched:
        unequal[BUDGET] = _said(arms, _cost)
    if by_updates and not same_text:
        unequal[WORK] = _said(arms, _cost)
    if _excess([arm.timing for arm in arms if arm.timing]) > UNEQUAL_LOAD:
        timed = [arm for arm in arms if arm.timing]
        unequal[LOAD] = _said(timed, _pace)
    if busy := [arm for arm in arms if _was_slowed(arm)]:
        unequal[BUSY] = _said(busy, _overrun)
    if len({arm.threads for arm in arms if arm.threads}) > 1:
        known = [arm for arm in arms if arm.threads]
        unequal["number of threads"] = _said(known, lambda arm: f"had {arm.threads}")
    if len({bool(arm.start) for arm in arms}) > 1:
        started = [arm for arm in arms if arm.start]
        unequal["initial weights"] = _said(started, lambda arm: f"went on from {arm.start}")
    if len({tuple(sorted(arm.extra_data)) for arm in arms}) > 1:
        helped = [arm for arm in arms if arm.extra_data]
        unequal["outside data"] = _said(helped, lambda arm: f"used {', '.join(arm.extra_data)}")
    if len({arm.networks for arm in arms}) > 1:
        unequal["number of networks"] = _said(arms, lambda arm: f"had {arm.networks}")
    if len({version for arm in arms for version in arm.versions}) > 1:
        unequal["version of textgen"] = _said(arms, _versions)
    if len({processor for arm in arms for processor in arm.processors}) > 1:
        unequal[PROCESSOR] = _said(arms, _processors)
    return {what: dict(said) for what, said in unequal.items()}


def _said(arms: Sequence[ArmRow], sentence: Callable[[ArmRow], str]) -> dict[str, str]:
    return {arm.name: sentence(arm) for arm in arms}


def _cost(arm: ArmRow) -> str:
    characters = f"{arm.characters:,.0f} characters in {arm.updates[0]:,} updates"
    return f"saw {characters} and {arm.seconds:.0f} seconds"


def _pace(arm: ArmRow) -> str:
    return f"{_cost(arm)}, at {arm.timing:.0%} of the planned time per update"


def _was_slowed(arm: ArmRow) -> bool:
    """Whether a training took longer than its budget in seconds, which a study has turned into
    updates."""
    if arm.start or "seconds" not in arm.budget:
        return False
    return arm.seconds > (1 + UNEQUAL_LOAD) * arm.budget["seconds"]


def _overrun(arm: ArmRow) -> str:
    updates = f"{arm.updates[0]:,} updates"
    return f"made {updates} in {arm.seconds:.0f} seconds instead of {arm.budget['seconds']:g}"


def _versions(arm: ArmRow) -> str:
    return f"was trained by {' and '.join(arm.versions) or 'an unknown one'}"


def _processors(arm: ArmRow) -> str:
    return f"was trained on {' and '.join(arm.processors) or 'an unknown one'}"


def _excess(values: Sequence[float]) -> float:
    """By how much the largest exceeds the smallest, as a share of that."""
    if not values:
        return 0.0
    return max(values) / max(1e-9, min(values)) - 1
