"""Bits of every token of documents under a network, for any objective."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from textgen.core.errors import raise_if_cancelled
from textgen.models.batches import Windows
from textgen.models.objectives import Objective

if TYPE_CHECKING:
    from textgen.evaluation.steps import Steps

MAX_ROWS = 32
MAX_LOGITS = 2**25
"""Size of the largest array of logits while scoring: 134 MB."""


def scorer(objective: Objective, network: Any) -> Steps:
    """The compiled steps of a model, kept with its network."""
    from textgen.evaluation.steps import Steps

    scorers = vars(network).setdefault("_scorers", {})  # past Keras, which would track it
    if objective not in scorers:
        scorers[objective] = Steps(objective, network)
    return scorers[objective]


def rows_at_once(network: Any, length: int, most: int) -> int:
    """Rows of a batch that keep the logits of ``length`` tokens each within MAX_LOGITS."""
    return int(max(1, min(most, MAX_LOGITS // (length * network.output_layer.width))))


def token_bits(
    objective: Objective,
    network: Any,
    documents: Sequence[np.ndarray],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[np.ndarray]:
    """Bits of every token of every document, and of the end mark: (n + 1,) float32 each.

    The state is the initial one at the beginning of a document and nothing is read before it but
    the boundary token: no token goes uncharged. ``progress`` is called with the windows that are
    scored, and how many there are.
    """
    windows, rows = _batches(objective, network, documents)
    step, state = scorer(objective, network).bits, network.initial_state(rows)
    result = [np.zeros(size, dtype=np.float32) for size in windows.sizes]
    total = int(windows.per_document().sum())
    for number, (batch, fresh, places, starts) in enumerate(windows.scoring(rows)):
        raise_if_cancelled()
        progress(min(number * rows, total), total)
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
