"""The order of arms and documents, the same in every table and figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textgen.report.cells import Head

NEAR = 0.3
"""Bits per character: references farther above the worst arm do not stretch a drawing."""


def ranked(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Arms, best first; then those without a figure, last those on another text."""
    return sorted(
        report["arms"],
        key=lambda row: (not row["alike"], not row["test"], row["test"] and row["test"]["total"]),
    )


def numbers(report: dict[str, Any]) -> dict[str, int]:
    """An arm's name → its number, which gives it colour and marker everywhere."""
    return {row["name"]: number for number, row in enumerate(ranked(report))}


def hardest_first(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Documents by their mean bits per character, falling."""
    return sorted(
        report["documents"], key=lambda d: -sum(d["bits"].values()) / max(1, len(d["bits"]))
    )


def arm_heads(report: dict[str, Any], names: Sequence[str]) -> list[Head]:
    """Heads for the arms of ``names``, best first."""
    return [Head(name, arm=number) for name, number in numbers(report).items() if name in names]
