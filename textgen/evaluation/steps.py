"""The compiled steps of a model. What imports TensorFlow is in this module alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from textgen.models.network import compilable, gradients_wanted, restarted
from textgen.models.objectives import Objective
from textgen.models.output import cross_entropy

Step = Callable[..., Any]
TAIL_MULTIPLE = 64
"""The tail of an adaptive softmax is computed for a multiple of so many tokens."""
BLOCK = 128
"""Tokens whose masses are summed before one of them is drawn."""
LAST_SHARE = 1 - 2.0**-53
"""The largest number below 1."""
MAX_GRADIENT = 5.0
"""In root mean squares; a larger one is scaled down: one surprising window could undo all."""


class Steps:
    """Each step is compiled once for each shape. Spans are (B, before + length) int32; ``fresh``,
    (B,) bool, marks rows in which a document begins."""

    def __init__(self, objective: Objective, network: Any) -> None:
        self._objective, self._network = objective, network
        self._output = network.output_layer
        self._compiled = {"autograph": False, "jit_compile": compilable(network)}

    @cached_property
    def bits(self) -> Step:
        """(spans, fresh, state) → (bits (B, length) float32, state); missing targets cost 0."""
        output = self._output

        @tf.function(**self._compiled)
        def read(spans: Any, fresh: Any, state: Any) -> Any:
            features, targets, state = self._features(spans, fresh, state)
            labels = tf.maximum(targets, 0)
            if not output.adaptive:
                return _bits(cross_entropy(output(features), labels), targets), (), state
            return _bits(output.head_nats(features, labels), targets), features, state

        @tf.function(autograph=False)
        def add_tail(bits: Any, features: Any, spans: Any) -> Any:
            """Exactly, and only where a target is in the tail."""
            targets = spans[:, self._objective.before :]
            rare = tf.where(targets >= output.head_size)
            number = tf.shape(rare)[0]  # filled up: XLA compiles again for every other number
            rare = tf.pad(rare, [[0, -number % TAIL_MULTIPLE], [0, 0]])
            tail = output.tail_nats(tf.gather_nd(features, rare), tf.gather_nd(targets, rare))
            tail = tf.where(tf.range(tf.shape(rare)[0]) < number, tail / np.log(2), 0.0)
            return tf.tensor_scatter_nd_add(bits, rare, tail)

        def score(spans: Any, fresh: Any, state: Any) -> Any:
            bits, features, state = read(spans, fresh, state)
            return add_tail(bits, features, spans) if output.adaptive else bits, state

        return score

    @cached_property
    def next_logits(self) -> Step:
        """carry → (logits (B, V), carry)."""

        @tf.function(autograph=False)  # XLA would gain nothing for one token
        def step(carry: Any) -> Any:
            features, carry = self._objective.next_features(self._network, carry)
            return self._output(features), carry

        return step

    @cached_property
    def next_logits_after(self) -> Step:
        """(carry, tokens (B,) int32) → (logits (B, V), carry), the tokens read."""

        @tf.function(autograph=False)  # XLA would gain nothing for one token
        def step(carry: Any, tokens: Any) -> Any:
            carry = self._objective.append(carry, tokens)
            features, carry = self._objective.next_features(self._network, carry)
            return self._output(features), carry

        return step

    @cached_property
    def write(self) -> Step:
        """(carry, tokens (B,), forced (n, B), numbers (n, B), temperature (B,), offsets (V,)) →
        (carry, (n, B) int32): the tokens read, and n more of each text: those forced and, where
        these are negative, those that numbers in [0, 1) draw. Offsets are added to logits."""

        @tf.function(autograph=False)
        def loop(
            carry: Any, tokens: Any, forced: Any, numbers: Any, temperature: Any, offsets: Any
        ) -> Any:
            def body(i: Any, carry: Any, tokens: Any, written: Any) -> Any:
                carry = self._objective.append(carry, tokens)
                features, carry = self._objective.next_features(self._network, carry)
                scaled = self._output(features) / temperature[:, None] + offsets
                masses = tf.exp(scaled - tf.reduce_max(scaled, axis=1, keepdims=True))
                tokens = tf.where(forced[i] < 0, _drawn(masses, numbers[i]), forced[i])
                return i + 1, carry, tokens, written.write(i, tokens)

            count, size = forced.shape
            written = tf.TensorArray(tf.int32, count, element_shape=(size,))
            start = (tf.constant(0), carry, tokens, written)
            _, carry, _, written = tf.while_loop(lambda i, *_: i < count, body, start)
            return carry, written.stack()

        return loop

    @cached_property
    def gradients(self) -> Step:
        """(spans, fresh, state) → (bits (1, length), state, gradients of the window's mean nats): a
        tensor for each trainable weight, or the rows of a table and those that are theirs."""
        output, weights = self._output, [w.value for w in self._network.trainable_variables]

        compiled = compilable(self._network, gradients=True)

        @tf.function(autograph=False, jit_compile=compiled)
        def step(spans: Any, fresh: Any, state: Any) -> Any:
            with tf.GradientTape() as tape, gradients_wanted():
                features, targets, state = self._features(spans, fresh, state)
                labels, present = tf.maximum(targets, 0), tf.cast(targets >= 0, tf.float32)
                if output.adaptive:
                    nats = output.nats(features, labels)
                else:
                    nats = cross_entropy(output(features), labels)
                loss = tf.reduce_sum(nats * present) / tf.reduce_sum(present)
            gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
            plain = [
                (g.indices, g.values) if isinstance(g, tf.IndexedSlices) else g for g in gradients
            ]
            return _bits(nats, targets), state, plain

        return step

    def _features(self, spans: Any, fresh: Any, state: Any) -> tuple[Any, Any, Any]:
        """What the output reads, the targets, and the state after the spans."""
        state = restarted(self._network, state, fresh)
        features, state = self._objective.features(self._network, spans, state, training=False)
        return features, spans[:, self._objective.before :], state


def _bits(nats: Any, targets: Any) -> Any:
    return tf.where(targets >= 0, nats / np.log(2), 0.0)


def descend(weight: Any, gradient: Any, rate: float, scale: float) -> None:
    """Move a weight by ``rate`` times its gradient, as :attr:`Steps.gradients` gives it, over
    ``scale``."""
    values = gradient[1] if isinstance(gradient, tuple) else gradient
    size = float(tf.sqrt(tf.reduce_mean(values * values)))
    step = rate / max(scale, size / MAX_GRADIENT) * values
    if isinstance(gradient, tuple):
        weight.scatter_sub(tf.IndexedSlices(step, gradient[0]))
    else:
        weight.assign_sub(step)


def _drawn(masses: Any, numbers: Any) -> Any:
    """(B,) int32: the token at which the cumulated masses (B, V) pass a share in [0, 1) (B,): first
    the block of tokens, then the token in it, so that few numbers are cumulated."""
    blocks = -(-masses.shape[1] // BLOCK)
    if blocks == 1:
        return _passed(masses, numbers)[0]
    masses = tf.pad(masses, [[0, 0], [0, blocks * BLOCK - masses.shape[1]]])
    parts = tf.reshape(masses, [-1, blocks, BLOCK])
    block, share = _passed(tf.reduce_sum(parts, axis=2), numbers)
    token, _ = _passed(tf.gather(parts, block, batch_dims=1), share)
    return block * BLOCK + token


def _passed(masses: Any, shares: Any) -> tuple[Any, Any]:
    """Where the cumulated masses (B, n) pass a share of all, and the share of that mass in [0, 1)
    that is below it."""
    masses = tf.cast(masses, tf.float64)
    ends = tf.cumsum(masses, axis=1)
    wanted = shares * ends[:, -1]
    place = tf.reduce_sum(tf.cast(ends <= wanted[:, None], tf.int32), axis=1)
    mass, end = (tf.gather(values, place, batch_dims=1) for values in (masses, ends))
    return place, tf.clip_by_value((wanted - end + mass) / mass, 0.0, LAST_SHARE)
