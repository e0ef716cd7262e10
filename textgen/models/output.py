"""Output layers: from the features of a position to a distribution over its token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


class Output:
    """What every output layer gives.

    Attributes:
        size: V.
        head_size: tokens whose cost is always computed; V where there is no tail.
        width: logits that a training computes for a target, about.
        has_logits: whether calling it, with (…, n) float32, gives (…, V) logits of one softmax,
            which a binary loss needs; else they are log-probabilities.
    """

    size: int
    head_size: int
    width: int
    has_logits = False
    __call__: Callable[..., Any]

    def nats(self, features: Any, labels: Any) -> Any:
        """−ln P(label): (B, T, n) float32, (B, T) int32 in 0 … V − 1 → (B, T) float32."""
        return cross_entropy(self(features), labels)

    def loss(self, features: Any, labels: Any, tail_share: float) -> Any:
        """What training makes small, of the same shapes, which are static, as XLA wants them.

        Args:
            features, labels: as of :meth:`nats`.
            tail_share: of all targets, how many are in the tail, about; 1.0 is always exact.
        """
        return self.nats(features, labels)

    def start_at(self, logits: np.ndarray) -> None:
        """Make the biases give these logits, (V,) float, before any feature counts."""
        raise NotImplementedError


class Softmax(Output, keras.layers.Layer):
    """A dense layer, or the vectors of an embedding (Press & Wolf 2017).

    Args:
        size: V.
        width: n.
        embedding: that it is tied to, or None.
    """

    has_logits = True

    def __init__(self, size: int, width: int, embedding: Any = None) -> None:
        super().__init__(name="output")
        self.size = self.head_size = self.width = size
        self.dense: Any = None
        self.bias: Any = None
        if embedding is None:
            self.dense = dense_layer(size, width, "logits")
        else:
            self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
        self._tied = lambda features: embedding(features, reverse=True)  # not a part of this layer
        self.built = True

    def call(self, features: Any) -> Any:
        return self.dense(features) if self.dense else self._tied(features) + self.bias

    def start_at(self, logits: np.ndarray) -> None:
        bias = self.dense.bias if self.dense else self.bias
        bias.assign(logits - logits.mean())


class AdaptiveSoftmax(Output, keras.layers.Layer):
    """A softmax in two levels (Grave, Joulin, Cissé, Grangier & Jégou 2017, with one tail).

    P(w) = P_head(w) for the ``head`` most frequent tokens, which are the first ones, and P(w) =
    P_head(tail) · P_tail(w) for the rest. It is a distribution over all tokens like any other
    softmax, and one target costs the head and, if it is rare, the tail: narrow, or as wide as an
    embedding that it is tied to.

    Args:
        size: V.
        width: n, of the features.
        levels: :class:`textgen.models.backbones.Adaptive`.
        embedding: that it is tied to, or None.
    """

    def __init__(self, size: int, width: int, levels: Any, embedding: Any = None) -> None:
        super().__init__(name="output")
        self.size = size
        self.head_size = levels.head
        tail = size - levels.head
        self.width = levels.head + 1 + tail // 4  # seldom more of a text is in the tail
        self.bias: Any = None
        self._vectors = embedding and (lambda: embedding.embeddings)  # not a part of this layer
        if embedding is None:
            self.head = dense_layer(levels.head + 1, width, "head")
            narrow = levels.tail_size
            self.tail_projection = dense_layer(narrow, width, "tail_projection", use_bias=False)
            self.tail = dense_layer(tail, narrow, "tail")
        else:
            self.beyond = dense_layer(1, width, "beyond")  # the logit of the tail as a whole
            self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
        self.built = True

    def call(self, features: Any) -> Any:
        head = tf.nn.log_softmax(self._head_logits(features))
        tail = tf.nn.log_softmax(self._tail_logits(features))
        return tf.concat([head[..., :-1], head[..., -1:] + tail], axis=-1)

    def nats(self, features: Any, labels: Any) -> Any:
        """Where few targets are in the tail, as is usual, it is computed for these alone."""
        flat = tf.reshape(features, [-1, features.shape[-1]])
        wanted = tf.reshape(labels, [-1])
        rare, room = wanted >= self.head_size, -(-wanted.shape[0] // 4)

        def tail_of(features: Any, wanted: Any) -> Any:
            in_tail = tf.maximum(wanted - self.head_size, 0)
            tail = cross_entropy(self._tail_logits(features), in_tail)
            return tf.where(wanted >= self.head_size, tail, 0.0)

        def tail_of_few() -> Any:
            _, places = tf.math.top_k(tf.cast(rare, tf.float32), room)
            few = tail_of(tf.gather(flat, places), tf.gather(wanted, places))
            return tf.scatter_nd(places[:, None], few, tf.shape(wanted))

        few = tf.math.count_nonzero(rare) <= room
        tail = tf.cond(few, tail_of_few, lambda: tail_of(flat, wanted))
        nats = cross_entropy(self._head_logits(flat), tf.minimum(wanted, self.head_size)) + tail
        return tf.reshape(nats, tf.shape(labels))

    def loss(self, features: Any, labels: Any, tail_share: float) -> Any:
        """The tail is computed for as many targets as are expected there and four standard
        deviations more, as if targets were independent. If a batch has more, a random choice of
        them stands for all: the sum is an unbiased estimate then, and else exact."""
        flat = tf.reshape(features, [-1, features.shape[-1]])
        wanted = tf.reshape(labels, [-1])
        expected = wanted.shape[0] * tail_share
        most = expected + 4 * (expected * (1 - tail_share)) ** 0.5 + 16
        capacity = min(wanted.shape[0], 16 * -(-int(most) // 16))
        rare = tf.cast(wanted >= self.head_size, tf.float32)
        # the order of tail targets depends on the batch alone, so a resumed training repeats it
        seed = tf.stack([tf.reduce_sum(wanted), tf.reduce_max(wanted)])
        order = rare + tf.random.stateless_uniform(tf.shape(rare), seed, maxval=0.5)
        _, places = tf.math.top_k(order, capacity)
        chosen = tf.gather(rare, places)
        in_tail = tf.maximum(tf.gather(wanted, places) - self.head_size, 0)
        tail = cross_entropy(self._tail_logits(tf.gather(flat, places)), in_tail) * chosen
        tail *= tf.reduce_sum(rare) / tf.maximum(tf.reduce_sum(chosen), 1.0)
        head = cross_entropy(self._head_logits(flat), tf.minimum(wanted, self.head_size))
        nats = tf.tensor_scatter_nd_add(head, places[:, None], tail)
        return tf.reshape(nats, tf.shape(labels))

    def start_at(self, logits: np.ndarray) -> None:
        frequent, rare = np.split(logits, [self.head_size])
        head = np.append(frequent, np.logaddexp.reduce(rare))
        head, tail = head - head.mean(), rare - rare.mean()
        if self._vectors:
            self.bias.assign(np.append(head[:-1], tail))
            self.beyond.bias.assign(head[-1:])
        else:
            self.head.bias.assign(head)
            self.tail.bias.assign(tail)

    def _head_logits(self, features: Any) -> Any:
        """Features (…, n) → (…, head + 1), the last being that of the tail."""
        if not self._vectors:
            return self.head(features)
        frequent = self._tied_logits(features, slice(None, self.head_size))
        return tf.concat([frequent, self.beyond(features)], axis=-1)

    def _tail_logits(self, features: Any) -> Any:
        """Features (…, n) → (…, V − head)."""
        if not self._vectors:
            return self.tail(self.tail_projection(features))
        return self._tied_logits(features, slice(self.head_size, None))

    def _tied_logits(self, features: Any, tokens: slice) -> Any:
        vectors = tf.convert_to_tensor(self._vectors())[tokens]
        return tf.tensordot(features, vectors, [[-1], [1]]) + self.bias[tokens]


class MeanOutput(Output):
    """The mean of several outputs' probabilities, as an output over the features of all.

    Args:
        outputs: of the same kind.
    """

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = tuple(outputs)
        self.size = self.head_size = outputs[0].size  # all probabilities are needed
        self.width = len(outputs) * self.size

    def __call__(self, features: Any) -> Any:
        logs = [tf.nn.log_softmax(output(part)) for output, part in self._divided(features)]
        return tf.reduce_logsumexp(tf.stack(logs), axis=0) - np.float32(np.log(len(logs)))

    def loss(self, features: Any, labels: Any, tail_share: float) -> Any:
        """The mean of the members' own: by what the mean charges, a member would learn nothing
        where another one is right."""
        nats = [out.loss(part, labels, tail_share) for out, part in self._divided(features)]
        return tf.add_n(nats) / len(nats)

    def start_at(self, logits: np.ndarray) -> None:
        for output in self._outputs:
            output.start_at(logits)

    def _divided(self, features: Any) -> Any:
        parts = tf.split(features, len(self._outputs), axis=-1)
        return zip(self._outputs, parts, strict=True)


def dense_layer(size: int, width: int, name: str, **options: Any) -> Any:
    """A dense layer (…, width) → (…, size) that has its weights."""
    layer = keras.layers.Dense(size, name=name, **options)
    layer.build((None, width))
    return layer


@tf.function(autograph=False, jit_compile=True)
def cross_entropy(logits: Any, labels: Any) -> Any:
    """−ln softmax(logits)[label]: (…, V) of any precision, (…) int32 → (…) nats, float32.

    Where operations are to be deterministic, TensorFlow's own function takes a detour that XLA
    compiles again for every batch; compiled, the operation itself is deterministic, too.
    """
    flat = tf.reshape(tf.cast(logits, tf.float32), [-1, logits.shape[-1]])
    nats, _ = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
        features=flat, labels=tf.reshape(labels, [-1])
    )
    return tf.reshape(nats, tf.shape(labels))
