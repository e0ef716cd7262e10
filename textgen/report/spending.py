"""What the arms of a comparison have not spent, or not been given, alike."""

from collections.abc import Sequence

import numpy as np

from textgen.report.schema import ArmRow

# Relative difference up to which arms count as matched in a budget.
TOLERANCE = {"seconds": 0.1, "characters": 0.02, "updates": 0.0}
# Relative difference in characters from which the same number of updates is not the same work.
UNEQUAL_WORK = 0.1
# Relative difference in how far the timing of updates was off, from which it was under other load.
UNEQUAL_LOAD = 0.1
BUDGET, WORK = "training budget", "amount of training text in the same number of updates"
LOAD = "load on the machine when seconds were turned into updates"
THREADS, NETWORKS = "number of threads", "number of networks"
START, OUTSIDE_DATA = "initial weights", "outside data"


def unequal_spending(arms: Sequence[ArmRow]) -> list[str]:
    """What some of the arms had otherwise than others: of those above."""
    unequal = {
        LOAD: _excess([arm.timing for arm in arms if arm.timing]) > UNEQUAL_LOAD,
        THREADS: len({arm.threads for arm in arms} - {0}) > 1,
        START: len({bool(arm.start) for arm in arms}) > 1,
        OUTSIDE_DATA: len({tuple(sorted(arm.extra_data)) for arm in arms}) > 1,
        NETWORKS: len({arm.networks for arm in arms}) > 1,
    }
    return _unequal_budget(arms) + [what for what in unequal if unequal[what]]


def _unequal_budget(arms: Sequence[ArmRow]) -> list[str]:
    """Whether no budget is the same for all arms, neither as set nor as spent; or only the number
    of updates is, but not the text that they have seen."""
    same = all(arm.budget == arms[0].budget and not arm.start for arm in arms)
    if same and "updates" not in arms[0].budget:
        return []
    excess = {key: _excess([np.mean(getattr(arm, key)) for arm in arms]) for key in TOLERANCE}
    matched = [key for key, limit in TOLERANCE.items() if excess[key] <= limit]
    if same or matched == ["updates"]:
        return [WORK] if excess["characters"] > UNEQUAL_WORK else []
    return [] if matched else [BUDGET]


def _excess(values: Sequence[float]) -> float:
    """By how much the largest exceeds the smallest, as a share of that."""
    return max(values) / max(1e-9, min(values)) - 1 if values else 0.0
