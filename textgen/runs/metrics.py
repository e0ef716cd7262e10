"""The figures of a run: ``metrics.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textgen.core import Experiment

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.data import Corpus
    from textgen.evaluation import DocumentBits
    from textgen.training import Prepared, Progress


TIMES = "seconds validation_seconds validation_share calibration_seconds_per_update".split()
"""What is kept of how long a training took."""


def run_metrics(
    experiment: Experiment,
    loaded: Corpus,
    prepared: Prepared,
    progress: Progress,
    parameters: int,
    scored: dict[str, list[DocumentBits]],
    samples: list[dict[str, Any]],
) -> dict[str, Any]:
    """The content of ``metrics.json``.

    Args:
        experiment, loaded, prepared: what the training started from.
        progress: where it ended.
        parameters: of the network.
        scored: the documents of validation and of test.
        samples: as ``samples.json`` holds them.
    """
    from textgen.evaluation import UNIT, by_position, published_units, summarise
    from textgen.runs.summary import word_shares

    tokenizer, training = prepared.tokenizer, prepared.encoded[0]
    per_epoch = sum(e.characters + 1 for e in training)
    metrics: dict[str, Any] = {
        "name": experiment.name,
        "unit": UNIT,
        "corpus": loaded.description,
        "context": experiment.objective.context,
        "vocabulary_size": tokenizer.size,
        "extra_data": prepared.extra_data,
        **{part: summarise(d, tokenizer.charged) for part, d in scored.items()},
        "training": {
            "preparation_seconds": prepared.seconds,
            **{name: getattr(progress, name) for name in TIMES},
            "characters": round(progress.updates * progress.characters_per_update),
            "characters_of_training_text": per_epoch,
            "updates": progress.updates,
            "updates_planned": progress.updates_planned,
            "parameters": parameters,
            "best_interval": progress.best_interval,
            "intervals": progress.intervals,
            "final_loss": progress.history[-1]["loss"],
            "loss": experiment.training.loss,
        },
        "generation": word_shares(experiment, loaded, samples),
    }
    for part, documents in (("validation", loaded.validation), ("test", loaded.test)):
        metrics[part]["published"] = published_units(
            metrics[part], documents, closed=tokenizer.closed_vocabulary
        )
    if not experiment.objective.carries_state:
        metrics["test"]["model_bits_by_position"] = by_position(
            scored["test"], experiment.objective.length
        )
    return metrics
