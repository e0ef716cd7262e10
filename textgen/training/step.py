"""A network with its carried states and one training step."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen.core import TextgenError
from textgen.models import MeanOutput, Objective, compilable, dropout_key, restarted
from textgen.training.tables import RowAdagrad

LOG2E = 1 / math.log(2)


def check_trainable(network: Any, loss: str) -> None:
    """Refuse settings that cannot be trained together.

    Raises:
        TextgenError: the binary loss of an adaptive softmax, which has no row of V logits, or of
            several members.
    """
    output = network.output_layer
    if loss == "binary" and isinstance(output, MeanOutput):
        raise TextgenError(
            "training.loss",
            found='"binary", with several members in [backbone]',
            expected='"categorical": each member learns by its own predictions',
        )
    if loss == "binary" and output.adaptive:
        raise TextgenError(
            "training.loss",
            found='"binary", with adaptive_softmax in [backbone]',
            expected='"categorical", or a plain softmax',
        )


class Trainer(keras.Model):
    """A network with its carried states and one training step.

    Args:
        network, objective: the model.
        batch: rows of a batch.
        loss: ``"categorical"``, or ``"binary"``: the article's, averaged over the vocabulary.
        tail_share: of an adaptive softmax, how much of the training text is in the tail.
        table_rate: the learning rate of tables over that of the other weights.
        threads: the rows of a batch are dealt out to so many, as evenly as they can be.

    Raises:
        TextgenError: settings that :func:`check_trainable` refuses.
    """

    def __init__(
        self,
        network: Any,
        objective: Objective,
        batch: int,
        loss: str,
        tail_share: float = 0.25,
        table_rate: float = 30.0,
        threads: int = 1,
    ) -> None:
        super().__init__(name="trainer")
        check_trainable(network, loss)
        self.network, self.objective, self._loss = network, objective, loss
        shards = min(batch, threads)
        self.shards = [(batch + i) // shards for i in range(shards)]
        self._output = network.output_layer
        self._tail_share = tail_share
        self._initial = network.initial_state(batch)
        self.states = [
            keras.Variable(initial, trainable=False, name=f"state{i}")
            for i, initial in enumerate(tf.nest.flatten(self._initial))
        ]
        tables = (getattr(part, "tables", ()) for part in network.parts())
        self._table_rate = table_rate
        self.tables = [RowAdagrad(table) for table in itertools.chain(*tables)]
        self.loss_mean = keras.metrics.Mean(name="loss")
        self.bits_mean = keras.metrics.Mean(name="bits_per_token")
        self.built = True
        compiled = compilable(network, training=True)
        self._gradients = tf.function(self._part, autograph=False, jit_compile=compiled)
        self.update = tf.function(self._apply, autograph=False, jit_compile=True)

    @property
    def metrics(self) -> list[Any]:
        return [self.loss_mean, self.bits_mean]

    def train_step(self, data: Any) -> Any:
        """One update from (spans (B, before + length) int32, fresh (B,) bool).

        The rows of a batch are dealt out to threads; their gradients are added up.
        """
        spans, fresh = data
        count = tf.reduce_sum(tf.cast(spans[:, self.objective.before :] >= 0, tf.float32))
        count = tf.maximum(count, 1.0)
        update = tf.convert_to_tensor(self.optimizer.iterations)
        loss, nats, *gradients = self.contribution(update, count, spans, fresh)
        self.step(gradients)
        self.loss_mean.update_state(tf.add_n(loss), count)
        self.bits_mean.update_state(tf.add_n(nats) * LOG2E, count)
        return {metric.name: metric.result() for metric in self.metrics}

    def contribution(self, update: Any, count: Any, spans: Any, fresh: Any) -> list[list[Any]]:
        """Loss, nats and gradients of all rows, each as parts that are to be added up;
        their states go on."""
        given = [spans, fresh, *(state.value for state in self.states)]
        rows = [tf.split(each, self.shards) for each in given]
        first_rows = np.cumsum([0, *self.shards[:-1]], dtype=np.int32)
        shards = zip(tf.unstack(first_rows), *rows, strict=True)
        parts = [self._gradients(update, count, *shard) for shard in shards]
        loss, nats, gradients, states = zip(*parts, strict=True)
        for kept, state in zip(self.states, zip(*states, strict=True), strict=True):
            kept.assign(tf.concat(state, axis=0))
        return [list(each) for each in (loss, nats, *zip(*gradients, strict=True))]

    def _part(
        self, update: Any, count: Any, first_row: Any, spans: Any, fresh: Any, *states: Any
    ) -> Any:
        """Some rows' share in the mean loss and nats over ``count`` targets, its gradients, and the
        states after them."""
        packed = tf.nest.pack_sequence_as(self._initial, states)
        begun = restarted(self.network, packed, fresh)
        targets = spans[:, self.objective.before :]
        there = tf.cast(targets >= 0, tf.float32)
        with tf.GradientTape() as tape, dropout_key(update, first_row):
            each, nats, after = self._charge(spans, tf.maximum(targets, 0), begun)
            loss = tf.reduce_sum(each * there) / count
        weights = [weight.value for weight in self.trained], [t.table.value for t in self.tables]
        gradients, sparse = tape.gradient(loss, weights, unconnected_gradients="zero")
        nats = tf.reduce_sum(nats * there) / count
        found = [_dense(gradient) for gradient in gradients]
        for gradient in sparse:
            found += [gradient.indices, gradient.values]
        return loss, nats, found, tf.nest.flatten(after)

    @property
    def trained(self) -> list[Any]:
        """The weights that the optimizer updates: all but the tables."""
        apart = [id(rows.table) for rows in self.tables]
        return [w for w in self.network.trainable_variables if id(w) not in apart]

    def step(self, gradients: Any) -> None:
        """One update with every weight's gradients of all parts."""
        rate, number = self.optimizer.learning_rate * self._table_rate, len(self.trained)
        parts = iter(gradients[number:])
        for rows in self.tables:
            places, values = next(parts), next(parts)
            rows.apply(tf.concat(places, axis=0), tf.concat(values, axis=0), rate)
        self.update(gradients[:number])

    def _apply(self, gradients: Any) -> None:
        """The optimizer's step with every weight's gradients of all parts."""
        summed = [tf.add_n(parts) for parts in gradients]
        self.optimizer.apply(summed, self.trained)

    def _charge(self, spans: Any, labels: Any, state: Any) -> tuple[Any, Any, Any]:
        """Loss and nats of every target (B, length), and the state after the span."""
        features, state = self.objective.features(self.network, spans, state, training=True)
        targets = labels.shape[0] * labels.shape[1]
        capacity = self._output.capacity(targets, self._tail_share)
        nats = self._output.nats(features, labels, capacity)
        if self._loss == "categorical":
            return nats, nats, state
        return binary_cross_entropy(labels, self._output(features)), nats, state

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything an update reads and writes: weights, optimizer, the states of all rows."""
        return {f"v{i}": np.array(each) for i, each in enumerate(self._everything())}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        for i, variable in enumerate(self._everything()):
            variable.assign(arrays[f"v{i}"])

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Has the weights' running averages in the network, where the optimizer keeps them."""
        if not self.optimizer.use_ema:
            yield
            return
        kept = self.network.get_weights()
        self.optimizer.finalize_variable_values(self.trained)
        yield
        self.network.set_weights(kept)

    def _everything(self) -> list[Any]:
        squares = [rows.squares for rows in self.tables]
        return [*self.network.variables, *self.optimizer.variables, *squares, *self.states]


def _dense(gradient: Any) -> Any:
    """An embedding's gradient with what a repeated token gets added up: Keras' global norm would
    take every occurrence for a row of its own."""
    return tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient


def binary_cross_entropy(labels: Any, logits: Any) -> Any:
    """Keras' ``binary_crossentropy`` of a softmax against a one-hot target, (B, T) nats.

    The mean over the V outputs of −[y ln p + (1 − y) ln(1 − p)], p cut off at 1e-7 as in Keras.
    """
    p = tf.clip_by_value(tf.nn.softmax(logits), 1e-7, 1 - 1e-7)
    size = tf.shape(logits)[-1]
    hit = tf.one_hot(labels, size)
    return -tf.reduce_mean(hit * tf.math.log(p) + (1 - hit) * tf.math.log1p(-p), axis=-1)
