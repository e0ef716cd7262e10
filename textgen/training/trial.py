"""One training of a search: an experiment is trained and its network scored on validation text."""

from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from textgen.core.errors import Diverged
from textgen.core.experiment import Experiment, resolve_experiment
from textgen.core.tensorflow import start_tensorflow
from textgen.data.loading import load_corpus
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.scores import average_bits
from textgen.training import loop
from textgen.training.preparation import prepare, subtract_preparation_time


class Figures(TypedDict):
    """Of a training: see :class:`textgen.studies.tuning.Trial`."""

    bits: float | None
    window: int
    updates: int
    parameters: int
    preparation_seconds: float
    curve: list[float]


def train_and_score(experiment: Experiment, scratch: Path, span: int = 0) -> Figures:
    """Train an experiment for its seconds, and score validation text by its network.

    Args:
        experiment: with a budget in seconds.
        scratch: an empty folder for checkpoints.
        span: characters of a window, in place of its tokens; 0: as the experiment has it.

    Raises:
        TextgenError: an unusable corpus, or no time left after the preparation.
    """
    loaded = load_corpus(experiment)
    settings = experiment.training
    prepared = prepare(experiment, loaded)
    threads = start_tensorflow(settings.threads, settings.deterministic, parts=True)
    if span:
        tokens = sum(len(document.tokens) + 1 for document in prepared.encoded[0])
        characters = sum(document.characters + 1 for document in prepared.encoded[0])
        window = {"window": max(1, round(span * tokens / characters))}
        objective = experiment.resolved["objective"] | window
        experiment = resolve_experiment(experiment.resolved | {"objective": objective})
    network = loop.new_network(experiment, prepared, threads)
    figures: Figures = {
        "bits": None,
        "window": experiment.objective.length,
        "updates": 0,
        "parameters": network.count_params(),
        "preparation_seconds": prepared.seconds,
        "curve": [],
    }
    trained = replace(experiment, training=subtract_preparation_time(settings, prepared.seconds))
    try:
        progress = loop.train(scratch, network, trained, prepared.encoded, threads)
    except Diverged:
        return figures
    model = LanguageModel(prepared.tokenizer, experiment.objective, network)
    scores = model.score(loaded.validation, encoded=prepared.encoded[1])
    figures["bits"] = average_bits(scores["network"])["bits_per_character"]["total"]
    figures["updates"] = progress.updates
    figures["curve"] = [row["validation_bits_per_character"] for row in progress.history]
    return figures
