"""Everything a report says, as plain data: ``report.json``, and the texts beside it.

``report.json`` holds figures alone and may be published; samples and the held-out passage, which
may hold text of the corpus, go to ``texts.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from textgen.core import Contrast
from textgen.data import Corpus
from textgen.evaluation import (
    MARGIN,
    UNIT,
    Reference,
    compare_arms,
    holm,
    verdict,
    verdict_sentence,
)
from textgen.report import breakdown, rows, warnings
from textgen.report.arms import Arm, is_on

SCHEMA = 1


@dataclass(frozen=True)
class ReportInput:
    """What a report is made of.

    Attributes:
        name, title: of the report.
        arms: at least one.
        loaded: the corpus of the first arm.
        references: lines beside the arms, scored on the same split.
        contrasts: what is tested, Holm over all of them.
        declared: whether the contrasts were declared before the runs.
        plan: arm → what a study has planned for it: seconds on a quiet machine.
        cross: scorer → writer → bits per character of the writer's samples.
        words: whose cost in context is shown.
        left_out: runs that could not be read, and why.
        warnings: what a reader must know first.
        command: repeats the report.
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
    plan: dict[str, Any] = field(default_factory=dict)
    cross: dict[str, dict[str, float]] = field(default_factory=dict)
    left_out: Sequence[dict[str, str]] = ()
    warnings: Sequence[str] = ()

    @property
    def same_text(self) -> list[Arm]:
        """The arms on the text and the split of the first."""
        return [arm for arm in self.arms if is_on(arm, self.loaded)]

    @property
    def alike(self) -> list[Arm]:
        """Those of them that have a figure."""
        return [arm for arm in self.same_text if arm.charged]


def build(comparison: ReportInput) -> dict[str, Any]:
    """The content of ``report.json``, but for the measures of generated text."""
    arms = comparison.alike
    tokens = breakdown.cut_tokens(comparison.loaded.test, comparison.loaded.sample)
    told = [
        {**rows.arm(arm, comparison.plan.get(arm.name)), "alike": is_on(arm, comparison.loaded)}
        for arm in comparison.arms
    ]
    return {
        "schema": SCHEMA,
        "name": comparison.name,
        "title": comparison.title,
        "unit": UNIT,
        "margin": MARGIN,
        "command": comparison.command,
        "corpus": comparison.loaded.description,
        "warnings": [
            *comparison.warnings,
            *warnings.unmatched(comparison.arms, told),
            *warnings.memories(told),
            *warnings.unanswered(comparison.contrasts, {arm.name for arm in arms}),
        ],
        "left_out": list(comparison.left_out),
        "arms": told,
        "references": [rows.reference(each) for each in comparison.references],
        "declared": comparison.declared,
        "questions": len(comparison.contrasts),
        "contrasts": _contrasts(comparison, {arm.name: arm for arm in arms}),
        "documents": _documents(arms),
        "paid": {
            "kinds": {**breakdown.KINDS, "names": breakdown.NAMES},
            "by_kind": {arm.name: breakdown.by_kind(arm, tokens) for arm in arms},
            "by_place": {arm.name: breakdown.by_place(arm, tokens) for arm in arms},
        },
        "cross": comparison.cross,
    }


def _contrasts(comparison: ReportInput, arms: dict[str, Arm]) -> list[dict[str, Any]]:
    """All contrasts whose arms are there, with Holm's correction over all that were declared."""
    wanted = [c for c in comparison.contrasts if c.first in arms and c.second in arms]
    count = len(comparison.contrasts)
    found = [
        compare_arms(arms[c.first].bits, arms[c.second].bits, arms[c.first].units) for c in wanted
    ]
    missing = [1.0] * (count - len(found))  # a run that failed makes no other p smaller
    adjusted = holm([*(d.p for d in found), *missing])[: len(found)]
    return [
        {
            "first": c.first,
            "second": c.second,
            "question": c.question,
            "difference": d.difference,
            "low": d.low,
            "high": d.high,
            "p": d.p,
            "p_adjusted": p,
            "scope": d.scope,
            "documents": d.documents,
            "seeds": list(d.seeds),
            "verdict": verdict(d, p),
            "sentence": verdict_sentence(c.first, c.second, d, p, count),
        }
        for c, d, p in zip(wanted, found, adjusted, strict=True)
    ]


def _documents(arms: Sequence[Arm]) -> list[dict[str, Any]]:
    """Bits per character of every held-out document, mean over seeds."""
    if not arms:
        return []
    return [
        {
            "name": document.name,
            "characters": document.characters,
            "bits": {arm.name: float(arm.bits[:, i].mean() / arm.units[i]) for arm in arms},
        }
        for i, document in enumerate(arms[0].first.token_bits)
    ]
