"""What every backbone, network, output and objective gives. The rest of textgen knows only this.

A backbone is a frozen dataclass of settings whose :meth:`BackboneConfig.build` makes a network.
What the network carries from token to token and how it steps is known to it alone.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np

from textgen.tokenizers.tokens import BOUNDARY

State: TypeAlias = Any
"""A nest of tensors (batch, …): what a network carries from token to token."""


class Output(Protocol):
    """From the features of a position to the prediction of its token.

    Attributes:
        size: V.
        head_size: tokens whose costs are always computed; V where there is no tail.
        width: logits that are computed for a target, about.
        adaptive: whether the costs of targets are cheaper than all logits: it has ``head_nats`` and
            ``tail_nats``, as :class:`textgen.models.output.AdaptiveSoftmax`.
        has_logits: whether calling it gives the logits of one softmax, which a binary loss needs;
            else it gives log-probabilities.
    """

    size: int
    head_size: int
    width: int
    adaptive: bool
    has_logits: bool

    def __call__(self, features: Any) -> Any:
        """(…, n) float32 → logits or log-probabilities (…, V)."""

    def nats(self, features: Any, labels: Any, tail_share: float = 1.0) -> Any:
        """The training loss, −ln P(label): (B, T, n) float32, (B, T) int32 → (B, T) float32.

        Args:
            tail_share: of all targets, how many are in the tail, about; 1.0 is always exact.
        """

    def start_at(self, logits: np.ndarray) -> None:
        """Make the biases give these logits, (V,) float, before any feature counts."""


class Network(Protocol):
    """A Keras model that reads tokens and carries a state.

    Attributes:
        embedding: the layer that gives tokens their vectors, or None.
        output_layer: an :class:`Output`; None for an encoder.
        tables: weights (rows, size) of which an update reads few rows; a network may do without.
    """

    embedding: Any
    output_layer: Any

    def parts(self) -> tuple[Any, ...]:
        """The networks it is made of: itself, or an encoder and a decoder."""

    def initial_state(self, batch: int) -> State:
        """The state before the first token of a document; tensors (batch, …)."""

    def features(self, inputs: Any, state: State, training: bool = False) -> tuple[Any, State]:
        """What the output layer reads, for every position.

        Args:
            inputs: (B, T) int32 token ids, or (B, T, n) float32 vectors.
            state: before the first of them.
            training: whether dropout and the like are at work.

        Returns:
            (B, T, m) float32, and the state after the last position.
        """

    def __call__(self, inputs: Any, state: State, training: bool = False) -> tuple[Any, State]:
        """Logits (B, T, V) in place of features."""

    def state_vector(self, state: State) -> Any:
        """(B, n) float32: what an encoder hands to a decoder that reads vectors."""


class BackboneConfig(Protocol):
    """The settings of a backbone."""

    @property
    def embedding_width(self) -> int | None:
        """Size of the vectors of its embedding layer; None where there is no such layer."""

    @property
    def label(self) -> str:
        """What it is, for people: ``"LSTM of 320 units"``."""

    def build(
        self, vocabulary_size: int, *, source: str = "tokens", output: bool = True
    ) -> Network:
        """A new network.

        Args:
            vocabulary_size: V; frequent tokens come first.
            source: ``"tokens"``, or ``"vectors"`` of the size of a state vector.
            output: whether there is an output layer.
        """


class Objective(Protocol):
    """How the text is cut into spans and what the network does with one.

    A span is ``before`` tokens of context followed by ``length`` targets. Targets tile a document
    without gap or overlap, so every token is charged exactly once. The probability of a target
    depends on earlier tokens only, which makes the product a distribution over documents.

    Text is generated token by token: ``begin`` gives a carry, ``next_features`` what the output
    layer reads for the next token, ``append`` the carry after it was written. A carry is the number
    of tokens, the last ``before`` of them, and a state.

    Attributes:
        carries_state: whether the state goes on from one span of a document to the next.
        fixed_windows: whether windows begin at the same places in every epoch.
    """

    carries_state: ClassVar[bool] = False
    fixed_windows: bool = False

    @property
    def before(self) -> int:
        """Tokens of context that a span begins with."""

    @property
    def length(self) -> int:
        """Targets of a span."""

    @property
    def context(self) -> str:
        """How much earlier text a prediction sees, in words for the reports."""

    def build(self, backbone: BackboneConfig, vocabulary_size: int) -> Any:
        """A new :class:`Network`."""
        return backbone.build(vocabulary_size)

    def features(self, network: Any, spans: Any, state: State, training: bool) -> tuple[Any, State]:
        """What the output layer reads at every target.

        Args:
            network: as :meth:`build` made it.
            spans: (B, before + length) int32.
            state: before the span.
            training: whether dropout and the like are at work.

        Returns:
            (B, length, n) float32, and the state after the span.
        """

    def begin(self, network: Any, batch: int) -> Any:
        """The carry before the first token of a document."""
        import tensorflow as tf

        recent = tf.fill([batch, self.before], BOUNDARY)
        return tf.constant(0), recent, self.first_state(network, batch)

    def first_state(self, network: Any, batch: int) -> Any:
        """The state of a carry before the first token."""
        return network.initial_state(batch)

    def next_features(self, network: Any, carry: Any) -> tuple[Any, Any]:
        """What the output layer reads for the next token, (B, n), and the carry with what was
        computed."""

    def append(self, carry: Any, tokens: Any) -> Any:
        """The carry after the tokens (B,) int32 have been written."""
        import tensorflow as tf

        position, recent, state = carry
        return position + 1, tf.concat([recent[:, 1:], tokens[:, None]], axis=1), state
