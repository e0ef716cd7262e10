"""Output layers: from the features of a position to a distribution over its token."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf
from keras import Variable
from keras.layers import Dense, Layer
from keras.saving import (
    deserialize_keras_object,
    register_keras_serializable,
    serialize_keras_object,
)

from textgen.core.numbers import ceil_div
from textgen.models.settings import Adaptive
from textgen.models.types import Config, Tensor, Tensors

# Features (…, n) float32 → logits (…, m) float32.
Logits: TypeAlias = Callable[[Tensor], Tensor]


class Output:
    """What output layers share: see :class:`textgen.models.types.OutputLayer`."""

    size: int
    head_size: int
    width: int
    has_logits = False
    __call__: Callable[..., Tensor]

    def sums(self, features: Tensor, weights: Tensor) -> Tensors:
        return softmax_sums(self(features), weights)

    def nats(self, features: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(self(features), labels)

    def loss(self, features: Tensor, labels: Tensor, tail_share: float) -> Tensor:
        return self.nats(features, labels)

    def start_at(self, logits: np.ndarray) -> None:
        raise NotImplementedError


@register_keras_serializable(package="textgen")
class Softmax(Output, Layer):
    """A dense layer, or the vectors of an embedding (Press & Wolf 2017).

    Args:
        size: V.
        width: n.
        embedding: that it is tied to, or None. It is not a part of this layer.
    """

    has_logits = True

    def __init__(self, size: int, width: int, embedding: Layer | None) -> None:
        super().__init__(name="output")
        self.size = size
        self.head_size = size
        self.width = size
        self.input_width = width
        # a layer that is an attribute would be a part of this one, and one in a function is not
        self._embedding: Callable[[], Layer] = lambda: embedding
        self.dense: Dense = None
        self.bias: Variable = None  # of a tied one
        if embedding is None:
            self.dense = dense_layer(size, width, "logits")
        else:
            self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
        self.built = True

    def get_config(self) -> Config:
        tied = serialize_keras_object(self._embedding())
        return {"size": self.size, "width": self.input_width, "embedding": tied}

    @classmethod
    def from_config(cls, config: Config) -> "Softmax":
        embedding = deserialize_keras_object(config["embedding"])
        return cls(config["size"], config["width"], embedding)

    def call(self, features: Tensor) -> Tensor:
        embedding = self._embedding()
        if embedding is None:
            return self.dense(features)
        return embedding(features, reverse=True) + self.bias

    def start_at(self, logits: np.ndarray) -> None:
        bias = self.bias if self.dense is None else self.dense.bias
        bias.assign(logits - logits.mean())


class LevelLogits(NamedTuple):
    """What gives the logits of an adaptive softmax.

    Attributes:
        head: of head + 1, the last being that of the tail.
        tail: of V − head.
    """

    head: Logits
    tail: Logits


@register_keras_serializable(package="textgen")
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
        embedding: that it is tied to, or None. It is not a part of this layer.
    """

    def __init__(self, size: int, width: int, levels: Adaptive, embedding: Layer | None) -> None:
        super().__init__(name="output")
        self.size = size
        self.head_size = levels.head
        self.input_width = width
        self.levels = levels
        tail = size - levels.head
        self.width = levels.head + 1 + tail // 4  # seldom more of a text is in the tail
        # a layer that is an attribute would be a part of this one, and one in a function is not
        self._embedding: Callable[[], Layer] = lambda: embedding
        self.bias: Variable = None  # of a tied one
        if embedding is None:
            self.head = dense_layer(levels.head + 1, width, "head")
            narrow = levels.tail_size
            self.tail_projection = dense_layer(narrow, width, "tail_projection", use_bias=False)
            self.tail = dense_layer(tail, narrow, "tail")
        else:
            self.beyond = dense_layer(1, width, "beyond")  # the logit of the tail as a whole
            self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
        self.built = True

    def get_config(self) -> Config:
        return {
            "size": self.size,
            "width": self.input_width,
            "levels": asdict(self.levels),
            "embedding": serialize_keras_object(self._embedding()),
        }

    @classmethod
    def from_config(cls, config: Config) -> "AdaptiveSoftmax":
        embedding = deserialize_keras_object(config["embedding"])
        return cls(config["size"], config["width"], Adaptive(**config["levels"]), embedding)

    def call(self, features: Tensor) -> Tensor:
        logits = self._logits()
        head = tf.nn.log_softmax(logits.head(features))
        tail = tf.nn.log_softmax(logits.tail(features))
        return tf.concat([head[..., :-1], head[..., -1:] + tail], axis=-1)

    def sums(self, features: Tensor, weights: Tensor) -> Tensors:
        """Of the head and of the tail by itself: Σ_head weight · P + P_head(tail) · Σ_tail weight ·
        P_tail."""
        of_frequent = weights[: self.head_size]
        of_rare = weights[self.head_size :]
        # the head has a row more, for the tail as a whole: of weight 0 in the columns given
        given_columns = tf.pad(of_frequent, [[0, 1], [0, 0]])  # (head + 1, m)
        tail_column = tf.one_hot([self.head_size], self.head_size + 1, axis=0)  # (head + 1, 1)
        # the last column sums to P_head(tail)
        of_head = tf.concat([given_columns, tail_column], axis=1)
        logits = self._logits()
        head_sums, lowest_of_head = softmax_sums(logits.head(features), of_head)
        tail_sums, lowest_of_tail = softmax_sums(logits.tail(features), of_rare)
        frequent_sums = head_sums[:, :-1]  # (B, m)
        tail_probability = head_sums[:, -1:]  # (B, 1)
        return frequent_sums + tail_probability * tail_sums, lowest_of_head + lowest_of_tail

    def nats(self, features: Tensor, labels: Tensor) -> Tensor:
        """Where at most a quarter of the targets is in the tail, as is usual, it is computed for so
        many; else for all."""
        rare = self._in_tail(labels)  # (B · T,)
        number = rare.shape[0]
        quarter = ceil_div(number, 4)
        logits = self._logits()
        tail = tf.cond(
            tf.reduce_sum(rare) <= quarter,
            lambda: self._tail_nats(logits.tail, features, labels, rare, quarter),
            lambda: self._tail_nats(logits.tail, features, labels, rare, number),
        )
        return self._head_nats(logits.head, features, labels) + tail

    def loss(self, features: Tensor, labels: Tensor, tail_share: float) -> Tensor:
        """The tail is computed for as many targets as are expected there and four standard
        deviations more, as if targets were independent. If a batch has more, a random choice of
        them stands for all: the sum is an unbiased estimate then, and else exact."""
        rare = self._in_tail(labels)  # (B · T,)
        number = rare.shape[0]
        expected = number * tail_share
        most = expected + 4 * (expected * (1 - tail_share)) ** 0.5 + 16
        in_sixteens = 16 * ceil_div(int(most), 16)
        # the choice depends on the batch alone, so a resumed training repeats it
        seed = tf.stack([tf.reduce_sum(labels), tf.reduce_max(labels)])
        # rare targets first, in random order
        priority = rare + tf.random.stateless_uniform(tf.shape(rare), seed, maxval=0.5)
        logits = self._logits()
        most_in_tail = min(number, in_sixteens)
        tail = self._tail_nats(logits.tail, features, labels, priority, most_in_tail)
        return self._head_nats(logits.head, features, labels) + tail

    def start_at(self, logits: np.ndarray) -> None:
        frequent, rare = np.split(logits, [self.head_size])
        head = np.append(frequent, np.logaddexp.reduce(rare))
        head -= head.mean()
        tail = rare - rare.mean()
        if self.bias is not None:
            self.bias.assign(np.append(head[:-1], tail))
            self.beyond.bias.assign(head[-1:])
        else:
            self.head.bias.assign(head)
            self.tail.bias.assign(tail)

    def _in_tail(self, labels: Tensor) -> Tensor:
        """(B, T) int32 → (B · T,) float32: 1 where a target is in the tail, else 0."""
        return tf.reshape(tf.cast(labels >= self.head_size, tf.float32), [-1])

    def _head_nats(self, logits: Logits, features: Tensor, labels: Tensor) -> Tensor:
        """−ln of what the head gives to each target, by itself if it is frequent, as one of the
        tail if it is rare: (B, T, n) float32, (B, T) int32 → (B, T) float32."""
        return cross_entropy(logits(features), tf.minimum(labels, self.head_size))

    def _tail_nats(
        self, logits: Logits, features: Tensor, labels: Tensor, priority: Tensor, most: int
    ) -> Tensor:
        """−ln P_tail of each rare target, and 0 of each frequent one. Where more targets are rare
        than are computed, those that are not get 0, too, and the others are scaled up, so that the
        sum over the batch stands for all of them.

        Args:
            logits: of the tail.
            features: (B, T, n) float32.
            labels: (B, T) int32.
            priority: (B · T,) float32, of every rare target above that of every frequent one.
            most: how many targets are computed, those of the highest priority.

        Returns:
            (B, T) float32.
        """
        _, places = tf.math.top_k(priority, most)  # (most,), in (B · T,)
        chosen_features = tf.gather(tf.reshape(features, [-1, features.shape[-1]]), places)
        in_tail = tf.gather(tf.reshape(labels, [-1]), places) - self.head_size
        are_rare = tf.cast(in_tail >= 0, tf.float32)  # (most,)
        nats = cross_entropy(logits(chosen_features), tf.maximum(in_tail, 0))
        rare = self._in_tail(labels)
        scale = tf.reduce_sum(rare) / tf.maximum(tf.reduce_sum(are_rare), 1.0)  # 1 if all are there
        nats = tf.scatter_nd(places[:, None], nats * are_rare * scale, tf.shape(rare))
        return tf.reshape(nats, tf.shape(labels))

    def _logits(self) -> LevelLogits:
        """To be asked for once where both levels are computed: the gradient of vectors that are
        split is that of both parts, put together. The gradient of a slice would be a matrix for
        all tokens, mostly zeros, and there would be two to add up."""
        if self.bias is None:
            return LevelLogits(self.head, lambda x: self.tail(self.tail_projection(x)))
        sizes = [self.head_size, self.size - self.head_size]
        vectors = tf.split(tf.convert_to_tensor(self._embedding().embeddings), sizes)
        biases = tf.split(tf.convert_to_tensor(self.bias), sizes)
        frequent, rare = map(tied_logits, vectors, biases)
        return LevelLogits(lambda x: tf.concat([frequent(x), self.beyond(x)], axis=-1), rare)


class MeanOutput(Output):
    """The mean of several outputs' probabilities, as an output over the features of all.

    Args:
        outputs: of the same kind.
    """

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = tuple(outputs)
        self.size = outputs[0].size
        self.head_size = outputs[0].head_size
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


def tied_logits(vectors: Tensor, bias: Tensor) -> Logits:
    """The products of features with vectors (m, n), and biases (m,)."""

    def logits(features: Tensor) -> Tensor:
        rows = tf.reshape(features, [-1, features.shape[-1]])
        # not tf.tensordot, in whose gradient the vectors' is transposed afterwards
        products = tf.matmul(rows, vectors, transpose_b=True)
        shape = tf.concat([tf.shape(features)[:-1], tf.shape(bias)], axis=0)
        return tf.reshape(products, shape) + bias

    return logits


def softmax_sums(logits: Tensor, weights: Tensor) -> Tensors:
    """Σ weight · softmax(logits): (B, V), (V, m) float32 → (B, m); and the lowest logit below the
    highest of its row, ()."""
    below_highest = logits - tf.reduce_max(logits, axis=-1, keepdims=True)
    ones = tf.ones_like(weights[:, :1])
    # the last column sums to the divisor
    sums = tf.matmul(tf.exp(below_highest), tf.concat([weights, ones], axis=1))
    divisor = sums[:, -1:]
    return sums[:, :-1] / divisor, tf.reduce_min(below_highest)


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
