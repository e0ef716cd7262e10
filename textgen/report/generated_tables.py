"""Tables of what the arms write: measured next to human text, and scored by each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from textgen.report.cells import NOTHING, Cell, Group, Head, Row, Table, bar, between, bits
from textgen.report.cross import HUMAN, SAMPLES
from textgen.report.ranking import arm_heads
from textgen.report.signature import signature

GROUPS = {
    "Letters and lengths": ("letters", "word_length", "sentence", "capitals"),
    "Words": ("real_words", "words_", "unseen"),
    "What the article counted": ("word_", "ending_", "prepositions", "pronouns"),
    "Variety": ("types", "heaps", "zipf", "distinct", "self_bleu", "loops"),
    "Copied, new, filled in": ("copied", "longest", "novel", "refilled"),
}
"""Headings of the table of metrics, and how the names of their figures begin."""
OTHERS = "Others"
STEPS = (2.0, 5.0)
"""Distances from human text, in half-widths of both intervals, at which the shading deepens."""
CLOSE = (0.05, 0.2, 0.5)
"""The same for cross-scoring, in bits per character."""
SWEPT = (
    ("distinct_2", "real_words", "Quality against variety"),
    ("temperature", "copied", "Copied from the training text"),
    ("temperature", "self_bleu_4", "Samples like each other"),
    ("temperature", "loops", "Words caught in a loop"),
    ("temperature", "unseen_words", "Words that the training text does not have"),
    ("temperature", "novel_3", "New sequences of three words"),
)
"""Figures over the sweep of temperatures: what goes across, what up, and their heading."""
Interval = Sequence[float | None]


def at_headline(report: dict[str, Any]) -> int:
    """Place of the headline temperature in the sweep."""
    made = report["generated"]["settings"]
    return int(made["temperatures"].index(made["temperature"]))


def metrics(report: dict[str, Any]) -> Table:
    """Every figure of human text, of the arms' samples, and of shuffled and unigram text."""
    made = report["generated"]
    place, heads = at_headline(report), arm_heads(report, list(made["arms"]))
    arms = [made["arms"][head.text][place] for head in heads]
    others = {name: row for name, row in made["rows"].items() if name != "human"}
    groups: dict[str, list[Row]] = {title: [] for title in (*GROUPS, OTHERS)}
    for name, label in made["labels"].items():
        human = made["rows"]["human"][name]
        texts = [human, *(arm[name] for arm in arms), *(row[name] for row in others.values())]
        scale = _scale(texts[: 1 + len(arms)])
        cells = [_figure(found, human, label["form"], scale) for found in texts]
        groups[_group(name)].append(Row(Head(label["meaning"], label["unit"]), cells))
    return Table(
        "metrics",
        f"What is written at temperature {made['settings']['temperature']}, next to human text",
        "measure",
        [Head("human", "held-out text of the same size"), *heads, *map(Head, others)],
        [Group(title, rows) for title, rows in groups.items() if rows],
        signature(report, unit="as stated in each row", drawn=True,
                  test="95 % intervals by bootstrap over samples"),
    )  # fmt: skip


def _group(name: str) -> str:
    starts = ((start, title) for title, all_ in GROUPS.items() for start in all_)
    found = [(len(start), title) for start, title in starts if name.startswith(start)]
    return max(found)[1] if found else OTHERS


def _scale(texts: Sequence[Interval]) -> tuple[float, float]:
    told = [value for found in texts for value in found if value is not None]
    low, high = min(told, default=0.0), max(told, default=1.0)
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
    """``above2`` where the interval excludes the human figure, which lies rather far below it."""
    value, low, high = (math.nan if v is None else v for v in found)
    target, least, most = (math.nan if v is None else v for v in human)
    if not (target < low or target > high):
        return ""
    half = (high - low) / 2 + (0.0 if math.isnan(most) else (most - least) / 2)
    steps = abs(value - target) / max(half, 1e-12)
    return f"{'above' if value > target else 'below'}{1 + sum(steps >= s for s in STEPS)}"


def cross(report: dict[str, Any]) -> Table:
    """Bits per character that each arm charges for held-out text and for the others' samples."""
    found = report["cross"]
    scorers = arm_heads(report, list(found))
    writers = arm_heads(report, [name for row in found.values() for name in row if name != HUMAN])
    rows = []
    for scorer in scorers:
        human = found[scorer.text][HUMAN]
        cells = [Cell(bits(human), tone="strong")]
        for writer in writers:
            value = found[scorer.text].get(writer.text)
            tone = "" if value is None else _apart(value - human)
            same = "its own samples" if writer.text == scorer.text else ""
            cells.append(Cell(bits(value), tone=f"{tone} own" if same else tone, note=same))
        rows.append(Row(scorer, cells))
    return Table(
        "cross", "Bits per character that the arm of a row charges for held-out text and for the "
        "samples of the arm of a column", "read by",
        [Head(HUMAN, "beginnings of held-out documents, as long as a sample"), *writers],
        [Group("", rows)],
        signature(report, unit="bits per character, no end mark",
                  shown=f"first seed of each arm, {SAMPLES} samples of it, from the beginning"),
    )  # fmt: skip


def _apart(difference: float) -> str:
    step = sum(abs(difference) >= limit for limit in CLOSE)
    return "" if not step else f"{'above' if difference > 0 else 'below'}{step}"


def swept(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Those of :data:`SWEPT` whose measures were taken."""
    known = {"temperature", *report["generated"]["labels"]}
    return [each for each in SWEPT if {each[0], each[1]} <= known]
