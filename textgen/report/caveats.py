"""What a reader of a report must know before comparing its figures: the warnings at its top."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import numpy as np

from textgen.core import BUDGETS, Contrast
from textgen.report.arms import Arm

TOLERANCE = {"seconds": 0.1, "characters": 0.02, "updates": 0.0}
"""Relative difference up to which arms count as matched in a budget."""
UNEQUAL_WORK = 0.1
"""Relative difference in characters from which the same number of updates is not the same work."""


def unanswered(contrasts: Sequence[Contrast], charged: Set[str]) -> list[str]:
    """A warning for each declared contrast that cannot be answered.

    Args:
        charged: the arms that have bits per character.
    """
    return [
        f"No answer: {c.question or f'{c.first} against {c.second}'} There is no result "
        f"for {' and '.join(n for n in (c.first, c.second) if n not in charged)}."
        for c in contrasts
        if not {c.first, c.second} <= charged
    ]


def unmatched(arms: Sequence[Arm], rows: Sequence[dict[str, Any]]) -> list[str]:
    """A warning where no budget is the same for all arms, neither as set nor as spent, or where
    only the number of updates is, but not the text that they have seen."""
    settings = [arm.first.experiment.resolved["training"] for arm in arms]
    alike = len({tuple(each.get(key) for key in BUDGETS) for each in settings}) == 1
    if len(rows) < 2 or (alike and settings[0].get("updates") is None):
        return []
    spent = {key: [float(np.mean(row[key])) for row in rows] for key in TOLERANCE}
    apart = {key: max(each) / max(1e-9, min(each)) - 1 for key, each in spent.items()}
    matched = ["updates"] if alike else [key for key in TOLERANCE if apart[key] <= TOLERANCE[key]]
    if not matched:
        found = ", ".join(f"{key} by up to {ratio:.0%}" for key, ratio in apart.items())
        return [f"The arms have no budget in common; they differ in {found}."]
    if matched != ["updates"] or apart["characters"] <= UNEQUAL_WORK:
        return []
    seen = ", ".join(f"{row['name']} {row['characters']:,.0f}" for row in rows)
    return [
        "The same number of updates was not equal work: the arms have seen different numbers of "
        f"characters of the training text ({seen}). An equal budget is one in seconds: "
        "training.seconds, or seconds in [budget] of a study."
    ]


def memories(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A warning where only some arms have a memory of the document."""
    without = [row["name"] for row in rows if not row["memory"]]
    if not 0 < len(without) < len(rows):
        return []
    return [
        f"Some arms have a memory of the document, {', '.join(without)} none: compare the figures "
        "of the networks alone."
    ]


def ensembles(arms: Sequence[Arm]) -> list[str]:
    """A warning where some arms are several networks and others are one."""
    sizes = {arm.name: getattr(arm.first.experiment.backbone, "members", 1) for arm in arms}
    if len(set(sizes.values())) < 2:
        return []
    told = [f"{name} is an ensemble of {n} networks" for name, n in sizes.items() if n > 1]
    return [f"Not every arm is a single network: {', '.join(told)}."]


def disagreements(contrasts: Sequence[dict[str, Any]]) -> list[str]:
    """A warning for each contrast that is answered differently with a memory of the document."""
    return [
        f"The answer depends on the memory: "
        f"{c['question'] or c['first'] + ' against ' + c['second'] + ':'} "
        f"{c['answer']} for the networks alone ({c['difference']:+.3f}), {both['answer']} with a "
        f"memory of the document ({both['difference']:+.3f})."
        for c in contrasts
        if (both := c["with_memory"]) and both["answer"] != c["answer"]
    ]
