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
LOAD = "machine load while updates were timed"
COST = "saw {0.characters:,.0f} characters in {0.updates[0]:,} updates and {0.seconds:.0f} seconds"
PACE = "{0.timing:.0%} of the planned time per update"


def unequal_spending(arms: Sequence[ArmRow]) -> dict[str, tuple[str, str]]:
    """What some of the arms had otherwise than others → a figure of an arm, and what is said of an
    arm that has one, from its row and its outside data.

    The budget is unequal if none is the same for all arms, neither as set nor as spent; the work,
    if only the number of updates is, but not the text that they have seen.
    """
    same = all(arm.budget == arms[0].budget and not arm.start for arm in arms)
    excess = {key: _excess([np.mean(getattr(arm, key)) for arm in arms]) for key in TOLERANCE}
    matched = [key for key, limit in TOLERANCE.items() if excess[key] <= limit]
    by_updates = "updates" in arms[0].budget if same else matched == ["updates"]
    load = _excess([arm.timing for arm in arms if arm.timing])
    threads, networks = {arm.threads for arm in arms} - {0}, {arm.networks for arm in arms}
    starts, data = {bool(arm.start) for arm in arms}, {tuple(sorted(a.extra_data)) for a in arms}
    unequal = {
        BUDGET: ("updates", COST, not (same or matched)),
        WORK: ("updates", COST, by_updates and excess["characters"] > UNEQUAL_WORK),
        LOAD: ("timing", f"{COST}, at {PACE}", load > UNEQUAL_LOAD),
        "number of threads": ("threads", "had {0.threads}", len(threads) > 1),
        "initial weights": ("start", "went on from {0.start}", len(starts) > 1),
        "outside data": ("extra_data", "used {1}", len(data) > 1),
        "number of networks": ("networks", "had {0.networks}", len(networks) > 1),
    }
    return {what: (figure, form) for what, (figure, form, differs) in unequal.items() if differs}


def _excess(values: Sequence[float]) -> float:
    """By how much the largest exceeds the smallest, as a share of that."""
    return max(values) / max(1e-9, min(values)) - 1 if values else 0.0
