"""Output layers: from features to logits, and to the cost of targets alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from textgen.models.backbones import Adaptive


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

    adaptive, has_logits = False, True

    def __init__(self, size: int, width: int, embedding: Any, bias: bool) -> None:
        super().__init__(name="output")
        self.size = self.head_size = size
        self.dense: Any = None
        self.bias: Any = None
        if embedding is None:
            self.dense = keras.layers.Dense(size, name="logits")
            self.dense.build((None, None, width))
        elif bias:
            self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
        self._tied = lambda features: embedding(features, reverse=True)  # not a part of this layer
        self.built = True

    def call(self, features: Any) -> Any:
        if self.dense is not None:
            return self.dense(features)
        logits = self._tied(features)
        return logits if self.bias is None else logits + self.bias

    def capacity(self, targets: int, share: float) -> int:
        return 0  # there is no tail

    def nats(self, features: Any, labels: Any, capacity: int = 0) -> Any:
        return cross_entropy(self(features), labels)

    def start_at(self, logits: np.ndarray) -> None:
        """Make the bias give these logits, (V,) float, before any feature counts."""
        bias = self.bias if self.dense is None else self.dense.bias
        bias.assign(logits - logits.mean())


class AdaptiveSoftmax(keras.layers.Layer):
    """A softmax in two levels (Grave, Joulin, Cissé, Grangier & Jégou 2017, with one tail).

    P(w) = P_head(w) for the ``head`` most frequent tokens, which are the first ones, and P(w) =
    P_head(tail) · P_tail(w) for the rest. It is a distribution over all tokens like any other
    softmax, and one target costs the head and, if it is rare, the tail. The tail is narrow, or,
    where the output is tied to the embedding, as wide as that.

    Args:
        size: V.
        width: n, of the features.
        embedding: that it is tied to, or None.
        settings: of the two levels.
        bias: whether a tied output has one.
    """

    adaptive, has_logits = True, False

    def __init__(
        self, size: int, width: int, embedding: Any, settings: Adaptive, bias: bool
    ) -> None:
        super().__init__(name="output")
        self.size, self.head_size = size, settings.head
        self.tail_size = size - settings.head
        self.bias: Any = None
        self._vectors = embedding and (lambda: embedding.embeddings)  # not a part of this layer
        if embedding is not None:
            self.beyond = self._dense(1, width, "beyond")  # the logit of the tail as a whole
            if bias:
                self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
        else:
            narrow = settings.tail_size
            self.head = self._dense(settings.head + 1, width, "head")
            self.tail_projection = self._dense(narrow, width, "tail_projection", use_bias=False)
            self.tail = self._dense(self.tail_size, narrow, "tail")
        self.built = True

    def _dense(self, size: int, width: int, name: str, **options: Any) -> Any:
        layer = keras.layers.Dense(size, name=name, **options)
        layer.build((None, width))
        return layer

    def call(self, features: Any) -> Any:
        """(…, n) float32 → log-probabilities (…, V)."""
        flat = tf.reshape(features, [-1, features.shape[-1]])
        head = tf.nn.log_softmax(self.head_logits(flat))
        tail = tf.nn.log_softmax(self.tail_logits(flat))
        both = tf.concat([head[:, :-1], head[:, -1:] + tail], axis=-1)
        return tf.reshape(both, tf.concat([tf.shape(features)[:-1], [self.size]], axis=0))

    def head_logits(self, features: Any) -> Any:
        """Features (N, n) → (N, head + 1), the last column being that of the tail."""
        if not self._vectors:
            return self.head(features)
        frequent = self._tied_logits(features, slice(None, self.head_size))
        return tf.concat([frequent, self.beyond(features)], axis=-1)

    def tail_logits(self, features: Any) -> Any:
        """Features (N, n) → (N, V − head)."""
        if not self._vectors:
            return self.tail(self.tail_projection(features))
        return self._tied_logits(features, slice(self.head_size, None))

    def _tied_logits(self, features: Any, tokens: slice) -> Any:
        logits = tf.matmul(features, self._vectors()[tokens], transpose_b=True)
        return logits if self.bias is None else logits + self.bias[tokens]

    def start_at(self, logits: np.ndarray) -> None:
        """Make the biases give these logits, (V,) float, before any feature counts."""
        frequent, rare = np.split(logits, [self.head_size])
        head = np.append(frequent, np.logaddexp.reduce(rare))
        head, tail = head - head.mean(), rare - rare.mean()
        if self._vectors:
            self.bias.assign(np.append(head[:-1], tail))
            self.beyond.bias.assign(head[-1:])
        else:
            self.head.bias.assign(head)
            self.tail.bias.assign(tail)

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
    compiles again for every batch; compiled, the operation itself is deterministic, too.
    """
    flat = tf.reshape(tf.cast(logits, tf.float32), [-1, logits.shape[-1]])
    nats, _ = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
        features=flat, labels=tf.reshape(labels, [-1])
    )
    return tf.reshape(nats, tf.shape(labels))
