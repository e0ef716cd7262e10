"""How long a training is, and how it is validated: a budget turned into updates, and the validation
split as far as there is time for it."""

import itertools
import math
import time
from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf

from textgen.core.experiment import Experiment
from textgen.core.settings import Training
from textgen.evaluation.likelihood import rows_at_once, scoring_step
from textgen.models.batches import Windows
from textgen.models.objectives import Objective
from textgen.models.types import Network
from textgen.tokenizers.encoded import Encoded
from textgen.training.checkpoint import Progress
from textgen.training.step import UPDATES_PER_CHECK, Step
from textgen.training.stream import Stage, Stream, mean_of, updates_per_epoch

CALIBRATION_SECONDS = 4.0
VALIDATION_SHARE = 0.015  # of a budget in seconds that its validations may take on top of it, about
# Of another budget: characters that all validations may read, for each that is trained on. To read
# one takes about a third of the time of training on it.
VALIDATED_SHARE = 0.08
MIN_VALIDATED = 20_000  # characters that each validation may read in any case
MAX_STREAMS = 64  # of a validation, side by side
MIN_STREAM_TOKENS = 2000
TIMED_BATCHES = 3
MIN_BATCHES = 1  # of a validation
Stages: TypeAlias = Sequence[Stage]


def updates_of(settings: Training, windows: Windows, training: Encoded, stages: Stages) -> int:
    """Updates of a budget in characters, epochs or updates; at least one."""
    if settings.characters:
        updates = settings.characters / characters_per_update(windows, training, stages)
    elif settings.epochs:
        epochs_per_update = mean_of(stages, lambda stage: 1 / updates_per_epoch(windows, stage))
        updates = settings.epochs / epochs_per_update
    else:
        updates = settings.updates or 0
    return max(1, round(updates))


def characters_per_update(windows: Windows, training: Encoded, stages: Stages) -> float:
    """Characters and end marks that an update sees, on average: of windows that documents do not
    fill, only what they fill."""
    characters = sum(document.characters + 1 for document in training)

    def share_of_text(stage: Stage) -> float:
        return min(1.0, stage.rows / int(windows.span_counts(stage.window).sum()))

    return characters * mean_of(stages, share_of_text)


class Validation:
    """The validation split, cut into parallel streams that each begin with an empty state: figures
    are a little above the exact one of the whole split, which is computed once at the end.

    Args:
        objective, network: the model.
        documents: of the validation split.

    Attributes:
        characters: of the split, end marks included.
    """

    def __init__(self, objective: Objective, network: Network, documents: Encoded) -> None:
        self._network = network
        self._score = scoring_step(objective, network)
        self._windows = Windows(documents, objective)
        tokens = len(self._windows.flat)
        streams = max(1, min(MAX_STREAMS, tokens // MIN_STREAM_TOKENS))
        self._rows = rows_at_once(network, objective.length, streams)
        stage = Stage(1.0, self._rows, objective.length)
        self._stream = Stream(self._windows, [stage], seed=0)
        self._batches = updates_per_epoch(self._windows, stage)
        self.characters = sum(document.characters + 1 for document in documents)
        spelling = sum(float(document.spelling_bits.sum()) for document in documents)
        self._tokens_per_character = tokens / self.characters
        self._spelling = spelling / self.characters

    def compile(self) -> None:
        """Compile what scores a batch, before anything is timed."""
        self.bits_per_token(1)

    def bits_per_character(self, share: float = 1.0) -> float:
        """Of the first ``share`` of each stream."""
        bits = self.bits_per_token(math.ceil(share * self._batches))
        return bits * self._tokens_per_character + self._spelling

    def bits_per_token(self, batches: int) -> float:
        """Of the first so many batches."""
        state = self._network.initial_state(self._rows)
        total = 0.0  # bits
        count = 0  # tokens
        for batch in itertools.islice(self._stream.batches(), batches):
            bits, state = self._score(batch.spans, batch.fresh, state)
            total += float(tf.reduce_sum(bits))
            count += int((batch.spans[:, self._windows.before :] >= 0).sum())
        return total / count

    def share_within(self, seconds: float) -> float:
        """The share of the split that is scored in about so many seconds, at least MIN_BATCHES;
        :meth:`compile` comes first."""
        timed = min(TIMED_BATCHES, self._batches)
        start = time.perf_counter()
        self.bits_per_token(timed)
        per_batch = (time.perf_counter() - start) / timed
        return min(1.0, max(MIN_BATCHES, int(seconds / per_batch)) / self._batches)


def planned(
    experiment: Experiment,
    windows: Windows,
    training: Encoded,
    stages: Stages,
    step: Step,
    validation: Validation,
) -> Progress:
    """The progress of a training before its first update: a budget in seconds is turned into
    updates by timing some of every stage."""
    settings = experiment.training
    progress = Progress()
    progress.characters_per_update = characters_per_update(windows, training, stages)
    if settings.seconds:
        per_update = step.seconds_per_update(windows, stages, experiment.seed, CALIBRATION_SECONDS)
        progress.calibration_seconds_per_update = per_update
        updates = max(UPDATES_PER_CHECK, int(settings.seconds / per_update))
    else:
        updates = updates_of(settings, windows, training, stages)
    epochs = updates * mean_of(stages, lambda stage: 1 / updates_per_epoch(windows, stage))
    wanted = max(settings.validations, math.ceil(epochs))
    progress.intervals = max(1, min(wanted, updates // UPDATES_PER_CHECK))
    progress.updates_per_interval = updates / progress.intervals
    if settings.seconds:
        seconds = VALIDATION_SHARE * settings.seconds / progress.intervals
        progress.validation_share = validation.share_within(seconds)
    else:  # a rule without a clock, so that the training can be repeated
        read = VALIDATED_SHARE * updates * progress.characters_per_update / progress.intervals
        progress.validation_share = min(1.0, max(MIN_VALIDATED, read) / validation.characters)
    return progress
