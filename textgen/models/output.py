"""Output layers: from features to logits, and to the cost of targets alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen.models.backbones.stacked import Adaptive


def output_layer(
    size: int, width: int, embedding: Any, adaptive: Adaptive | None, bias: bool
) -> Any:
    """The output layer over ``size`` tokens.

    Args:
        size: V.
        width: n, of the features.
        embedding: the embedding layer that it is tied to, or None.
        adaptive: the settings of an adaptive softmax, or None for a plain one.
        bias: whether a tied output has one; others always do.
    """
    if adaptive is not None:
        return AdaptiveSoftmax(size, width, embedding, adaptive, bias)
    return Softmax(size, width, embedding, bias)


class Softmax(keras.layers.Layer):
    """Logits (…, V) of features (…, n): a dense layer, or the embedding's vectors (Press & Wolf
    2017)."""

    adaptive = False

    def __init__(self, size: int, width: int, embedding: Any, bias: bool) -> None:
        super().__init__(name="output")
        self.size = size
        self.dense: Any = None
        self.bias: Any = None
        if embedding is None:
            self.dense = keras.layers.Dense(size, name="logits")
            self.dense.build((None, None, width))
        elif bias:
            self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
        self._tied = lambda features: embedding(features, reverse=True)  # not a part of this layer
        self._vectors = lambda: tf.transpose(embedding.embeddings)
        self.built = True

    def call(self, features: Any) -> Any:
        if self.dense is not None:
            return self.dense(features)
        return _plus(self._tied(features), self.bias)

    @property
    def head_size(self) -> int:
        """All tokens: there is no tail."""
        return self.size

    def capacity(self, targets: int, share: float) -> int:
        """No tail, no places for it."""
        return 0

    def nats(self, features: Any, labels: Any, capacity: int = 0) -> Any:
        """−ln P(label): (B, T, n) float32, (B, T) int32 → (B, T) float32; a plain softmax is
        computed whole and in float32."""
        return cross_entropy(self(features), labels)

    def dealt(self, threads: int) -> Any:
        """The same as a function for few rows, in the graph that calls it: the columns of the
        product are dealt out to threads, which rows alone would not keep busy."""
        kernel, bias = self._weights()
        each = -(-self.size // threads)
        padded = tf.pad(tf.convert_to_tensor(kernel), [[0, 0], [0, each * threads - self.size]])
        parts = tf.stack(tf.split(padded, threads, axis=1))

        def logits(features: Any) -> Any:
            found = tf.matmul(tf.tile(features[None], [threads, 1, 1]), parts)
            return _plus(tf.concat(tf.unstack(found), axis=-1)[:, : self.size], bias)

        return logits

    def start_at(self, logits: np.ndarray) -> None:
        """Have the bias give these logits, (V,) float, before any feature counts."""
        _, bias = self._weights()
        bias.assign(logits - logits.mean())

    def _weights(self) -> tuple[Any, Any]:
        """Kernel (n, V) and bias (V,), or None for no bias."""
        if self.dense is not None:
            return self.dense.kernel, self.dense.bias
        return self._vectors(), self.bias


class AdaptiveSoftmax(keras.layers.Layer):
    """A softmax in two levels (Grave, Joulin, Cissé, Grangier & Jégou 2017, with one tail).

    P(w) = P_head(w) for the ``head`` most frequent tokens, which are the first ones, and P(w) =
    P_head(tail) · P_tail(w) for the others. It is a distribution over all tokens like any other
    softmax, and one target costs the head and, if it is rare, the tail. The tail is narrow, or,
    where the output is tied to the embedding, as wide as that.

    Args:
        size: V.
        width: n, of the features.
        embedding: that it is tied to, or None.
        settings: of the two levels.
        bias: whether a tied output has one.
    """

    adaptive = True

    def __init__(
        self, size: int, width: int, embedding: Any, settings: Adaptive, bias: bool
    ) -> None:
        super().__init__(name="output")
        self.size, self.head_size = size, settings.head
        self._tied = embedding and (lambda features: embedding(features, reverse=True))
        self.bias: Any = None
        self.vectors = embedding and (lambda: embedding.embeddings)
        if embedding is not None:
            self.beyond = keras.layers.Dense(1, name="beyond")  # the logit of the tail as a whole
            if bias:
                self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
            made = {self.beyond: width}
        else:
            self.head = keras.layers.Dense(settings.head + 1, name="head")
            self.tail_projection = keras.layers.Dense(
                settings.tail_size, use_bias=False, name="tail_projection"
            )
            self.tail = keras.layers.Dense(size - settings.head, name="tail")
            made = {
                self.head: width, self.tail_projection: width, self.tail: settings.tail_size,
            }  # fmt: skip
        for layer, below in made.items():
            layer.build((None, None, below))
        self.built = True

    def call(self, features: Any) -> Any:
        """(…, n) float32 → log-probabilities (…, V)."""
        if self._tied:
            logits = _plus(self._tied(features), self.bias)
            frequent, tail = keras.ops.split(logits, [self.head_size], axis=-1)
            head = keras.ops.concatenate([frequent, self.beyond(features)], axis=-1)
        else:
            head, tail = self.head(features), self.tail(self.tail_projection(features))
        frequent, rare = keras.ops.split(keras.ops.log_softmax(head), [self.head_size], axis=-1)
        return keras.ops.concatenate([frequent, rare + keras.ops.log_softmax(tail)], axis=-1)

    def head_weights(self) -> tuple[Any, Any]:
        """Kernel (n, head + 1) and bias of the head, the last column being that of the tail."""
        if not self.vectors:
            return self.head.kernel, self.head.bias
        frequent = tf.transpose(self.vectors()[: self.head_size])
        kernel = tf.concat([frequent, self.beyond.kernel], axis=1)
        return kernel, tf.concat([self._bias()[: self.head_size], self.beyond.bias], axis=0)

    def _bias(self) -> Any:
        """(V,) of a tied output."""
        return tf.zeros([self.size]) if self.bias is None else tf.convert_to_tensor(self.bias)

    def head_logits(self, features: Any) -> Any:
        """Features (N, n) → (N, head + 1)."""
        kernel, bias = self.head_weights()
        return tf.matmul(features, kernel) + bias

    def tail_logits(self, features: Any) -> Any:
        """Features (N, n) → (N, V − head)."""
        if not self.vectors:
            return self.tail(self.tail_projection(features))
        kernel = tf.transpose(self.vectors()[self.head_size :])
        return tf.matmul(features, kernel) + self._bias()[self.head_size :]

    def start_at(self, logits: np.ndarray) -> None:
        """Have the biases give these logits, (V,) float, before any feature counts."""
        frequent, rare = np.split(logits, [self.head_size])
        head = np.append(frequent, np.logaddexp.reduce(rare))
        head, tail = head - head.mean(), rare - rare.mean()
        if self.vectors:
            self.bias.assign(np.append(head[:-1], tail))
            self.beyond.bias.assign(head[-1:])
        else:
            self.head.bias.assign(head)
            self.tail.bias.assign(tail)

    @property
    def tail_size(self) -> int:
        """V − head."""
        return int(self.size - self.head_size)

    def tail_log_probabilities(self, features: Any) -> Any:
        """ln P of the tail's tokens if it is one of them: (N, n) → (N, V − head)."""
        return tf.nn.log_softmax(self.tail_logits(features))

    def capacity(self, targets: int, share: float) -> int:
        """Tail places kept for a batch of ``targets``, of which a ``share`` is in the tail.

        Four standard deviations above what is expected if targets were independent: a batch that
        has more comes up so seldom that it does not matter that it is estimated then.
        """
        spread = (targets * share * (1 - share)) ** 0.5
        return min(targets, 16 * -(-int(targets * share + 4 * spread + 16) // 16))

    def nats(self, features: Any, labels: Any, capacity: int) -> Any:
        """−ln P(label), with static shapes as XLA wants them.

        At most ``capacity`` targets in the tail are computed. If a batch has more, a random choice
        of them stands for all: the sum is an unbiased estimate then, and else exact.

        Args:
            features: (B, T, n) float32.
            labels: (B, T) int32, in 0 … V − 1.
            capacity: static.

        Returns:
            (B, T) float32.
        """
        flat = tf.reshape(features, [-1, features.shape[-1]])
        wanted = tf.reshape(labels, [-1])
        rare = tf.cast(wanted >= self.head_size, tf.float32)
        # the order of tail targets depends on the batch alone, so a resumed training repeats it
        seed = tf.stack([tf.reduce_sum(wanted), tf.reduce_max(wanted)])
        order = rare + tf.random.stateless_uniform(tf.shape(rare), seed, maxval=0.5)
        _, places = tf.math.top_k(order, capacity)
        chosen = tf.gather(rare, places)
        few, their = tf.gather(flat, places), tf.gather(wanted, places)
        tail = self.tail_nats(few, their) * chosen
        tail *= tf.reduce_sum(rare) / tf.maximum(tf.reduce_sum(chosen), 1.0)
        nats = self.head_nats(flat, wanted)
        nats = tf.tensor_scatter_nd_add(nats, places[:, None], tail)
        return tf.reshape(nats, tf.shape(labels))

    def head_nats(self, features: Any, labels: Any) -> Any:
        """What the head charges, for tokens of the tail too: (N, n), (N,) → (N,) nats."""
        return cross_entropy(self.head_logits(features), tf.minimum(labels, self.head_size))

    def tail_nats(self, features: Any, labels: Any) -> Any:
        """What the tail charges, (N,) nats; of no meaning for tokens of the head."""
        wanted = tf.maximum(labels - self.head_size, 0)
        return cross_entropy(self.tail_logits(features), wanted)


@tf.function(autograph=False, jit_compile=True)
def cross_entropy(logits: Any, labels: Any) -> Any:
    """−ln softmax(logits)[label]: (…, V) of any precision, (…) int32 → (…) nats, float32.

    Where operations are to be deterministic, TensorFlow's own function takes a detour that XLA
    compiles anew for every batch; compiled, the operation itself is deterministic, too.
    """
    flat = tf.reshape(tf.cast(logits, tf.float32), [-1, logits.shape[-1]])
    nats, _ = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
        features=flat, labels=tf.reshape(labels, [-1])
    )
    return tf.reshape(nats, tf.shape(labels))


def _plus(logits: Any, bias: Any) -> Any:
    return logits if bias is None else logits + bias
