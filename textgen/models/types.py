"""What passes between networks and whatever trains, scores or draws with them, by name.

TensorFlow and Keras are not imported, and have no types: to a type checker a tensor can be
anything. Shapes and types of numbers stand in the docstring of every function.
"""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

Tensor: TypeAlias = Any  # of TensorFlow
Tensors: TypeAlias = Sequence[Tensor]
Variable: TypeAlias = Any  # of Keras
Layer: TypeAlias = Any  # of Keras
Config: TypeAlias = dict[str, Any]  # the JSON from which Keras makes a layer again
# A nest of tensors (batch, …), as ``tf.nest`` understands it.
State: TypeAlias = "Tensor | Sequence[State]"
# What comes of reading tokens: (batch, length, n) float32, and the state after the last of them.
Reading: TypeAlias = tuple[Tensor, State]
# The number of tokens of the text, () int32; the last ones, (batch, before) int32; and a state.
Carry: TypeAlias = tuple[Tensor, Tensor, State]


class RowGradients(NamedTuple):
    """The gradient of a table of which few rows were read.

    Attributes:
        rows: (n,) int32, those that were read.
        values: (n, size) float32, their gradients.
    """

    rows: Tensor
    values: Tensor


# Of each trainable weight, in the order of the network: a tensor of its shape, or those of rows.
Gradients: TypeAlias = Sequence[Tensor | RowGradients]

# Functions that are compiled once for an objective and its network. Spans are (B, before + length)
# int32; fresh is (B,) bool, where a document begins; V is the number of tokens.
#
# (spans, fresh, state) → (bits (B, length) float32, state)
ScoringStep: TypeAlias = Callable[[Tensor, Tensor, State], tuple[Tensor, State]]
# (spans, fresh, state) → (bits (B, length) float32, state, gradients of the mean nats)
GradientStep: TypeAlias = Callable[[Tensor, Tensor, State], tuple[Tensor, State, Gradients]]
# (carry, the tokens (B,) int32 that were written, or None) → (features (B, n) float32, carry)
ReadingStep: TypeAlias = Callable[[Carry, Tensor | None], tuple[Tensor, Carry]]
# features (B, n) float32 → logits (B, V) float32
OutputStep: TypeAlias = Callable[[Tensor], Tensor]
# (features (B, n), carry, forced (k, B), numbers (k, B), temperature (B,), offsets (B, V)) →
# (features, carry, tokens (k, B) int32)
WritingLoop: TypeAlias = Callable[
    [Tensor, Carry, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Carry, Tensor]
]
# (spans, fresh) → (3,) float64: loss and bits, both summed over the targets, and how many there are
UpdateStep: TypeAlias = Callable[[Tensor, Tensor], Tensor]


class OutputLayer(Protocol):
    """From the features of a position to a distribution over its token."""

    @property
    def size(self) -> int:
        """V, number of tokens."""

    @property
    def head_size(self) -> int:
        """Tokens whose cost is always computed; V where there is no tail."""

    @property
    def width(self) -> int:
        """Logits that a training computes for a target, about."""

    @property
    def has_logits(self) -> bool:
        """Whether calling it gives logits of one softmax, which a binary loss needs; else they are
        log-probabilities."""

    def __call__(self, features: Tensor) -> Tensor:
        """(…, n) float32 → (…, V) float32: logits or log-probabilities."""

    def sums(self, features: Tensor, weights: Tensor) -> Tensors:
        """Σ weight · P over all tokens, without a row of V probabilities leaving the layer.

        Args:
            features: (B, n) float32.
            weights: (V, m) float32.

        Returns:
            (B, m) float32; and a lower bound of ln(P / highest P of its row) of all tokens in all
            rows, () float32: where it is below about −80, float32 has lost digits of P.
        """

    def nats(self, features: Tensor, labels: Tensor) -> Tensor:
        """−ln P(label): (B, T, n) float32, (B, T) int32 in 0 … V − 1 → (B, T) float32."""

    def loss(self, features: Tensor, labels: Tensor, tail_share: float) -> Tensor:
        """What training makes small, of the same shapes, which are static, as XLA wants them.

        Args:
            features, labels: as of :meth:`nats`.
            tail_share: of all targets, how many are in the tail, about; 1.0 is always exact.
        """

    def start_at(self, logits: np.ndarray) -> None:
        """Make the biases give these logits, (V,) float, before any feature counts."""


class Network(Protocol):
    """Reads tokens and carries a state, a nest of tensors (batch, …), from one to the next.

    A Keras model that an objective has built. It has its weights from the start.
    """

    @property
    def embedding(self) -> Layer | None:
        """The layer that gives tokens their vectors, or None."""

    @property
    def output_layer(self) -> OutputLayer:
        """Gives a token its distribution. An encoder has none."""

    @property
    def frequency_bias(self) -> bool:
        """Whether the output's bias is to start at the log-frequencies of the training tokens."""

    @property
    def tables(self) -> Sequence[Variable]:
        """Weights (rows, size) float32 of which an update reads few rows."""

    def parts(self) -> "Sequence[Network]":
        """The networks it is made of: itself, or an encoder and a decoder, or members."""

    def initial_state(self, batch: int) -> State:
        """The state before the first token of a document."""

    def features(self, inputs: Tensor, state: State, training: bool = False) -> Reading:
        """What the output layer reads, for every position.

        Args:
            inputs: (B, T) int32 token ids, or (B, T, n) float32 vectors.
            state: before the first of them.
            training: whether dropout and the like are at work.

        Returns:
            (B, T, m) float32, and the state after the last position.
        """

    def __call__(self, inputs: Tensor, state: State, training: bool = False) -> Reading:
        """Logits (B, T, V) float32 in place of features."""

    def state_vector(self, state: State) -> Tensor:
        """(B, n) float32: what an encoder hands to a decoder that reads vectors."""

    # what follows, every Keras model has

    @property
    def weights(self) -> Sequence[Variable]:
        """All weights that are saved."""

    @property
    def variables(self) -> Sequence[Variable]:
        """The weights and everything else that changes, such as the states of random generators."""

    @property
    def trainable_variables(self) -> Sequence[Variable]:
        """The weights that an update changes."""

    def count_params(self) -> int:
        """The number of scalars in all weights."""

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights."""

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Take the place of all weights, in the order of :meth:`get_weights`."""

    def save_weights(self, path: str | PathLike[str]) -> None:
        """Write all weights to a file ``….weights.h5``."""

    def load_weights(self, path: str | PathLike[str]) -> None:
        """Read all weights from such a file."""
