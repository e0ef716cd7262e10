"""What a report says, as plain data: ``report.json``.

``report.json`` holds figures alone and may be published; samples and the held-out passage, which
may hold text of the corpus, go to ``texts.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from textgen.core import Contrast
from textgen.data import Corpus
from textgen.evaluation import (
    MARGIN,
    UNIT,
    Reference,
    answer,
    compare_arms,
    holm,
    verdict,
    verdict_sentence,
)
from textgen.report import breakdown, caveats
from textgen.report.arms import Arm, is_on
from textgen.report.naming import descriptions
from textgen.report.rows import Record, arm_row, reference_row

SCHEMA = 3


@dataclass(frozen=True)
class ReportInput:
    """What a report is made of.

    Attributes:
        name, title: of the report.
        arms: at least one.
        loaded: the corpus of the first arm.
        references: baselines scored on the same split.
        contrasts: what is tested, Holm over all of them.
        declared: whether the contrasts were declared before the runs.
        plan: arm → what a study has planned for it: seconds on an idle machine.
        words: whose cost in context is shown.
        left_out: runs that could not be read, and why.
        warnings: what a reader must know first.
        command: repeats the report.
        not_repeated: what it leaves out, since only Python can give it.
    """

    name: str
    title: str
    arms: Sequence[Arm]
    loaded: Corpus
    references: Sequence[Reference]
    contrasts: Sequence[Contrast]
    declared: bool
    command: str
    words: Sequence[str]
    plan: Record = field(default_factory=dict)
    left_out: Sequence[dict[str, str]] = ()
    warnings: Sequence[str] = ()
    not_repeated: Sequence[str] = ()

    @property
    def same_text(self) -> list[Arm]:
        """The arms on the text and the split of the first."""
        return [arm for arm in self.arms if is_on(arm, self.loaded)]

    @property
    def alike(self) -> list[Arm]:
        """Those of them that have bits per character."""
        return [arm for arm in self.same_text if arm.charged]


def build(comparison: ReportInput) -> Record:
    """The content of ``report.json``, except for the measures of generated text."""
    arms = {arm.name: arm for arm in comparison.alike}
    contrasts = tested(comparison.contrasts, arms)
    words = breakdown.cut_words(comparison.loaded.test, comparison.loaded.sample)
    described = descriptions(comparison.arms)
    rows = [
        {
            **arm_row(arm, comparison.plan.get(arm.name)),
            "described": described[arm.name],
            "alike": is_on(arm, comparison.loaded),
        }
        for arm in comparison.arms
    ]
    return {
        "schema": SCHEMA,
        "name": comparison.name,
        "title": comparison.title,
        "unit": UNIT,
        "margin": MARGIN,
        "command": comparison.command,
        "not_repeated": list(comparison.not_repeated),
        "corpus": comparison.loaded.description,
        "warnings": [
            *comparison.warnings,
            *caveats.unmatched(comparison.arms, rows),
            *caveats.memories(rows),
            *caveats.ensembles(comparison.arms),
            *caveats.unanswered(comparison.contrasts, set(arms)),
            *caveats.disagreements(contrasts),
        ],
        "left_out": list(comparison.left_out),
        "arms": rows,
        "references": [reference_row(each) for each in comparison.references],
        "declared": comparison.declared,
        "questions": len(comparison.contrasts),
        "contrasts": contrasts,
        "documents": _documents(list(arms.values())),
        "breakdown": {
            "classes": {**breakdown.CLASSES, "names": breakdown.NAMES},
            "by_class": {name: breakdown.by_class(arm, words) for name, arm in arms.items()},
            "by_position": {name: breakdown.by_position(arm, words) for name, arm in arms.items()},
        },
    }


def tested(contrasts: Sequence[Contrast], arms: dict[str, Arm]) -> list[Record]:
    """The contrasts whose arms exist, with Holm's correction over all that were declared: of the
    networks alone, and under ``with_memory`` the same with a memory of the document, where both
    arms have one."""
    alone = _tested(contrasts, arms, {name: arm.bits for name, arm in arms.items()})
    remembered = {n: arm.remembered for n, arm in arms.items() if arm.remembered is not None}
    both = _tested(contrasts, arms, remembered)
    return [{**alone[i], "with_memory": both.get(i)} for i in alone]


def _tested(
    contrasts: Sequence[Contrast], arms: dict[str, Arm], bits: dict[str, np.ndarray]
) -> dict[int, Record]:
    """Those of the contrasts whose arms have bits, (seeds, documents) each, by their numbers."""
    wanted = {i: c for i, c in enumerate(contrasts) if c.first in bits and c.second in bits}
    found = [
        compare_arms(bits[c.first], bits[c.second], arms[c.first].units) for c in wanted.values()
    ]
    missing = [1.0] * (len(contrasts) - len(found))  # a failed run makes no other p smaller
    adjusted = holm([*(d.p for d in found), *missing])[: len(found)]
    return {
        i: {
            "first": c.first,
            "second": c.second,
            "question": c.question,
            **asdict(d),
            "seeds": list(d.seeds),
            "scope": d.scope,
            "p_adjusted": p,
            "verdict": verdict(d, p),
            "answer": answer(c.first, c.second, verdict(d, p), c.question and c.yes),
            "sentence": verdict_sentence(c.first, c.second, d, p, len(contrasts)),
        }
        for (i, c), d, p in zip(wanted.items(), found, adjusted, strict=True)
    }


def _documents(arms: Sequence[Arm]) -> list[Record]:
    """Bits per character of every held-out document, mean over seeds: of the networks alone, and
    with a memory of the document."""
    if not arms:
        return []
    return [
        {
            "name": document.name,
            "characters": document.characters,
            "bits": {arm.name: float(arm.bits[:, i].mean() / arm.units[i]) for arm in arms},
            "with_memory": {
                arm.name: float(arm.remembered[:, i].mean() / arm.units[i])
                for arm in arms
                if arm.remembered is not None
            },
        }
        for i, document in enumerate(arms[0].first.token_bits)
    ]


def ranked(report: Record) -> list[Record]:
    """Arms, best first; then those without bits per character, last those on another text."""
    return sorted(
        report["arms"],
        key=lambda row: (not row["alike"], not row["test"], row["test"] and row["test"]["total"]),
    )


def numbers(report: Record) -> dict[str, int]:
    """An arm's name → its number, which gives it colour and marker everywhere."""
    return {row["name"]: number for number, row in enumerate(ranked(report))}


def hardest_first(report: Record) -> list[Record]:
    """Documents by their mean bits per character, descending."""
    return sorted(
        report["documents"], key=lambda d: -sum(d["bits"].values()) / max(1, len(d["bits"]))
    )


def planned(report: Record) -> bool:
    """Whether the seconds of the arms are planned ones, not those that passed."""
    return any(row["seconds"] != row["seconds_measured"] for row in report["arms"])
