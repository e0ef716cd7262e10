"""What a reader of a report must know first: its warnings."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import numpy as np

from textgen.core import BUDGETS, Contrast
from textgen.report.arms import Arm

TOLERANCE = {"seconds": 0.1, "characters": 0.02, "updates": 0.0}
"""How far arms may be apart to be called matched in a budget."""


def unanswered(contrasts: Sequence[Contrast], there: Set[str]) -> list[str]:
    """A warning for each contrast that was put down and cannot be answered.

    Args:
        there: the arms that have a figure.
    """
    return [
        f"No answer: {c.question or f'{c.first} against {c.second}'} There is no figure of "
        f"{' and '.join(name for name in (c.first, c.second) if name not in there)}."
        for c in contrasts
        if not {c.first, c.second} <= there
    ]


def unmatched(arms: Sequence[Arm], rows: Sequence[dict[str, Any]]) -> list[str]:
    """A warning where no budget is the same for all arms, neither as it was set nor as it was
    spent."""
    settings = [arm.first.experiment.resolved["training"] for arm in arms]
    if len({tuple(each.get(key) for key in BUDGETS) for each in settings}) == 1:
        return []
    spent = {key: [float(np.mean(row[key])) for row in rows] for key in TOLERANCE}
    apart = {key: max(each) / max(1e-9, min(each)) - 1 for key, each in spent.items()}
    if len(rows) < 2 or any(apart[key] <= TOLERANCE[key] for key in TOLERANCE):
        return []
    found = ", ".join(f"{key} by up to {ratio:.0%}" for key, ratio in apart.items())
    return [f"The arms had no budget in common; they differ in {found}."]


def memories(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A warning where some arms have a memory of the document and others none, or that of an older
    textgen."""
    without = [row["name"] for row in rows if not row["memory"]]
    older = [r["name"] for r in rows if r["memory"] and not r["document_cache_by_kind"]]
    found = []
    if 0 < len(without) < len(rows):
        found.append(
            f"Some arms have a memory of the document, {', '.join(without)} none: part of the "
            "difference is the memory's, see “memory saves”."
        )
    if 0 < len(older) < len(rows) - len(without):
        found.append(
            f"The memory of the document of {', '.join(older)} is that of an older textgen, which "
            "saves less: train again with --overwrite before you compare with the others."
        )
    return found
