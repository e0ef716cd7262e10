"""One training of a search: an experiment is trained and its network scored on validation text."""

from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from textgen.core.errors import Diverged
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.scores import average_bits
from textgen.training import loop
from textgen.training.begun import Begun


class Figures(TypedDict):
    """Of a training: see :class:`textgen.studies.tuning.Trial`."""

    bits: float | None
    window: int
    updates: int
    parameters: int
    preparation_seconds: float
    curve: list[float]


def train_and_score(begun: Begun, updates: int, scratch: Path) -> Figures:
    """Train an experiment that was begun, and score validation text by its network.

    Args:
        begun: the experiment, with whatever budget.
        updates: of the training.
        scratch: an empty folder for checkpoints.

    Raises:
        TextgenError: an unusable corpus.
    """
    experiment, prepared, network = begun.experiment, begun.prepared, begun.network
    figures: Figures = {
        "bits": None,
        "window": experiment.objective.length,
        "updates": 0,
        "parameters": network.count_params(),
        "preparation_seconds": prepared.seconds,
        "curve": [],
    }
    training = replace(experiment.training, seconds=None, updates=updates)
    trained = replace(experiment, training=training)
    try:
        progress = loop.train(scratch, network, trained, prepared.encoded, step=begun.step)
    except Diverged:
        return figures
    model = LanguageModel(prepared.tokenizer, experiment.objective, network)
    scores = model.score(begun.loaded.validation, encoded=prepared.encoded[1])
    figures["bits"] = average_bits(scores["network"])["bits_per_character"]["total"]
    figures["updates"] = progress.updates
    figures["curve"] = [row["validation_bits_per_character"] for row in progress.history]
    return figures
