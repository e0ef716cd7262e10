"""What a report says, as plain data: ``report.json``.

``report.json`` holds figures alone and may be published; samples and the held-out passage, which
may hold text of the corpus, go to ``texts.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from textgen.core import Contrast
from textgen.data import Corpus
from textgen.evaluation import (
    MARGIN,
    UNIT,
    Reference,
    bootstrap_interval,
    compare_arms,
    holm,
    summarise,
    verdict,
    verdict_sentence,
)
from textgen.report import breakdown, caveats
from textgen.report.arms import Arm, is_on

SCHEMA = 2
Record = dict[str, Any]


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
    plan: Record = field(default_factory=dict)
    cross: dict[str, dict[str, float]] = field(default_factory=dict)
    left_out: Sequence[dict[str, str]] = ()
    warnings: Sequence[str] = ()

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
    words = breakdown.cut_words(comparison.loaded.test, comparison.loaded.sample)
    rows = [
        {**arm_row(arm, comparison.plan.get(arm.name)), "alike": is_on(arm, comparison.loaded)}
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
            *caveats.unmatched(comparison.arms, rows),
            *caveats.memories(rows),
            *caveats.unanswered(comparison.contrasts, set(arms)),
        ],
        "left_out": list(comparison.left_out),
        "arms": rows,
        "references": [_reference_row(each) for each in comparison.references],
        "declared": comparison.declared,
        "questions": len(comparison.contrasts),
        "contrasts": tested(comparison.contrasts, arms),
        "documents": _documents(list(arms.values())),
        "breakdown": {
            "classes": {**breakdown.CLASSES, "names": breakdown.NAMES},
            "by_class": {name: breakdown.by_class(arm, words) for name, arm in arms.items()},
            "by_position": {name: breakdown.by_position(arm, words) for name, arm in arms.items()},
        },
        "cross": comparison.cross,
    }


def tested(contrasts: Sequence[Contrast], arms: dict[str, Arm]) -> list[Record]:
    """The contrasts whose arms exist, with Holm's correction over all that were declared."""
    wanted = [c for c in contrasts if c.first in arms and c.second in arms]
    found = [
        compare_arms(arms[c.first].bits, arms[c.second].bits, arms[c.first].units) for c in wanted
    ]
    missing = [1.0] * (len(contrasts) - len(found))  # a failed run makes no other p smaller
    adjusted = holm([*(d.p for d in found), *missing])[: len(found)]
    return [
        {
            "first": c.first,
            "second": c.second,
            "question": c.question,
            **asdict(d),
            "seeds": list(d.seeds),
            "scope": d.scope,
            "p_adjusted": p,
            "verdict": verdict(d, p),
            "sentence": verdict_sentence(c.first, c.second, d, p, len(contrasts)),
        }
        for c, d, p in zip(wanted, found, adjusted, strict=True)
    ]


def _documents(arms: Sequence[Arm]) -> list[Record]:
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


def arm_row(arm: Arm, plan: Record | None) -> Record:
    """An arm, with what a study has planned for it."""
    first, resolved = arm.first.metrics, arm.first.experiment.resolved
    training = [run.metrics["training"] for run in arm.runs]
    speed = [run.texts["characters_per_second"] for run in arm.runs]
    measured = _mean(t["preparation_seconds"] + t["seconds"] for t in training)
    preparation = plan["preparation_seconds"] if plan else None
    return {
        "name": arm.name,
        "seeds": arm.seeds,
        "runs": [
            {
                "seed": run.experiment.seed,
                "folder": str(run.folder),
                "total": (run.metrics["test"]["bits_per_character"] or {}).get("total"),
            }
            for run in arm.runs
        ],
        "tokenizer": resolved["tokenizer"],
        "backbone": resolved["backbone"],
        "memory": resolved["memory"]["orders"],
        "memory_by_kind": all(run.memory and run.memory.by_kind for run in arm.runs),
        "context": first["context"],
        "vocabulary_size": first["vocabulary_size"],
        "extra_data": first["extra_data"],
        "tokens_per_character": first["test"]["tokens_per_character"],
        "replacement_rate": first["test"]["replacement_rate"],
        "parameters": training[0]["parameters"],
        "updates": [t["updates"] for t in training],
        "characters": _mean(t["characters"] for t in training),
        "passes": _mean(t["characters"] / t["characters_of_training_text"] for t in training),
        "seconds": float(preparation + training[0]["updates"] * plan["seconds_per_update"])
        if plan
        else measured,
        "seconds_measured": measured,
        "preparation_seconds": preparation
        if plan
        else _mean(t["preparation_seconds"] for t in training),
        "samples_per_second": _mean(speed) / 1000 if all(speed) else None,
        "curves": [_curve(run, plan) for run in arm.runs],
        "test": {**_costs(arm, "test"), **_interval(arm.bits, arm.units)} if arm.charged else None,
        "validation": _costs(arm, "validation") if arm.charged else None,
    }


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _costs(arm: Arm, part: str) -> dict[str, float | None]:
    """A part's figures, mean over seeds, and their standard deviation."""
    found = [run.metrics[part] for run in arm.runs]
    bits = [each["bits_per_character"] for each in found]
    model, spelling = (_mean(b[key] for b in bits) for key in ("model", "spelling"))
    totals = [b["total"] for b in bits]
    return {
        "model": model,
        "spelling": spelling,
        "total": model + spelling,
        "deviation": float(np.std(totals, ddof=1)) if len(totals) > 1 else None,
        "mean_over_documents": _mean(f["mean_over_documents"] for f in found),
        "memory_saves": _mean(f.get("memory_saves", 0.0) for f in found),
    }


def _curve(run: Any, plan: Record | None) -> Record:
    """Validation figures over a training. Where there is a plan, the seconds are those of its
    calibration on an idle machine; else the elapsed ones."""
    training = run.metrics["training"]
    each = training["characters"] / training["updates"]
    before = (plan or training)["preparation_seconds"]
    return {
        "seed": run.experiment.seed,
        "updates": [row["updates"] for row in run.history],
        "characters": [row["updates"] * each for row in run.history],
        "seconds": [
            before + (row["updates"] * plan["seconds_per_update"] if plan else row["seconds"])
            for row in run.history
        ],
        "validation": [row["validation_bits_per_character"] for row in run.history],
    }


def _reference_row(reference: Reference) -> Record:
    test, validation = summarise(reference.test), summarise(reference.validation)
    bits = np.array([[d.model + d.spelling_bits for d in reference.test]])
    units = np.array([d.characters + 1 for d in reference.test])
    reached = validation["bits_per_character"]
    return {
        "key": reference.key,
        "label": reference.label,
        "meaning": reference.meaning,
        "command": reference.command,
        "test": {
            **test["bits_per_character"],
            **_interval(bits, units),
            "mean_over_documents": test["mean_over_documents"],
            "memory_saves": test["memory_saves"],
        },
        "validation": {
            **reached,
            "without_memory": reached["total"] + validation["memory_saves"],
        },
    }


def _interval(bits: np.ndarray, units: np.ndarray) -> dict[str, float]:
    return dict(zip(("low", "high"), bootstrap_interval(bits, units), strict=True))


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
