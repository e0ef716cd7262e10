"""Fit: budget, schedule, checkpoints, resume, divergence."""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen import backend, checkpoint
from textgen.backbone import layers_within, zero_states
from textgen.distributed import ALONE, Share
from textgen.errors import TextgenError
from textgen.lstm import FusedLSTM
from textgen.monitor import Monitor
from textgen.monitor import Progress as Progress
from textgen.objectives.base import Objective
from textgen.objectives.windows import Windows
from textgen.settings import Backbone, Training
from textgen.symbols import Encoded
from textgen.two_level import cross_entropy, two_level

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
        share, replica: what this process does of the training, and which of its devices this is.

    Raises:
        TextgenError: the binary loss of a two-level output, which has no row of V logits; batch
            normalisation on several replicas.
    """

    def __init__(
        self,
        network: Any,
        objective: Objective,
        backbone: Backbone,
        batch: int,
        loss: str,
        tail_share: float = 0.25,
        kernel: str = "fused",
        threads: int = 1,
        share: Share = ALONE,
        replica: int = 0,
    ) -> None:
        super().__init__(name="trainer")
        if loss == "binary" and backbone.output == "adaptive":
            raise TextgenError(
                "training.loss",
                found='"binary", with output = "adaptive" in [backbone]',
                expected='"categorical", or output = "softmax"',
            )
        if share.replicas > 1 and backbone.normalisation == "batch":
            raise TextgenError(
                "backbone.normalisation",
                found=f'"batch", with {share.replicas} replicas, whose averages would differ',
                expected='"layer" or "none", or training.strategy = "one"',
            )
        self.share, self._replica, self.copies = share, share.first + replica, list[Trainer]()
        self._batch, self._rows = batch, share.rows(batch)[replica]
        batch = self._rows.stop - self._rows.start
        self.network, self.objective, self._loss = network, objective, loss
        self._parts = math.gcd(batch, threads)
        self._output = two_level(network)
        if self._output is not None:
            self._capacity = self._output.capacity(
                batch * objective.length // self._parts, tail_share
            )
        self.states = [
            keras.Variable(zeros, trainable=False, name=f"state{i}")
            for i, zeros in enumerate(zero_states(backbone, batch))
        ]
        self.loss_mean = keras.metrics.Mean(name="loss")
        self.bits_mean = keras.metrics.Mean(name="bits_per_symbol")
        self.built = True
        for layer in layers_within(network):
            if isinstance(layer, FusedLSTM):
                layer.kernel = kernel
        # XLA makes one program of a fused part; an unrolled one must not be compiled as a whole
        self._gradients = tf.function(self._part, autograph=False, jit_compile=kernel == "fused")
        self.update = tf.function(self._apply, autograph=False, jit_compile=True)
        self._low = kernel == "unrolled_bfloat16"

    @property
    def metrics(self) -> list[Any]:
        return [self.loss_mean, self.bits_mean]

    def train_step(self, data: Any) -> Any:
        """One update from (spans (B, before + length) int32, fresh (B,) bool).

        The rows of a batch are dealt out to as many threads as divide them; their gradients are
        added up.
        """
        spans, fresh = data
        count = tf.reduce_sum(tf.cast(spans[:, self.objective.before :] >= 0, tf.float32))
        count = tf.maximum(count, 1.0)
        found, trainers = [], [self, *self.copies]
        for replica, trainer in enumerate(trainers):
            with self.share.on(replica):
                found.append(trainer.contribution(count, spans, fresh))
        sums = self.share.sum(found)
        for replica, (trainer, (_, _, *gradients)) in enumerate(zip(trainers, sums, strict=True)):
            with self.share.on(replica):
                trainer.update(gradients)
        self.loss_mean.update_state(tf.add_n(sums[0][0]), count)
        self.bits_mean.update_state(tf.add_n(sums[0][1]) * LOG2E, count)
        return {metric.name: metric.result() for metric in self.metrics}

    def contribution(self, count: Any, spans: Any, fresh: Any) -> list[list[Any]]:
        """Loss, nats and gradients of this replica's rows, each as parts that are to be added up;
        their states go on."""
        if self.share.replicas > 1:
            spans, fresh = spans[self._rows], fresh[self._rows]
        given = [spans, fresh, *(state.value for state in self.states)]
        rows = [tf.split(each, self._parts) for each in given]
        parts = [self._gradients(count, *part) for part in zip(*rows, strict=True)]
        loss, nats, gradients, states = zip(*parts, strict=True)
        for kept, state in zip(self.states, zip(*states, strict=True), strict=True):
            kept.assign(tf.concat(state, axis=0))
        return [list(each) for each in (loss, nats, *zip(*gradients, strict=True))]

    def _part(self, count: Any, spans: Any, fresh: Any, *states: Any) -> Any:
        """Some rows' share in the mean loss and nats over ``count`` targets, its gradients, and the
        states after them."""
        begun = [tf.where(fresh[:, None], tf.zeros_like(state), state) for state in states]
        targets = spans[:, self.objective.before :]
        weights = tf.cast(targets >= 0, tf.float32)
        with tf.GradientTape() as tape:
            each, nats, after = self._charge(spans, tf.maximum(targets, 0), begun)
            loss = tf.reduce_sum(each * weights) / count
        gradients = tape.gradient(loss, self.network.trainable_variables)
        nats = tf.reduce_sum(nats * weights) / count
        return loss, nats, [_dense(gradient) for gradient in gradients], after

    def _apply(self, gradients: Any) -> None:
        """The optimizer's step with every weight's gradients of all parts."""
        summed = [tf.add_n(parts) for parts in gradients]
        self.optimizer.apply(summed, self.network.trainable_variables)

    def _charge(self, spans: Any, labels: Any, states: Any) -> tuple[Any, Any, Any]:
        """Loss and nats of every target (B, length), states after the span."""
        if self._output is not None:
            features, states = self.objective.logits(
                self._output.network, spans, states, training=True
            )
            nats = self._output.nats(features, labels, self._capacity, self._low)
            return nats, nats, states
        logits, states = self.objective.logits(self.network, spans, states, training=True)
        nats = cross_entropy(logits, labels)
        each = nats if self._loss == "categorical" else binary_cross_entropy(labels, logits)
        return each, nats, states

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything an update reads and writes: weights, optimizer, the states of all rows,
        dropout seeds. All workers call it at once."""
        everything = [*map(np.array, self._alike())]
        for rows in zip(self.states, *(copy.states for copy in self.copies), strict=True):
            everything.append(self.share.gather([*map(np.array, rows)], self._batch))
        everything += [np.array(seed) - self._apart(seed) for seed in self._seeds()]
        return {f"v{i}": value for i, value in enumerate(everything)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        values = (arrays[f"v{i}"] for i in itertools.count())
        for variable in self._alike():
            variable.assign(next(values))
        for state in self.states:
            state.assign(next(values)[self._rows])
        for seed in self._seeds():
            seed.assign(next(values) + self._apart(seed))
        for copy in self.copies:
            copy.restore(arrays)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Has the weights' running averages in the network, where the optimizer keeps them."""
        if not self.optimizer.use_ema:
            yield
            return
        kept = self.network.get_weights()
        self.optimizer.finalize_variable_values(self.network.trainable_variables)
        yield
        self.network.set_weights(kept)

    def _alike(self) -> list[Any]:
        """What is the same in all replicas."""
        return [*self.network.weights, *self.optimizer.variables]

    def _seeds(self) -> list[Any]:
        return [g.state for layer in self.network._flatten_layers() for g in _seeds(layer)]

    def _apart(self, seed: Any) -> np.ndarray:
        """Other replicas drop other units."""
        return np.array([self._replica, 0]).astype(np.array(seed).dtype)


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
    *,
    kernel: str = "fused",
    threads: int = 1,
    share: Share = ALONE,
) -> Progress:
    """Train ``network`` in place and leave the best weights by validation in it.

    Args:
        run: the run folder: checkpoints, the TensorBoard log.
        encoded: the training and the validation documents.
        callbacks: more Keras callbacks (progress, samples), given the trainer and the progress.
        kernel: one of :data:`textgen.lstm.KERNELS`; a training that goes on keeps the one it had.
        threads: rows of a batch are dealt out to so many.
        share: what this process does of the training; only the chief's writes to ``run``.

    Raises:
        TextgenError: a corpus too short for one window, or a damaged checkpoint.
        Diverged: the loss is no longer a number. The last checkpoint stays.
    """
    training, validation = encoded
    windows = windows_of(training, objective)
    stored = checkpoint.load(run) if share.chief else None
    if stored:
        progress = Progress(**stored[1])
    else:
        progress = Progress(kernel=kernel)
        _divide(progress, updates_of(settings, windows, training), settings)
    progress = Progress(**share.agree(asdict(progress)))
    goes_on = share.agree(stored is not None)
    trainer, schedule = compiled(
        network, objective, backbone, settings, windows, progress.kernel, threads,
        min(UPDATES_PER_CALL, progress.updates_per_round), share,
    )  # fmt: skip
    if not goes_on and settings.seconds:
        data = dataset(windows, settings.batch, seed, 0)
        each, _ = time_updates(trainer, schedule, data, CALIBRATION_SECONDS)
        progress.calibration_seconds_per_update = each
        updates = share.agree(max(UPDATES_PER_CALL, int(settings.seconds / each)))
        _divide(progress, updates, settings)
    schedule.set(updates=progress.updates_planned)
    arrays = dict[str, np.ndarray]()
    if goes_on or share.replicas > 1:
        arrays = stored[0] if stored else {} if goes_on else trainer.arrays()
        arrays = share.agree_arrays(arrays)
        trainer.restore(arrays)
    best = {k: v for k, v in arrays.items() if k.startswith("best")}
    monitor = Monitor(run, trainer, progress, settings, validation, best)
    log = [keras.callbacks.TensorBoard(str(run / "log"), write_graph=False)] if share.chief else []
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
                *log,
            ],
        )
    network.set_weights([monitor.best[f"best{i}"] for i in range(len(network.weights))])
    return progress


def windows_of(training: Sequence[Encoded], objective: Objective) -> Windows:
    """Raises:
    TextgenError: a text too short for one window.
    """
    windows = Windows.of(training, objective)
    if len(windows.flat) < objective.length + 1:
        raise TextgenError(
            "corpus",
            found=f"{len(windows.flat)} symbols of training text",
            expected=f"more than one window of {objective.length}",
            hint="use more text, or a smaller window in [objective]",
        )
    return windows


def compiled(
    network: Any,
    objective: Objective,
    backbone: Backbone,
    settings: Training,
    windows: Windows,
    kernel: str,
    threads: int,
    updates_per_call: int = UPDATES_PER_CALL,
    share: Share = ALONE,
) -> tuple[Trainer, Schedule]:
    """A trainer with its optimizer, and the schedule of its learning rate."""
    tail = windows.share(backbone.head)
    trainers, schedules = list[Trainer](), list[Schedule]()
    for replica in range(len(share.devices)):
        with share.on(replica):
            own = copied(network, objective, backbone) if replica else network
            trainer = Trainer(
                own, objective, backbone, settings.batch, settings.loss, tail, kernel, threads,
                share, replica,
            )  # fmt: skip
            schedules.append(Schedule(settings))
            trainer.compile(
                optimizer=optimizer_of(settings, schedules[-1]),
                jit_compile=False,  # the trainer compiles what should be
                # not in Keras' loop: its conditionals do not go together with all-reduce
                steps_per_execution=updates_per_call if share.replicas == 1 else 1,
            )
            trainer.optimizer.build(own.trainable_variables)
            trainers.append(trainer)
    trainers[0].copies, schedules[0].copies = trainers[1:], schedules[1:]
    return trainers[0], schedules[0]


def copied(network: Any, objective: Objective, backbone: Backbone) -> Any:
    """A network of the same layers; its weights are still to be set."""
    made = objective.build(backbone, network.outputs[0].shape[-1], FusedLSTM)
    for layer, model in zip(layers_within(made), layers_within(network), strict=True):
        layer.trainable = model.trainable
    return made


def time_updates(
    trainer: Trainer, schedule: Schedule, data: Any, seconds: float, least: int = 1
) -> tuple[float, int]:
    """Seconds an update, the median over calls of several: one that something else on the machine
    has held up does not count. Everything is put back afterwards.

    Args:
        seconds: of timed calls, at least.
        least: calls, however long they take.

    Returns:
        Seconds an update, and how many calls were timed.
    """
    before = trainer.arrays()
    schedule.set(scale=0.0)
    step = trainer.make_train_function() or trainer.train_function
    iterator = iter(data)
    calls: list[float] = []
    step(iterator)  # compiles
    backend.keep_freed_memory()  # the iterator has undone it
    end = time.perf_counter() + seconds
    while trainer.share.agree(len(calls) < least or time.perf_counter() < end):
        begin = time.perf_counter()
        float(step(iterator)["loss"])
        calls.append(time.perf_counter() - begin)
    schedule.set(scale=1.0)
    trainer.restore(before)
    trainer.reset_metrics()
    each = trainer.share.agree(statistics.median(calls) / trainer.steps_per_execution)
    return each, len(calls)


def updates_of(settings: Training, windows: Windows, training: Sequence[Encoded]) -> int:
    """Updates of a budget; of one in seconds, as many as are made before it is calibrated."""
    characters = sum(e.characters + 1 for e in training)
    per_epoch = windows.updates_per_epoch(settings.batch)
    if settings.characters:
        return round(settings.characters / (characters / per_epoch))
    if settings.epochs:
        return round(settings.epochs * per_epoch)
    return settings.updates or UPDATES_PER_CALL


def _divide(progress: Progress, updates: int, settings: Training) -> None:
    """Rounds of whole calls, as near to ``updates`` in all as that allows."""
    if updates < UPDATES_PER_CALL:
        progress.rounds, progress.updates_per_round = 1, max(1, updates)
        return
    calls = round(updates / UPDATES_PER_CALL)
    each = math.ceil(calls / settings.validations)
    progress.rounds = round(calls / each)
    progress.updates_per_round = each * UPDATES_PER_CALL


def optimizer_of(settings: Training, schedule: Schedule) -> Any:
    options: dict[str, Any] = {"learning_rate": schedule}
    if settings.clip_norm:
        options["global_clipnorm"] = settings.clip_norm
    if settings.averaging:
        options |= {"use_ema": True, "ema_momentum": settings.averaging}
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
        self.copies = list[Schedule]()

    def set(self, **values: float) -> None:
        """``updates`` in all, ``scale`` of the rate; in all replicas."""
        for schedule in (self, *self.copies):
            for name, value in values.items():
                getattr(schedule, name).assign(value)

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
