"""Figures as text: one way to write bits per character, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

NOTHING = "–"
"""Printed in place of a number that does not exist."""
UNCHARGED = "not a distribution over the text"
"""Printed in place of bits per character where text is discarded and not charged for: there is no
normalised distribution over the raw text."""


def format_number(value: float | None, digits: int = 3) -> str:
    """A number of bits as every table prints it; a dash where there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def format_bits(bits: Mapping[str, float] | None, digits: int = 3) -> tuple[str, str, str]:
    """The columns of model + spelling = total; without bits, the last one says why."""
    if bits is None:
        return (NOTHING, NOTHING, UNCHARGED)
    return (
        format_number(bits["model"], digits),
        format_number(bits["spelling"], digits),
        format_number(bits["total"], digits),
    )


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)
) -> str:
    """A table in Markdown whose columns of these numbers are aligned left, the others right."""
    from tabulate import tabulate

    sides = ["left" if place in left else "right" for place in range(len(head))]
    table = [head, *rows]
    return tabulate(table, "firstrow", "pipe", disable_numparse=True, colalign=sides)
