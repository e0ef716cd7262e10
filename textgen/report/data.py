"""Everything a report says, as plain data: ``report.json``, and the texts beside it.

``report.json`` holds figures alone and may be published; samples and the held-out passage, which
may hold text of the corpus, go to ``texts.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textgen import paid, significance
from textgen.arms import Arm, is_on
from textgen.corpora.loading import Loaded
from textgen.files import BUDGETS
from textgen.likelihood import UNIT, DocumentBits, summarise
from textgen.references import Reference
from textgen.studies import Contrast

SCHEMA = 1
TOLERANCE = {"seconds": 0.1, "characters": 0.02, "updates": 0.0}
"""How far arms may be apart to be called matched in a budget."""


@dataclass(frozen=True)
class Comparison:
    """What a report is made of.

    Attributes:
        name, title: of the report.
        arms: at least one.
        loaded: the corpus of the first arm.
        references: lines beside the arms, scored on the same split.
        contrasts: what is tested, Holm over all of them.
        declared: whether the contrasts were put down before the runs.
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
    loaded: Loaded
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


def build(comparison: Comparison) -> dict[str, Any]:
    """The content of ``report.json``, but for the measures of generated text."""
    arms = comparison.alike
    tokens = paid.cut(comparison.loaded.test, comparison.loaded.sample)
    rows = [
        {**_arm(arm, comparison.plan.get(arm.name)), "alike": is_on(arm, comparison.loaded)}
        for arm in comparison.arms
    ]
    return {
        "schema": SCHEMA,
        "name": comparison.name,
        "title": comparison.title,
        "unit": UNIT,
        "margin": significance.MARGIN,
        "command": comparison.command,
        "corpus": comparison.loaded.description,
        "warnings": [
            *comparison.warnings,
            *_unmatched(comparison.arms, rows),
            *_caches(rows),
            *_unanswered(comparison),
        ],
        "left_out": list(comparison.left_out),
        "arms": rows,
        "references": [_reference(each) for each in comparison.references],
        "declared": comparison.declared,
        "questions": len(comparison.contrasts),
        "contrasts": _contrasts(comparison, {arm.name: arm for arm in arms}),
        "documents": _documents(arms),
        "paid": {
            "kinds": {**paid.KINDS, "names": paid.NAMES},
            "by_kind": {arm.name: paid.by_kind(arm, tokens) for arm in arms},
            "by_place": {arm.name: paid.by_place(arm, tokens) for arm in arms},
        },
        "cross": comparison.cross,
    }


def _arm(arm: Arm, plan: dict[str, Any] | None) -> dict[str, Any]:
    first = arm.first.metrics
    runs = [_run(run.metrics, run.experiment.seed, str(run.folder)) for run in arm.runs]
    training = [run.metrics["training"] for run in arm.runs]
    speed = [run.texts["characters_per_second"] for run in arm.runs]
    measured = float(np.mean([t["preparation_seconds"] + t["seconds"] for t in training]))
    row = {
        "name": arm.name,
        "seeds": arm.seeds,
        "runs": runs,
        "tokenizer": arm.first.experiment.resolved["tokenizer"],
        "backbone": arm.first.experiment.resolved["backbone"],
        "document_cache": arm.first.experiment.resolved["document_cache"]["orders"],
        "context": first["context"],
        "symbols": first["symbols"],
        "extra_data": first["extra_data"],
        "symbols_per_character": first["test"]["symbols_per_character"],
        "replacement_rate": first["test"]["replacement_rate"],
        "parameters": training[0]["parameters"],
        "updates": [t["updates"] for t in training],
        "characters": float(np.mean([t["characters"] for t in training])),
        "passes": float(
            np.mean([t["characters"] / t["characters_of_training_text"] for t in training])
        ),
        "seconds": _planned(plan, training[0]["updates"]) if plan else measured,
        "seconds_measured": measured,
        "preparation_seconds": plan["preparation_seconds"]
        if plan
        else float(np.mean([t["preparation_seconds"] for t in training])),
        "samples_per_second": float(np.mean(speed)) / 1000 if all(speed) else None,
        "curves": [_curve(run, plan) for run in arm.runs],
        "test": None,
        "validation": None,
    }
    if arm.charged:
        row["test"] = {
            **_mean(arm, "test"),
            **_interval(arm.bits, arm.units),
        }
        row["validation"] = _mean(arm, "validation")
    return row


def _planned(plan: dict[str, Any], updates: int) -> float:
    return float(plan["preparation_seconds"] + updates * plan["seconds_per_update"])


def _run(metrics: dict[str, Any], seed: int, folder: str) -> dict[str, Any]:
    bits = metrics["test"]["bits_per_character"]
    return {"seed": seed, "folder": folder, "total": bits["total"] if bits else None}


def _mean(arm: Arm, part: str) -> dict[str, float | None]:
    """Mean over seeds of a part's figures, and their standard deviation."""
    found = [run.metrics[part] for run in arm.runs]
    bits = {
        key: float(np.mean([f["bits_per_character"][key] for f in found]))
        for key in ("model", "spelling")
    }
    totals = [f["bits_per_character"]["total"] for f in found]
    return {
        **bits,
        "total": bits["model"] + bits["spelling"],
        "deviation": float(np.std(totals, ddof=1)) if len(totals) > 1 else None,
        "mean_over_documents": float(np.mean([f["mean_over_documents"] for f in found])),
        "document_cache_saves": float(np.mean([f.get("document_cache_saves", 0.0) for f in found])),
    }


def _curve(run: Any, plan: dict[str, Any] | None) -> dict[str, Any]:
    """Validation figures over a training. Where there is a plan, the seconds are those of its
    calibration on a quiet machine; else those that passed."""
    training = run.metrics["training"]
    each = training["characters"] / training["updates"]
    before = plan["preparation_seconds"] if plan else training["preparation_seconds"]
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


def _reference(reference: Reference) -> dict[str, Any]:
    test, validation = summarise(reference.test), summarise(reference.validation)
    return {
        "key": reference.key,
        "label": reference.label,
        "meaning": reference.meaning,
        "command": reference.command,
        "test": {
            **test["bits_per_character"],
            **_interval(*_matrix(reference.test)),
            "mean_over_documents": test["mean_over_documents"],
            "document_cache_saves": test["document_cache_saves"],
        },
        "validation": {
            **validation["bits_per_character"],
            "without_cache": validation["bits_per_character"]["total"]
            + validation["document_cache_saves"],
        },
    }


def _interval(bits: np.ndarray, units: np.ndarray) -> dict[str, float]:
    return dict(zip(("low", "high"), significance.interval(bits, units), strict=True))


def _matrix(documents: Sequence[DocumentBits]) -> tuple[np.ndarray, np.ndarray]:
    bits = [d.model + d.spelling_bits for d in documents]
    return np.array([bits]), np.array([d.characters + 1 for d in documents])


def _contrasts(comparison: Comparison, arms: dict[str, Arm]) -> list[dict[str, Any]]:
    """All contrasts whose arms are there, with Holm's correction over all that were put down."""
    wanted = [c for c in comparison.contrasts if c.first in arms and c.second in arms]
    count = len(comparison.contrasts)
    found = [
        significance.compare(arms[c.first].bits, arms[c.second].bits, arms[c.first].units)
        for c in wanted
    ]
    missing = [1.0] * (count - len(found))  # a run that failed makes no other p smaller
    adjusted = significance.holm([*(d.p for d in found), *missing])[: len(found)]
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
            "verdict": significance.verdict(d, p),
            "sentence": significance.sentence(c.first, c.second, d, p, count),
        }
        for c, d, p in zip(wanted, found, adjusted, strict=True)
    ]


def _unanswered(comparison: Comparison) -> list[str]:
    """A warning for each contrast that was put down and cannot be answered."""
    there = {arm.name for arm in comparison.alike}
    return [
        f"No answer: {c.question or f'{c.first} against {c.second}'} There is no figure of "
        f"{' and '.join(name for name in (c.first, c.second) if name not in there)}."
        for c in comparison.contrasts
        if not {c.first, c.second} <= there
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
        for i, document in enumerate(arms[0].first.symbols)
    ]


def _unmatched(arms: Sequence[Arm], rows: Sequence[dict[str, Any]]) -> list[str]:
    """A warning where no budget is the same for all arms, neither as it was set nor as it was
    spent."""
    settings = [arm.first.experiment.resolved["training"] for arm in arms]
    if len({tuple(each.get(key) for key in BUDGETS) for each in settings}) == 1:
        return []
    spent = {key: [float(np.mean(row[key])) for row in rows] for key in TOLERANCE}
    apart = {key: max(each) / max(1e-9, min(each)) - 1 for key, each in spent.items()}
    if len(rows) < 2 or any(apart[key] <= TOLERANCE[key] for key in TOLERANCE):
        return []
    found = ", ".join(f"{key} by up to {ratio:.0%}" for key, ratio in apart.items())
    return [f"The arms had no budget in common; they differ in {found}."]


def _caches(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A warning where some arms have a cache of the document and others have none."""
    without = [row["name"] for row in rows if not row["document_cache"]]
    if len(without) in (0, len(rows)):
        return []
    return [
        f"Some arms have a cache of the document, {', '.join(without)} none: part of the "
        "difference is the cache's, see “cache saves”."
    ]


def passage(comparison: Comparison, word: str, length: int = 1200) -> dict[str, Any]:
    """A held-out passage around a word, or else from the middle of a document of middling size,
    with each arm's stretches of it: [start, end, model bits, spelling bits], first seed."""
    documents = comparison.loaded.test
    places = paid.occurrences(documents, word) if word else []
    if places:
        number, middle = places[0][0], places[0][1]
    else:
        number = int(np.argsort([len(d.text) for d in documents])[len(documents) // 2])
        middle = len(documents[number].text) // 2
    text = documents[number].text
    start = max(0, min(middle - length // 2, len(text) - length))
    paragraph = text.rfind("\n\n", max(0, start - length // 4), start + 1)
    start = paragraph + 2 if paragraph >= 0 else text.rfind(" ", 0, start + 1) + 1
    end = min(len(text), start + length)
    end = max(text.rfind(" ", start, end), start + length // 2) if end < len(text) else end
    return {
        "document": documents[number].name,
        "start": start,
        "text": text[start:end],
        "arms": {arm.name: _stretches(arm, number, start, end) for arm in comparison.alike},
    }


def _stretches(arm: Arm, number: int, start: int, end: int) -> list[list[float]]:
    starts, ends, model, spelling = arm.first.symbols[number].cells()
    inside = np.flatnonzero((ends > start) & (starts < end))
    return [
        [
            max(0, int(starts[i]) - start),
            min(end, int(ends[i])) - start,
            round(float(model[i]), 3),
            round(float(spelling[i]), 3),
        ]
        for i in inside
    ]
