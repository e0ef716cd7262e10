"""The figures of a report, drawn by Matplotlib from the content of ``report.json``, and the values
that their page reads out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from textgen.evaluation.units import format_number
from textgen.report.data import hardest_first, numbers, ranked
from textgen.report.drawing import (
    HALO,
    INK,
    MUTED,
    PAPER,
    RULE,
    arm_colour,
    axes,
    in_style,
    style,
)
from textgen.report.tables import NEAR, between, count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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


SMALL, WIDE = (360, 270), 860
BUDGETS = {
    "seconds": "seconds, preparation included",
    "characters": "characters seen, millions",
    "updates": "updates, thousands",
}
UNITS = {"seconds": 1.0, "characters": 1e6, "updates": 1e3}


def _look(number: int, *, size: float = 5.0, line: bool = True) -> dict[str, Any]:
    """How Matplotlib draws the arm of a number."""
    made, colour = style(number), arm_colour(number)
    dash = (0, made.dash) if made.dash else "solid"
    return {
        "color": colour,
        "linestyle": dash if line else "none",
        "marker": made.marker,
        "markersize": size,
        "markeredgecolor": colour,
        "markerfacecolor": PAPER if made.hollow else colour,
        "gid": f"arm-{number}",
    }


@in_style
def curves(report: dict[str, Any], budget: str) -> Figure:
    """Validation bits per character against ``"seconds"``, ``"characters"`` or ``"updates"``.

    Seeds are thin lines, their mean a thick one; references are horizontal lines.
    """
    figure, plot = axes(*SMALL, BUDGETS[budget], f"{BITS}, validation")
    ends = []
    for number, row in enumerate(ranked(report)):
        if not row["test"]:
            continue
        xs = [np.array(curve[budget], float) / UNITS[budget] for curve in row["curves"]]
        ys = [np.array(curve["validation"], float) for curve in row["curves"]]
        ends += [(y[-1], x[-1], y[0]) for x, y in zip(xs, ys, strict=True) if len(y)]
        same = len({len(y) for y in ys}) == 1
        look = _look(number)
        if same and len(ys[0]):
            plot.plot(np.mean(xs, 0), np.mean(ys, 0), lw=1.7, markevery=[-1], zorder=3, **look)
            told = curve(budget, UNITS[budget], xs, ys)
            tell(figure, row["name"], number, told)
        look |= {"linestyle": "solid", "marker": "none"}
        for i, (x, y) in enumerate(zip(xs, ys, strict=True) if len(ys) > 1 or not same else ()):
            plot.plot(x, y, lw=0.7, alpha=0.6, zorder=2, **look)
            if not same:
                seed = f"{row['name']}, seed {row['seeds'][i]}"
                tell(figure, seed, number, curve(budget, UNITS[budget], [x], [y]))
    if ends:
        last, right, first = (np.array(column) for column in zip(*ends, strict=True))
        high = last.max()  # an arm that overfits ends above where it began
        top = min(max(first.max(), high), high + max(0.35, 1.2 * (high - last.min())))
        top += 0.03 * (top - last.min()) * (top == high)
        plot.set_ylim(last.min() - 0.06 * (top - last.min()) - 0.02, top)
        plot.set_xlim(0, right.max() * 1.03)
    for label, value in _reference_lines(plot, report["references"]):
        tell(figure, label, None, [(plot.get_xlim()[1], value, bits_text(value))])
    return figure


def _reference_lines(plot: Axes, references: Sequence[dict[str, Any]]) -> list[tuple[str, float]]:
    """Lines within the axes, named at their left end; names that would overlap are joined. Returns
    the name and the bits of each."""
    low, high = plot.get_ylim()
    shown = sorted((r["validation"]["total"], r["label"]) for r in references)
    shown = [(value, label) for value, label in shown if low < value < high]
    for value, _ in shown:
        plot.axhline(value, color=MUTED, lw=0.8, ls=(0, (1, 2)), zorder=1)
    places: list[tuple[float, list[str]]] = []
    for value, label in shown:
        if places and value - places[-1][0] < 0.045 * (high - low):
            places[-1] = (value, [*places[-1][1], label])
        else:
            places.append((value, [label]))
    for value, labels in places:
        _halo(plot, 0.01, value, ", ".join(labels), transform=plot.get_yaxis_transform())
    return [(label, value) for value, label in shown]


def _halo(plot: Axes, x: float, y: float, text: str, **options: Any) -> None:
    """Small text that stays readable on lines."""
    set_as: dict[str, Any] = {"ha": "left", "va": "bottom", "fontsize": 9, "color": MUTED}
    plot.text(x, y, text, zorder=5, gid=HALO, **set_as | options)


@in_style
def documents(report: dict[str, Any]) -> Figure:
    """Bits per character of every held-out document under every arm: a dot plot."""
    rows = hardest_first(report)[::-1]
    figure, plot = _dot_rows([row["name"] for row in rows], BITS)
    for place, row in enumerate(rows):
        if bits := row["bits"].values():
            plot.plot([min(bits), max(bits)], [place] * 2, color=RULE, lw=1.2, zorder=1)
    for name, number in numbers(report).items():
        dots = [(row["bits"][name], y) for y, row in enumerate(rows) if name in row["bits"]]
        if dots:
            plot.plot(*zip(*dots, strict=True), zorder=2, **_look(number, size=6, line=False))
        told = ((x, y, f"{rows[y]['name']}: {bits_text(x)}") for x, y in reversed(dots))
        tell(figure, name, number, told)
    return figure


def _dot_rows(names: Sequence[str], across: str, right: int = 8) -> tuple[Figure, Axes]:
    """Axes with a named row for each dot."""
    left = min(276, 24 + round(6 * max(map(len, names), default=0)))
    figure, plot = axes(WIDE, 56 + 22 * max(1, len(names)), across, left=left, right=right)
    plot.set_yticks(range(len(names)), [_short(name, 42) for name in names])
    plot.set_ylim(-0.7, max(len(names), 1) - 0.3)
    plot.grid(axis="y", visible=False)
    plot.grid(axis="x", visible=True)
    return figure, plot


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


@in_style
def positions(report: dict[str, Any]) -> Figure:
    """Bits of a word of letters by position in it."""
    across = "position in the word: the space before it, its first letter, its second …"
    figure, plot = axes(WIDE, 300, across, "bits per word")
    found = report["breakdown"]["by_position"]
    length = max(map(len, found.values()), default=0)
    names = ["space", *map(str, range(1, length))]
    if length > 1:
        names[-1] += "+"
    for name, number in numbers(report).items():
        if y := found.get(name):
            plot.plot(range(len(y)), y, lw=1.5, zorder=2, **_look(number))
            tell(figure, name, number, by_position(names, y))
    plot.set_xticks(range(length), names[:length])
    plot.set_ylim(bottom=0)
    return figure


@in_style
def sweep(report: dict[str, Any], across: str, up: str) -> Figure:
    """One measure of the samples against another, or against the ``"temperature"``.

    An arm is a path through the temperatures; markers grow with temperature.
    """
    made = report["generated"]
    warm = made["settings"]["temperatures"]
    labels = made["labels"]
    figure, plot = axes(*SMALL, _axis_name(across, labels), _axis_name(up, labels))
    for name, number in numbers(report).items():
        rows = made["arms"].get(name, [])
        x = warm if across == "temperature" else [_value(row, across) for row in rows]
        y = [_value(row, up) for row in rows]
        look = _look(number, line=True)
        plot.plot(x[: len(y)], y, lw=1.2, zorder=2, **look | {"marker": "none"})
        told = swept(warm, rows, labels, (up, across))
        tell(figure, name, number, zip(x, y, told, strict=False))
        for place, point in enumerate(zip(x, y, strict=False)):
            size = 3.5 + 3.5 * place / max(1, len(y) - 1)
            plot.plot(*point, zorder=3, **_look(number, size=size, line=False))
    human = made["rows"]["human"]
    x = warm[-1] if across == "temperature" else _value(human, across)
    its_own = measured(human, labels, (up, across))
    tell(figure, "human text", None, [(x, _value(human, up), its_own)])
    _human(plot, human, across, up)
    for axis, name in ((plot.xaxis, across), (plot.yaxis, up)):
        _ticks(axis, labels.get(name, {}).get("form", ""))
    if across == "temperature":
        plot.set_xticks(warm)
    return figure


def _value(row: dict[str, Any], name: str) -> float:
    value = row[name][0]
    return float("nan") if value is None else value


def _human(plot: Axes, row: dict[str, Any], across: str, up: str) -> None:
    y, low, high = (float("nan") if v is None else v for v in row[up])
    if across == "temperature":
        plot.axhline(y, color=INK, lw=1, zorder=1)
        if low == low:
            plot.axhspan(low, high, color=INK, alpha=0.08, lw=0, zorder=0)
        _halo(plot, 0.99, y, "human", ha="right", color=INK, transform=plot.get_yaxis_transform())
    else:
        x = _value(row, across)
        plot.plot([x], [y], marker="*", markersize=12, color=INK, ls="none", zorder=4)
        _halo(plot, x, y, "human  ", ha="right", va="center", color=INK)


def _axis_name(name: str, labels: dict[str, Any]) -> str:
    label = labels.get(name)
    return name if label is None else _short(f"{label['meaning']}, {label['unit']}", 62)


def _ticks(axis: Any, form: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(5))
    if form.endswith("%"):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))


@in_style
def overview(report: dict[str, Any]) -> Figure:
    """Every arm's bits per character with its interval, references between them: for a README."""
    arms = [row for row in ranked(report) if row["test"] and row["alike"]]
    worst = max((row["test"]["total"] for row in arms), default=float("inf"))
    near = [r for r in report["references"] if r["test"]["total"] <= worst + NEAR]
    rows: list[tuple[dict[str, Any], str, int | None]]
    rows = [(row["test"], row["name"], number) for number, row in enumerate(arms)]
    rows += [(row["test"], row["label"], None) for row in near]
    rows.sort(key=lambda row: -row[0]["total"])
    across = f"{BITS} of held-out text, 95 % intervals"
    figure, plot = _dot_rows([name for _, name, _ in rows], across, right=56)
    for place, (test, name, number) in enumerate(rows):
        tell(figure, name, number, [(test["total"], place, total(test))])
        quiet = {"color": MUTED, "marker": "|", "markersize": 9}
        look = quiet if number is None else _look(number, size=7, line=False)
        if test["low"] is not None and np.isfinite(test["high"] - test["low"]):
            width = 1.0 if number is None else 2.0
            plot.plot([test["low"], test["high"]], [place] * 2, color=look["color"], lw=width)
        plot.plot([test["total"]], [place], **look)
        plot.text(1.01, place, format_number(test["total"]), va="center", fontsize=10,
                  color=MUTED if number is None else INK,
                  transform=plot.get_yaxis_transform())  # fmt: skip
    for (_, _, number), label in zip(rows, plot.get_yticklabels(), strict=True):
        label.set_color(MUTED if number is None else INK)
    return figure


@in_style
def with_legend(figure: Figure, report: dict[str, Any], columns: int = 4) -> Figure:
    """A figure with the arms in it named below it, for where no page names them."""
    from matplotlib.lines import Line2D

    drawn = {line.get_gid() for plot in figure.axes for line in plot.lines}
    named = {name: n for name, n in numbers(report).items() if f"arm-{n}" in drawn}
    rows = -(-len(named) // columns)
    width, height = (float(size * 72) for size in figure.get_size_inches())
    extra = 18 * rows + 6
    for plot in figure.axes:
        x, y, w, h = plot.get_position().bounds
        total = height + extra
        plot.set_position((x, (y * height + extra) / total, w, h * height / total))
    figure.set_size_inches(width / 72, (height + extra) / 72)
    looks = {name: _look(number) | {"gid": None, "lw": 1.5} for name, number in named.items()}
    handles = [Line2D([], [], label=name, **look) for name, look in looks.items()]
    figure.legend(handles=handles, loc="lower center", ncol=columns, frameon=False, fontsize=10)
    return figure
