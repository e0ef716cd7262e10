"""Tables as plain data, which page and Markdown both print, and numbers as text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

NOTHING = "–"
UNBOUNDED = "unbounded"
"""In place of an interval that too few documents leave open."""
UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class Bar(NamedTuple):
    """A value and its interval as fractions of a scale that a column or a row shares.

    Attributes:
        low, value, high: 0 to 1, cut off there.
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
        note: said where one points at it.
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
        parts: for a word in its context, what stands before it, the word, and what follows.
    """

    text: str
    note: str = ""
    arm: int | None = None
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    head: Head
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Group:
    """Rows under a common heading; ``quiet`` ones are there to be compared with."""

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
        """Whether the notes of its rows are printed, not only said where one points at them."""
        return self.key != "main"

    @property
    def left(self) -> set[int]:
        """Numbers of the columns that are set from the left."""
        rows = [row.cells for group in self.groups for row in group.rows]
        return {
            place
            for cells in rows
            if len(cells) == len(self.columns)
            for place, cell in enumerate(cells)
            if cell.tone in ("words", "left")
        }


def cleaned(data: Any) -> Any:
    """Nested plain data in which every string can be shown and written as UTF-8.

    Control characters become their pictures, lone surrogates the replacement character; no string
    changes its length, so places in it stay right.
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


def bits(value: float | None, digits: int = 3) -> str:
    """A number of bits; a dash where there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


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


def bar(
    low: float, value: float, high: float, scale: Sequence[float], mark: float | None = None
) -> Bar:
    """Where an interval lies on a scale (its two ends)."""
    start, end = scale[0], max(scale[1], scale[0] + 1e-12)
    low, middle, high = (
        min(1.0, max(0.0, (v - start) / (end - start))) for v in (low, value, high)
    )
    told = None if mark is None else min(1.0, max(0.0, (mark - start) / (end - start)))
    return Bar(low, middle, high, (value > end) - (value < start), told)


def one_group(rows: Iterable[Row]) -> list[Group]:
    """Rows without a heading."""
    return [Group("", list(rows))]
