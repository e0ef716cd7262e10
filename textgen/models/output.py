"""Output layers: from the features of a position to a distribution over its token."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from keras import Variable
from keras.layers import Dense, Layer

from textgen.models.types import Tensor

if TYPE_CHECKING:
    from textgen.models.backbones import Adaptive


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
    __call__: Callable[..., Tensor]

    def nats(self, features: Tensor, labels: Tensor) -> Tensor:
        """−ln P(label): (B, T, n) float32, (B, T) int32 in 0 … V − 1 → (B, T) float32."""
        return cross_entropy(self(features), labels)

    def loss(self, features: Tensor, labels: Tensor, tail_share: float) -> Tensor:
        """What training makes small, of the same shapes, which are static, as XLA wants them.

        Args:
            features, labels: as of :meth:`nats`.
            tail_share: of all targets, how many are in the tail, about; 1.0 is always exact.
        """
        return self.nats(features, labels)

    def start_at(self, logits: np.ndarray) -> None:
        """Make the biases give these logits, (V,) float, before any feature counts."""
        raise NotImplementedError


class Softmax(Output, Layer):
    """A dense layer, or the vectors of an embedding (Press & Wolf 2017).

    Args:
        size: V.
        width: n.
        embedding: that it is tied to, or None.
    """

    has_logits = True

    def __init__(self, size: int, width: int, embedding: Layer | None) -> None:
        super().__init__(name="output")
        self.size = self.head_size = self.width = size
        self.dense: Dense = None
        self.bias: Variable = None  # of a tied one
        if embedding is None:
            self.dense = dense_layer(size, width, "logits")
        else:
            self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
            self._tied = lambda features: embedding(features, reverse=True)  # not a part of this
        self.built = True

    def call(self, features: Tensor) -> Tensor:
        return self.dense(features) if self.dense else self._tied(features) + self.bias

    def start_at(self, logits: np.ndarray) -> None:
        bias = self.dense.bias if self.dense else self.bias
        bias.assign(logits - logits.mean())


class AdaptiveSoftmax(Output, Layer):
    """A softmax in two levels (Grave, Joulin, Cissé, Grangier & Jégou 2017, with one tail).

    P(w) = P_head(w) for the ``head`` most frequent tokens, which are the first ones, and P(w) =
    P_head(tail) · P_tail(w) for the rest. It is a distribution over all tokens like any other
    softmax, and one target costs the head and, if it is rare, the tail: narrow, or as wide as an
    embedding that it is tied to.

    Args:
        size: V.
        width: n, of the features.
        levels: size of the head, and width of the tail where it is not tied.
        embedding: that it is tied to, or None.
    """

    def __init__(self, size: int, width: int, levels: "Adaptive", embedding: Layer | None) -> None:
        super().__init__(name="output")
        self.size, self.head_size = size, levels.head
        tail = size - levels.head
        self.width = levels.head + 1 + tail // 4  # seldom more of a text is in the tail
        self.bias: Variable = None  # of a tied one
        if embedding is None:
            self.head = dense_layer(levels.head + 1, width, "head")
            narrow = levels.tail_size
            self.tail_projection = dense_layer(narrow, width, "tail_projection", use_bias=False)
            self.tail = dense_layer(tail, narrow, "tail")
        else:
            self.beyond = dense_layer(1, width, "beyond")  # the logit of the tail as a whole
            self._vectors = lambda: embedding.embeddings  # not a part of this layer
            self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
        self.built = True

    def call(self, features: Tensor) -> Tensor:
        head = tf.nn.log_softmax(self._head_logits(features))
        tail = tf.nn.log_softmax(self._tail_logits(features))
        return tf.concat([head[..., :-1], head[..., -1:] + tail], axis=-1)

    def nats(self, features: Tensor, labels: Tensor) -> Tensor:
        """Where few targets are in the tail, as is usual, it is computed for these alone."""
        rare = self._in_tail(labels)
        count = rare.shape[0]
        few = -(-count // 4)
        tail = partial(self._tail_nats, features, labels, rare)
        nats = tf.cond(tf.reduce_sum(rare) <= few, lambda: tail(few), lambda: tail(count))
        return self._head_nats(features, labels) + nats

    def loss(self, features: Tensor, labels: Tensor, tail_share: float) -> Tensor:
        """The tail is computed for as many targets as are expected there and four standard
        deviations more, as if targets were independent. If a batch has more, a random choice of
        them stands for all: the sum is an unbiased estimate then, and else exact."""
        rare = self._in_tail(labels)
        expected = rare.shape[0] * tail_share
        most = expected + 4 * (expected * (1 - tail_share)) ** 0.5 + 16
        capacity = min(rare.shape[0], 16 * -(-int(most) // 16))
        # the order of tail targets depends on the batch alone, so a resumed training repeats it
        seed = tf.stack([tf.reduce_sum(labels), tf.reduce_max(labels)])
        order = rare + tf.random.stateless_uniform(tf.shape(rare), seed, maxval=0.5)
        tail = self._tail_nats(features, labels, order, capacity)
        return self._head_nats(features, labels) + tail

    def start_at(self, logits: np.ndarray) -> None:
        frequent, rare = np.split(logits, [self.head_size])
        head = np.append(frequent, np.logaddexp.reduce(rare))
        head, tail = head - head.mean(), rare - rare.mean()
        if self.bias is not None:
            self.bias.assign(np.append(head[:-1], tail))
            self.beyond.bias.assign(head[-1:])
        else:
            self.head.bias.assign(head)
            self.tail.bias.assign(tail)

    def _in_tail(self, labels: Tensor) -> Tensor:
        """(B, T) int32 → (B · T,) float32: 1 where a target is in the tail, else 0."""
        return tf.reshape(tf.cast(labels >= self.head_size, tf.float32), [-1])

    def _head_nats(self, features: Tensor, labels: Tensor) -> Tensor:
        """(B, T, n) float32, (B, T) int32 → (B, T) float32: of a target, or of its being rare."""
        return cross_entropy(self._head_logits(features), tf.minimum(labels, self.head_size))

    def _tail_nats(self, features: Tensor, labels: Tensor, order: Tensor, most: int) -> Tensor:
        """(B, T, n) float32, (B, T) int32, (B · T,) float32 → (B, T) float32: of a rare target,
        given that it is rare. So many as ``most`` are computed, the highest in an order, and those
        of them that are in the tail stand for all."""
        _, places = tf.math.top_k(order, most)
        flat = tf.gather(tf.reshape(features, [-1, features.shape[-1]]), places)
        in_tail = tf.gather(tf.reshape(labels, [-1]), places) - self.head_size
        rare, chosen = self._in_tail(labels), tf.cast(in_tail >= 0, tf.float32)
        nats = cross_entropy(self._tail_logits(flat), tf.maximum(in_tail, 0)) * chosen
        nats *= tf.reduce_sum(rare) / tf.maximum(tf.reduce_sum(chosen), 1.0)
        return tf.reshape(tf.scatter_nd(places[:, None], nats, tf.shape(rare)), tf.shape(labels))

    def _head_logits(self, features: Tensor) -> Tensor:
        """Features (…, n) → (…, head + 1), the last being that of the tail."""
        if self.bias is None:
            return self.head(features)
        frequent = self._tied_logits(features, slice(None, self.head_size))
        return tf.concat([frequent, self.beyond(features)], axis=-1)

    def _tail_logits(self, features: Tensor) -> Tensor:
        """Features (…, n) → (…, V − head)."""
        if self.bias is None:
            return self.tail(self.tail_projection(features))
        return self._tied_logits(features, slice(self.head_size, None))

    def _tied_logits(self, features: Tensor, tokens: slice) -> Tensor:
        vectors = tf.convert_to_tensor(self._vectors())[tokens]
        return tf.tensordot(features, vectors, [[-1], [1]]) + self.bias[tokens]


class MeanOutput(Output):
    """The mean of several outputs' probabilities, as an output over the features of all.

    Args:
        outputs: of the same kind.
    """

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = tuple(outputs)
        self.size, self.head_size = outputs[0].size, outputs[0].head_size
        self.width = len(outputs) * self.size

    def __call__(self, features: Tensor) -> Tensor:
        logs = [tf.nn.log_softmax(output(part)) for output, part in self._divided(features)]
        return tf.reduce_logsumexp(tf.stack(logs), axis=0) - np.float32(np.log(len(logs)))

    def loss(self, features: Tensor, labels: Tensor, tail_share: float) -> Tensor:
        """The mean of the members' own: by what the mean charges, a member would learn nothing
        where another one is right."""
        nats = [out.loss(part, labels, tail_share) for out, part in self._divided(features)]
        return tf.add_n(nats) / len(nats)

    def start_at(self, logits: np.ndarray) -> None:
        for output in self._outputs:
            output.start_at(logits)

    def _divided(self, features: Tensor) -> Iterable[tuple[Output, Tensor]]:
        """Each output with the features that it reads."""
        return zip(self._outputs, tf.split(features, len(self._outputs), axis=-1), strict=True)


def dense_layer(
    size: int,
    width: int,
    name: str,
    *,
    use_bias: bool = True,
    kernel_initializer: str = "glorot_uniform",
) -> Dense:
    """A dense layer (…, width) → (…, size) that has its weights."""
    layer = Dense(size, name=name, use_bias=use_bias, kernel_initializer=kernel_initializer)
    layer.build((None, width))
    return layer


@tf.function(autograph=False, jit_compile=True)
def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """−ln softmax(logits)[label]: (…, V) of any precision, (…) int32 → (…) nats, float32.

    Where operations are to be deterministic, TensorFlow's own function takes a detour that XLA
    compiles again for every batch; compiled, the operation itself is deterministic, too.
    """
    rows = tf.reshape(tf.cast(logits, tf.float32), [-1, logits.shape[-1]])
    flat = tf.reshape(labels, [-1])
    nats, _ = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(features=rows, labels=flat)
    return tf.reshape(nats, tf.shape(labels))
