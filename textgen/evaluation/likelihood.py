"""Bits of every token of held-out text under a network."""

import math
from collections.abc import Sequence

import numpy as np

from textgen.core.progress import Moved, ignore, raise_if_cancelled
from textgen.models.batches import IDLE, Windows
from textgen.models.graphs import compilable, restarted
from textgen.models.objectives import Objective, compiled_once
from textgen.models.types import Network, ScoringStep, State, Tensor

MAX_ROWS = 32
# Size of the largest array of logits while scoring: 134 MB.
MAX_LOGITS = 2**25


@compiled_once
def scoring_step(objective: Objective, network: Network) -> ScoringStep:
    """(spans (B, before + length) int32, fresh (B,) bool, state) → (bits (B, length) float32,
    state). Documents begin in fresh rows; missing targets cost 0."""
    import tensorflow as tf

    @tf.function(autograph=False, jit_compile=compilable(network))
    def score(spans: Tensor, fresh: Tensor, state: State) -> tuple[Tensor, State]:
        state = restarted(network, state, fresh)
        features, state = objective.features(network, spans, state, training=False)
        targets = spans[:, objective.before :]
        nats = network.output_layer.nats(features, tf.maximum(targets, 0))
        return tf.where(targets >= 0, nats / np.log(2), 0.0), state

    return score


def rows_at_once(network: Network, length: int, most: int) -> int:
    """Rows of a batch that keep the logits of ``length`` tokens each within MAX_LOGITS."""
    width = max(network.output_layer.size, network.output_layer.width)
    return int(max(1, min(most, MAX_LOGITS // (length * width))))


def token_bits(
    objective: Objective, network: Network, documents: Sequence[np.ndarray], moved: Moved = ignore
) -> list[np.ndarray]:
    """Bits of every token of every document, and of the end mark, under a network: (n + 1,) float32
    each.

    The state is the initial one at the beginning of a document and nothing is read before it but
    the boundary token: no token goes uncharged. ``moved`` is called with the windows that are
    scored, and how many there are.
    """
    windows = Windows(documents, objective)
    span_counts = windows.span_counts(windows.length)
    total = int(span_counts.sum())
    rows = rows_at_once(network, objective.length, min(MAX_ROWS, total))
    if objective.carries_state:  # a row reads one document after another, window by window
        # with more rows than this, some would wait for the longest document's row to end
        useful_rows = math.ceil(total / span_counts.max())
        useful_rows = min(len(documents), useful_rows)
        # few numbers of rows, each of which is compiled
        rows = min(rows, 2 ** math.ceil(math.log2(useful_rows)))
    step = scoring_step(objective, network)
    state = network.initial_state(rows)
    result = [np.zeros(size, dtype=np.float32) for size in windows.sizes]
    for number, batch in enumerate(windows.scoring(rows)):
        raise_if_cancelled()
        moved(min(number * rows, total), total)
        bits, state = step(batch.spans, batch.fresh, state)
        for document, start, row in zip(batch.documents, batch.starts, bits.numpy(), strict=True):
            if document != IDLE:
                end = min(start + objective.length, len(result[document]))
                result[document][start:end] = row[: end - start]
    return result
