"""Bits in the units of published figures: nats per character, perplexity …, and figures as text.

All come from the same number, the bits that a text costs in all, of model, spelling and end marks.
What they are divided by is counted on the raw text, and said beside each. Here every document pays
for an end mark and :data:`textgen.evaluation.scores.UNIT` counts it as a character; published
figures count none. So each unit is given twice: ``as_published`` pays for the end marks and does
not count them, which is never the lower of the two, and ``end_marks_counted`` counts them.

A word is what stands between white space, and every line adds one, its end: 82,430 for the test
part of PTB, whose 3,761 lines have 78,669 words. A last line without a line end counts as a line.

Does not handle: benchmarks that count another text than the one that is read.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tabulate import tabulate

from textgen.core.settings import PARTS
from textgen.data.documents import Document

# Printed in place of a number that does not exist.
NOTHING = "–"
# Printed in place of bits per character where text is discarded and not charged for: there is no
# normalised distribution over the raw text.
UNCHARGED = "not a distribution over the text"
# Said beside every figure of a tokenizer whose vocabulary belongs to one file of tokens.
CLOSED = "closed vocabulary: comparable only with the same token file"
# Said beside the figures of every other tokenizer.
ACROSS = "perplexity per token is not comparable across vocabularies"


class Counts(NamedTuple):
    """What bits may be divided by.

    Attributes:
        characters: Unicode code points, line ends included.
        utf8_bytes: bytes of UTF-8, line ends included.
        words: what stands between white space.
        lines: line ends, and last lines without one.
        tokens: what the tokenizer made of the text, without end marks; None without a tokenizer.
        end_marks: documents.
    """

    characters: int
    utf8_bytes: int
    words: int
    lines: int
    tokens: int | None
    end_marks: int


class Unit(NamedTuple):
    """A unit, its denominator (the names of one or more counts, added up), and its scale."""

    label: str
    per: tuple[str, ...]
    scale: str = "bits"


UNITS = {
    "bits_per_character": Unit("bits per character", ("characters",)),
    "nats_per_character": Unit("nats per character", ("characters",), "nats"),
    "bits_per_byte": Unit("bits per byte of UTF-8", ("utf8_bytes",)),
    "perplexity_per_token": Unit("perplexity per token", ("tokens",), "perplexity"),
    "perplexity_per_word": Unit("perplexity per word", ("words", "lines"), "perplexity"),
}
# The parts of a model (:mod:`textgen.evaluation.model`) as people read them.
PART_LABELS: dict[str, str] = {
    **{part: part.replace("_", " ") for part in PARTS},
    "counts": "counts alone",
}

# Unit → ``as_published``, the end marks paid for but not counted, and ``end_marks_counted``. None
# stands for a missing count, or a perplexity beyond all floats.
InUnits = dict[str, dict[str, float | None]]


def count(documents: Iterable[Document], tokens: int | None = None) -> Counts:
    """Everything that is counted in some documents; ``tokens`` is taken as it is."""
    texts = [document.text for document in documents]
    return Counts(
        characters=sum(map(len, texts)),
        utf8_bytes=sum(len(text.encode("utf-8", "surrogatepass")) for text in texts),
        words=sum(len(text.split()) for text in texts),
        lines=sum(map(count_lines, texts)),
        tokens=tokens,
        end_marks=len(texts),
    )


def count_lines(text: str) -> int:
    """Line ends, and a last line without one."""
    lines = text.count("\n")
    if text and not text.endswith("\n"):
        lines += 1
    return lines


def in_all_units(bits: float, counts: Counts) -> InUnits:
    """What a whole text costs, its end marks included, in every unit."""
    numbers = counts._asdict()
    result = InUnits()
    for name, unit in UNITS.items():
        per = sum(numbers[part] or 0 for part in unit.per)
        with_end_marks = per + counts.end_marks if per else 0
        result[name] = {
            "as_published": _value(bits, per, unit.scale),
            "end_marks_counted": _value(bits, with_end_marks, unit.scale),
        }
    return result


def _value(bits: float, per: int, scale: str) -> float | None:
    """Bits over a denominator, in a scale; None without a denominator."""
    if not per:
        return None
    each = bits / per
    if scale == "perplexity":
        return 2.0**each if each < 1024 else None
    if scale == "nats":
        return each * math.log(2)
    return each


def published_units(
    figures: Mapping[str, Any], documents: Sequence[Document], *, closed: bool
) -> dict[str, Any] | None:
    """The figures of one split in the units of published ones, as ``metrics.json`` holds them.

    Args:
        figures: as :func:`textgen.evaluation.scores.summarise` gives them.
        documents: the same split.
        closed: whether the tokenizer has a closed vocabulary.

    Returns:
        ``counts``; ``parts``: :func:`in_all_units` of each part of the model; ``denominators`` and
        ``comparable`` in words. None where there is no figure.
    """
    bits = {part: own["bits_per_character"] for part, own in figures["parts"].items()}
    if None in bits.values():
        return None
    counts = count(documents, figures["tokens"])
    units = counts.characters + counts.end_marks
    return {
        "counts": counts._asdict(),
        "parts": {part: in_all_units(own["total"] * units, counts) for part, own in bits.items()},
        "denominators": {name: denominator(unit, counts) for name, unit in UNITS.items()},
        "comparable": CLOSED if closed else ACROSS,
    }


def denominator(unit: Unit, counts: Counts) -> str:
    """What a unit is divided by, in words: ``78,669 words + 3,761 lines``."""
    numbers = counts._asdict()
    addends = list[str]()
    for part in unit.per:
        name = "bytes of UTF-8" if part == "utf8_bytes" else part
        number = numbers[part]
        addends.append(NOTHING if number is None else f"{number:,} {name}")
    return " + ".join(addends)


def unit_table(
    parts: Mapping[str, InUnits], denominators: Mapping[str, str]
) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of a table: each unit by part, the first part again where end marks are
    counted, and what the unit is divided by."""
    labels = [PART_LABELS[part] for part in parts]
    head = ["unit", *labels, f"{labels[0]}, end marks counted", "per"]
    rows = []
    for name, unit in UNITS.items():
        values = [in_units[name] for in_units in parts.values()]
        figures = [value["as_published"] for value in values]
        figures.append(values[0]["end_marks_counted"])
        rows.append([unit.label, *map(_text, figures), denominators[name]])
    return head, rows


def _text(value: float | None) -> str:
    if value is None:
        return NOTHING
    if value < 10:
        return f"{value:.4f}"
    if value < 1e6:
        return f"{value:,.2f}"
    return f"{value:.3g}"


def format_number(value: float | None, form: str = ".3f") -> str:
    """A number as every table prints it, of bits unless a form is given; a dash where there is
    none."""
    return NOTHING if value is None else f"{value:{form}}"


def format_bits(bits: Mapping[str, float] | None, digits: int = 3) -> tuple[str, str, str]:
    """The columns of model + spelling = total; without bits, the last one says why."""
    if bits is None:
        return NOTHING, NOTHING, UNCHARGED
    form = f".{digits}f"
    return f"{bits['model']:{form}}", f"{bits['spelling']:{form}}", f"{bits['total']:{form}}"


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)
) -> str:
    """A table in Markdown whose columns of these numbers, which may count from the end, are aligned
    left, the others right."""
    aligned = [place % len(head) for place in left]
    sides = ["left" if place in aligned else "right" for place in range(len(head))]
    return tabulate([head, *rows], "firstrow", "pipe", disable_numparse=True, colalign=sides)
