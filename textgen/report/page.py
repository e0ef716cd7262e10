"""A report as one HTML file that fetches nothing: what it draws, as rows of plain figures, and how
it is rendered.

Places and widths are percentages of a scale that the rows of a chart share.
"""

import json
import math
import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

import textgen
from textgen.core.files import write_file, write_json
from textgen.core.terminal import visible
from textgen.evaluation import units
from textgen.evaluation.metrics import Figure
from textgen.interactive import portable
from textgen.report import headline, schema, sentences
from textgen.report.schema import ArmRow, Bits, CurvePoint, Passage, Report, SampleText, Texts
from textgen.runs.results import read_content

SURROGATES = re.compile("[\ud800-\udfff]")
FOLDERS = [Path(__file__).parent, portable.FOLDER]
# The colours of arms in theme.css; further arms have the same ones with hollow marks.
HUES = 7
# The least distance of the names of two references beside the curves, in percent.
MIN_LABEL_SPACE = 5.0
# Measures of generated text that are drawn; all are in a table.
MEASURES_DRAWN = "real_words word_length letters_divergence distinct_2 loops copied".split()
# Bits per character at which the next colour begins.
HEAT_EDGES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0)
MIN_TICKS = 3  # of a logarithmic axis
# Looks at networks are of one moment if their compute is within this ratio.
SAME_MOMENT = 1.02
# What a learning curve is drawn over, its name and its unit.
AXES = {
    "compute": ("seconds of compute", 1.0),
    "characters": ("millions of characters read", 1e6),
    "seconds": ("seconds, preparation included", 1.0),
    "updates": ("thousands of updates", 1e3),
}


def page_template(name: str) -> Template:
    """A page that escapes whatever text it is given."""
    environment = Environment(
        loader=FileSystemLoader(FOLDERS),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    return environment.get_template(name)


class Models(TypedDict):
    """What a page needs of models that are asked in it.

    Attributes:
        packed: arm → its model as base64.
        left_out: arm → why it cannot be taken along.
        words: the address of a CSV of the words of passages, or empty.
        beside: arm → the address of a script with its model, as :func:`script_of_model` writes it,
            which is loaded when the model is asked. Models of other arms are in the page.
    """

    packed: dict[str, str]
    left_out: dict[str, str]
    words: NotRequired[str]
    beside: NotRequired[dict[str, str]]


def script_of_model(name: str, packed: str) -> str:
    """A script that brings the model of an arm to a page, from its base64."""
    return f"packed[{json.dumps(name)}] = {json.dumps(packed)}\n"


def _rows_of_models(report: Report, models: Models) -> list[list[str | int]]:
    """What the page's scripts are told of each model; portable.js says what a row is."""
    addresses = models.get("beside", {})
    rows = list[list[str | int]]()
    for name, packed in models["packed"].items():
        if name in addresses:
            note = f"{len(packed) / 1e6:.1f} MB, loaded when asked"
            rows.append([name, note, report.numbers[name], "", addresses[name]])
        else:
            rows.append([name, "", report.numbers[name], packed])
    return rows


def render_page(report: Report, texts: Texts, models: Models | None = None) -> str:
    """The page of a report.

    Args:
        report, texts: its content; the template asks this module for what it draws of it.
        models: those that can be asked in the page, as :func:`textgen.report.comparison.embedded`
            gives them; None for none.

    Returns:
        HTML that can be written as UTF-8 whatever the texts hold.
    """
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in portable.SCRIPTS)
    html = page_template("page.html").render(
        report=report,
        texts=texts,
        models=models,
        packed=_rows_of_models(report, models) if models else [],
        page=sys.modules[__name__],
        sentences=sentences,
        headline=headline,
        units=units,
        scripts=Markup(scripts),
        version=textgen.__version__,
    )
    return SURROGATES.sub("\ufffd", visible(html))


def rewrite_report(folder: Path, report: Report, hint: str) -> None:
    """Write a report that has changed, and its page, in place of those in a folder, with the same
    texts and models.

    Raises:
        TextgenError: the texts are damaged, with this hint.
    """
    texts = read_content(folder / "texts.json", Texts, hint)
    page = folder / "index.html"
    models = models_in(page.read_text(encoding="utf-8"))
    write_json(folder / "report.json", report.model_dump(by_alias=True))
    write_file(page, render_page(report, texts, models))


def models_in(html: str) -> Models | None:
    """The models in a page that :func:`render_page` has made, where none is beside it; None where
    there are none."""
    rows = re.search('id="models">(.*?)</script>', html)
    left_out = re.search('id="left-out">(.*?)</script>', html)
    if not rows:
        return None
    words = re.search('"(data:text/csv.*?)"', html)
    return {
        "packed": {name: packed for name, _, _, packed, *_ in json.loads(rows[1])},
        "left_out": json.loads(left_out[1]) if left_out else {},  # of an older page
        "words": words[1] if words else "",
    }


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
        least = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(least))
        step = power * min(factor for factor in (1, 2, 5, 10) if factor * power >= least)
        first = math.ceil(self.low / step)
        last = math.floor(self.high / step)
        values = (np.arange(first, last + 1) * step).round(9).tolist()
        return [(self.place(value), f"{value:g}") for value in values]


class LogScale(NamedTuple):
    """The two ends of a drawing on which equal ratios are equally long."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """As :meth:`Scale.place`."""
        ends = Scale(math.log(self.low), math.log(self.high))
        return ends.place(math.log(max(value, self.low)))

    def ticks(self) -> list[tuple[float, str]]:
        """Places and names of powers of ten, and of 2 and 5 times or of 1 to 9 times these, where
        there would be fewer than MIN_TICKS."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        inside = list[float]()
        for factors in ([1], [1, 2, 5], range(1, 10)):
            values = [factor * 10.0**power for power in powers for factor in factors]
            inside = [value for value in values if self.low <= value <= self.high]
            if len(inside) >= MIN_TICKS:
                break
        return [(self.place(value), f"{value:,.12g}") for value in inside]


def scale_of(values: Iterable[float | None]) -> Scale:
    """A scale that some values fill."""
    known = [value for value in values if value is not None]
    low = min(known, default=0.0)
    high = max(known, default=1.0)
    margin = 0.03 * (high - low) or 1.0
    return Scale(low - margin, high + margin)


def warnings(report: Report) -> list[schema.Caution]:
    """The warnings of a report, then which runs were left out."""
    left_out = [f"Left out: {run['folder']}: {run['reason']}" for run in report.left_out]
    return [*report.warnings, *(schema.Caution(text=text) for text in left_out)]


def share_scale(report: Report) -> Scale:
    """From zero to the largest share of a class of words."""
    shares = [share for row in report.word_classes for share in row.shares.values()]
    return Scale(0.0, max(shares, default=1.0))


def bar_scale(report: Report) -> Scale:
    """From zero to the longest bar or interval of the models side by side."""
    ends = [row.test.high or row.test.total for row in report.side_by_side if row.test]
    return Scale(0.0, max(ends, default=1.0))


def difference_scale(report: Report) -> Scale:
    """A scale of the contrasts and their intervals, with zero in the middle."""
    ends = [abs(end) for c in report.contrasts for end in (c.low, c.difference, c.high) if end]
    reach = 1.04 * max([3 * report.margin, *ends])
    return Scale(-reach, reach)


class Strip(NamedTuple):
    """A row of dots, one for each arm that has a value; ``band``: a range to compare with."""

    label: str
    note: str
    values: Mapping[str, float | None]
    scale: Scale
    form: str = ".3f"
    band: Sequence[float] = ()


def documents(report: Report) -> list[Strip]:
    """Bits per character of every held-out document, hardest first."""
    scale = scale_of(bits for row in report.documents for bits in row.bits.values())
    names = [arm.name for arm in report.scored]
    return [
        Strip(
            document.name,
            f"{document.characters:,} characters",
            {name: document.bits[name] for name in names},
            scale,
        )
        for document in report.documents
    ]


def measures(report: Report, number: int) -> tuple[list[Strip], dict[str, dict[str, Figure]]]:
    """At a temperature, by its number: the measures that are drawn; and all, of human text and of
    every arm."""
    generated = report.generated
    names = [arm.name for arm in report.ranked if arm.name in generated.arms]
    arms = {name: generated.arms[name][number] for name in names}
    strips = list[Strip]()
    for key in MEASURES_DRAWN:
        if key not in generated.labels:
            continue
        label = generated.labels[key]
        human = generated.human[key]
        values = {name: arms[name][key].value for name in arms}
        scale = scale_of([*human, *values.values()])
        note = f"{label.unit}; human {units.format_number(human.value, label.form)}"
        band = list[float]()
        if human.value is not None:
            low = human.value if human.low is None else human.low
            high = human.value if human.high is None else human.high
            band = [low, high]
        strips.append(Strip(label.meaning, note, values, scale, label.form, band))
    return strips, {"human text": generated.human, **arms}


def between(found: Bits | schema.Effect | Figure | None, form: str = ".3f") -> str:
    """An interval, both ends in the same format; "" where one is open, or nothing was found."""
    if found is None or found.low is None or found.high is None:
        return ""
    low, high = found.low, found.high
    separator = " to " if low < 0 or high < 0 else "–"
    return f"{low:{form}}{separator}{high:{form}}".replace("-", "−")


class Look(NamedTuple):
    """What a network had come to by then.

    Attributes:
        since: the number of the first of :func:`moments` at which this is its last look.
        point: of its curve; None before the first one.
        text: what it wrote.
    """

    since: int
    point: CurvePoint | None
    text: str


def moments(report: Report) -> list[float]:
    """Seconds of compute at which an arm was looked at, rising; those that are nearly one are."""
    computes = sorted(point.compute for arm in report.scored for point in arm.points)
    pairs = pairwise([*computes, math.inf])
    return [compute for compute, following in pairs if following > SAME_MOMENT * compute]


def looks(report: Report, texts: Texts) -> dict[str, list[Look]]:
    """An arm's name → its looks, one after another; no arm without a sample at each point."""
    seconds = moments(report)
    found = dict[str, list[Look]]()
    for arm in report.scored:
        written = texts.curves.get(arm.name, [])
        if not written or len(written) != len(arm.points):
            continue
        by_moment = dict[int, Look]()  # of two looks that are one moment, the later
        for point, text in zip(arm.points, written, strict=True):
            since = bisect_left(seconds, point.compute)
            by_moment[since] = Look(since, point, text)
        before = [] if 0 in by_moment else [Look(0, None, "")]
        found[arm.name] = [*before, *by_moment.values()]
    return found


def look_scale(report: Report) -> Scale:
    """From zero to the most bits of a point of a curve."""
    bits = [point.bits for arm in report.scored for point in arm.points]
    return Scale(0.0, max(bits, default=1.0))


class Plot(NamedTuple):
    """Learning curves over one axis.

    Attributes:
        axis, unit: what the axis is, and its scale.
        across, up: the two scales; that of the axis is logarithmic.
        seeds, mean: arm → the curve of each seed, and their mean, as points (n, 2).
        references: places and names of models without a curve.
        note: what the points are.
        said: arm → what is said of each point of its mean.
    """

    axis: str
    unit: float
    across: LogScale
    up: Scale
    seeds: Mapping[str, Sequence[np.ndarray]]
    mean: Mapping[str, np.ndarray]
    references: Sequence[tuple[float, str]]
    note: str
    said: Mapping[str, Sequence[str]]


def plots(report: Report, texts: Texts) -> list[Plot]:
    """What networks scored while they learned, over each of :data:`AXES`: at the points of their
    curves, or where an arm has none, at validations."""
    if without_points(report):
        by_points = ["compute"]
        by_validation = ["seconds", "characters", "updates"]
    else:
        by_points = ["compute", "characters"]
        by_validation = ["seconds", "updates"]
    return [
        *_point_plots(report, texts, by_points),
        *_validation_plots(report, texts, by_validation),
    ]


def _point_plots(report: Report, texts: Texts, axes: Sequence[str]) -> Iterator[Plot]:
    """A line an arm through the points of its curve, and one for each model without a network that
    was asked for the same text; none where no arm has a curve."""
    arms = [arm for arm in report.scored if arm.points]
    if not arms:
        return
    most = max(point.bits for arm in arms for point in arm.points)
    levels = [(row.curve, row.label) for row in report.references if row.curve]
    levels = [(level, label) for level, label in levels if level < most]
    bits = [point.bits for arm in arms for point in arm.points]
    up = scale_of([*bits, *(level for level, _ in levels)])
    note = (
        "Networks alone, on the beginnings of some validation documents, the same for all. Compute "
        "is preparation and updates at the seconds that one takes. Only at the last point has a "
        "network been trained to its end. A mark also shows what the network wrote then."
    )
    for axis in axes:
        name, unit = AXES[axis]
        mean = {
            arm.name: np.array([(getattr(point, axis), point.bits) for point in arm.points])
            for arm in arms
        }
        yield Plot(
            axis=name,
            unit=unit,
            across=_log_scale(mean.values(), unit),
            up=up,
            seeds={name: [line] for name, line in mean.items()},
            mean=mean,
            references=_labelled(levels, up),
            note=note,
            said={arm.name: _said_of_points(arm, texts) for arm in arms},
        )


def _log_scale(curves: Iterable[np.ndarray], unit: float) -> LogScale:
    """A scale up to the last place of curves (n, 2), in a unit."""
    places = np.concatenate([points[:, 0] for points in curves]) / unit
    return LogScale(0.9 * float(places.min()), float(places.max()))


def _labelled(levels: Iterable[tuple[float, str]], up: Scale) -> list[tuple[float, str]]:
    """Places and names of levels within a scale, best first, those left out whose names would cover
    others."""
    kept = list[tuple[float, str]]()
    for level, label in sorted(levels):
        place = up.place(level)
        if 0 < place < 100 and (not kept or place - kept[-1][0] > MIN_LABEL_SPACE):
            kept.append((place, label))
    return kept


def without_points(report: Report) -> list[str]:
    """Names of arms that are in no chart over compute."""
    return [arm.name for arm in report.scored if not arm.points]


def _said_of_points(arm: ArmRow, texts: Texts) -> list[str]:
    """Bits of each point of a curve, what was spent until then, and what the network wrote."""
    written = texts.curves.get(arm.name, [])
    said = list[str]()
    for number, point in enumerate(arm.points):
        line = (
            f"{arm.name} after {sentences.duration(point.compute)} of compute, {point.updates:,.0f}"
            f" updates, {point.passes:.2f} passes over the text: {point.bits:.3f}"
        )
        if number < len(written):
            line += f"\n{' '.join(written[number].split())}"
        said.append(line)
    return said


def _validation_plots(report: Report, texts: Texts, axes: Sequence[str]) -> list[Plot]:
    """The figures by which weights were chosen, over some of :data:`AXES`."""
    arms = [arm for arm in report.scored if all(curve.validation for curve in arm.curves)]
    if not arms:
        return []
    curves = [curve for arm in arms for curve in arm.curves]
    ends = [curve.validation[-1] for curve in curves]
    up = _scale_of_curves(ends, max(curve.validation[0] for curve in curves))
    levels = [(row.validation.total, row.label) for row in report.references if row.validation]
    references = _labelled(levels, up)
    chosen_by = "networks alone"
    if texts.part in ("with_counts", "with_cache"):
        chosen_by = f"networks {units.PART_LABELS[texts.part]}"
    note = (
        "The validation text by which weights are chosen, as much as was scored each time, under "
        f"{chosen_by}."
    )
    rows = []
    for axis in axes:
        label, unit = AXES[axis]
        seeds = {arm.name: _points(arm, axis) for arm in arms}
        across = _log_scale([points for of_arm in seeds.values() for points in of_arm], unit)
        mean = {name: _mean(curves_of_arm) for name, curves_of_arm in seeds.items()}
        said = {
            name: [f"{name}, {x / unit:.3g} {label}: {y:.3f}" for x, y in points.tolist()]
            for name, points in mean.items()
        }
        rows.append(Plot(label, unit, across, up, seeds, mean, references, note, said))
    return rows


def _scale_of_curves(ends: Sequence[float], start: float) -> Scale:
    """From below the best end to well above the worst one, at most to where curves start."""
    best = min(ends)
    worst = max(ends)
    room = max(0.35, 1.2 * (worst - best))
    top = max(min(start, worst + room), worst + 0.05)
    return Scale(best - 0.06 * (top - best), top)


def _points(arm: ArmRow, axis: str) -> list[np.ndarray]:
    """(n, 2): the learning curve of each seed."""
    return [np.column_stack([getattr(curve, axis), curve.validation]) for curve in arm.curves]


def _mean(curves: Sequence[np.ndarray]) -> np.ndarray:
    """(n, 2): the mean of curves, as far as all of them go."""
    shortest = min(map(len, curves))
    return np.mean([points[:shortest] for points in curves], axis=0)


class PerUnit(NamedTuple):
    """What a model needs per character and per byte of UTF-8: where end marks, which are paid for,
    are counted as one each, and where they are not."""

    characters: float
    characters_alone: float
    bytes: float
    bytes_alone: float


def per_unit(report: Report, bits: Bits) -> PerUnit:
    """Bits per character of the test text in other units."""
    end_marks = report.corpus["test"]["documents"]
    characters = report.corpus["test"]["characters"]
    whole = bits.total * (characters + end_marks)
    return PerUnit(
        bits.total,
        whole / characters,
        whole / (report.test_bytes + end_marks),
        whole / report.test_bytes,
    )


def stretches(passage: Passage, name: str) -> Iterator[tuple[str, int | None, str, int]]:
    """A passage in stretches, those of an arm with their colour, their bits, and a number that they
    share with the stretches of all arms that overlap them."""
    begins = np.ones(len(passage.text) + 1, np.int64)
    for first, end, *_ in chain(*passage.arms.values()):
        begins[first + 1 : end] = 0
    numbers = begins.cumsum().tolist()
    done = 0
    for first, end, model, spelling in passage.arms[name]:
        start = max(done, first)
        if end > start:
            heat = bisect_right(HEAT_EDGES, (model + spelling) / max(1, end - first))
            yield passage.text[done:start], None, "", 0
            yield passage.text[start:end], heat, f"{model:.2f} {spelling:.2f}", numbers[start]
            done = end
    yield passage.text[done:], None, "", 0


def mean_bits(passage: Passage, name: str) -> float:
    """Bits per character of a passage under an arm."""
    stretches = passage.arms[name]
    bits = sum(model + spelling for _, _, model, spelling in stretches)
    return bits / max(1, sum(end - start for start, end, _, _ in stretches))


def pieces(sample: SampleText) -> Iterator[tuple[str, str, bool]]:
    """A sample in stretches, with the placeholder that each fills in, and whether it is copied."""
    text = sample.text
    spans = [(first, last) for first, last, _ in sample.filled] + sample.copied
    ends = {0, len(text), *(min(place, len(text)) for span in spans for place in span)}
    for start, end in pairwise(sorted(ends)):
        filling = [token for first, last, token in sample.filled if first <= start and end <= last]
        is_copied = any(first <= start and end <= last for first, last in sample.copied)
        yield text[start:end], filling[0] if filling else "", is_copied


def count(value: float | None) -> str:
    """A large number in three digits: 2.4 T, 0.53 M, 18.5 M, 640 k; a dash where there is none."""
    if value is None:
        return units.NOTHING
    names = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
    for size, name in names:
        if value >= 0.1 * size and value >= 1e4:
            return f"{value / size:.3g} {name}"
    return f"{value:,.0f}"
