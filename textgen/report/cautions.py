"""What a reader must be warned of: arms whose figures do not say what they seem to."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np

from textgen.core.settings import BUDGETS, Contrast
from textgen.report.arms import Arm
from textgen.report.schema import ArmRow, ContrastRow

TOLERANCE = {"seconds": 0.1, "characters": 0.02, "updates": 0.0}
"""Relative difference up to which arms count as matched in a budget."""
UNEQUAL_WORK = 0.1
"""Relative difference in characters from which the same number of updates is not the same work."""


def cautions(
    arms: Sequence[Arm],
    rows: Sequence[ArmRow],
    declared: Sequence[Contrast],
    tested: Sequence[ContrastRow],
) -> list[str]:
    """All warnings about some arms, in the order of their weight.

    Args:
        arms: all of a report.
        rows: the same as the report has them.
        declared, tested: contrasts.
    """
    charged = {row.name for row in rows if row.test and row.same_text}
    return [
        *budget_warnings(arms, rows),
        *memory_warnings(rows),
        *ensemble_warnings(arms),
        *unanswered_warnings(declared, charged),
        *disagreement_warnings(tested),
    ]


def budget_warnings(arms: Sequence[Arm], rows: Sequence[ArmRow]) -> list[str]:
    """Where no budget is the same for all arms, neither as set nor as spent, or where only the
    number of updates is, but not the text that they have seen."""
    settings = [arm.first.experiment.resolved["training"] for arm in arms]
    same = len({tuple(training.get(key) for key in BUDGETS) for training in settings}) == 1
    if len(rows) < 2 or (same and settings[0].get("updates") is None):
        return []
    spent = {key: [float(np.mean(row[key])) for row in rows] for key in TOLERANCE}
    excess = {key: max(values) / max(1e-9, min(values)) - 1 for key, values in spent.items()}
    matched = ["updates"] if same else [k for k, limit in TOLERANCE.items() if excess[k] <= limit]
    if not matched:
        listed = ", ".join(f"{key} by up to {ratio:.0%}" for key, ratio in excess.items())
        return [f"The arms have no budget in common; they differ in {listed}."]
    if matched != ["updates"] or excess["characters"] <= UNEQUAL_WORK:
        return []
    seen = ", ".join(f"{row.name} {row.characters:,.0f}" for row in rows)
    return [
        "The same number of updates was not equal work: the arms have seen different numbers of "
        f"characters of the training text ({seen}). An equal budget is one in seconds: "
        "training.seconds, or seconds in [budget] of a study."
    ]


def memory_warnings(rows: Sequence[ArmRow]) -> list[str]:
    """Where only some arms have a memory of the document."""
    without = [row.name for row in rows if not row.memory]
    if not 0 < len(without) < len(rows):
        return []
    names = ", ".join(without)
    return [f"No memory of the document: {names}. Compare the figures of the networks alone."]


def ensemble_warnings(arms: Sequence[Arm]) -> list[str]:
    """Where some arms are several networks and others are one."""
    sizes = {arm.name: getattr(arm.first.experiment.backbone, "members", 1) for arm in arms}
    if len(set(sizes.values())) < 2:
        return []
    listed = [f"{name} is an ensemble of {n} networks" for name, n in sizes.items() if n > 1]
    return [f"Not every arm is a single network: {', '.join(listed)}."]


def unanswered_warnings(declared: Sequence[Contrast], charged: Set[str]) -> list[str]:
    """One for each declared contrast whose arms do not both have bits per character."""
    return [
        f"No answer: {c.question or f'{c.first} against {c.second}'} There is no result "
        f"for {' and '.join(n for n in (c.first, c.second) if n not in charged)}."
        for c in declared
        if not {c.first, c.second} <= charged
    ]


def disagreement_warnings(tested: Sequence[ContrastRow]) -> list[str]:
    """One for each contrast that is answered differently with a memory of the document."""
    return [
        f"The answer depends on the memory: {c.question or f'{c.first} against {c.second}:'} "
        f"{c.answer} for the networks alone ({c.difference:+.3f}), {both.answer} with a "
        f"memory of the document ({both.difference:+.3f})."
        for c in tested
        if (both := c.with_memory) and both.answer != c.answer
    ]
