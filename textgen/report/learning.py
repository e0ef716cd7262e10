"""How the arms of a report learnt: what each wrote and paid, validation by validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textgen.evaluation import format_number
from textgen.report.arms import Arm
from textgen.report.data import ranked
from textgen.report.marking import EDGES, pieces
from textgen.report.values import bits_text, when


def learning(arms: Sequence[Arm]) -> dict[str, Any]:
    """The rounds of each arm's first seed for ``texts.json``.

    Returns:
        ``document`` and ``passage``, the text that all pay for; ``arms``, the name of each → what
        its run keeps (:mod:`textgen.runs.rounds`). Arms whose runs keep nothing, or another
        passage, are left out.
    """
    found = {arm.name: arm.first.rounds for arm in arms}
    kept = {name: rounds for name, rounds in found.items() if rounds and rounds["rounds"]}
    if not kept:
        return {"document": "", "passage": "", "arms": {}}
    same = ("document", "passage")
    first = {key: next(iter(kept.values()))[key] for key in same}
    return {
        **first,
        "arms": {
            name: {key: value for key, value in rounds.items() if key not in same}
            for name, rounds in kept.items()
            if {key: rounds[key] for key in same} == first
        },
    }


def shown(report: dict[str, Any], texts: dict[str, Any]) -> dict[str, Any] | None:
    """The same as a page needs it, best arm first; None without any.

    Returns:
        ``document``, ``passage`` and ``edges`` of colours; ``missing``, names of arms; ``arms``:
        ``name``, ``number``, ``ends``, ``spelling``, ``temperature`` and ``rounds``, each with
        ``text``, its stretches with the token they fill in, ``model``, and ``told``: its number,
        time and bits per character in words.
    """
    kept = texts["rounds"]
    if not kept["arms"]:
        return None
    arms, missing = list[dict[str, Any]](), list[str]()
    for number, row in enumerate(ranked(report)):
        own = kept["arms"].get(row["name"])
        if own is None:
            missing += [row["name"]] if row["alike"] else []
            continue
        told = _told(row)
        rounds = [
            {
                "told": told[each["interval"] - 1],
                "model": each["model"],
                "text": [[piece.text, piece.token] for piece in pieces({**each, "copied": []})],
            }
            for each in own["rounds"]
        ]
        arm = {key: own[key] for key in ("ends", "spelling")}
        arm |= {"name": row["name"], "number": number, "rounds": rounds}
        arms.append(arm | {"temperature": format_number(own["sample"]["temperature"], 1)})
    return {**kept, "arms": arms, "missing": missing, "edges": EDGES}


def _told(row: dict[str, Any]) -> list[str]:
    """Every validation of an arm's first seed in words."""
    curve = row["curves"][0]
    lowest = min(curve["validation"], default=None)
    return [
        ", ".join(
            [
                f"round {i} of {len(curve['validation'])}",
                when("seconds", seconds),
                *([bits_text(bits)] if row["test"] else []),
                *(["the lowest of all rounds"] if row["test"] and bits == lowest else []),
            ]
        )
        for i, (seconds, bits) in enumerate(
            zip(curve["seconds"], curve["validation"], strict=True), 1
        )
    ]
