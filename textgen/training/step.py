"""One update of a network: gradients of a batch, the states of its rows, the optimizer and its
learning rate."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import optimizers

from textgen.core.errors import TextgenError
from textgen.core.settings import Training
from textgen.models.batches import Batch
from textgen.models.graphs import compilable, restarted
from textgen.models.layers import dropout_key
from textgen.models.objectives import Objective
from textgen.models.types import Network, Tensor, Tensors, UpdateStep, Variable

UPDATES_PER_CHECK = 10  # between two looks at the loss, each of which waits for the updates before
# Rows of a thread. Fewer take hardly less time: each thread reads all weights and has gradients for
# all of them, which are added up afterwards. 1, 2, 4, 8 and 16 rows of characters take 10, 15, 16,
# 22 and 31 ms (char.toml, one core of an AMD EPYC), so that sixteen threads with a row each would
# make an update at most a fifth shorter than four threads, with 2.6 times their work.
MIN_ROWS = 4
BITS_PER_NAT = 1 / math.log(2)
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
    return [(batch + i) // number for i in range(number)]


class Step:
    """The network, optimizer and carried states of a training.

    Args:
        network, objective: the model.
        settings: of the training.
        tail_share: of an adaptive softmax, how much of the training text is in the tail.
        threads: see :func:`shards_of`.

    Attributes:
        first_update: its number, with which masks begin; to be set before that update.
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
    ) -> None:
        self.network, self.first_update = network, 0
        self.objective, self.settings = objective, settings
        self._output, self._tail_share = network.output_layer, tail_share
        tables = [table for part in network.parts() for table in part.tables]
        weights = network.trainable_variables
        self.tables = [RowAdagrad(table) for table in tables]
        self.weights = [w for w in weights if not any(w is table for table in tables)]
        self.schedule = Schedule(settings)
        self.optimizer = optimizer_of(settings, self.schedule)
        self.optimizer.build(self.weights)
        whole = any("moving_mean" in w.path for w in network.weights)  # of the whole batch
        self.shards = shards_of(settings.batch, 1 if whole else threads)
        self.clock = work_clock(threads)
        self._initial = network.initial_state(settings.batch)
        self._states = [tf.Variable(state) for state in tf.nest.flatten(self._initial)]
        compiled = compilable(network, gradients=True)
        self.gradients = tf.function(self._gradients, autograph=False, jit_compile=compiled)
        self._apply = tf.function(self._apply_dense, autograph=False, jit_compile=True)
        self.update: UpdateStep = tf.function(self._update, autograph=False)

    def _update(self, spans: Tensor, fresh: Tensor) -> Tensor:
        targets = tf.cast(spans[:, self.objective.before :] >= 0, tf.float32)
        count = tf.maximum(tf.reduce_sum(targets), 1.0)
        number = tf.convert_to_tensor(self.optimizer.iterations) + self.first_update
        first_rows = tf.unstack(np.cumsum([0, *self.shards[:-1]], dtype=np.int32))
        rows = [tf.split(rows, self.shards) for rows in (spans, fresh, *self._states)]
        shards = zip(first_rows, *rows, strict=True)
        computed = [self.gradients(number, count, *shard) for shard in shards]
        loss, nats, gradients, states = zip(*computed, strict=True)
        for variable, state in zip(self._states, zip(*states, strict=True), strict=True):
            variable.assign(tf.concat(state, axis=0))
        parts = [*zip(*gradients, strict=True)]  # of each gradient, to be added up
        of_tables = iter(parts[len(self.weights) :])
        rate = self.optimizer.learning_rate * self.settings.table_rate
        for table, places, values in zip(self.tables, of_tables, of_tables, strict=True):
            table.apply(tf.concat(places, axis=0), tf.concat(values, axis=0), rate)
        self._apply(parts[: len(self.weights)])
        sums = tf.stack([tf.add_n(loss) * count, tf.add_n(nats) * count * BITS_PER_NAT, count])
        return tf.cast(sums, tf.float64)

    def _gradients(
        self,
        number: Tensor,
        count: Tensor,
        first_row: Tensor,
        spans: Tensor,
        fresh: Tensor,
        *states: Tensor,
    ) -> tuple[Tensor, Tensor, Tensors, Tensors]:
        """Some rows' share in the mean loss and nats over ``count`` targets, its gradients, and the
        states after them. Of a table, the gradients are places and values."""
        carried = tf.nest.pack_sequence_as(self._initial, states)
        state = restarted(self.network, carried, fresh)
        targets = spans[:, self.objective.before :]
        labels, there = tf.maximum(targets, 0), tf.cast(targets >= 0, tf.float32)
        with tf.GradientTape() as tape, dropout_key(number, first_row):
            features, after = self.objective.features(self.network, spans, state, training=True)
            losses = nats = self._output.loss(features, labels, self._tail_share)
            if self.settings.loss == "binary":
                chances = tf.nn.softmax(self._output(features))
                hits = tf.one_hot(labels, self._output.size)
                losses = keras.losses.binary_crossentropy(hits, chances)
            loss = tf.reduce_sum(losses * there) / count
        weights = [w.value for w in self.weights], [rows.table.value for rows in self.tables]
        dense, sparse = tape.gradient(loss, weights, unconnected_gradients="zero")
        # rows of a repeated token are added up: Keras' norm would take each for a row of its own
        gradients = [tf.convert_to_tensor(gradient) for gradient in dense]
        for gradient in sparse:
            gradients += [gradient.indices, gradient.values]
        return loss, tf.reduce_sum(nats * there) / count, gradients, tf.nest.flatten(after)

    def _apply_dense(self, gradients: Sequence[Tensors]) -> None:
        self.optimizer.apply([tf.add_n(parts) for parts in gradients], self.weights)

    def seconds_per_update(self, batches: Iterator[Batch], seconds: float) -> float:
        """The median over groups of UPDATES_PER_CHECK: an update that something else on the machine
        has held up does not count. Everything is put back afterwards.

        Args:
            batches: endless.
            seconds: of timed updates, at least; one group however long it takes.
        """
        before = self.arrays()
        float(self.update(*next(batches))[0])  # compiles
        groups = list[float]()
        end = time.perf_counter() + seconds
        while not groups or time.perf_counter() < end:
            begin = self.clock()
            for _ in range(UPDATES_PER_CHECK):
                sums = self.update(*next(batches))
            float(sums[0])  # waits for them
            groups.append(self.clock() - begin)
        self.restore(before)
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
        self.cooling = tf.Variable([math.inf, 1.0], trainable=False)

    def __call__(self, step: Tensor) -> Tensor:
        step = tf.cast(step, tf.float32)
        first, number = tf.unstack(self.cooling)
        cooled = tf.clip_by_value((first + number - step) / number, 0.0, 1.0)
        step = tf.minimum(step, first)  # what the rate falls from while it cools
        warmup = tf.round(self._settings.warmup * self.updates)
        rise = tf.minimum(1.0, (step + 1) / tf.maximum(warmup, 1.0))
        rate = self._settings.learning_rate * rise
        if self._settings.schedule == "constant":
            return cooled * rate
        left = (step - warmup) / tf.maximum(self.updates - warmup, 1.0)
        return cooled * (rate * 0.5 * (1 + tf.cos(math.pi * tf.clip_by_value(left, 0.0, 1.0))))


def work_clock(threads: int) -> Callable[[], float]:
    """The processor's own clock where a single thread of it does all the work: other work on the
    machine does not count. Else the wall's."""
    if threads == 1 and not tf.config.list_physical_devices("GPU"):
        return time.process_time
    return time.perf_counter


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
