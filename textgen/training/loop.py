"""Fit: budget, schedule, checkpoints, resume, divergence."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen.core import Experiment, TextgenError, Training, keep_freed_memory
from textgen.models import Objective, Windows, check_memory, set_embedding, set_output_bias
from textgen.tokenizers import EncodedDocument
from textgen.training.checkpoint import load_checkpoint, reading_checkpoint
from textgen.training.optimizer import Schedule, optimizer_of
from textgen.training.preparation import Prepared
from textgen.training.step import Trainer
from textgen.training.validation import Checkpoint, Monitor, stored_progress
from textgen.training.validation import Progress as Progress

CALIBRATION_SECONDS = 4.0
UPDATES_PER_CALL = 10
"""Updates between two returns to Python: progress, the check for NaN."""


@dataclass(frozen=True)
class Engine:
    """How updates are computed.

    Attributes:
        threads: rows of a batch are dealt out to so many.
    """

    threads: int = 1


def train(
    run: Path,
    network: Any,
    experiment: Experiment,
    encoded: tuple[Sequence[EncodedDocument], Sequence[EncodedDocument]],
    engine: Engine = Engine(),
    callbacks: Callable[[Trainer, Progress], list[Any]] = lambda trainer, progress: [],
) -> Progress:
    """Train ``network`` in place and leave the best weights by validation in it.

    Args:
        run: the run folder, which gets the checkpoints.
        network: as :func:`new_network` makes it.
        experiment: its objective, backbone, training settings and seed.
        encoded: the training and the validation documents.
        engine: how updates are computed.
        callbacks: make more Keras callbacks, each told between a validation and its checkpoint.

    Raises:
        TextgenError: a corpus too short for one window, or a damaged checkpoint.
        Diverged: the loss is no longer a number. The last checkpoint stays.
    """
    (training, validation), settings = encoded, experiment.training
    windows = windows_of(training, experiment.objective)
    stored = load_checkpoint(run)
    progress = stored_progress(run, stored[1]) if stored else Progress()
    if not stored:
        _divide(progress, updates_of(settings, windows, training), settings)
    progress.characters_per_update = characters_per_update(windows, settings.batch, training)
    trainer, schedule = compiled(network, experiment, windows, engine)
    if not stored and settings.seconds:
        _calibrate(progress, trainer, schedule, windows, experiment)
    schedule.set(updates=progress.updates_planned)
    arrays = dict[str, np.ndarray]()
    if stored:
        arrays = stored[0]
        _check_arrays(run, arrays, trainer)
        trainer.restore(arrays)
    best = {k: v for k, v in arrays.items() if k.startswith("best")}
    monitor = Monitor(trainer, progress, settings, validation, best)
    if progress.updates < progress.updates_planned and not monitor.out_of_patience():
        after = Checkpoint(run, monitor)
        _fit(
            trainer, progress, windows, experiment,
            [monitor, *callbacks(trainer, progress), after],
        )  # fmt: skip
    network.set_weights([monitor.best[f"best{i}"] for i in range(len(network.weights))])
    return progress


def _check_arrays(run: Path, arrays: dict[str, np.ndarray], trainer: Trainer) -> None:
    """Raises:
    TextgenError: a checkpoint does not hold the arrays of this training.
    """
    weights = trainer.network.get_weights()
    needed = {**trainer.arrays(), **{f"best{i}": each for i, each in enumerate(weights)}}
    with reading_checkpoint(run):
        for key, array in needed.items():
            if key not in arrays or arrays[key].shape != array.shape:
                raise ValueError(f"{key} is missing, or has another shape than {array.shape}")


def _fit(
    trainer: Trainer, progress: Progress, windows: Windows, experiment: Experiment,
    callbacks: list[Any],
) -> None:  # fmt: skip
    """Make the updates that are left. Keras' own ``fit`` has intervals of one length only, and ends
    by putting averages into all weights, also into those that have none."""
    each = trainer.steps_per_execution  # of the last call of an interval, what is left
    step = trainer.make_train_function() or trainer.train_function
    hooks = keras.callbacks.CallbackList(callbacks, model=trainer)
    hooks.on_train_begin()
    for interval in range(len(progress.history), progress.intervals):
        trainer.reset_metrics()
        hooks.on_epoch_begin(interval)
        number = progress.end_of(interval) - progress.updates
        own = experiment.training.batch, experiment.seed, progress.updates
        batches = iter(dataset(windows, *own, number))
        for made in range(0, number, each):
            hooks.on_train_batch_end(min(made + each, number) - 1, step(batches))
        hooks.on_epoch_end(interval, {m.name: float(m.result()) for m in trainer.metrics})
        if trainer.stop_training:
            break
    hooks.on_train_end()


def _calibrate(
    progress: Progress, trainer: Trainer, schedule: Schedule, windows: Windows,
    experiment: Experiment,
) -> None:  # fmt: skip
    """Turn a budget in seconds into updates."""
    settings = experiment.training
    data = dataset(windows, settings.batch, experiment.seed, 0)
    each, _ = time_updates(trainer, schedule, data, CALIBRATION_SECONDS)
    progress.calibration_seconds_per_update = each
    updates = max(UPDATES_PER_CALL, int((settings.seconds or 0) / each))
    _divide(progress, updates, settings)


def new_network(experiment: Experiment, prepared: Prepared) -> Any:
    """The network of an experiment before its first update, as its seed has it.

    Raises:
        TextgenError: it would not fit into memory.
    """
    backbone, size = experiment.backbone, prepared.tokenizer.size
    objective = experiment.objective
    check_memory(backbone, size, experiment.training.batch, objective.length)
    keras.utils.set_random_seed(experiment.seed)
    network = objective.build(backbone, size)
    set_embedding(network, prepared.vectors.matrix, experiment.embedding.frozen)
    set_output_bias(network, prepared.counts)
    return network


def windows_of(training: Sequence[EncodedDocument], objective: Objective) -> Windows:
    """Raises:
    TextgenError: a text too short for one window.
    """
    windows = Windows.of(training, objective)
    if len(windows.flat) < objective.length + 1:
        raise TextgenError(
            "corpus",
            found=f"{len(windows.flat)} tokens of training text",
            expected=f"more than one window of {objective.length}",
            hint="use more text, or a smaller window in [objective]",
        )
    return windows


def compiled(
    network: Any,
    experiment: Experiment,
    windows: Windows,
    engine: Engine,
    updates_per_call: int = UPDATES_PER_CALL,
) -> tuple[Trainer, Schedule]:
    """A trainer with its optimizer, and the schedule of its learning rate."""
    output, settings = network.output_layer, experiment.training
    tail = windows.share(output.head_size) if output.head_size < output.size else 0.0
    trainer = Trainer(
        network, experiment.objective, settings.batch, settings.loss, tail, settings.table_rate,
        engine.threads,
    )  # fmt: skip
    schedule = Schedule(settings)
    trainer.compile(
        optimizer=optimizer_of(settings, schedule),
        jit_compile=False,  # the trainer compiles what should be
        steps_per_execution=updates_per_call,
    )
    trainer.optimizer.build(trainer.trained)
    return trainer, schedule


def time_updates(
    trainer: Trainer,
    schedule: Schedule,
    data: Any,
    seconds: float,
    least: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, int]:
    """Seconds an update, the median over calls of several: one that something else on the machine
    has held up does not count. Everything is put back afterwards.

    Args:
        seconds: of timed calls, at least.
        least: calls, however long they take.
        clock: what tells the seconds of a call; the processor's own time (``time.process_time``)
            where a single thread shares a busy machine.

    Returns:
        Seconds an update, and how many calls were timed.
    """
    before = trainer.arrays()
    schedule.set(scale=0.0)
    step = trainer.make_train_function() or trainer.train_function
    iterator = iter(data)
    calls: list[float] = []
    step(iterator)  # compiles
    keep_freed_memory()  # the iterator has undone it
    end = time.perf_counter() + seconds
    while len(calls) < least or time.perf_counter() < end:
        begin = clock()
        float(step(iterator)["loss"])
        calls.append(clock() - begin)
    schedule.set(scale=1.0)
    trainer.restore(before)
    trainer.reset_metrics()
    return statistics.median(calls) / trainer.steps_per_execution, len(calls)


def updates_of(settings: Training, windows: Windows, training: Sequence[EncodedDocument]) -> int:
    """Updates of a budget; of one in seconds, as many as are made before it is calibrated."""
    if settings.characters:
        each = characters_per_update(windows, settings.batch, training)
        return round(settings.characters / each)
    if settings.epochs:
        return round(settings.epochs * windows.updates_per_epoch(settings.batch))
    return settings.updates or UPDATES_PER_CALL


def characters_per_update(
    windows: Windows, batch: int, training: Sequence[EncodedDocument]
) -> float:
    """Characters and end marks that an update sees, on average: of windows that documents do not
    fill, only what they fill."""
    number = int(windows.per_document().sum())
    return sum(e.characters + 1 for e in training) * min(1.0, batch / number)


def _divide(progress: Progress, updates: int, settings: Training) -> None:
    """As many validation intervals as the settings say, of no fewer updates than one call makes."""
    updates = max(1, updates)
    progress.intervals = max(1, min(settings.validations, updates // UPDATES_PER_CALL))
    progress.updates_per_interval = updates / progress.intervals


def dataset(windows: Windows, batch: int, seed: int, start: int, number: int | None = None) -> Any:
    """The batches of so many updates from update ``start`` on; endless without a number."""
    width = windows.before + windows.length
    data = tf.data.Dataset.from_generator(
        lambda: itertools.islice(windows.training(batch, seed, start), number),
        output_signature=(
            tf.TensorSpec((batch, width), tf.int32),
            tf.TensorSpec((batch,), tf.bool),
        ),
    )
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread sleeps up to 5 s at the end of every fit
    return data.with_options(options).prefetch(2)
