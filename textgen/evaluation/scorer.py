"""The compiled steps of a model, and bits of every token under it, for any objective."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from textgen.core.processes import raise_if_cancelled
from textgen.models.base import Objective
from textgen.models.batches import Windows

Step = Callable[..., Any]
MAX_ROWS = 32
MAX_LOGITS = 2**25
"""Size of the largest array of logits while scoring: 134 MB."""
TAIL_MULTIPLE = 64
"""The tail of an adaptive softmax is computed for a multiple of so many tokens."""


class Scorer:
    """The compiled steps of a model; :func:`scorer` keeps it with its network, so that each step is
    compiled once for each shape.

    Gradients are those of the mean nats of a window; a gradient is a tensor, or the rows of a table
    and what is theirs.
    """

    def __init__(self, objective: Objective, network: Any) -> None:
        from textgen.models.network import (
            compilable,  # which imports TensorFlow, like what is below
        )

        self._objective, self._network = objective, network
        self._compiled = {"autograph": False, "jit_compile": compilable(network)}

    @cached_property
    def bits(self) -> Step:
        """(spans, fresh, state) → (bits (B, length) float32, state); missing targets cost 0."""
        import tensorflow as tf

        from textgen.models.network import restarted
        from textgen.models.output import cross_entropy

        objective, network = self._objective, self._network
        output = network.output_layer

        @tf.function(**self._compiled)
        def read(spans: Any, fresh: Any, state: Any) -> Any:
            state = restarted(network, state, fresh)
            features, state = objective.features(network, spans, state, training=False)
            targets = spans[:, objective.before :]
            if output.adaptive:
                nats = output.head_nats(features, tf.maximum(targets, 0))
            else:
                nats = cross_entropy(output(features), tf.maximum(targets, 0))
            bits = tf.where(targets >= 0, nats / np.log(2), 0.0)
            return bits, features if output.adaptive else (), state

        @tf.function(autograph=False)
        def read_both_levels(spans: Any, fresh: Any, state: Any) -> Any:
            """Exactly, with the tail only where a target is in it."""
            bits, features, state = read(spans, fresh, state)
            targets = spans[:, objective.before :]
            rare = tf.where(targets >= output.head_size)
            number = tf.shape(rare)[0]  # filled up: XLA compiles anew for every other number
            rare = tf.pad(rare, [[0, -number % TAIL_MULTIPLE], [0, 0]])
            tail = output.tail_nats(tf.gather_nd(features, rare), tf.gather_nd(targets, rare))
            tail = tf.where(tf.range(tf.shape(rare)[0]) < number, tail / np.log(2), 0.0)
            return tf.tensor_scatter_nd_add(bits, rare, tail), state

        def read_one_level(spans: Any, fresh: Any, state: Any) -> Any:
            bits, _, state = read(spans, fresh, state)
            return bits, state

        return read_both_levels if output.adaptive else read_one_level

    @cached_property
    def next_logits(self) -> Step:
        """carry → (logits (B, V), carry)."""
        import tensorflow as tf

        objective, network = self._objective, self._network

        @tf.function(**self._compiled)
        def step(carry: Any) -> Any:
            features, carry = objective.next_features(network, carry)
            return network.output_layer(features), carry

        return step

    @cached_property
    def gradients(self) -> Step:
        """(spans, fresh, state) → (bits (1, length), state, gradients)."""
        import tensorflow as tf

        from textgen.models.network import compilable, gradients_wanted, restarted
        from textgen.models.output import cross_entropy

        objective, network = self._objective, self._network
        output, weights = network.output_layer, [w.value for w in network.trainable_variables]

        @tf.function(autograph=False, jit_compile=compilable(network, gradients=True))
        def step(spans: Any, fresh: Any, state: Any) -> Any:
            state = restarted(network, state, fresh)
            targets = spans[:, objective.before :]
            there, labels = tf.cast(targets >= 0, tf.float32), tf.maximum(targets, 0)
            with tf.GradientTape() as tape, gradients_wanted():
                features, after = objective.features(network, spans, state, training=False)
                if output.adaptive:
                    nats = output.nats(features, labels, objective.length)
                else:
                    nats = cross_entropy(output(features), labels)
                loss = tf.reduce_sum(nats * there) / tf.reduce_sum(there)
            found = tape.gradient(loss, weights, unconnected_gradients="zero")
            gradients = [
                (g.indices, g.values) if isinstance(g, tf.IndexedSlices) else g for g in found
            ]
            return nats * there / np.log(2), after, gradients

        return step


def scorer(objective: Objective, network: Any) -> Scorer:
    """The compiled steps of a model."""
    scorers = vars(network).setdefault("_scorers", {})  # past Keras, which would track it
    if objective not in scorers:
        scorers[objective] = Scorer(objective, network)
    return scorers[objective]


def score_step(objective: Objective, network: Any) -> Step:
    """:attr:`Scorer.bits` of a model."""
    return scorer(objective, network).bits


def next_logits_step(objective: Objective, network: Any) -> Step:
    """:attr:`Scorer.next_logits` of a model."""
    return scorer(objective, network).next_logits


def rows_at_once(network: Any, length: int, most: int) -> int:
    """Rows of a batch that keep the logits of ``length`` tokens each within MAX_LOGITS."""
    output = network.output_layer
    width = output.size
    if output.adaptive:  # text seldom has more than a quarter of its tokens in the tail
        width = output.head_size + 1 + output.tail_size // 4
    return int(max(1, min(most, MAX_LOGITS // (length * width))))


def token_bits(
    objective: Objective, network: Any, documents: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Bits of every token of every document, and of the end mark: (n + 1,) float32 each.

    The state is the initial one at the beginning of a document and nothing is read before it but
    the boundary token: no token goes uncharged.
    """
    windows, rows = _batches(objective, network, documents)
    step, state = score_step(objective, network), network.initial_state(rows)
    result = [np.zeros(size, dtype=np.float32) for size in windows.sizes]
    for batch, fresh, places, starts in windows.scoring(rows):
        raise_if_cancelled()
        bits, state = step(batch, fresh, state)
        for row, (document, start) in enumerate(zip(places, starts, strict=True)):
            if document >= 0:
                part = result[document][start : start + objective.length]
                part[:] = bits[row, : len(part)].numpy()
    return result


def _batches(
    objective: Objective, network: Any, documents: Sequence[np.ndarray]
) -> tuple[Windows, int]:
    """The windows of some documents, and how many of them are scored at once."""
    windows = Windows(documents, objective)
    spans = windows.per_document()
    rows = rows_at_once(network, objective.length, min(MAX_ROWS, int(spans.sum())))
    if objective.carries_state:  # more rows than the longest document lets end sooner would idle
        rows = min(rows, len(documents), math.ceil(spans.sum() / spans.max()))
    return windows, rows


def scoring_seconds(
    objective: Objective, network: Any, documents: Sequence[np.ndarray]
) -> tuple[float, float]:
    """How long :func:`token_bits` will take, about, from a few batches, and what it takes once more
    where a batch has another number of rows, which is compiled anew; what is needed is kept.

    They are read twice: any of them may be the first of its shape.
    """
    windows, rows = _batches(objective, network, documents)
    step, times = score_step(objective, network), list[float]()
    batches = list(itertools.islice(windows.scoring(rows), 5))
    for _ in range(2):
        state, start = network.initial_state(rows), time.perf_counter()
        for batch, fresh, *_ in batches:
            bits, state = step(batch, fresh, state)
            bits.numpy()
        times.append((time.perf_counter() - start) / len(batches))
    first, each = times
    number = math.ceil(int(windows.per_document().sum()) / rows)
    return each * number, max(0.0, first - each) * len(batches)
