"""The rows of a report: an arm's figures, mean over its seeds, and a reference's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from textgen.auditing import audit_lines
from textgen.evaluation import DocumentBits, Reference, bootstrap_interval, summarise
from textgen.report.arms import Arm

Record = dict[str, Any]


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
                "total": (bits := run.metrics.test.bits_per_character) and bits.total,
                "audits": audit_lines(run.folder),
            }
            for run in arm.runs
        ],
        "tokenizer": resolved["tokenizer"],
        "backbone": resolved["backbone"],
        "memory": resolved["memory"]["orders"],
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
        "test": _figures(arm, "test") if arm.charged else None,
        "validation": _figures(arm, "validation") if arm.charged else None,
    }


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _figures(arm: Arm, part: str) -> Record:
    """A part's figures of the network alone, and under ``with_memory`` the same with a memory of
    the document; intervals for the test part only."""
    found = [run.metrics[part] for run in arm.runs]
    alone, both = _costs(found), None
    if arm.remembered is not None:
        both = _costs([each["with_memory"] for each in found])
        both |= _interval(arm.remembered, arm.units) if part == "test" else {}
    return {
        **alone,
        **(_interval(arm.bits, arm.units) if part == "test" else {}),
        "with_memory": both,
    }


def _costs(found: Sequence[Record]) -> Record:
    """Figures of runs, mean over seeds, and their standard deviation."""
    bits = [each["bits_per_character"] for each in found]
    model, spelling = (_mean(b[key] for b in bits) for key in ("model", "spelling"))
    totals = [b["total"] for b in bits]
    return {
        "model": model,
        "spelling": spelling,
        "total": model + spelling,
        "deviation": float(np.std(totals, ddof=1)) if len(totals) > 1 else None,
        "mean_over_documents": _mean(f["mean_over_documents"] for f in found),
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


def reference_row(reference: Reference) -> Record:
    parts = {}
    for part, documents in (("test", reference.test), ("validation", reference.validation)):
        found = summarise(documents)
        parts[part] = _reference_costs(documents, found)
        remembered = [d.with_memory for d in documents if d.with_memory is not None]
        both = _reference_costs(remembered, found["with_memory"]) if remembered else None
        parts[part]["with_memory"] = both
    return {
        "key": reference.key,
        "label": reference.label,
        "meaning": reference.meaning,
        "command": reference.command,
        **parts,
    }


def _reference_costs(documents: Sequence[DocumentBits], found: Record) -> Record:
    bits = np.array([[d.model + d.spelling_bits for d in documents]])
    return {
        **found["bits_per_character"],
        **_interval(bits, np.array([d.characters + 1 for d in documents])),
        "mean_over_documents": found["mean_over_documents"],
    }


def _interval(bits: np.ndarray, units: np.ndarray) -> dict[str, float]:
    return dict(zip(("low", "high"), bootstrap_interval(bits, units), strict=True))
