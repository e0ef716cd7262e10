"""A report as one HTML file that fetches nothing: what it draws, as rows of plain figures, and how
it is rendered.

Places and widths are percentages of a scale that the rows of a chart share.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

import textgen
from textgen.core.errors import visible
from textgen.evaluation.units import NOTHING, UNCHARGED, format_bits, format_number
from textgen.interactive import portable
from textgen.report import sentences
from textgen.report.schema import (
    ArmRow,
    Bits,
    Interval,
    Measure,
    Passage,
    ReferenceRow,
    Report,
    SampleText,
    Texts,
)

NEAR = 0.3
"""Bits per character: references this far above the worst arm are not drawn."""
MAX_REFERENCES_DRAWN = 3
MIN_LABEL_SPACE = 5.0
"""Percent between the names of two references beside a curve."""
MEASURES_DRAWN = (
    "real_words", "word_length", "letters_divergence", "distinct_2", "loops", "copied",
)  # fmt: skip
"""Measures of generated text that are drawn; all are in a table."""
HEAT_EDGES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0)
"""Bits per character at which the next colour begins."""
AXES = {
    "seconds": ("seconds, preparation included", 1.0),
    "characters": ("millions of characters seen", 1e6),
    "updates": ("thousands of updates", 1e3),
}
"""What a learning curve is drawn over, its name and its unit."""


class Scale(NamedTuple):
    """The two ends of a drawing."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a value lies, in percent, at most at an end."""
        share = (value - self.low) / max(self.high - self.low, 1e-12)
        return round(100 * min(1.0, max(0.0, share)), 2)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and names of three to six round numbers."""
        size = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(size))
        step = power * min(factor for factor in (1, 2, 5, 10) if factor * power >= size)
        values = np.arange(math.ceil(self.low / step), math.floor(self.high / step) + 1) * step
        return [(self.place(value), f"{value:g}") for value in values.round(9).tolist()]


def scale_of(values: Iterable[float | None]) -> Scale:
    """A scale that some values fill."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    margin = 0.03 * (high - low) or 1.0
    return Scale(low - margin, high + margin)


class Bar(NamedTuple):
    """A bar from zero, with its interval; ``arm`` is the number of an arm, None of a reference."""

    label: str
    arm: int | None
    note: str
    text: str
    interval: str
    width: float
    low: float | None
    high: float | None


class Dot(NamedTuple):
    arm: int
    name: str
    text: str
    place: float


class Strip(NamedTuple):
    """A row of dots, one for each arm; ``band``: start and width of a range to compare with."""

    label: str
    note: str
    dots: Sequence[Dot]
    band: tuple[float, float] | None = None


class Table(NamedTuple):
    """Rows with the numbers of the arms that each speaks of, "0 2"; ``arms``: those of columns."""

    caption: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    arms: Mapping[int, int] = MappingProxyType({})


def near_references(report: Report) -> list[ReferenceRow]:
    """The best models without a network, as far as they are near the arms."""
    worst = max((arm.test.total for arm in report.scored if arm.test), default=0.0)
    near = [row for row in report.references if row.test.total <= worst + NEAR]
    return sorted(near, key=lambda row: row.test.total)[:MAX_REFERENCES_DRAWN]


def bars(report: Report) -> list[Bar]:
    """Arms and the best references near them, best first."""
    numbers, every = report.numbers, list[tuple[Bits, str, int | None, str]]()
    every += [(a.test, a.name, numbers[a.name], a.described) for a in report.scored if a.test]
    every += [(r.test, r.label, None, "without a network") for r in near_references(report)]
    scale = Scale(0.0, max((test.high or test.total for test, *_ in every), default=1.0))

    def bar(test: Bits, label: str, arm: int | None, note: str) -> Bar:
        ends = (None if end is None else scale.place(end) for end in (test.low, test.high))
        text, interval = format_number(test.total), between(test.low, test.high)
        return Bar(label, arm, note, text, interval, scale.place(test.total), *ends)

    return sorted((bar(*row) for row in every), key=lambda row: row.width)


def intervals(report: Report) -> list[tuple[float, float, float] | None]:
    """Of each contrast where its bounds and its value lie, zero at 50; None without bounds."""
    ends = [abs(end) for c in report.contrasts for end in (c.low, c.difference, c.high) if end]
    reach = max([3 * report.margin, *ends])
    scale = Scale(-1.04 * reach, 1.04 * reach)
    return [
        None
        if c.low is None or c.high is None
        else (scale.place(c.low), scale.place(c.difference), scale.place(c.high))
        for c in report.contrasts
    ]


def documents(report: Report) -> list[Strip]:
    """Bits per character of every held-out document, hardest first."""
    scale, numbers = scale_of(b for d in report.documents for b in d.bits.values()), report.numbers
    return [
        Strip(
            document.name,
            f"{document.characters:,} characters",
            [
                Dot(numbers[name], name, format_number(bits), scale.place(bits))
                for name, bits in sorted(document.bits.items(), key=lambda item: item[1])
            ],
        )
        for document in report.documents
    ]


def classes(report: Report) -> list[tuple[str, str, list[Bar]]]:
    """Name, meaning and count of each word class, and what it adds to each arm's bits."""
    breakdown, numbers = report.breakdown, report.numbers
    names = sorted(breakdown.by_class, key=numbers.__getitem__)
    shares = [row.share for arm in breakdown.by_class.values() for row in arm.values()]
    scale, groups = Scale(0.0, max(shares, default=1.0)), []
    for key, meaning in breakdown.classes.items() if names else ():
        rows = [(name, breakdown.by_class[name][key]) for name in names]
        drawn = [
            Bar(name, numbers[name], "", f"{row.share:.3f}", f"{row.bits:.1f} bits each",
                scale.place(row.share), None, None)
            for name, row in rows
        ]  # fmt: skip
        groups.append((key, f"{meaning}: {rows[0][1].count:,}", drawn))
    return groups


def measures(report: Report, number: int) -> tuple[list[Strip], Table]:
    """The measures at a temperature, by its number: those that are drawn, and all."""
    made, numbers = report.generated, report.numbers
    arms = {name: rows[number] for name, rows in made.arms.items()}
    names = sorted(arms, key=numbers.__getitem__)
    drawn = [
        _strip(made.labels[key], made.rows["human"][key],
               [(numbers[name], name, arms[name][key]) for name in names])
        for key in MEASURES_DRAWN
        if key in made.labels
    ]  # fmt: skip
    columns = [made.rows["human"], *(arms[n] for n in names), *list(made.rows.values())[1:]]
    head = ["measure", "human text", *names, *list(made.rows)[1:]]
    rows = [
        ("", [f"{label.meaning}, {label.unit}", *(_figure(c[key], label) for c in columns)])
        for key, label in made.labels.items()
    ]
    of_arms = {column: numbers[name] for column, name in enumerate(names, 2)}
    return drawn, Table("All measures, with 95 % intervals over samples", head, rows, of_arms)


def _strip(label: Measure, human: Interval, arms: Sequence[tuple[int, str, Interval]]) -> Strip:
    scale = scale_of([*human, *(value.value for _, _, value in arms)])
    dots = [
        Dot(number, name, f"{value.value:{label.form}}", scale.place(value.value))
        for number, name, value in arms
        if value.value is not None
    ]
    low, high = (human.value if end is None else end for end in human[1:])
    band = None
    if low is not None and high is not None:
        band = scale.place(low), scale.place(high) - scale.place(low)
    note = NOTHING if human.value is None else f"human {human.value:{label.form}}"
    return Strip(label.meaning, f"{label.unit}; {note}", dots, band)


def _figure(figure: Interval, label: Measure) -> str:
    if figure.value is None:
        return NOTHING
    interval = between(figure.low, figure.high, label.form)
    return f"{figure.value:{label.form}}" + (f" ({interval})" if interval else "")


def between(low: float | None, high: float | None, form: str = ".3f") -> str:
    """An interval, both ends in the same format; "" where one is open."""
    if low is None or high is None:
        return ""
    separator = " to " if low < 0 or high < 0 else "–"
    return f"{low:{form}}{separator}{high:{form}}".replace("-", "−")


class Line(NamedTuple):
    """A learning curve: the mean of an arm's seeds as points, each seed as a path."""

    arm: int
    path: str
    seeds: Sequence[str]
    points: Sequence[tuple[float, float, str]]


class Plot(NamedTuple):
    """Learning curves over one axis; ``references``: places and names of models without one."""

    across: str
    lines: Sequence[Line]
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    references: Sequence[tuple[float, str]]


def plots(report: Report) -> list[Plot]:
    """The learning curves over each of :data:`AXES`."""
    arms = [arm for arm in report.scored if all(curve.validation for curve in arm.curves)]
    if not arms:
        return []
    ends = [curve.validation[-1] for arm in arms for curve in arm.curves]
    first = max(curve.validation[0] for arm in arms for curve in arm.curves)
    top = min(first, max(ends) + max(0.35, 1.2 * (max(ends) - min(ends))))
    top = max(top, max(ends) + 0.05)
    up, references = (
        Scale(min(ends) - 0.06 * (top - min(ends)), top),
        list[tuple[float, str]](),
    )
    for row in sorted(report.references, key=lambda row: row.validation.total):
        place = up.place(row.validation.total)
        if 0 < place < 100 and (not references or place - references[-1][0] > MIN_LABEL_SPACE):
            references.append((place, row.label))
    rows = []
    for axis, (label, unit) in AXES.items():
        last = max(curve[axis][-1] for arm in arms for curve in arm.curves)
        across = Scale(0.0, last / unit)
        lines = [_line(arm, report.numbers[arm.name], axis, across, up) for arm in arms]
        rows.append(Plot(label, lines, across.ticks(), up.ticks(), references))
    return rows


def _line(arm: ArmRow, number: int, axis: str, across: Scale, up: Scale) -> Line:
    (label, unit), length = (
        AXES[axis],
        min(len(curve.validation) for curve in arm.curves),
    )

    def path(xs: Sequence[float], ys: Sequence[float]) -> str:
        places = zip(xs, ys, strict=True)
        return " ".join(f"{across.place(x / unit)},{100 - up.place(y):.2f}" for x, y in places)

    xs = np.mean([curve[axis][:length] for curve in arm.curves], axis=0).tolist()
    ys = np.mean([curve.validation[:length] for curve in arm.curves], axis=0).tolist()
    points = [
        (
            across.place(x / unit),
            up.place(y),
            f"{arm.name}, {x / unit:.3g} {label}: {y:.3f}",
        )
        for x, y in zip(xs, ys, strict=True)
        if y <= up.high
    ]
    seeds = [path(c[axis], c.validation) for c in arm.curves] if len(arm.curves) > 1 else []
    return Line(number, path(xs, ys), seeds, points)


def coloured(passage: Passage, name: str) -> Markup:
    """A passage with every stretch of an arm in an element with its colour and its bits."""
    parts, done, text = list[str](), 0, passage.text
    for first, end, model, spelling in passage.arms[name]:
        start = max(done, first)
        if end <= start:
            continue
        heat = bisect_right(HEAT_EDGES, (model + spelling) / max(1, end - first))
        bits = f"{model:.2f} {spelling:.2f}"
        parts += [str(escape(text[done:start])), f'<i class="h{heat}" data-b="{bits}">']
        parts += [str(escape(text[start:end])), "</i>"]
        done = end
    return Markup("".join([*parts, str(escape(text[done:]))]))


def mean_bits(passage: Passage, name: str) -> float:
    """Bits per character of a passage under an arm."""
    stretches = passage.arms[name]
    bits = sum(model + spelling for _, _, model, spelling in stretches)
    return bits / max(1, sum(end - start for start, end, _, _ in stretches))


def pieces(sample: SampleText) -> Iterator[tuple[str, str, bool]]:
    """A sample in stretches, with the placeholder that each fills in, and whether it is copied."""
    text, filled, copied = sample.text, sample.filled, sample.copied
    spans = [(start, end) for start, end, _ in filled] + copied
    ends = {0, len(text), *(min(place, len(text)) for span in spans for place in span)}
    for start, end in pairwise(sorted(ends)):
        token = next((token for a, b, token in filled if a <= start and end <= b), "")
        yield text[start:end], token, any(a <= start and end <= b for a, b in copied)


def count(value: float) -> str:
    """A large number in three digits: 0.53 M, 18.5 M, 640 k."""
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.1 * size and value >= 1e4:
            return f"{value / size:.3g} {name}"
    return f"{value:,.0f}"


SETTINGS: dict[str, Callable[[ArmRow], str]] = {
    "arm": lambda arm: arm.name,
    "what it is": lambda arm: arm.described,
    "vocabulary": lambda arm: f"{arm.vocabulary_size:,}",
    "replaced": lambda arm: f"{arm.replacement_rate:.1%}",
    "context": lambda arm: arm.context,
    "orders of the memory": lambda arm: ", ".join(map(str, arm.memory)) or NOTHING,
    "parameters": lambda arm: count(arm.parameters),
    "updates": lambda arm: "–".join(f"{n:,}" for n in sorted({*arm.updates})),
    "characters seen": lambda arm: count(arm.characters),
    "passes": lambda arm: f"{arm.passes:.1f}",
    "seconds": lambda arm: f"{arm.seconds:.0f}",
    "of them preparation": lambda arm: f"{arm.preparation_seconds:.0f}",
    "elapsed": lambda arm: f"{arm.seconds_measured:.0f}",
}


def tables(report: Report) -> list[Table]:
    """All figures of the arms, how they were made, and every run."""
    numbers = report.numbers
    arms = [(f"{numbers[arm.name]}", arm) for arm in report.ranked]
    references = sorted(report.references, key=lambda row: row.test.total)
    figures = [(n, [_marked(arm), *_costs(arm.test), _deviation(arm)]) for n, arm in arms]
    figures += [("", [row.label, *_costs(row.test), ""]) for row in references]
    return [
        Table(
            "Bits per character of held-out text",
            ("model", "network alone", "95 % interval", "model + spelling", "with memory",
             "mean over documents", "deviation (seeds)"),
            figures,
        ),
        Table(
            "How each arm was made",
            list(SETTINGS),
            [(n, [column(arm) for column in SETTINGS.values()]) for n, arm in arms],
        ),
        Table(
            "Every run",
            ("arm", "seed", "run folder", "bits per character"),
            [
                (n, [arm.name, f"{run.seed}", run.folder, format_number(run.total)])
                for n, arm in arms
                for run in arm.runs
            ],
        ),
    ]  # fmt: skip


def _marked(arm: ArmRow) -> str:
    return arm.name if arm.same_text else f"{arm.name} (on another text or split)"


def _costs(test: Bits | None) -> list[str]:
    if test is None:
        return [UNCHARGED, *[NOTHING] * 4]
    model, spelling, total = format_bits(dict(test))
    return [
        total,
        between(test.low, test.high) or NOTHING,
        f"{model} + {spelling}",
        format_number(test.with_memory.total if test.with_memory else None),
        format_number(test.mean_over_documents),
    ]


def _deviation(arm: ArmRow) -> str:
    return f"{format_number(arm.test.deviation if arm.test else None)} ({len(arm.seeds)})"


SURROGATES = re.compile("[\ud800-\udfff]")
FOLDERS = [Path(__file__).parent, portable.FOLDER]
HUES = 7
"""Colours of arms in theme.css; further arms have the same ones with hollow marks."""


def render_page(report: Report, texts: Texts, models: dict[str, Any] | None = None) -> str:
    """The page of a report.

    Args:
        report, texts: its content.
        models: those that can be asked in the page, as :func:`textgen.report.comparison.embedded`
            gives them; None for none.

    Returns:
        HTML that can be written as UTF-8 whatever the texts hold.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDERS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    temperatures = report.generated.settings["temperatures"]
    html = environment.get_template("page.html").render(
        report=report,
        texts=texts,
        models=models,
        numbers=report.numbers,
        hues=HUES,
        s=sentences,
        v=globals(),
        claims=sentences.claims(report),
        measures=[measures(report, number) for number in range(len(temperatures))],
        zip=zip,
        version=textgen.__version__,
        packed=[
            [name, "", number, models["packed"][name]]
            for name, number in report.numbers.items()
            if models and name in models["packed"]
        ],
        scripts=Markup("\n".join(path.read_text(encoding="utf-8") for path in portable.SCRIPTS)),
    )
    return SURROGATES.sub("\ufffd", visible(html))
