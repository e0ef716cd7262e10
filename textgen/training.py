"""Fit: budget, schedule, checkpoints, resume, divergence."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen import checkpoint
from textgen.backbone import zero_states
from textgen.errors import TextgenError
from textgen.monitor import Monitor
from textgen.monitor import Progress as Progress
from textgen.objectives.base import Objective
from textgen.objectives.windows import Windows
from textgen.settings import Backbone, Training
from textgen.symbols import Encoded
from textgen.two_level import two_level

LOG2E = 1 / math.log(2)
CALIBRATION_SECONDS = 4.0
UPDATES_PER_CALL = 10
"""Updates between two returns to Python: progress, the check for NaN."""


class Trainer(keras.Model):
    """A network with its carried states and one training step.

    Args:
        network, objective, backbone: the model.
        batch: rows of a batch.
        loss: ``"categorical"``, or ``"binary"``: the article's, averaged over the vocabulary.
        tail_share: of a two-level output, how much of the training text is in the tail.

    Raises:
        TextgenError: the binary loss of a two-level output, which has no row of V logits.
    """

    def __init__(
        self,
        network: Any,
        objective: Objective,
        backbone: Backbone,
        batch: int,
        loss: str,
        tail_share: float = 0.25,
    ) -> None:
        super().__init__(name="trainer")
        if loss == "binary" and backbone.output == "adaptive":
            raise TextgenError(
                "training.loss",
                found='"binary", with output = "adaptive" in [backbone]',
                expected='"categorical", or output = "softmax"',
            )
        self.network, self.objective, self._loss = network, objective, loss
        self._output = two_level(network)
        if self._output is not None:
            self._capacity = self._output.capacity(batch * objective.length, tail_share)
        self.states = [
            keras.Variable(zeros, trainable=False, name=f"state{i}")
            for i, zeros in enumerate(zero_states(backbone, batch))
        ]
        self.loss_mean = keras.metrics.Mean(name="loss")
        self.bits_mean = keras.metrics.Mean(name="bits_per_symbol")
        self.built = True

    @property
    def metrics(self) -> list[Any]:
        return [self.loss_mean, self.bits_mean]

    def train_step(self, data: Any) -> Any:
        """One update from (spans (B, before + length) int32, fresh (B,) bool)."""
        spans, fresh = data
        states = [tf.where(fresh[:, None], tf.zeros_like(s.value), s.value) for s in self.states]
        targets = spans[:, self.objective.before :]
        weights = tf.cast(targets >= 0, tf.float32)
        count = tf.maximum(tf.reduce_sum(weights), 1.0)
        with tf.GradientTape() as tape:
            each, nats, states = self._charge(spans, tf.maximum(targets, 0), states)
            loss = tf.reduce_sum(each * weights) / count
        variables = self.network.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply([_dense(g) for g in gradients], variables)
        for kept, state in zip(self.states, states, strict=True):
            kept.assign(state)
        self.loss_mean.update_state(loss, count)
        self.bits_mean.update_state(tf.reduce_sum(nats * weights) / count * LOG2E, count)
        return {metric.name: metric.result() for metric in self.metrics}

    def _charge(self, spans: Any, labels: Any, states: Any) -> tuple[Any, Any, Any]:
        """Loss and nats of every target (B, length), states after the span."""
        if self._output is not None:
            features, states = self.objective.logits(
                self._output.network, spans, states, training=True
            )
            nats = self._output.nats(features, labels, self._capacity)
            return nats, nats, states
        logits, states = self.objective.logits(self.network, spans, states, training=True)
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        each = nats if self._loss == "categorical" else binary_cross_entropy(labels, logits)
        return each, nats, states

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything an update reads and writes: weights, optimizer, states, dropout seeds."""
        return {f"v{i}": np.array(v) for i, v in enumerate(self._everything())}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        for i, variable in enumerate(self._everything()):
            variable.assign(arrays[f"v{i}"])

    def _everything(self) -> list[Any]:
        seeds = [g.state for layer in self.network._flatten_layers() for g in _seeds(layer)]
        return [*self.network.weights, *self.states, *self.optimizer.variables, *seeds]


def _dense(gradient: Any) -> Any:
    """An embedding's gradient with what a repeated symbol gets added up: Keras' global norm would
    take every occurrence for a row of its own."""
    return tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient


def _seeds(layer: Any) -> list[Any]:
    generator = getattr(layer, "seed_generator", None)
    return [generator] if generator is not None else []


def binary_cross_entropy(labels: Any, logits: Any) -> Any:
    """Keras' ``binary_crossentropy`` of a softmax against a one-hot target, (B, T) nats.

    The mean over the V outputs of −[y ln p + (1 − y) ln(1 − p)], p cut off at 1e-7 as in Keras.
    """
    p = tf.clip_by_value(tf.nn.softmax(logits), 1e-7, 1 - 1e-7)
    size = tf.shape(logits)[-1]
    hit = tf.one_hot(labels, size)
    return -tf.reduce_mean(hit * tf.math.log(p) + (1 - hit) * tf.math.log1p(-p), axis=-1)


def train(
    run: Path,
    network: Any,
    objective: Objective,
    backbone: Backbone,
    settings: Training,
    encoded: tuple[Sequence[Encoded], Sequence[Encoded]],
    seed: int,
    callbacks: Callable[[Trainer, Progress], list[Any]] = lambda trainer, progress: [],
) -> Progress:
    """Train ``network`` in place and leave the best weights by validation in it.

    Args:
        run: the run folder: checkpoints, the TensorBoard log.
        encoded: the training and the validation documents.
        callbacks: more Keras callbacks (progress, samples), given the trainer and the progress.

    Raises:
        TextgenError: a corpus too short for one window, or a damaged checkpoint.
        Diverged: the loss is no longer a number. The last checkpoint stays.
    """
    training, validation = encoded
    windows = Windows([e.symbols for e in training], objective)
    if len(windows.flat) < objective.length + 1:
        raise TextgenError(
            "corpus",
            found=f"{len(windows.flat)} symbols of training text",
            expected=f"more than one window of {objective.length}",
            hint="use more text, or a smaller window in [objective]",
        )
    share = float(np.mean(windows.flat >= backbone.head))
    trainer = Trainer(network, objective, backbone, settings.batch, settings.loss, share)
    progress = Progress()
    stored = checkpoint.load(run)
    if stored:
        progress = Progress(**stored[1])
    else:
        _plan(progress, settings, windows, encoded)
    schedule = Schedule(settings)
    trainer.compile(
        optimizer=optimizer_of(settings, schedule),
        jit_compile=True,
        steps_per_execution=min(UPDATES_PER_CALL, progress.updates_per_round),
    )
    trainer.optimizer.build(network.trainable_variables)
    if not stored and settings.seconds:
        schedule.scale.assign(0.0)
        _calibrate(trainer, dataset(windows, settings.batch, seed, 0), progress, settings)
        schedule.scale.assign(1.0)
    schedule.updates.assign(progress.updates_planned)
    best = {}
    if stored:
        trainer.restore(stored[0])
        best = {k: v for k, v in stored[0].items() if k.startswith("best")}
    monitor = Monitor(run, trainer, progress, settings, validation, best)
    if progress.updates < progress.updates_planned and not monitor.out_of_patience():
        data = dataset(windows, settings.batch, seed, progress.updates)
        trainer.fit(
            data,
            epochs=progress.rounds,
            initial_epoch=len(progress.history),
            steps_per_epoch=progress.updates_per_round,
            verbose=0,
            shuffle=False,
            callbacks=[
                monitor,
                *callbacks(trainer, progress),
                keras.callbacks.TensorBoard(str(run / "log"), write_graph=False),
            ],
        )
    network.set_weights([monitor.best[f"best{i}"] for i in range(len(network.weights))])
    return progress


def _plan(
    progress: Progress,
    settings: Training,
    windows: Windows,
    encoded: tuple[Sequence[Encoded], Sequence[Encoded]],
) -> None:
    """Updates of a budget that is not in seconds."""
    characters = sum(e.characters + 1 for e in encoded[0])
    per_update = characters / windows.updates_per_epoch(settings.batch)
    if settings.updates:
        updates = settings.updates
    elif settings.characters:
        updates = round(settings.characters / per_update)
    elif settings.epochs:
        updates = round(settings.epochs * windows.updates_per_epoch(settings.batch))
    else:
        updates = UPDATES_PER_CALL  # until seconds are calibrated
    _divide(progress, updates, settings)


def _divide(progress: Progress, updates: int, settings: Training) -> None:
    """Rounds of whole calls, as near to ``updates`` in all as that allows."""
    if updates < UPDATES_PER_CALL:
        progress.rounds, progress.updates_per_round = 1, max(1, updates)
        return
    calls = round(updates / UPDATES_PER_CALL)
    each = math.ceil(calls / settings.validations)
    progress.rounds = round(calls / each)
    progress.updates_per_round = each * UPDATES_PER_CALL


def _calibrate(trainer: Trainer, data: Any, progress: Progress, settings: Training) -> None:
    """Turn seconds into a number of updates: time some, then put everything back."""
    before = trainer.arrays()
    train = trainer.make_train_function() or trainer.train_function
    iterator = iter(data)
    train(iterator)  # compiles
    calls, begin = 0, time.perf_counter()
    while calls == 0 or time.perf_counter() - begin < CALIBRATION_SECONDS:
        float(train(iterator)["loss"])
        calls += 1
    elapsed = time.perf_counter() - begin
    trainer.restore(before)
    trainer.reset_metrics()
    progress.calibration_seconds_per_update = elapsed / calls / UPDATES_PER_CALL
    assert settings.seconds is not None
    updates = int(settings.seconds / progress.calibration_seconds_per_update)
    _divide(progress, max(UPDATES_PER_CALL, updates), settings)


def optimizer_of(settings: Training, schedule: Schedule) -> Any:
    options: dict[str, Any] = {"learning_rate": schedule}
    if settings.clip_norm:
        options["global_clipnorm"] = settings.clip_norm
    if settings.optimizer != "sgd":
        options["epsilon"] = 1e-8  # gradients of rare symbols are below Keras' 1e-7
    if settings.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(weight_decay=settings.weight_decay, **options)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        return optimizer
    kinds = {
        "adam": keras.optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    return kinds[settings.optimizer](**options)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then cosine decay to zero (Loshchilov & Hutter 2017) or a constant.

    The number of updates may be set after the training step has been compiled.
    """

    def __init__(self, settings: Training) -> None:
        self._settings = settings
        self.updates = tf.Variable(1.0, trainable=False)
        self.scale = tf.Variable(1.0, trainable=False)

    def __call__(self, step: Any) -> Any:
        step = tf.cast(step, tf.float32)
        warmup = tf.round(self._settings.warmup * self.updates)
        rise = tf.minimum(1.0, (step + 1) / tf.maximum(warmup, 1.0))
        rate = self._settings.learning_rate * self.scale * rise
        if self._settings.schedule == "constant":
            return rate
        left = (step - warmup) / tf.maximum(self.updates - warmup, 1.0)
        return rate * 0.5 * (1 + tf.cos(math.pi * tf.clip_by_value(left, 0.0, 1.0)))


def dataset(windows: Windows, batch: int, seed: int, start: int) -> Any:
    width = windows.before + windows.length
    data = tf.data.Dataset.from_generator(
        lambda: windows.training(batch, seed, start),
        output_signature=(
            tf.TensorSpec((batch, width), tf.int32),
            tf.TensorSpec((batch,), tf.bool),
        ),
    )
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread sleeps up to 5 s at the end of every fit
    return data.with_options(options).prefetch(2)
