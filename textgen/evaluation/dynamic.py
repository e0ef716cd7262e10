"""Dynamic evaluation: a network that goes on learning from the document that it reads or writes.

After every window of a document the weights take one step that makes that window more likely
(Krause, Kahembwe, Murray & Renals 2018). A prediction depends on windows before its own alone, so
what comes out is a distribution over documents, and nothing is read ahead. Every document begins
with the trained weights.

A step is the rate times the gradient over what gradients of that weight usually measure: their
root mean square on the training text, one number for each tensor where the paper has one for each
of its elements. There is no pull back towards the trained weights.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textgen.evaluation.scorer import scorer
from textgen.models.base import Objective
from textgen.models.batches import Windows
from textgen.tokenizers.tokens import EncodedDocument

MEASURED = 200
"""Windows of the training text that gradients are measured on."""
LARGEST = 5.0
"""A gradient that measures more than so many of its usual root mean squares is cut down to that:
else one surprising window could undo what was learnt."""


@dataclass(frozen=True)
class Learning:
    """How a network goes on learning.

    Attributes:
        rates: of each trainable weight's step, in root mean squares of its gradient.
        scales: those root mean squares; both in the order of the network.
    """

    rates: tuple[float, ...]
    scales: tuple[float, ...]


class Learner:
    """A network that learns as it reads; its own weights change until :meth:`restart`.

    Args:
        objective, network: the model.
        learning: of no effect where it is None.
    """

    def __init__(self, objective: Objective, network: Any, learning: Learning | None) -> None:
        self._objective, self._network, self._learning = objective, network, learning
        if learning is not None:
            self._weights = [w.value for w in network.trainable_variables]
            self._begun = [w.numpy() for w in self._weights]
            self._step = scorer(objective, network).gradients
        self.restart()

    def restart(self) -> None:
        """The trained weights again, and a document that begins."""
        self._state = self._network.initial_state(1)
        self._tokens = list[int]()
        if self._learning is not None:
            for weight, begun in zip(self._weights, self._begun, strict=True):
                weight.assign(begun)

    def append(self, token: int) -> None:
        """The token that came. After the last of a window the weights take a step."""
        self._tokens.append(token)
        start = len(self._tokens) - self._objective.length
        if self._learning is not None and start % self._objective.length == 0:
            windows = Windows([np.array(self._tokens)], self._objective)
            self.read(windows.spans(np.zeros(1, np.int64), np.array([start])), start == 0)

    def read(self, spans: np.ndarray, fresh: bool) -> np.ndarray:
        """Learn from a window.

        Args:
            spans: (1, before + length) int32, the window that follows the one before.
            fresh: whether the document begins here.

        Returns:
            (length,) float32, bits of its tokens under the weights before; 0 of a missing one.
        """
        assert self._learning is not None
        fresh = fresh or not self._objective.carries_state
        bits, self._state, gradients = self._step(spans, np.array([fresh]), self._state)
        import tensorflow as tf

        learning = self._learning
        for weight, gradient, rate, scale in zip(
            self._weights, gradients, learning.rates, learning.scales, strict=True
        ):
            values = gradient[1] if isinstance(gradient, tuple) else gradient
            size = float(tf.sqrt(tf.reduce_mean(values * values)))
            step = rate / max(scale, size / LARGEST) * values
            if isinstance(gradient, tuple):
                weight.scatter_sub(tf.IndexedSlices(step, gradient[0]))
            else:
                weight.assign_sub(step)
        return bits.numpy()[0]


def learnt_bits(
    objective: Objective, network: Any, documents: Sequence[np.ndarray], learning: Learning
) -> list[np.ndarray]:
    """Bits of every token of every document and of its end mark, (n + 1,) float32 each, of a
    network that goes on learning. Its weights are put back."""
    learner, found = Learner(objective, network, learning), list[np.ndarray]()
    try:
        for document in documents:
            learner.restart()
            windows = _in_order(objective, document)
            bits = [learner.read(span, start == 0) for start, span in windows]
            found.append(np.concatenate(bits)[: len(document) + 1])
    finally:
        learner.restart()
    return found


def learning_seconds(objective: Objective, network: Any, documents: Sequence[np.ndarray]) -> float:
    """How long :func:`learnt_bits` will take, about, from a few windows, read once before they are
    timed; what they need is kept."""
    number, each = len(network.trainable_variables), 0.0
    learner = Learner(objective, network, Learning((0.0,) * number, (1.0,) * number))
    windows = list(itertools.islice(_in_order(objective, max(documents, key=len)), 5))
    for _ in range(2):
        begin = time.perf_counter()
        for start, span in windows:
            learner.read(span, start == 0)
        each = (time.perf_counter() - begin) / len(windows)
        learner.restart()
    return each * sum(len(document) // objective.length + 1 for document in documents)


def measured(
    objective: Objective, network: Any, training: Sequence[EncodedDocument], rate: float,
    table_rate: float,
) -> Learning:  # fmt: skip
    """The gradients of the first window of each training document, of up to MEASURED.

    Args:
        table_rate: how much faster tables learn, as while training.
    """
    step, number = scorer(objective, network).gradients, 0
    sums = np.zeros(len(network.trainable_variables))
    tables = {id(t) for part in network.parts() for t in getattr(part, "tables", ())}
    rates = [rate * table_rate if id(w) in tables else rate for w in network.trainable_variables]
    for document in list(training)[:MEASURED]:
        _, span = next(_in_order(objective, document.tokens))
        _, _, gradients = step(span, np.array([True]), network.initial_state(1))
        values = [g[1] if isinstance(g, tuple) else g for g in gradients]
        sums += [float((value.numpy() ** 2).mean()) for value in values]
        number += 1
    return Learning(tuple(rates), tuple(np.sqrt(np.maximum(sums / number, 1e-16)).tolist()))


def _in_order(objective: Objective, document: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Where each window of a document starts, and its span (1, before + length)."""
    windows = Windows([np.asarray(document)], objective)
    for start in range(0, len(document) + 1, objective.length):
        yield start, windows.spans(np.zeros(1, np.int64), np.array([start]))
