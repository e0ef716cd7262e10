"""Dynamic evaluation: a network that goes on learning from the document that it reads or writes.

After every window of a document the weights take one step that makes that window more likely
(Krause, Kahembwe, Murray & Renals 2018). A prediction depends on windows before its own alone, so
what comes out is a distribution over documents, and nothing is read ahead. Every document begins
with the trained weights.

A step is the rate times the gradient over the usual size of that weight's gradients: their root
mean square on the training text, one number for each tensor where the paper has one for each of its
elements. There is no pull back towards the trained weights.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textgen.models.batches import Windows
from textgen.models.graphs import compilable, restarted
from textgen.models.objectives import Objective, compiled_once
from textgen.models.types import (
    Gradients,
    GradientStep,
    Network,
    RowGradients,
    State,
    Tensor,
    Variable,
)
from textgen.tokenizers.encoded import Encoded

# Of the training text, whose first windows show how large gradients are.
MAX_MEASURED_DOCUMENTS = 200
# In root mean squares; a larger one is scaled down: one surprising window could undo all.
MAX_GRADIENT = 5.0


@dataclass(frozen=True)
class DynamicEvaluation:
    """How a network goes on learning.

    Attributes:
        rates: of each trainable weight's step, in root mean squares of its gradient.
        scales: those root mean squares; both in the order of the network.
    """

    rates: tuple[float, ...]
    scales: tuple[float, ...]


@compiled_once
def gradient_step(objective: Objective, network: Network) -> GradientStep:
    """(spans (1, before + length) int32, fresh (1,) bool, state) → (bits (1, length), state,
    gradients of the window's mean nats)."""
    import tensorflow as tf

    from textgen.models.recurrent import gradients_wanted

    weights = [w.value for w in network.trainable_variables]

    @tf.function(autograph=False, jit_compile=compilable(network, gradients=True))
    def step(spans: Tensor, fresh: Tensor, state: State) -> tuple[Tensor, State, Gradients]:
        with tf.GradientTape() as tape, gradients_wanted():
            state = restarted(network, state, fresh)
            features, state = objective.features(network, spans, state, training=False)
            targets = spans[:, objective.before :]
            labels = tf.maximum(targets, 0)
            present = tf.cast(targets >= 0, tf.float32)
            nats = network.output_layer.nats(features, labels)
            loss = tf.reduce_sum(nats * present) / tf.reduce_sum(present)
        gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
        bits = tf.where(targets >= 0, nats / np.log(2), 0.0)
        plain = list[Tensor | RowGradients]()
        for gradient in gradients:
            if isinstance(gradient, tf.IndexedSlices):
                gradient = RowGradients(gradient.indices, gradient.values)
            plain.append(gradient)
        return bits, state, plain

    return step


def descend(weight: Variable, gradient: Tensor | RowGradients, rate: float, scale: float) -> None:
    """Move a weight by ``rate`` times its gradient, as :func:`gradient_step` gives it, over
    ``scale``."""
    import tensorflow as tf

    values = _values(gradient)
    size = float(tf.sqrt(tf.reduce_mean(values * values)))
    step = rate / max(scale, size / MAX_GRADIENT) * values
    if isinstance(gradient, RowGradients):
        weight.scatter_sub(tf.IndexedSlices(step, gradient.rows))
    else:
        weight.assign_sub(step)


def _values(gradient: Tensor | RowGradients) -> Tensor:
    """All numbers of a gradient that may be other than 0."""
    return gradient.values if isinstance(gradient, RowGradients) else gradient


class AdaptingNetwork:
    """A network that learns as it reads; its own weights change until :meth:`restart`."""

    def __init__(self, objective: Objective, network: Network, settings: DynamicEvaluation) -> None:
        self._objective = objective
        self._network = network
        self._settings = settings
        self._weights = [w.value for w in network.trainable_variables]
        self._trained = [w.numpy() for w in self._weights]
        self._step = gradient_step(objective, network)
        self.restart()

    def restart(self) -> None:
        """The trained weights again, and a document that begins."""
        self._state = self._network.initial_state(1)
        self._tokens = list[int]()
        for weight, trained in zip(self._weights, self._trained, strict=True):
            weight.assign(trained)

    def append(self, token: int) -> None:
        """The token that came. After the last of a window the weights take a step."""
        self._tokens.append(token)
        length = self._objective.length
        if len(self._tokens) % length == 0:
            start = len(self._tokens) - length
            windows = Windows([np.array(self._tokens)], self._objective)
            fresh = np.array([start == 0 or not self._objective.carries_state])
            spans = windows.spans(np.zeros(1, np.int64), np.array([start]), length)
            self.read(spans, fresh)

    def read(self, spans: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        """Learn from a window.

        Args:
            spans: (1, before + length) int32, the window that follows the one before.
            fresh: (1,) bool, whether it is read from an empty state.

        Returns:
            (length,) float32, bits of its tokens under the weights before; 0 of a missing one.
        """
        bits, self._state, gradients = self._step(spans, fresh, self._state)
        for weight, gradient, rate, scale in zip(
            self._weights, gradients, self._settings.rates, self._settings.scales, strict=True
        ):
            descend(weight, gradient, rate, scale)
        return bits.numpy()[0]


def dynamic_bits(
    objective: Objective,
    network: Network,
    documents: Sequence[np.ndarray],
    settings: DynamicEvaluation,
) -> list[np.ndarray]:
    """Bits of every token of every document and of its end mark, (n + 1,) float32 each, of a
    network that goes on learning. Its weights are put back."""
    adapting = AdaptingNetwork(objective, network, settings)
    result = list[np.ndarray]()
    try:
        for document in documents:
            adapting.restart()
            windows = Windows([document], objective).scoring(1)
            bits = [adapting.read(spans, fresh) for spans, fresh, *_ in windows]
            result.append(np.concatenate(bits)[: len(document) + 1])
    finally:
        adapting.restart()
    return result


def measure_gradients(
    objective: Objective, network: Network, training: Encoded, rate: float, table_rate: float
) -> DynamicEvaluation:
    """How a network learns whose gradients are as large as in the first windows of training
    documents.

    Args:
        rate: of every weight, see :class:`DynamicEvaluation`.
        table_rate: how much faster tables learn, as while training.
    """
    step = gradient_step(objective, network)
    weights = network.trainable_variables
    tables = {id(t) for part in network.parts() for t in part.tables}
    rates = [rate * table_rate if id(weight) in tables else rate for weight in weights]
    squares = []
    for document in itertools.islice(training, MAX_MEASURED_DOCUMENTS):
        span, *_ = next(Windows([document], objective).scoring(1))
        _, _, gradients = step(span, np.array([True]), network.initial_state(1))
        values = [_values(gradient).numpy() for gradient in gradients]
        squares.append([float((each**2).mean()) for each in values])
    scales = np.sqrt(np.maximum(np.mean(squares, axis=0), 1e-16))
    return DynamicEvaluation(tuple(rates), tuple(scales.tolist()))
