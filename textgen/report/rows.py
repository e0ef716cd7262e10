"""The lines of a report, as plain data: of an arm and of a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from textgen.evaluation import DocumentBits, Reference, bootstrap_interval, summarise
from textgen.report.arms import Arm


def arm(arm: Arm, plan: dict[str, Any] | None) -> dict[str, Any]:
    """An arm, with what a study has planned for it."""
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
        "memory": arm.first.experiment.resolved["memory"]["orders"],
        "document_cache_by_kind": all(run.memory and run.memory.by_kind for run in arm.runs),
        "context": first["context"],
        "vocabulary_size": first["vocabulary_size"],
        "extra_data": first["extra_data"],
        "tokens_per_character": first["test"]["tokens_per_character"],
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
        "memory_saves": float(np.mean([f.get("memory_saves", 0.0) for f in found])),
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


def reference(reference: Reference) -> dict[str, Any]:
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
            "memory_saves": test["memory_saves"],
        },
        "validation": {
            **validation["bits_per_character"],
            "without_cache": validation["bits_per_character"]["total"] + validation["memory_saves"],
        },
    }


def _interval(bits: np.ndarray, units: np.ndarray) -> dict[str, float]:
    return dict(zip(("low", "high"), bootstrap_interval(bits, units), strict=True))


def _matrix(documents: Sequence[DocumentBits]) -> tuple[np.ndarray, np.ndarray]:
    bits = [d.model + d.spelling_bits for d in documents]
    return np.array([bits]), np.array([d.characters + 1 for d in documents])
