"""The training loop: budget, updates, validation, checkpoints, resume, divergence."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen.core.errors import Diverged, TextgenError
from textgen.core.experiment import Experiment
from textgen.core.settings import Training
from textgen.core.system import FLOAT, check_fits
from textgen.evaluation.likelihood import rows_at_once, scoring_step
from textgen.models.batches import Windows
from textgen.models.network import set_embedding, set_output_bias
from textgen.models.objectives import Objective
from textgen.tokenizers.base import EncodedDocument
from textgen.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from textgen.training.preparation import Prepared
from textgen.training.step import Step, check_trainable, shards_of

CALIBRATION_SECONDS = 4.0
UPDATES_PER_CHECK = 10  # between two looks at the loss, each of which waits for the updates before
VALIDATION_SHARE = 0.04  # of a budget in seconds that its validations may take on top of it, about
MAX_STREAMS, MIN_STREAM_TOKENS = 64, 2000
TIMED_BATCHES, MIN_BATCHES = 3, 4  # batches that are timed, and the fewest of a validation


@dataclass(frozen=True)
class Hooks:
    """What a caller does while a network is trained.

    Attributes:
        on_start: called before the first update, when their number is known.
        on_update: called every few updates with the number of updates made and the training bits
            per token since the last validation.
        on_validation: called after each validation and before its checkpoint, with the weights in
            the network that were validated.
    """

    on_start: Callable[[Progress], None] = lambda progress: None
    on_update: Callable[[int, float], None] = lambda updates, bits: None
    on_validation: Callable[[Progress], None] = lambda progress: None


def train(
    run: Path,
    network: Any,
    experiment: Experiment,
    encoded: tuple[Sequence[EncodedDocument], Sequence[EncodedDocument]],
    threads: int = 1,
    hooks: Hooks = Hooks(),
    first_update: int = 0,
) -> Progress:
    """Train ``network`` in place and leave the best weights by validation in it.

    Args:
        run: the run folder, which has the checkpoint.
        network: as :func:`new_network` makes it.
        experiment: its objective, backbone, training settings and seed.
        encoded: the training and the validation documents.
        threads: rows of a batch are dealt out to so many.
        hooks: called meanwhile.
        first_update: the number of the first update: batches and masks go on in the order in which
            a training before this one ended.

    Raises:
        TextgenError: a corpus too short for one window, or a damaged checkpoint.
        Diverged: the loss is no longer a number. The last checkpoint stays.
    """
    (training, documents), settings = encoded, experiment.training
    windows = windows_of(training, experiment.objective)
    step = new_step(network, experiment, windows, threads)
    step.first_update = first_update
    validation = Validation(experiment.objective, network, documents)
    clock = work_clock(threads)
    best = _best(network)
    shapes = {key: array.shape for key, array in {**step.arrays(), **best}.items()}
    if stored := load_checkpoint(run, shapes):
        arrays, progress = stored
        step.restore(arrays)
        best = {key: arrays[key] for key in best}
    else:
        progress = _planned(experiment, windows, training, step, validation, clock)
        if settings.start and settings.watch == "validation":  # whose weights may stay the best
            progress.best = validation.bits_per_character(progress.validation_share)
    step.schedule.updates.assign(progress.updates_planned)
    patience = settings.patience or math.inf
    hooks.on_start(progress)

    sums, start, begin = tf.zeros(3, tf.float64), time.perf_counter(), clock()
    batches = windows.training(settings.batch, experiment.seed, first_update + progress.updates)
    for spans, fresh in batches:
        without_gain = len(progress.history) - progress.best_interval
        if progress.updates == progress.updates_planned or without_gain >= patience:
            break
        sums += step.update(spans, fresh)
        progress.updates += 1
        end = progress.end_of(len(progress.history))
        if progress.updates % UPDATES_PER_CHECK and progress.updates != end:
            continue
        loss, bits_per_token = (float(sums[i] / sums[2]) for i in (0, 1))
        if not math.isfinite(loss):
            message = f"training: the loss is {loss} at update {progress.updates}"
            hint = "lower training.learning_rate or training.clip_norm"
            if progress.history:
                saved = int(progress.history[-1]["updates"])
                hint += f"; the checkpoint of update {saved} is kept"
            raise Diverged(message, hint)
        hooks.on_update(progress.updates, bits_per_token)
        if progress.updates != end:
            continue
        progress.seconds += time.perf_counter() - start
        before = progress.end_of(len(progress.history) - 1)
        progress.paces.append((clock() - begin) / (end - before))
        with step.averaged():
            start = time.perf_counter()
            bits = validation.bits_per_character(progress.validation_share)
            progress.validation_seconds += time.perf_counter() - start
            row = {
                "interval": len(progress.history) + 1,
                "updates": progress.updates,
                "seconds": progress.seconds,
                "loss": loss,
                "training_bits_per_token": bits_per_token,
                "validation_bits_per_character": bits,
                "learning_rate": float(step.optimizer.learning_rate),
            }
            progress.history.append(row)
            watched = bits if settings.watch == "validation" else loss
            if watched < progress.best:
                progress.best = watched
                progress.best_interval = len(progress.history)
                best = _best(network)
            hooks.on_validation(progress)
        save_checkpoint(run, {**step.arrays(), **best}, progress)
        sums, start, begin = tf.zeros(3, tf.float64), time.perf_counter(), clock()
    network.set_weights([*best.values()])
    return progress


def _best(network: Any) -> dict[str, np.ndarray]:
    return {f"best{i}": weight for i, weight in enumerate(network.get_weights())}


def work_clock(threads: int) -> Callable[[], float]:
    """The processor's own clock where a single thread of it does all the work: other work on the
    machine does not count. Else the wall's."""
    alone = threads == 1 and not tf.config.list_physical_devices("GPU")
    return time.process_time if alone else time.perf_counter


def _planned(
    experiment: Experiment,
    windows: Windows,
    training: Sequence[EncodedDocument],
    step: Step,
    validation: Validation,
    clock: Callable[[], float],
) -> Progress:
    """The progress of a training before its first update: a budget in seconds is turned into
    updates by timing some."""
    settings, progress = experiment.training, Progress()
    progress.characters_per_update = characters_per_update(windows, settings.batch, training)
    if settings.seconds:
        batches = windows.training(settings.batch, experiment.seed)
        per_update = time_updates(step, batches, CALIBRATION_SECONDS, clock=clock)
        progress.calibration_seconds_per_update = per_update
        updates = max(UPDATES_PER_CHECK, int(settings.seconds / per_update))
    else:
        updates = updates_of(settings, windows, training)
    progress.intervals = max(1, min(settings.validations, updates // UPDATES_PER_CHECK))
    progress.updates_per_interval = updates / progress.intervals
    if settings.seconds:
        seconds = VALIDATION_SHARE * settings.seconds / progress.intervals
        progress.validation_share = validation.share_within(seconds)
    return progress


def new_network(experiment: Experiment, prepared: Prepared, threads: int = 1) -> Any:
    """The network of an experiment before its first update, as its seed has it; so many threads
    will train it.

    Raises:
        TextgenError: it would not fit into memory, or :func:`check_trainable` refuses it.
    """
    check_memory(experiment, prepared.tokenizer.size, threads)
    keras.utils.set_random_seed(experiment.seed)
    network = experiment.objective.build(experiment.backbone, prepared.tokenizer.size)
    set_embedding(network, prepared.vectors.matrix, experiment.embedding.frozen)
    set_output_bias(network, prepared.counts)
    check_trainable(network, experiment.training.loss)
    return network


def check_memory(experiment: Experiment, vocabulary_size: int, threads: int = 1) -> None:
    """Refuse what this machine cannot train, before anything is built.

    Every weight counts eight times: its value, two moments, the best value so far, and the copies
    of these four while a checkpoint is written; and once more for the gradient of each thread that
    has rows of a batch, unless it is in a table, of which few rows have one. Logits count four
    times (value, exponential, gradient, and as much for inputs and states). Compiled programs and
    the rest: 300 MB.

    Raises:
        TextgenError: less memory is free than this estimate.
    """
    objective = experiment.objective
    weights, in_tables, width = objective.measure(experiment.backbone, vocabulary_size)
    gradients = len(shards_of(experiment.training.batch, threads)) * (weights - in_tables)
    targets = experiment.training.batch * objective.length
    check_fits(
        FLOAT * (8 * weights + gradients + 4 * targets * width) + 300_000_000,
        f"training: a network of {weights:,} weights over {vocabulary_size:,} tokens, with batches "
        f"of {targets:,} tokens,",
        "take fewer units, rows or tokens (minimum_count, size), or adaptive_softmax in [backbone]",
    )


def windows_of(training: Sequence[EncodedDocument], objective: Objective) -> Windows:
    """Raises:
    TextgenError: a text too short for one window.
    """
    windows = Windows(training, objective)
    if len(windows.flat) < objective.length + 1:
        raise TextgenError(
            f"corpus: {len(windows.flat)} tokens of training text, and more than one window of "
            f"{objective.length} is needed",
            "use more text, or a smaller window in [objective]",
        )
    return windows


def new_step(network: Any, experiment: Experiment, windows: Windows, threads: int = 1) -> Step:
    """The update of a network whose training begins."""
    output = network.output_layer
    tail = windows.share(output.head_size) if output.head_size < output.size else 0.0
    return Step(network, experiment.objective, experiment.training, tail, threads)


def time_updates(
    step: Step,
    batches: Iterator[tuple[np.ndarray, np.ndarray]],
    seconds: float,
    least: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds an update, the median over groups of UPDATES_PER_CHECK: one that something else on
    the machine has held up does not count. Everything is put back afterwards.

    Args:
        step: makes the updates.
        batches: endless.
        seconds: of timed updates, at least.
        least: groups, however long they take.
        clock: of a group.
    """
    before = step.arrays()
    step.schedule.scale.assign(0.0)
    float(step.update(*next(batches))[0])  # compiles
    groups = list[float]()
    end = time.perf_counter() + seconds
    while len(groups) < least or time.perf_counter() < end:
        begin = clock()
        for _ in range(UPDATES_PER_CHECK):
            sums = step.update(*next(batches))
        float(sums[0])  # waits for them
        groups.append(clock() - begin)
    step.schedule.scale.assign(1.0)
    step.restore(before)
    return statistics.median(groups) / UPDATES_PER_CHECK


def updates_of(settings: Training, windows: Windows, training: Sequence[EncodedDocument]) -> int:
    """Updates of a budget in characters, epochs or updates; at least one."""
    updates: float = settings.updates or 0
    if settings.characters:
        updates = settings.characters / characters_per_update(windows, settings.batch, training)
    if settings.epochs:
        updates = settings.epochs * windows.updates_per_epoch(settings.batch)
    return max(1, round(updates))


def characters_per_update(
    windows: Windows, batch: int, training: Sequence[EncodedDocument]
) -> float:
    """Characters and end marks that an update sees, on average: of windows that documents do not
    fill, only what they fill."""
    number = int(windows.per_document().sum())
    return sum(e.characters + 1 for e in training) * min(1.0, batch / number)


class Validation:
    """The validation split, cut into parallel streams that each begin with an empty state: figures
    are a little above the exact one of the whole split, which is computed once at the end.

    Args:
        objective, network: the model.
        documents: of the validation split.
    """

    def __init__(
        self, objective: Objective, network: Any, documents: Sequence[EncodedDocument]
    ) -> None:
        self._network = network
        self._score = scoring_step(objective, network)
        self._windows = Windows(documents, objective)
        tokens = len(self._windows.flat)
        streams = max(1, min(MAX_STREAMS, tokens // MIN_STREAM_TOKENS))
        self._rows = rows_at_once(network, objective.length, streams)
        self._batches = self._windows.updates_per_epoch(self._rows)
        characters = sum(document.characters + 1 for document in documents)
        spelling = sum(float(document.spelling_bits.sum()) for document in documents)
        self._tokens_per_character = tokens / characters
        self._spelling = spelling / characters

    def bits_per_character(self, share: float = 1.0) -> float:
        """Of the first ``share`` of each stream."""
        bits = self.bits_per_token(math.ceil(share * self._batches))
        return bits * self._tokens_per_character + self._spelling

    def bits_per_token(self, batches: int) -> float:
        """Of the first so many batches."""
        state = self._network.initial_state(self._rows)
        total, count = 0.0, 0
        for spans, fresh in itertools.islice(self._windows.training(self._rows, 0), batches):
            bits, state = self._score(spans, fresh, state)
            total += float(tf.reduce_sum(bits))
            count += int((spans[:, self._windows.before :] >= 0).sum())
        return total / count

    def share_within(self, seconds: float) -> float:
        """The share of the split that is scored in about so many seconds, at least MIN_BATCHES."""
        self.bits_per_token(1)  # compiles
        timed = min(TIMED_BATCHES, self._batches)
        start = time.perf_counter()
        self.bits_per_token(timed)
        per_batch = (time.perf_counter() - start) / timed
        return min(1.0, max(MIN_BATCHES, int(seconds / per_batch)) / self._batches)
