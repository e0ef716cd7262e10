"""Tables of where the bits of the held-out text are paid: documents, kinds of words, one word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textgen.report.cells import NOTHING, Cell, Head, Row, Table, bits, one_group
from textgen.report.ranking import arm_heads, hardest_first
from textgen.report.signature import signature


def documents(report: dict[str, Any]) -> Table:
    """Bits per character of every held-out document under every arm."""
    heads = arm_heads(report, [name for d in report["documents"] for name in d["bits"]])
    rows = [
        Row(
            Head(d["name"]),
            [
                Cell(f"{d['characters']:,}"),
                *_by_arm(heads, d["bits"], min(d["bits"].values(), default=0.0)),
            ],
        )
        for d in hardest_first(report)
    ]
    return Table(
        "documents", "Bits per character by held-out document, mean over seeds; the lowest bold",
        "document", [Head("characters"), *heads], one_group(rows), signature(report),
    )  # fmt: skip


def _by_arm(
    heads: Sequence[Head], found: dict[str, float], least: float, digits: int = 3
) -> list[Cell]:
    return [
        Cell(
            bits(found.get(head.text), digits),
            tone="strong" if head.text in found and found[head.text] <= least else "",
        )
        for head in heads
    ]


def kinds(report: dict[str, Any]) -> Table:
    """Bits a token of each kind of word, and how much of the bits per character goes there."""
    paid = report["paid"]
    by_arm = paid["by_kind"]
    heads = arm_heads(report, list(by_arm))
    largest = max((c["share"] for kinds in by_arm.values() for c in kinds.values()), default=1.0)
    rows = []
    for kind, meaning in paid["kinds"].items():
        found = [by_arm[head.text][kind] for head in heads]
        tokens = Cell(f"{found[0]['tokens']:,}" if found else NOTHING)
        cells = [
            Cell(f"{c['bits']:.2f}", bits(c["share"]), fill=c["share"] / max(largest, 1e-9))
            for c in found
        ]
        note = meaning.removeprefix(f"{kind}: ")
        rows.append(Row(Head(kind, note if note != kind else ""), [tokens, *cells]))
    return Table(
        "kinds", "Bits a token by kind of word; below, the bits per character of the whole text "
        "that go there", "kind of word", [Head("tokens"), *heads],
        one_group(rows), signature(report, unit="bits a token, and " + report["unit"]),
    )  # fmt: skip


def word(report: dict[str, Any], name: str, lines: Sequence[dict[str, Any]]) -> Table:
    """What a word costs under each arm, in every place where it stands, and on the mean."""
    heads = arm_heads(report, list(report["words"][name]["bits"]))
    rows = [
        Row(
            Head(
                f"…{line['before']}[{line['word']}]{line['after']}…",
                line["document"],
                parts=(line["before"], line["word"], line["after"]),
            ),
            _by_arm(heads, line["bits"], min(line["bits"].values(), default=0.0), 1),
        )
        for line in lines
    ]
    mean = report["words"][name]["bits"]
    count = report["words"][name]["occurrences"]
    part = f", the first {len(lines)} of {count} places" if count > len(lines) else ""
    total = Row(Head("mean of all"), _by_arm(heads, mean, min(mean.values(), default=0.0), 1))
    groups = one_group(rows) + (one_group([total]) if len(rows) > 1 else [])
    return Table(
        f"word-{name}",
        f"Bits paid for “{name}” where it stands in held-out text{part}; the lowest bold",
        "in its context", heads, groups,
        signature(report, unit="bits for the word, its space included"),
    )  # fmt: skip


def places(report: dict[str, Any]) -> Table:
    """Bits of a word by the place in it where they are paid: what the figure shows."""
    found = report["paid"]["by_place"]
    heads = arm_heads(report, list(found))
    length = max((len(found[head.text]) for head in heads), default=0)
    columns = ["space", *map(str, range(1, length))][:length]
    if length > 1:
        columns[-1] += " and on"
    rows = [Row(head, [Cell(bits(value, 2)) for value in found[head.text]]) for head in heads]
    return Table(
        "places", "Bits of a word by the place in it where they are paid, mean over words", "arm",
        [Head(c) for c in columns], one_group(rows), signature(report, unit="bits a word"),
    )  # fmt: skip
