"""What a report says of its arms in sentences."""

from __future__ import annotations

import math
from typing import Any

from textgen.evaluation.significance import statement
from textgen.evaluation.units import UNCHARGED
from textgen.report.data import planned, ranked
from textgen.report.tables import UNBOUNDED


def opening(report: dict[str, Any]) -> str:
    """The answer to the first question in a sentence, or which arm is best, and what is ahead of
    all arms without a network; "" without arms."""
    answer, arms = _answer(report), [row for row in ranked(report) if row["test"] and row["alike"]]
    counted = min(report["references"], key=lambda row: row["test"]["total"], default=None)
    if not answer or not counted or counted["test"]["total"] >= arms[0]["test"]["total"]:
        return answer
    all_ = "both" if len(arms) == 2 else "all" if arms[1:] else "it"
    without = f"{counted['label']}, without a network, is ahead of {all_} at"
    return f"{answer} {without} {counted['test']['total']:.3f}."


def _answer(report: dict[str, Any]) -> str:
    found = report["contrasts"]
    if found and report["declared"]:
        return f"{_yes_or_no(found[0])}{_statement(found[0])}."
    arms = [row for row in ranked(report) if row["test"] and row["alike"]]
    if not arms:
        return ""
    best, *others = (f"{a['name']} comes to {a['test']['total']:.3f}" for a in arms)
    best = f"{best} bits per character"
    if not others:
        return f"{best}."
    first = {arm["name"] for arm in arms[:2]}
    open_ = [
        c for c in found if {c["first"], c["second"]} == first and c["verdict"] == "can't tell"
    ]
    doubt = f" {_statement(open_[0])}." if open_ else ""
    return f"Best of {len(arms)}: {best}; next, {others[0]}.{doubt}"


def answered(contrast: dict[str, Any]) -> str:
    """A question and its answer with all figures."""
    return f"{contrast['question']} {_yes_or_no(contrast)}{contrast['sentence']}".strip()


def _yes_or_no(contrast: dict[str, Any]) -> str:
    """``"Yes: "`` or ``"No: "``; "" where the question does not say which answer is yes."""
    found = contrast.get("answer")  # older reports have none
    return f"{found}: " if found in ("Yes", "No") else ""


def _statement(contrast: dict[str, Any]) -> str:
    arms = contrast["first"], contrast["second"]
    return statement(*arms, contrast["verdict"], contrast["difference"], digits=2)


def lead(report: dict[str, Any]) -> str:
    """What is compared, whether the contrasts were declared, and how they are to be read."""
    arm = "An arm is one experiment, trained with one or more seeds."
    if not report["contrasts"]:
        return f"{arm} Nothing is compared: fewer than two arms have bits per character."
    many = report["questions"]
    declared = (
        "These questions were declared before the runs."
        if report["declared"]
        else "Each arm is compared with the first; this was not declared before the runs."
    )
    corrected = f" p-values are corrected for {many} questions (Holm)." if many > 1 else ""
    return (
        f"{arm} {declared} Less than {report['margin']} bits per character counts as no "
        f"difference.{corrected}"
    )


def notes(report: dict[str, Any]) -> list[str]:
    """What in the main table is comparable, and what is not."""
    arms = report["arms"]
    other = "" if all(row["alike"] for row in arms) else " on the same text and split"
    lines = [
        f"Bits per character are comparable between all rows{other}: every model is charged for "
        "every character of the same raw text and for one end mark per document. Lower is better.",
        "Losses and perplexities over a model's own tokens are not comparable across vocabularies; "
        "none is shown. Model + spelling splits the bits of an arm: the spelling is the cost of "
        "words that its tokens leave open.",
        "Words and subwords are scored on one segmentation of the text, which gives an upper bound "
        "on the bits.",
        "Overlapping intervals say little about a difference; the contrasts test it.",
        "Seconds are planned values, measured on an idle machine; other load does not affect them."
        if planned(report) else
        "Seconds are elapsed time: they depend on the machine and on its other load.",
        "Samples per second were timed once, when the samples were drawn, under whatever other "
        "load the machine had.",
        "A dash stands for what cannot be computed, such as a deviation over one seed.",
    ]  # fmt: skip
    if any(row["memory"] for row in arms):
        lines.append(
            "Figures, answers, learning curves and samples are those of the network alone, where "
            "nothing else is said. A memory of the document (a cache language model) mixes what "
            "followed the last few tokens earlier in the document, and its rare words, into the "
            "network's predictions: another distribution, which can be sampled, too."
        )
    if any(row["test"] and not math.isfinite(row["test"]["high"]) for row in arms):
        lines.append(f"“{UNBOUNDED.capitalize()}”: too few documents for a 95 % interval.")
    if any(not row["test"] for row in arms):
        lines.append(
            f"“{UNCHARGED.capitalize()}”: the arm discards text without being charged for it. It "
            "has no normalised distribution over the raw text, hence no bits per character."
        )
    lines += [
        f"† {row['name']} uses external resources: {'; '.join(row['extra_data'])}."
        for row in arms
        if row["extra_data"]
    ]
    return lines + audits(report)


def audits(report: dict[str, Any]) -> list[str]:
    """What the certificates of the runs say, where there are any."""
    return [
        f"{row['name']}, seed {run['seed']}, {line}."
        for row in report["arms"]
        for run in row["runs"]
        for line in run["audits"]
    ]


def repeats(report: dict[str, Any]) -> str:
    """What stands before the command that repeats a report."""
    lost = ", ".join(report["not_repeated"])
    without = f", except for what was given from Python: {lost}" if lost else ""
    return f"This command repeats the report{without}."


def corpus_line(report: dict[str, Any]) -> str:
    """The corpus in one line."""
    corpus = report["corpus"]
    names = {"train": "training", "validation": "validation", "test": "held out"}
    parts = ", ".join(
        f"{name} {corpus[part]['documents']} documents, {corpus[part]['characters']:,} characters"
        for part, name in names.items()
    )
    return f"Corpus {corpus['kind']}: {parts}. Licence: {corpus['licence']}"
