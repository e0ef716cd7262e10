"""The two-level output of a network where only the targets' probabilities are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from textgen.models.backbones.lstm.unrolled import product
from textgen.models.backbones.stack import layers_within, tied_head


@dataclass(frozen=True)
class TwoLevel:
    """The two-level output of a network where only the targets' probabilities are wanted.

    Attributes:
        network: the network without its output layers, sharing all others: an objective's
            ``logits`` gives features (B, T, n) with it in place of logits (B, T, V).
        size: tokens in the head, without the entry that stands for the tail.
        head, tail: from features (N, n), and whether products are to be in bfloat16, to logits
            (N, size + 1) and (N, V − size).
    """

    network: Any
    size: int
    head: Callable[[Any, bool], Any]
    tail: Callable[[Any, bool], Any]

    def capacity(self, targets: int, share: float) -> int:
        """Tail places kept for a batch of ``targets``, of which a ``share`` is in the tail.

        Four standard deviations above what is expected if targets were independent: a batch that
        has more comes up so seldom that it does not matter that it is estimated then.
        """
        spread = (targets * share * (1 - share)) ** 0.5
        return min(targets, 16 * -(-int(targets * share + 4 * spread + 16) // 16))

    def nats(self, features: Any, labels: Any, capacity: int, low: bool = False) -> Any:
        """−ln P(label), with static shapes as XLA wants them.

        At most ``capacity`` targets in the tail are computed. If a batch has more, a random choice
        of them stands for all: the sum is an unbiased estimate then, and else exact.

        Args:
            features: (B, T, n) float32.
            labels: (B, T) int32, in 0 … V − 1.
            capacity: static.
            low: products in bfloat16.

        Returns:
            (B, T) float32.
        """
        flat = tf.reshape(features, [-1, features.shape[-1]])
        wanted = tf.reshape(labels, [-1])
        rare = tf.cast(wanted >= self.size, tf.float32)
        # the order of tail targets depends on the batch alone, so a resumed training repeats it
        seed = tf.stack([tf.reduce_sum(wanted), tf.reduce_max(wanted)])
        order = rare + tf.random.stateless_uniform(tf.shape(rare), seed, maxval=0.5)
        _, places = tf.math.top_k(order, capacity)
        chosen = tf.gather(rare, places)
        few, their = tf.gather(flat, places), tf.gather(wanted, places)
        tail = self.tail_nats(few, their, low) * chosen
        tail *= tf.reduce_sum(rare) / tf.maximum(tf.reduce_sum(chosen), 1.0)
        nats = self.head_nats(flat, wanted, low)
        nats = tf.tensor_scatter_nd_add(nats, places[:, None], tail)
        return tf.reshape(nats, tf.shape(labels))

    def head_nats(self, features: Any, labels: Any, low: bool = False) -> Any:
        """What the head charges, for tokens of the tail too: (N, n), (N,) → (N,) nats."""
        return cross_entropy(self.head(features, low), tf.minimum(labels, self.size))

    def tail_nats(self, features: Any, labels: Any, low: bool = False) -> Any:
        """What the tail charges, (N,) nats; of no meaning for tokens of the head."""
        return cross_entropy(self.tail(features, low), tf.maximum(labels - self.size, 0))


@tf.function(autograph=False, jit_compile=True)
def cross_entropy(logits: Any, labels: Any) -> Any:
    """−ln softmax(logits)[label]: (…, V) of any precision, (…) int32 → (…) nats, float32."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=tf.cast(logits, tf.float32)
    )


def _product(features: Any, kernel: Any, bias: Any, low: bool) -> Any:
    if low:
        return product(features, kernel, bias)
    return tf.matmul(features, kernel) + bias


class WithPart:
    """A network of stacks, one of them replaced: all that an objective's ``logits`` looks at."""

    def __init__(self, network: Any, part: Any) -> None:
        self._network, self._part = network, part

    def get_layer(self, name: str) -> Any:
        return self._part if name == self._part.name else self._network.get_layer(name)


def two_level_of(network: Any) -> TwoLevel | None:
    """The two-level output of a network that an objective has built, or None: a plain softmax."""
    for part in [network, *layers_within(network)]:
        if isinstance(part, keras.Model) and (found := _output_of(part)):
            read, size, head, tail = found
            headless = keras.Model(part.inputs, [read, *part.outputs[1:]], name=part.name)
            whole = headless if part is network else WithPart(network, headless)
            return TwoLevel(whole, size, head, tail)
    return None


def tied_weights(vectors: Any, size: int, beyond: Any) -> tuple[Any, Any]:
    """Kernel (n, size + 1) and bias of a head tied to ``vectors`` (V, n), its last column that of
    the tail (:func:`textgen.models.backbones.stack.tied_head`)."""
    kernel = tf.concat([tf.transpose(vectors[:size]), beyond.kernel], axis=1)
    return kernel, tf.concat([tf.zeros([size]), beyond.bias], axis=0)


def _output_of(part: Any) -> tuple[Any, int, Callable[..., Any], Callable[..., Any]] | None:
    """Of a stack with a two-level output: the features it reads, and size, head and tail."""
    layers = {layer.name.removeprefix(f"{part.name}_"): layer for layer in part.layers}
    if tied := tied_head(part):
        size, beyond = tied
        vectors = layers["embedding"].embeddings

        def tied_frequent(features: Any, low: bool) -> Any:
            return _product(features, *tied_weights(vectors, size, beyond), low)

        def tied_tail(features: Any, low: bool) -> Any:
            kernel = tf.transpose(vectors[size:])
            return _product(features, kernel, tf.zeros([kernel.shape[1]]), low)

        return beyond.input, size, tied_frequent, tied_tail
    if head := layers.get("head"):
        projection, tail = layers["tail_projection"], layers["tail"]
        return (
            head.input,
            int(head.units) - 1,
            lambda features, low: _product(features, head.kernel, head.bias, low),
            lambda features, low: _product(projection(features), tail.kernel, tail.bias, low),
        )
    return None
