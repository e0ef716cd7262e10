"""What a figure tells under the pointer and the arrow keys of its page: its values, in words.

A figure is told its values while it is drawn and keeps them until its page is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from textgen.evaluation import format_number
from textgen.report.cells import between, count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Point = tuple[float, float, str]
"""Where a value is drawn, as the axes count, and what is read out."""
BITS = "bits per character"


class _Line(NamedTuple):
    name: str
    arm: int | None
    points: list[Point]


def tell(figure: Figure, name: str, arm: int | None, points: Iterable[Point]) -> None:
    """Have a figure know the values of one of its lines, in their order; ``arm`` is its number."""
    vars(figure).setdefault("told", []).append(_Line(name, arm, list(points)))


def told(figure: Figure, *, upright: bool = False) -> dict[str, Any]:
    """The values of a figure as its page needs them.

    Args:
        figure: drawn whole.
        upright: whether its lines run from top to bottom, as where documents have rows.

    Returns:
        ``upright``, and ``lines``: arm, name and points of each, the uppermost (upright: leftmost)
        first; a point is x and y in CSS pixels of the figure, and its text. What lies above or
        below the axes is at their edge.
    """
    plot, height = figure.axes[0], float(figure.get_size_inches()[1]) * 72
    plot.get_xlim()  # limits that follow from what is drawn are computed when they are asked for
    low, high = plot.get_ylim()
    lines = list[list[Any]]()
    for name, arm, given in vars(figure).get("told", ()):
        points = [(x, min(max(y, low), high), text) for x, y, text in given if math.isfinite(x + y)]
        if points:
            across, up = plot.transData.transform([point[:2] for point in points]).T
            texts = (text for _, _, text in points)
            placed = zip(
                across.round(1).tolist(), (height - up).round(1).tolist(), texts, strict=True
            )
            lines.append([arm, name, list(placed)])
    lines.sort(key=lambda line: line[2][-1][0 if upright else 1])
    return {"upright": upright, "lines": lines}


def total(test: dict[str, Any]) -> str:
    """Bits per character and their interval."""
    interval = between(test["low"], test["high"])
    text = f"{format_number(test['total'])} {BITS}"
    return f"{text}, 95 % interval {interval}" if interval else text


def bits_text(value: float) -> str:
    return f"{format_number(value)} {BITS}"


def curve(
    budget: str, unit: float, across: Sequence[np.ndarray], up: Sequence[np.ndarray]
) -> Iterator[Point]:
    """The points of a learning curve, the mean of some seeds.

    Args:
        budget: one of the keys of :data:`textgen.report.figures.BUDGETS`.
        unit: what ``across`` counts it in.
        across, up: (n,) of each seed.
    """
    for xs, ys in zip(zip(*across, strict=True), zip(*up, strict=True), strict=True):
        x, y = float(np.mean(xs)), float(np.mean(ys))
        seeds = f", mean of {', '.join(map(format_number, ys))}" if len(ys) > 1 else ""
        yield x, y, f"{when(budget, x * unit)}: {bits_text(y)}{seeds}"


def by_position(names: Sequence[str], values: Sequence[float]) -> Iterator[Point]:
    """Bits of a word at each of some positions, the space before it first."""
    for x, (name, y) in enumerate(zip(names, values, strict=False)):
        yield x, y, f"{f'letter {name}' if x else name}: {y:.2f} bits per word"


def swept(
    temperatures: Sequence[float], rows: Sequence[dict[str, Any]], labels: dict[str, Any],
    measures: Sequence[str],
) -> Iterator[str]:  # fmt: skip
    """What is read out of the measures of an arm's samples at each temperature."""
    for temperature, row in zip(temperatures, rows, strict=False):
        yield f"temperature {temperature}: {measured(row, labels, measures)}"


def measured(row: dict[str, Any], labels: dict[str, Any], measures: Sequence[str]) -> str:
    """Some measures of a text with their units and meanings; what is none of them is left out."""
    return "; ".join(
        f"{labels[name]['meaning']} {row[name][0]:{labels[name]['form']}} {labels[name]['unit']}"
        for name in measures
        if name in labels and row[name][0] is not None
    )


def when(budget: str, value: float) -> str:
    """How far a training was, ``value`` in units of its budget: ``3:20 of training``."""
    if budget == "seconds":
        return f"{clock(value)} of training"
    return f"{count(value)} {'characters seen' if budget == 'characters' else 'updates'}"


def clock(seconds: float) -> str:
    """``12.3 s``, ``3:20`` (minutes), ``1:02:03`` (hours)."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
