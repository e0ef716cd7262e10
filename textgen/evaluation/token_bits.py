"""Bits of every token under a network, for any objective."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from textgen.core import raise_if_cancelled
from textgen.models import Objective, Windows

ROWS = 32
FLOATS = 2**25
"""Size of the largest array of logits while scoring: 134 MB."""
FILLED = 64
"""The tail of an adaptive softmax is computed for a multiple of so many tokens."""


def score_step(objective: Objective, network: Any) -> Callable[..., Any]:
    """A compiled (spans, fresh, state) → (bits (B, length) float32, state); missing targets 0.

    It is kept with the network, so that it is compiled once for each shape of spans.
    """
    kept = vars(network).setdefault("_score_steps", {})  # past Keras, which would track it
    if objective not in kept:
        make = _adaptive_step if network.output_layer.adaptive else _plain_step
        kept[objective] = make(objective, network)
    return kept[objective]


def _plain_step(objective: Objective, network: Any) -> Callable[..., Any]:
    import tensorflow as tf

    from textgen.models import compilable, cross_entropy, restarted

    @tf.function(autograph=False, jit_compile=compilable(network))
    def step(spans: Any, fresh: Any, state: Any) -> Any:
        state = restarted(network, state, fresh)
        features, state = objective.features(network, spans, state, training=False)
        targets = spans[:, objective.before :]
        nats = cross_entropy(network.output_layer(features), tf.maximum(targets, 0))
        return tf.where(targets >= 0, nats / np.log(2), 0.0), state

    return step


def _adaptive_step(objective: Objective, network: Any) -> Callable[..., Any]:
    """The same, exactly, with the tail only where a target is in it."""
    import tensorflow as tf

    from textgen.models import compilable, restarted

    output = network.output_layer

    @tf.function(autograph=False, jit_compile=compilable(network))
    def read(spans: Any, fresh: Any, state: Any) -> Any:
        state = restarted(network, state, fresh)
        features, state = objective.features(network, spans, state, training=False)
        targets = spans[:, objective.before :]
        nats = output.head_nats(features, tf.maximum(targets, 0))
        return tf.where(targets >= 0, nats, 0.0), features, state

    @tf.function(autograph=False)
    def step(spans: Any, fresh: Any, state: Any) -> Any:
        nats, features, state = read(spans, fresh, state)
        targets = spans[:, objective.before :]
        rare = tf.where(targets >= output.head_size)
        number = tf.shape(rare)[0]  # filled up: XLA compiles anew for every other number
        rare = tf.pad(rare, [[0, -number % FILLED], [0, 0]])
        tail = output.tail_nats(tf.gather_nd(features, rare), tf.gather_nd(targets, rare))
        tail = tf.where(tf.range(tf.shape(rare)[0]) < number, tail, 0.0)
        return tf.tensor_scatter_nd_add(nats, rare, tail) / np.log(2), state

    return step


def rows_at_once(network: Any, length: int, most: int) -> int:
    """Rows of a batch that keep the logits of ``length`` tokens each within FLOATS."""
    output = network.output_layer
    width = output.size
    if output.adaptive:  # text seldom has more than a quarter of its tokens in the tail
        width = output.head_size + 1 + output.tail_size // 4
    return int(max(1, min(most, FLOATS // (length * width))))


def token_bits(
    objective: Objective, network: Any, documents: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Bits of every token of every document, and of the end mark: (n + 1,) float32 each.

    The state is the initial one at the beginning of a document and nothing is read before it but
    the boundary token: no token goes uncharged.
    """
    windows, rows = _to_score(objective, network, documents)
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


def _to_score(
    objective: Objective, network: Any, documents: Sequence[np.ndarray]
) -> tuple[Windows, int]:
    """The windows of some documents, and how many of them are scored at once."""
    windows = Windows(documents, objective)
    spans = windows.per_document()
    rows = rows_at_once(network, objective.length, min(ROWS, int(spans.sum())))
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
    windows, rows = _to_score(objective, network, documents)
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
