"""The two-level output of a network where only the targets' probabilities are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from textgen import unrolled
from textgen.backbone import layers_within


@dataclass(frozen=True)
class TwoLevel:
    """The two-level output of a network where only the targets' probabilities are wanted.

    Attributes:
        network: the network without its output layers, sharing all others: an objective's
            ``logits`` gives features (B, T, units[-1]) with it in place of logits (B, T, V).
        head, projection, tail: the output layers.
    """

    network: Any
    head: Any
    projection: Any
    tail: Any

    @property
    def size(self) -> int:
        """Symbols in the head, without the entry that stands for the tail."""
        return int(self.head.units) - 1

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
            features: (B, T, units[-1]) float32.
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
        """What the head charges, for symbols of the tail too: (N, units), (N,) → (N,) nats."""
        return cross_entropy(_apply(self.head, features, low), tf.minimum(labels, self.size))

    def tail_nats(self, features: Any, labels: Any, low: bool = False) -> Any:
        """What the tail charges, (N,) nats; of no meaning for symbols of the head."""
        logits = _apply(self.tail, self.projection(features), low)
        return cross_entropy(logits, tf.maximum(labels - self.size, 0))


@tf.function(autograph=False, jit_compile=True)
def cross_entropy(logits: Any, labels: Any) -> Any:
    """−ln softmax(logits)[label]: (…, V) of any precision, (…) int32 → (…) nats, float32."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=tf.cast(logits, tf.float32)
    )


def _apply(layer: Any, features: Any, low: bool) -> Any:
    if not low:
        return layer(features)
    return unrolled.product(features, layer.kernel, layer.bias)


class WithPart:
    """A network of stacks, one of them replaced: all that an objective's ``logits`` looks at."""

    def __init__(self, network: Any, part: Any) -> None:
        self._network, self._part = network, part

    def get_layer(self, name: str) -> Any:
        return self._part if name == self._part.name else self._network.get_layer(name)


def two_level(network: Any) -> TwoLevel | None:
    """The two-level output of a network that an objective has built, or None: a plain softmax."""
    for part in [network, *layers_within(network)]:
        if isinstance(part, keras.Model) and any(
            layer.name == f"{part.name}_head" for layer in part.layers
        ):
            head, projection, tail = (
                part.get_layer(f"{part.name}_{layer}")
                for layer in ("head", "tail_projection", "tail")
            )
            headless = keras.Model(part.inputs, [head.input, *part.outputs[1:]], name=part.name)
            whole = headless if part is network else WithPart(network, headless)
            return TwoLevel(whole, head, projection, tail)
    return None
