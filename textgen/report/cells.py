"""Tables as plain data, which page and Markdown both print, and what is printed in them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import textgen
from textgen.report.data import numbers, ranked

UNBOUNDED = "unbounded"
"""In place of an interval that too few documents leave open."""
UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def with_memory(contrast: dict[str, Any]) -> str:
    """The answer to a contrast with a memory of the document, in words; "" without one."""
    both = contrast["with_memory"]
    if not both:
        return ""
    found = "the same" if both["answer"] == contrast["answer"] else both["answer"]
    return f"With a memory of the document: {found} ({signed(both['difference'])})."


class Bar(NamedTuple):
    """A value and its interval as fractions of a scale that a column or a row shares.

    Attributes:
        low, value, high: 0 to 1, clipped.
        beyond: −1 or 1 where the value itself lies below or above the scale.
        mark: where a reference value stands.
    """

    low: float
    value: float
    high: float
    beyond: int
    mark: float | None = None


@dataclass(frozen=True)
class Cell:
    """One figure of a table.

    Attributes:
        text: what is printed.
        interval: its 95 % interval as text.
        bar: the same as a drawing.
        fill: 0 to 1, how much of the cell a bar takes.
        tone: names how it is shaded or set.
        note: its tooltip.
        span: columns it takes.
    """

    text: str
    interval: str = ""
    bar: Bar | None = None
    fill: float | None = None
    tone: str = ""
    note: str = ""
    span: int = 1


@dataclass(frozen=True)
class Head:
    """The name of a row or column.

    Attributes:
        text: the name.
        note: what it means.
        arm: the number of an arm, which gives it its colour.
        parts: for a word in its context, the text before it, the word, and the text after it.
        under: what is printed below the name on a page, in small letters.
    """

    text: str
    note: str = ""
    arm: int | None = None
    parts: tuple[str, ...] = ()
    under: str = ""


@dataclass(frozen=True)
class Row:
    head: Head
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Group:
    """Rows under a common heading; ``quiet`` ones are only there for comparison."""

    title: str
    rows: Sequence[Row]
    quiet: bool = False


@dataclass(frozen=True)
class Table:
    """A table: ``corner`` names its rows, ``signature`` says what it was computed from."""

    key: str
    caption: str
    corner: str
    columns: Sequence[Head]
    groups: Sequence[Group]
    signature: str

    @property
    def notes_shown(self) -> bool:
        """Whether the notes of its rows are printed, instead of being tooltips."""
        return self.key != "main"

    @property
    def left(self) -> set[int]:
        """Numbers of the columns that are aligned left."""
        rows = [row.cells for group in self.groups for row in group.rows]
        return {
            place
            for cells in rows
            if len(cells) == len(self.columns)
            for place, cell in enumerate(cells)
            if cell.tone in ("words", "left")
        }


def simple_table(
    report: dict[str, Any],
    key: str,
    caption: str,
    corner: str,
    columns: Iterable[Head | str],
    rows: Iterable[Row],
    **signed: Any,
) -> Table:
    """A table of one group; what it is ``signed`` with goes to :func:`signature`."""
    heads = [Head(column) if isinstance(column, str) else column for column in columns]
    return Table(key, caption, corner, heads, [Group("", list(rows))], signature(report, **signed))


def arm_heads(report: dict[str, Any], names: Iterable[str]) -> list[Head]:
    """Heads for the arms of ``names``, best first."""
    wanted = set(names)
    return [Head(name, arm=number) for name, number in numbers(report).items() if name in wanted]


def bar(
    low: float, value: float, high: float, scale: Sequence[float], mark: float | None = None
) -> Bar:
    """Where an interval lies on a scale (its two ends)."""
    start, end = scale[0], max(scale[1], scale[0] + 1e-12)

    def place(v: float) -> float:
        return min(1.0, max(0.0, (v - start) / (end - start)))

    beyond = (value > end) - (value < start)
    return Bar(place(low), place(value), place(high), beyond, None if mark is None else place(mark))


def signed(value: float, digits: int = 3) -> str:
    """With its sign, the minus as wide as the plus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def between(low: float | None, high: float | None, form: str = ".3f") -> str:
    """An interval, both ends in the same format."""
    if low is None or high is None:
        return ""
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNBOUNDED
    separator = " to " if low < 0 or high < 0 else "–"
    return f"{low:{form}}{separator}{high:{form}}".replace("-", "−")


def count(value: float) -> str:
    """A large number in three digits: 0.53 M, 18.5 M, 640 k."""
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.1 * size and value >= 1e4:
            return f"{value / size:.3g} {name}"
    return f"{value:,.0f}"


def cleaned(data: Any) -> Any:
    """Nested plain data in which every string can be shown and written as UTF-8.

    Control characters become their pictures, lone surrogates the replacement character; no string
    changes its length, so offsets into it stay valid.
    """
    if isinstance(data, str):
        return UNREADABLE.sub(_picture, data)
    if isinstance(data, dict):
        return {cleaned(key): cleaned(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [cleaned(value) for value in data]
    return data


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code >= 0xD800:
        return "\ufffd"
    return "\u2421" if code == 0x7F else chr(0x2400 + code)


def signature(
    report: dict[str, Any], *, unit: str = "", test: str = "", shown: str = "", drawn: bool = False
) -> str:
    """The line under a table or figure that says what it was computed from, after sacrebleu's
    (Post, A Call for Clarity in Reporting BLEU Scores, 2018).

    Args:
        unit: of its figures; bits per character if empty.
        test: how intervals or p-values were computed.
        shown: which part of the data is shown, if not all.
        drawn: whether it is about generated text.
    """
    corpus, made = report["corpus"], report["generated"]["settings"]
    parts = {
        "corpus": corpus["kind"] + (" (fallback)" if corpus["fallback"] else ""),
        "text": corpus["sha256"][:12],
        "split": corpus["split_sha256"][:12],
        "unit": unit or report["unit"],
        "seeds": _seeds(report),
        "shown": shown,
        "test": test,
        "samples": f"{made['samples']} × {made['length']} characters, seed {made['seed']}" * drawn,
        "textgen": textgen.__version__,
    }
    return " | ".join(f"{key}:{value}" for key, value in parts.items() if value)


def prompted(report: dict[str, Any]) -> str:
    """The signature of samples side by side."""
    made = report["generated"]["settings"]
    shown = f"one sample per prompt, first seed of each arm, temperature {made['temperature']}"
    return signature(report, unit="none", shown=f"{shown}, seed {made['seed']}")


def _seeds(report: dict[str, Any]) -> str:
    """``1–5`` or, where arms differ, ``1–5 (3 arms), 1–3 (9 arms)``."""
    groups = Counter(_span(row["seeds"]) for row in ranked(report))
    if len(groups) == 1:
        return next(iter(groups))
    return ", ".join(f"{text} ({n} arm{'s' * (n > 1)})" for text, n in groups.items())


def _span(given: Sequence[int]) -> str:
    whole = len(given) > 2 and list(given) == list(range(given[0], given[-1] + 1))
    return f"{given[0]}–{given[-1]}" if whole else ",".join(map(str, given))
