"""The tables of a report as plain data, and what is printed in them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import textgen
from textgen.evaluation.units import NOTHING, format_bits, format_number
from textgen.report.data import hardest_first, numbers, planned, ranked

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


NEAR = 0.3
"""Bits per character: references this far above the worst arm do not stretch a drawing."""
BOOTSTRAP = (
    "95 % intervals by resampling documents (subsets, Hartigan 1969) and, where an arm has two or "
    "more, seeds"
)


def main_table(report: dict[str, Any]) -> Table:
    """Arms, best first, then references."""
    rows, scale = ranked(report), _scale(report)
    how = "planned for an idle machine" if planned(report) else "elapsed"
    columns = (
        Head("bits per character", "of raw held-out text under the network alone, one end mark per "
             "document included; lower is better"),
        Head("95 % interval", "for other documents of this kind and, with two or more seeds, for "
             "other seeds; with a single seed, for this run"),
        Head("model + spelling", "the cost of the tokens under the network + the cost of spelling "
             "what a token leaves open, such as a rare word; together the bits per character"),
        Head("with memory", "bits per character of another distribution: the network with a memory "
             "of the document, of its tokens and of its rare words"),
        Head("mean over documents", "every document has the same weight, whatever its length"),
        Head("deviation (seeds)", "standard deviation over seeds, and the number of seeds"),
        Head("parameters"),
        Head("seconds", f"preparation and training, {how}"),
        Head("characters seen", "in training, repetitions included"),
        Head("replaced", "share of held-out tokens that a placeholder or another token replaces"),
    )  # fmt: skip
    found = [(row["alike"], _arm(row, number, scale)) for number, row in enumerate(rows)]
    groups = [Group("", [row for alike, row in found if alike])]
    if others := [row for alike, row in found if not alike]:
        groups.append(Group("on another text or split: not comparable with the others", others))
    if report["references"]:
        lines = sorted(report["references"], key=lambda r: r["test"]["total"])
        groups.append(
            Group("references on the same split", [_reference(r, scale) for r in lines], quiet=True)
        )
    return Table(
        "main", "Bits per character of the held-out text", "arm", columns, groups,
        signature(report, test=BOOTSTRAP),
    )  # fmt: skip


def _scale(report: dict[str, Any]) -> tuple[float, float]:
    """Ends of the drawing of intervals: all arms, and references not far above them."""
    arms = [row["test"] for row in report["arms"] if row["test"]]
    references = [row["test"] for row in report["references"]]
    limit = max((t["total"] for t in arms), default=float("inf")) + NEAR
    shown = arms + [t for t in references if t["total"] <= limit]
    ends = [t[end] for t in shown for end in ("low", "total", "high") if math.isfinite(t[end])]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return low - 0.02 * (high - low), high + 0.02 * (high - low)


def _arm(row: dict[str, Any], number: int, scale: tuple[float, float]) -> Row:
    test, notes = row["test"], []
    cells = _costs(test, scale)
    if test:
        cells.append(Cell(f"{format_number(test['deviation'])} ({len(row['seeds'])})"))
    if row["seconds"] != row["seconds_measured"]:
        notes.append(f"{row['seconds_measured']:.0f} s elapsed")
    if row["preparation_seconds"]:
        notes.append(f"{row['preparation_seconds']:.0f} s of them preparation")
    cells += [
        Cell(count(row["parameters"])),
        Cell(f"{row['seconds']:.0f}", note=", ".join(notes)),
        Cell(count(row["characters"]), note=f"{row['passes']:.1f} times the training text"),
        Cell(f"{row['replacement_rate']:.1%}"),
    ]
    name = row["name"] + " †" * bool(row["extra_data"])
    return Row(Head(name, arm=number, under=row["described"]), cells)


def _costs(test: dict[str, Any] | None, scale: tuple[float, float]) -> list[Cell]:
    model, spelling, total = format_bits(test)
    if not test:
        return [Cell(total, tone="words", span=6)]
    return [
        Cell(total, tone="strong"),
        Cell("", between(test["low"], test["high"]),
             bar(test["low"], test["total"], test["high"], scale), tone="left"),
        Cell(f"{model} + {spelling}"),
        Cell(format_number(test["with_memory"] and test["with_memory"]["total"])),
        Cell(format_number(test["mean_over_documents"])),
    ]  # fmt: skip


def _reference(row: dict[str, Any], scale: tuple[float, float]) -> Row:
    return Row(Head(row["label"], row["meaning"]), [*_costs(row["test"], scale), *[Cell("")] * 5])


def contrasts(report: dict[str, Any]) -> Table:
    """What was tested, with every figure of the test."""
    rows = [
        Row(
            Head(c["question"] or f"{c['first']} against {c['second']}"),
            [
                Cell(c["answer"], tone="words"),
                Cell(f"{c['first']} − {c['second']}", tone="words"),
                Cell(signed(c["difference"])),
                Cell(between(c["low"], c["high"])),
                *(Cell(_p(p)) for p in (c["p"], c["p_adjusted"])),
                Cell(_remembered(c["with_memory"]), tone="words"),
                Cell(f"{c['documents']}"),
                Cell(" and ".join(map(str, c["seeds"]))),
                Cell(c["scope"], tone="words"),
            ],
        )
        for c in report["contrasts"]
    ]
    columns = ["answer", "difference of", "bits per character", "95 % interval", "p", "p, adjusted",
               "with memory", "documents", "seeds", "holds for"]  # fmt: skip
    how = (
        f"sign-flip permutation over documents, {BOOTSTRAP}, Holm over {report['questions']}, "
        f"margin {report['margin']} bits"
    )
    caption = "The contrasts in figures"
    return simple_table(report, "contrasts", caption, "question", columns, rows, test=how)


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def _remembered(contrast: dict[str, Any] | None) -> str:
    """The answer with a memory of the document."""
    if contrast is None:
        return NOTHING
    shown = f"{signed(contrast['difference'])} ({between(contrast['low'], contrast['high'])})"
    return f"{contrast['answer']}, {shown}, p, adjusted {_p(contrast['p_adjusted'])}"


def details(report: dict[str, Any]) -> Table:
    """How each arm tokenizes the text and was trained."""
    columns = ["tokenizer", "vocabulary", "tokens per character", "context", "orders of the memory",
               "units", "updates", "samples of 1,000 characters per second",
               "passes over the text", "preparation, s", "elapsed, s"]  # fmt: skip
    rows = [
        Row(
            Head(row["name"], arm=number),
            [
                Cell(_tokenizer(row["tokenizer"]), tone="words"),
                Cell(f"{row['vocabulary_size']:,}"),
                Cell(format_number(row["tokens_per_character"])),
                Cell(str(row["context"]), tone="words"),
                Cell(", ".join(map(str, row["memory"])) or NOTHING),
                Cell(" + ".join(map(str, row["backbone"].get("units", [])))),
                Cell(
                    "–".join(f"{n:,}" for n in sorted({min(row["updates"]), max(row["updates"])}))
                ),
                Cell(format_number(row["samples_per_second"], 1)),
                Cell(f"{row['passes']:.1f}"),
                Cell(f"{row['preparation_seconds']:.0f}"),
                Cell(f"{row['seconds_measured']:.0f}"),
            ],
        )
        for number, row in enumerate(ranked(report))
    ]
    caption, unit = "How each arm tokenizes the text and was trained", "as stated in each column"
    return simple_table(report, "details", caption, "arm", columns, rows, unit=unit)


def _tokenizer(plain: dict[str, Any]) -> str:
    policy = plain.get("rare_words")
    kind = policy.get("kind", "") if isinstance(policy, dict) else policy
    return ", ".join(filter(None, [str(plain.get("kind", "")), f"rare: {kind}" if kind else ""]))


def runs(report: dict[str, Any]) -> Table:
    """Every run folder, its seed and its bits per character."""
    rows = [
        Row(
            Head(row["name"], arm=number),
            [
                Cell(f"{r['seed']}"),
                Cell(r["folder"], tone="words"),
                Cell(format_number(r["total"])),
            ],
        )
        for number, row in enumerate(ranked(report))
        for r in row["runs"]
    ]
    columns = ["seed", "run folder", "bits per character"]
    return simple_table(report, "runs", "Every run", "arm", columns, rows)


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
        scale = _values_range(texts[: 1 + len(arms)])
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


def _values_range(texts: Sequence[Interval]) -> tuple[float, float]:
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
