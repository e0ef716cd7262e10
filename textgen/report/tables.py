"""Tables and sentences about the arms: what the held-out text costs, what was tested, training."""

from __future__ import annotations

import math
from typing import Any

from textgen.evaluation import NOTHING, format_bits, format_number
from textgen.report.cells import (
    Cell,
    Group,
    Head,
    Row,
    Table,
    bar,
    between,
    count,
    signature,
    signed,
    simple_table,
)
from textgen.report.data import planned, ranked

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
