"""Tables about texts: what the held-out text costs part by part, and what the arms write."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from textgen.evaluation import NOTHING, format_number
from textgen.report.cells import (
    Cell,
    Group,
    Head,
    Row,
    Table,
    arm_heads,
    bar,
    between,
    signature,
    simple_table,
)
from textgen.report.data import hardest_first

STEPS = (2.0, 5.0)
"""Distances from human text, in half-widths of both intervals, at which the shading deepens."""
SWEPT = (
    ("distinct_2", "real_words", "Quality against variety"),
    ("temperature", "copied", "Copied from the training text"),
    ("temperature", "loops", "Words in a loop"),
    ("temperature", "unseen_words", "Words not in the training text"),
    ("temperature", "novel_3", "New sequences of three words"),
)
"""Figures over the sweep of temperatures: what is on each axis, and their heading."""
Interval = Sequence[float | None]


def at_headline(report: dict[str, Any]) -> int:
    """Index of the headline temperature in the sweep."""
    made = report["generated"]["settings"]
    return int(made["temperatures"].index(made["temperature"]))


def documents(report: dict[str, Any]) -> Table:
    """Bits per character of every held-out document under every arm."""
    heads = arm_heads(report, [name for d in report["documents"] for name in d["bits"]])
    rows = [
        Row(Head(d["name"]), [Cell(f"{d['characters']:,}"), *_by_arm(heads, d["bits"])])
        for d in hardest_first(report)
    ]
    caption = "Bits per character by held-out document, mean over seeds; lowest in bold"
    return simple_table(report, "documents", caption, "document", ["characters", *heads], rows)


def _by_arm(heads: Iterable[Head], found: dict[str, float], digits: int = 3) -> list[Cell]:
    """A cell for each arm, the lowest in bold."""
    values = [found.get(head.text) for head in heads]
    least = min(found.values(), default=0.0)
    return [
        Cell(format_number(v, digits), tone="strong" if v is not None and v <= least else "")
        for v in values
    ]


def classes(report: dict[str, Any]) -> Table:
    """Bits per word by word class, and each class's share of the bits per character."""
    by_arm = report["breakdown"]["by_class"]
    heads = arm_heads(report, by_arm)
    largest = max((c["share"] for found in by_arm.values() for c in found.values()), default=1.0)
    rows = []
    for name, meaning in report["breakdown"]["classes"].items():
        found = [by_arm[head.text][name] for head in heads]
        counted = Cell(f"{found[0]['count']:,}" if found else NOTHING)
        cells = [
            Cell(
                format_number(c["bits"], 2),
                format_number(c["share"]),
                fill=c["share"] / max(largest, 1e-9),
            )
            for c in found
        ]
        note = meaning.removeprefix(f"{name}: ")
        rows.append(Row(Head(name, note if note != name else ""), [counted, *cells]))
    caption = "Bits per word by word class; below, its contribution to the bits per character"
    unit = f"bits per word, and {report['unit']}"
    columns = [Head("count"), *heads]
    return simple_table(report, "classes", caption, "word class", columns, rows, unit=unit)


def positions(report: dict[str, Any]) -> Table:
    """Bits of a word by position in it: what the figure shows."""
    found = report["breakdown"]["by_position"]
    heads = arm_heads(report, found)
    length = max((len(found[head.text]) for head in heads), default=0)
    columns = ["space", *map(str, range(1, length))][:length]
    if length > 1:
        columns[-1] += " and later"
    rows = [Row(head, [Cell(format_number(v, 2)) for v in found[head.text]]) for head in heads]
    caption, unit = "Bits of a word by position in it, mean over words", "bits per word"
    return simple_table(report, "positions", caption, "arm", columns, rows, unit=unit)


def word(report: dict[str, Any], name: str, lines: Sequence[dict[str, Any]]) -> Table:
    """What a word costs under each arm, at every occurrence and on average."""
    mean, times = (report["words"][name][key] for key in ("bits", "occurrences"))
    heads = arm_heads(report, mean)
    rows = [
        Row(
            Head(
                f"…{line['before']}[{line['word']}]{line['after']}…",
                line["document"],
                parts=(line["before"], line["word"], line["after"]),
            ),
            _by_arm(heads, line["bits"], 1),
        )
        for line in lines
    ]
    part = f", the first {len(lines)} of {times} occurrences" if times > len(lines) else ""
    groups = [Group("", rows)]
    if len(rows) > 1:
        groups.append(Group("", [Row(Head("mean of all"), _by_arm(heads, mean, 1))]))
    return Table(
        f"word-{name}", f"Bits for “{name}” in the held-out text{part}; lowest in bold",
        "in its context", heads, groups,
        signature(report, unit="bits for the word, its space included"),
    )  # fmt: skip


def metrics(report: dict[str, Any]) -> Table:
    """Every figure of human text, of the arms' samples, and of shuffled and unigram text."""
    made = report["generated"]
    place, heads = at_headline(report), arm_heads(report, made["arms"])
    arms = [made["arms"][head.text][place] for head in heads]
    others = {name: row for name, row in made["rows"].items() if name != "human"}
    groups: dict[str, list[Row]] = {}
    for name, label in made["labels"].items():
        human = made["rows"]["human"][name]
        texts = [human, *(arm[name] for arm in arms), *(row[name] for row in others.values())]
        scale = _scale(texts[: 1 + len(arms)])
        cells = [_figure(found, human, label["form"], scale) for found in texts]
        row = Row(Head(label["meaning"], label["unit"]), cells)
        groups.setdefault(label["group"], []).append(row)
    return Table(
        "metrics",
        f"Samples at temperature {made['settings']['temperature']} compared with human text",
        "measure",
        [Head("human", "held-out text of the same size"), *heads, *map(Head, others)],
        [Group(title, rows) for title, rows in groups.items()],
        signature(report, unit="as stated in each row", drawn=True,
                  test="95 % intervals by bootstrap over samples"),
    )  # fmt: skip


def _scale(texts: Sequence[Interval]) -> tuple[float, float]:
    values = [value for found in texts for value in found if value is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    return low, high if high > low else low + 1.0


def _figure(found: Interval, human: Interval, form: str, scale: tuple[float, float]) -> Cell:
    value, low, high = found
    if value is None:
        return Cell(NOTHING, note="nothing to count")
    if low is None or high is None:
        return Cell(f"{value:{form}}")
    return Cell(
        f"{value:{form}}",
        between(low, high, form),
        bar(low, value, high, scale, human[0]),
        tone="" if found is human else _distance(found, human),
    )


def _distance(found: Interval, human: Interval) -> str:
    """Such as ``above2``, where the interval excludes the human figure, which lies far below."""
    value, low, high = (math.nan if v is None else v for v in found)
    target, least, most = (math.nan if v is None else v for v in human)
    if not (target < low or target > high):
        return ""
    half = (high - low) / 2 + (0.0 if math.isnan(most) else (most - least) / 2)
    steps = abs(value - target) / max(half, 1e-12)
    return f"{'above' if value > target else 'below'}{1 + sum(steps >= s for s in STEPS)}"


def swept(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Those of :data:`SWEPT` whose measures were taken."""
    known = {"temperature", *report["generated"]["labels"]}
    return [each for each in SWEPT if {each[0], each[1]} <= known]
