"""Tables of the arms: what the held-out text costs them, what was tested, how they were trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from textgen.evaluation import UNCHARGED
from textgen.report.cells import (
    NOTHING,
    UNBOUNDED,
    Cell,
    Group,
    Head,
    Row,
    Table,
    bar,
    between,
    bits,
    count,
    one_group,
    signed,
)
from textgen.report.ranking import NEAR, ranked
from textgen.report.signature import signature

BOOTSTRAP = (
    "95 % intervals by resampling documents (subsets, Hartigan 1969) and, where an arm has two or "
    "more, seeds"
)


def main_table(report: dict[str, Any]) -> Table:
    """Arms, best first, then references."""
    rows = ranked(report)
    scale = _scale(report)
    planned = any(row["seconds"] != row["seconds_measured"] for row in rows)
    columns = (
        Head("bits per character", "of raw held-out text, an end mark a document; lower is better"),
        Head("95 % interval", "for other such documents and, where an arm has two or more, seeds; "
             "of a single seed, for this run"),
        Head("model + spelling", "what network and memory of the document pay for tokens, and what "
             "is paid for the words that a token leaves open; the two add up to the bits per "
             "character"),
        Head("memory saves", "how much higher the model part is without a memory of the document"),
        Head("mean over documents", "every document weighs the same, however long"),
        Head("deviation (seeds)", "standard deviation over seeds, and how many seeds"),
        Head("parameters"),
        Head("seconds", "preparation and training, as planned on a quiet machine" if planned
             else "preparation and training, as they passed"),
        Head("characters seen", "in training, repeats included"),
        Head("replaced", "share of held-out tokens that something else stands for"),
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
    test = row["test"]
    cells = _costs(test, scale)
    if test:
        cells.append(Cell(f"{bits(test['deviation'])} ({len(row['seeds'])})"))
    measured = f"{row['seconds_measured']:.0f} s passed, " * (
        row["seconds"] != row["seconds_measured"]
    )
    cells += [
        Cell(count(row["parameters"])),
        Cell(f"{row['seconds']:.0f}", note=f"{measured}{row['preparation_seconds']:.0f} s of them "
             "preparation" if row["preparation_seconds"] else measured.removesuffix(", ")),
        Cell(count(row["characters"]), note=f"{row['passes']:.1f} times the training text"),
        Cell(f"{row['replacement_rate']:.1%}"),
    ]  # fmt: skip
    return Row(Head(row["name"] + " †" * bool(row["extra_data"]), arm=number), cells)


def _costs(test: dict[str, Any] | None, scale: tuple[float, float]) -> list[Cell]:
    if not test:
        return [Cell(UNCHARGED, tone="words", span=6)]
    return [
        Cell(bits(test["total"]), tone="strong"),
        Cell("", between(test["low"], test["high"]),
             bar(test["low"], test["total"], test["high"], scale), tone="left"),
        Cell(f"{test['model']:.3f} + {test['spelling']:.3f}"),
        Cell(bits(test["memory_saves"] or None)),
        Cell(bits(test["mean_over_documents"])),
    ]  # fmt: skip


def _reference(row: dict[str, Any], scale: tuple[float, float]) -> Row:
    return Row(Head(row["label"], row["meaning"]), [*_costs(row["test"], scale), *[Cell("")] * 5])


def contrasts(report: dict[str, Any]) -> Table:
    """What was tested, with every figure of the test."""
    rows = [
        Row(
            Head(c["question"] or f"{c['first']} against {c['second']}"),
            [
                Cell(c["verdict"], tone="words"),
                Cell(f"{c['first']} − {c['second']}", tone="words"),
                Cell(signed(c["difference"])),
                Cell(between(c["low"], c["high"])),
                Cell(_chance(c["p"])),
                Cell(_chance(c["p_adjusted"])),
                Cell(f"{c['documents']}"),
                Cell(" and ".join(map(str, c["seeds"]))),
                Cell(c["scope"], tone="words"),
            ],
        )
        for c in report["contrasts"]
    ]
    columns = ["answer", "difference of", "bits per character", "95 % interval", "p", "p, adjusted",
               "documents", "seeds", "said of"]  # fmt: skip
    return Table(
        "contrasts", "The contrasts in figures", "question", [Head(c) for c in columns],
        one_group(rows), signature(report, test=how_tested(report)),
    )  # fmt: skip


def _chance(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def how_tested(report: dict[str, Any]) -> str:
    """How differences were tested."""
    return (
        f"sign-flip permutation over documents, {BOOTSTRAP}, Holm over "
        f"{report['questions']}, margin {report['margin']} bits"
    )


def details(report: dict[str, Any]) -> Table:
    """How each arm cuts the text and was trained."""
    columns = ["tokenizer", "vocabulary", "tokens a character", "looks back", "memory looks back",
               "units", "updates", "samples a second, of 1,000 characters",
               "passes over the text", "preparation, s", "measured, s"]  # fmt: skip
    rows = [
        Row(
            Head(row["name"], arm=number),
            [
                Cell(_tokenizer(row["tokenizer"]), tone="words"),
                Cell(f"{row['vocabulary_size']:,}"),
                Cell(bits(row["tokens_per_character"])),
                Cell(str(row["context"]), tone="words"),
                Cell(", ".join(map(str, row["memory"])) or NOTHING),
                Cell(" + ".join(map(str, row["backbone"].get("units", [])))),
                Cell(_range(row["updates"])),
                Cell(NOTHING if (speed := row["samples_per_second"]) is None else f"{speed:.1f}"),
                Cell(f"{row['passes']:.1f}"),
                Cell(f"{row['preparation_seconds']:.0f}"),
                Cell(f"{row['seconds_measured']:.0f}"),
            ],
        )
        for number, row in enumerate(ranked(report))
    ]
    return Table(
        "details", "How each arm cuts the text and was trained", "arm", [Head(c) for c in columns],
        one_group(rows), signature(report, unit="as stated in each column"),
    )  # fmt: skip


def _tokenizer(plain: dict[str, Any]) -> str:
    policy = plain.get("rare_words")
    kind = policy.get("kind", "") if isinstance(policy, dict) else policy
    return ", ".join(filter(None, [str(plain.get("kind", "")), f"rare: {kind}" if kind else ""]))


def _range(updates: Sequence[int]) -> str:
    low, high = min(updates), max(updates)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def runs(report: dict[str, Any]) -> Table:
    """Every run folder, its seed and its figure."""
    rows = [
        Row(
            Head(row["name"], arm=number),
            [Cell(f"{run['seed']}"), Cell(run["folder"], tone="words"), Cell(bits(run["total"]))],
        )
        for number, row in enumerate(ranked(report))
        for run in row["runs"]
    ]
    columns = [Head("seed"), Head("run folder"), Head("bits per character")]
    return Table("runs", "Every run", "arm", columns, one_group(rows), signature(report))


def declared(report: dict[str, Any]) -> str:
    """Whether the contrasts were declared, and how they are to be read."""
    many = report["questions"]
    before = (
        "These questions were put down before the runs."
        if report["declared"]
        else "Each arm is held against the first; this was not declared before the runs."
    )
    corrected = f" p-values are corrected for {many} questions (Holm)." if many > 1 else ""
    return (
        f"{before} A difference below {report['margin']} bits per character is of no interest."
        f"{corrected}"
    )


def notes(report: dict[str, Any]) -> list[str]:
    """What in the main table may be compared, and what may not."""
    planned = any(row["seconds"] != row["seconds_measured"] for row in report["arms"])
    other = "" if all(row["alike"] for row in report["arms"]) else " on the same text and split"
    lines = [
        f"Bits per character may be compared between all rows{other}: everyone is charged for "
        "every character of the same raw text and for one end mark a document. Lower is better.",
        "Losses and perplexities of a model's own tokens are not comparable across vocabularies; "
        "none is shown. Model + spelling says where an arm's bits go: the spelling is what it "
        "pays for words that its tokens leave open.",
        "Words and subwords are scored on one way of cutting the text: an upper bound on bits.",
        "Whether two intervals overlap says little about a difference; the contrasts test it.",
        "Seconds are those that were planned, as measured on a quiet machine; other work on it "
        "does not change them." if planned else
        "Seconds are those that passed: they depend on the machine and on other work on it.",
        "Samples a second were timed once, when the samples were drawn, whatever else the machine "
        "did then.",
        "Dashes: nothing to compute it from, such as a deviation over one seed.",
    ]  # fmt: skip
    if any(row["memory"] for row in report["arms"]):
        lines.append(
            "A memory mixes what has followed the last few tokens in the document so far into what "
            "the network says; learning curves and generated text are the network's alone."
        )
    if any(row["test"] and not math.isfinite(row["test"]["high"]) for row in report["arms"]):
        lines.append(f"“{UNBOUNDED.capitalize()}”: too few documents for a 95 % interval.")
    if any(not row["test"] for row in report["arms"]):
        lines.append(
            f"“{UNCHARGED.capitalize()}”: the arm throws text away and does not pay for it, so it "
            "has no bits per character."
        )
    for row in report["arms"]:
        if row["extra_data"]:
            lines.append(
                f"† {row['name']} knows more than the training text: "
                f"{'; '.join(row['extra_data'])}."
            )
    return lines


def corpus_line(report: dict[str, Any]) -> str:
    """The corpus in one line."""
    corpus = report["corpus"]
    parts = ", ".join(
        f"{name} {corpus[part]['documents']} documents, {corpus[part]['characters']:,} characters"
        for part, name in (
            ("train", "training"),
            ("validation", "validation"),
            ("test", "held out"),
        )
    )
    return f"Corpus {corpus['kind']}: {parts}. Licence: {corpus['licence']}"
