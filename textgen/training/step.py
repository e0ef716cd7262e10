"""One update of a network: gradients of a batch, the states of its rows, the optimizer and its
learning rate."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import optimizers

from textgen.core.errors import TextgenError
from textgen.core.numbers import even_parts
from textgen.core.settings import Training
from textgen.models.batches import Batch, Windows
from textgen.models.graphs import compilable, restarted
from textgen.models.layers import dropout_key
from textgen.models.objectives import Objective
from textgen.models.types import Network, Tensor, Tensors, UpdateStep, Variable
from textgen.training.checkpoint import Progress
from textgen.training.multiplications import multiplications
from textgen.training.stream import Stage, Stream, mean_of, stages_of

UPDATES_PER_CHECK = 10  # between two looks at the loss, each of which waits for the updates before
# Rows of a thread. Fewer take hardly less time: each thread reads all weights and has gradients for
# all of them, which are added up afterwards. 1, 2, 4, 8 and 16 rows of characters take 10, 15, 16,
# 22 and 31 ms (char.toml, one core of an AMD EPYC), so that sixteen threads with a row each would
# make an update at most a fifth shorter than four threads, with 2.6 times their work.
MIN_ROWS = 4
BITS_PER_NAT = 1 / math.log(2)
MAX_CLOCK_STEP = 1e-3  # seconds in which a clock may go on, to time updates
ADAGRAD_EPSILON = 1e-16  # mean square of a gradient that counts as zero


def check_trainable(network: Network, loss: str) -> None:
    """Refuse settings that cannot be trained together.

    Raises:
        TextgenError: the binary loss of an output without a row of V logits.
    """
    if loss == "binary" and not network.output_layer.has_logits:
        message = "training.loss: binary needs a plain softmax: no adaptive_softmax, members = 1"
        raise TextgenError(message, 'use "categorical"')


def shards_of(batch: int, threads: int) -> list[int]:
    """How many rows of a batch each thread computes, at least MIN_ROWS and as evenly as they can be
    dealt out; a GPU computes all of them at once."""
    if tf.config.list_logical_devices("GPU"):
        return [batch]
    number = max(1, min(threads, batch // MIN_ROWS))
    return even_parts(batch, number)


class TableGradient(NamedTuple):
    """The gradient of a table.

    Attributes:
        places: (n,) int32, the rows of the table that were read; a row may come several times.
        values: (n, size) float32.
    """

    places: Tensor
    values: Tensor


class ShardResult(NamedTuple):
    """What some rows of a batch give.

    Attributes:
        loss, nats: () float32, their shares in the means over all targets of the batch.
        gradients: of the share in the loss, by each dense weight.
        table_gradients: of the same, by each table.
        states: after the rows, as a flat list.
    """

    loss: Tensor
    nats: Tensor
    gradients: Tensors
    table_gradients: Sequence[TableGradient]
    states: Tensors


class Step:
    """The network, optimizer and carried states of a training.

    Args:
        network, objective: the model.
        settings: of the training.
        tail_share: of an adaptive softmax, how much of the training text is in the tail.
        threads: see :func:`shards_of`.
        first_update: the number of the first update, with which masks begin.

    Attributes:
        update: makes one update from (spans (B, before + length) int32, fresh (B,) bool) and
            returns (3,) float64: loss and bits, both summed over the targets, and how many targets
            there were. A compiled function; it need not have finished when it returns.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        settings: Training,
        tail_share: float = 0.25,
        threads: int = 1,
        first_update: int = 0,
    ) -> None:
        self.network = network
        self.objective = objective
        self.settings = settings
        self.clock = work_clock(threads)
        self._output = network.output_layer
        self._tail_share = tail_share
        self._first_update = first_update
        tables = [table for part in network.parts() for table in part.tables]
        self.tables = [RowAdagrad(table) for table in tables]
        self.weights = [
            weight
            for weight in network.trainable_variables
            if not any(weight is table for table in tables)
        ]
        self.schedule = Schedule(settings)
        self.optimizer = optimizer_of(settings, self.schedule)
        self.optimizer.build(self.weights)
        # a normalisation by means of the batch needs all rows together
        needs_all_rows = any("moving_mean" in weight.path for weight in network.weights)
        self._threads = 1 if needs_all_rows else threads
        rows = max(stage.rows for stage in stages_of(settings, objective))
        self._initial = network.initial_state(rows)
        self._states = [tf.Variable(state) for state in tf.nest.flatten(self._initial)]
        compiled = compilable(network, gradients=True)
        self.gradients = tf.function(self._gradients, autograph=False, jit_compile=compiled)
        self._apply = tf.function(self._apply_dense, autograph=False, jit_compile=True)
        update = tf.function(self._update, autograph=False)
        self.update: UpdateStep = update
        self._traced = update.get_concrete_function  # the update for arguments of some shapes

    def _update(self, spans: Tensor, fresh: Tensor) -> Tensor:
        rows = spans.shape[0]
        targets = spans[:, self.objective.before :]
        count = tf.maximum(tf.reduce_sum(tf.cast(targets >= 0, tf.float32)), 1.0)
        number = tf.convert_to_tensor(self.optimizer.iterations) + self._first_update
        shards = list[ShardResult]()
        first = 0
        for size in shards_of(rows, self._threads):
            part = slice(first, first + size)
            states = [state[part] for state in self._states]
            shards.append(
                self.gradients(number, count, tf.constant(first), spans[part], fresh[part], states)
            )
            first += size
        for i, variable in enumerate(self._states):
            after = tf.concat([shard.states[i] for shard in shards], axis=0)
            variable[:rows].assign(after)
        rate = self.optimizer.learning_rate * self.settings.table_rate
        for i, table in enumerate(self.tables):
            places = tf.concat([shard.table_gradients[i].places for shard in shards], axis=0)
            values = tf.concat([shard.table_gradients[i].values for shard in shards], axis=0)
            table.apply(places, values, rate)
        self._apply([shard.gradients for shard in shards])
        loss = tf.add_n([shard.loss for shard in shards]) * count
        bits = tf.add_n([shard.nats for shard in shards]) * count * BITS_PER_NAT
        return tf.cast(tf.stack([loss, bits, count]), tf.float64)

    def _gradients(
        self,
        number: Tensor,
        count: Tensor,
        first_row: Tensor,
        spans: Tensor,
        fresh: Tensor,
        states: Tensors,
    ) -> ShardResult:
        """What some rows give.

        Args:
            number: () of the update.
            count: () float32, targets of the whole batch.
            first_row: () int32, the number of the first of these rows in the batch.
            spans, fresh: as of :attr:`update`, of these rows.
            states: before the rows, as a flat list.
        """
        carried = tf.nest.pack_sequence_as(self._initial, states)
        state = restarted(self.network, carried, fresh)
        targets = spans[:, self.objective.before :]
        labels = tf.maximum(targets, 0)
        is_target = tf.cast(targets >= 0, tf.float32)
        with tf.GradientTape() as tape, dropout_key(number, first_row):
            features, after = self.objective.features(self.network, spans, state, training=True)
            nats = self._output.loss(features, labels, self._tail_share)
            if self.settings.loss == "binary":
                losses = self._binary_losses(features, labels)
            else:
                losses = nats
            loss = tf.reduce_sum(losses * is_target) / count
        weights = [weight.value for weight in self.weights]
        tables = [rows.table.value for rows in self.tables]
        dense, sparse = tape.gradient(loss, (weights, tables), unconnected_gradients="zero")
        return ShardResult(
            loss=loss,
            nats=tf.reduce_sum(nats * is_target) / count,
            # rows of a repeated token are added up: Keras' norm would take each for its own row
            gradients=[tf.convert_to_tensor(gradient) for gradient in dense],
            table_gradients=[TableGradient(each.indices, each.values) for each in sparse],
            states=tf.nest.flatten(after),
        )

    def _binary_losses(self, features: Tensor, labels: Tensor) -> Tensor:
        """(B, T, n) float32, (B, T) int32 → (B, T) float32."""
        probabilities = tf.nn.softmax(self._output(features))
        hits = tf.one_hot(labels, self._output.size)
        return keras.losses.binary_crossentropy(hits, probabilities)

    def _apply_dense(self, gradients: Sequence[Tensors]) -> None:
        """One update of the dense weights by the sum of gradients that shards give, each a list
        over the weights."""
        summed = [tf.add_n(of_weight) for of_weight in zip(*gradients, strict=True)]
        self.optimizer.apply(summed, self.weights)

    def compile(self, stages: Sequence[Stage]) -> None:
        """Compile the updates of batches of all shapes."""
        before = self.arrays()
        for stage in stages:
            spans = np.zeros((stage.rows, self.objective.before + stage.window), dtype=np.int32)
            float(self.update(spans, np.ones(stage.rows, dtype=bool))[0])
        self.restore(before)

    def multiplications_per_update(self, stage: Stage) -> int | None:
        """Those of an update of a stage, from its graph, which is there once the update is
        compiled: see :func:`textgen.training.multiplications.multiplications`."""
        spans = tf.TensorSpec([stage.rows, self.objective.before + stage.window], tf.int32)
        fresh = tf.TensorSpec([stage.rows], tf.bool)
        return multiplications(self._traced(spans, fresh).graph)

    def seconds_per_update(
        self, text: Windows, stages: Sequence[Stage], seed: int, seconds: float
    ) -> float:
        """The mean over all updates of a training, by timing some of each stage. Everything is put
        back afterwards.

        Args:
            text: the training text.
            stages: of the training.
            seed: of the order of batches.
            seconds: of timed updates in all stages together, at least; one group of
                UPDATES_PER_CHECK in each however long it takes.
        """
        before = self.arrays()

        def timed(stage: Stage) -> float:
            batches = Stream(text, [stage], seed).batches()
            return self._median_seconds(batches, seconds / len(stages))

        mean = mean_of(stages, timed)
        self.restore(before)
        return mean

    def _median_seconds(self, batches: Iterator[Batch], seconds: float) -> float:
        """The median over groups of UPDATES_PER_CHECK: an update that something else on the machine
        has held up does not count."""
        float(self.update(*next(batches))[0])  # compiles
        groups = list[float]()
        end = time.perf_counter() + seconds
        while not groups or time.perf_counter() < end:
            begin = self.clock()
            for _ in range(UPDATES_PER_CHECK):
                sums = self.update(*next(batches))
            float(sums[0])  # waits for them
            groups.append(self.clock() - begin)
        return statistics.median(groups) / UPDATES_PER_CHECK

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything an update reads and writes: weights, optimizer, the states of all rows."""
        return {f"v{i}": np.array(variable) for i, variable in enumerate(self._variables())}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Put back what :meth:`arrays` returned."""
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"v{i}"])

    def _variables(self) -> list[Variable]:
        squares = [rows.squares for rows in self.tables]
        return [*self.network.variables, *self.optimizer.variables, *squares, *self._states]


class Schedule(optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then cosine decay to zero (Loshchilov & Hutter 2017) or a constant.

    The number of updates may be set after the training step has been compiled; so may ``cooling``,
    from which update on the rate falls to zero whatever the schedule, and over how many.
    """

    def __init__(self, settings: Training) -> None:
        self._settings = settings
        self.updates = tf.Variable(1.0, trainable=False)
        # the update from which the rate falls, at first none, and over how many updates
        self.cooling = tf.Variable([math.inf, 1.0], trainable=False)

    def plan(self, progress: Progress) -> None:
        """Take over how many updates a training has, and where it cools."""
        self.updates.assign(progress.updates_planned)
        if progress.cooling_updates:
            self.cooling.assign([progress.cooled_from, progress.cooling_updates])

    def __call__(self, step: Tensor) -> Tensor:
        update = tf.cast(step, tf.float32)
        first, number = tf.unstack(self.cooling)
        cooled = tf.clip_by_value((first + number - update) / number, 0.0, 1.0)
        return cooled * self._uncooled(tf.minimum(update, first))

    def _uncooled(self, update: Tensor) -> Tensor:
        """The rate of the schedule at an update; while it cools, at the first that cools."""
        warmup = tf.round(self._settings.warmup * self.updates)
        rise = tf.minimum(1.0, (update + 1) / tf.maximum(warmup, 1.0))
        rate = self._settings.learning_rate * rise
        if self._settings.schedule == "constant":
            return rate
        passed = (update - warmup) / tf.maximum(self.updates - warmup, 1.0)
        return rate * 0.5 * (1 + tf.cos(math.pi * tf.clip_by_value(passed, 0.0, 1.0)))


def work_clock(threads: int) -> Callable[[], float]:
    """The processor's own clock where a single thread of it does all the work: other work on the
    machine does not count. Else the wall's, as where the processor's goes in steps that are long
    for an update: of 16 ms on Windows."""
    is_alone = threads == 1 and not tf.config.list_physical_devices("GPU")
    if is_alone and _step_of(time.process_time) <= MAX_CLOCK_STEP:
        return time.process_time
    return time.perf_counter


def _step_of(clock: Callable[[], float]) -> float:
    """Seconds between two readings of a clock that differ."""
    first = clock()
    while (second := clock()) == first:
        pass
    return second - first


def optimizer_of(settings: Training, schedule: Schedule) -> optimizers.Optimizer:
    """The Keras optimizer of all weights but the large tables'."""
    options: dict[str, Any] = {
        "learning_rate": schedule,
        "global_clipnorm": settings.clip_norm or None,
    }
    if settings.optimizer != "sgd":
        options["epsilon"] = 1e-8  # gradients of rare tokens are below Keras' 1e-7
    if settings.optimizer == "adamw":
        options["weight_decay"] = settings.weight_decay
    optimizer = optimizers.get({"class_name": settings.optimizer, "config": options})
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


class RowAdagrad:
    """The optimizer of a large table (rows, size), of which an update reads few rows.

    A dense optimizer goes through the whole table at every update, most of which has no gradient.
    This one touches the rows that were read: Adagrad (Duchi, Hazan & Singer 2011) with one sum of
    squares a row, as for the tables of recommender systems (Mudigere et al. 2022, section 3.1.2).

    Args:
        table: a Keras variable.
    """

    def __init__(self, table: Variable) -> None:
        self.table = table
        zeros = tf.zeros(table.shape[0])
        self.squares = keras.Variable(zeros, trainable=False, name=f"{table.name}_squares")

    def apply(self, places: Tensor, gradients: Tensor, rate: Tensor) -> None:
        """One update.

        Args:
            places: (n,) int32, rows of the table; a row may come several times.
            gradients: (n, size) float32.
            rate: the learning rate.
        """
        rows, which = tf.unique(places)  # (r,) and (n,), places in the former
        summed = tf.math.unsorted_segment_sum(gradients, which, tf.size(rows))  # (r, size)
        squares = tf.gather(self.squares.value, rows) + tf.reduce_mean(summed * summed, axis=-1)
        self.squares.value.scatter_update(tf.IndexedSlices(squares, rows))
        step = rate * summed * tf.math.rsqrt(squares + ADAGRAD_EPSILON)[:, None]
        self.table.value.scatter_sub(tf.IndexedSlices(step, rows))
