"""What every backbone gives. The rest of textgen knows only this.

A backbone is a frozen dataclass of settings whose :meth:`BackboneConfig.build` makes a network.
What the network carries from token to token and how it steps is known to it alone.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

State: TypeAlias = Any
"""A nest of tensors (batch, …): what a network carries from token to token."""


class Network(Protocol):
    """A Keras model that reads tokens and carries a state.

    Attributes:
        embedding: the layer that gives tokens their vectors, or None.
        output_layer: from features to logits (:mod:`textgen.models.output`); None for an encoder.
        tables: weights (rows, size) of which an update reads few rows; a network may do without.
    """

    embedding: Any
    output_layer: Any

    def parts(self) -> tuple[Any, ...]:
        """The networks it is made of: itself, or an encoder and a decoder."""
        ...

    def initial_state(self, batch: int) -> State:
        """The state before the first token of a document; tensors (batch, …)."""
        ...

    def features(self, inputs: Any, state: State, training: bool = False) -> tuple[Any, State]:
        """What the output layer reads, for every position.

        Args:
            inputs: (B, T) int32 token ids, or (B, T, n) float32 vectors.
            state: before the first of them.

        Returns:
            (B, T, m) float32, and the state after the last position.
        """
        ...

    def __call__(self, inputs: Any, state: State, training: bool = False) -> tuple[Any, State]:
        """Logits (B, T, V) in place of features."""
        ...

    def state_vector(self, state: State) -> Any:
        """(B, n) float32: what an encoder hands to a decoder that reads vectors."""
        ...


class BackboneConfig(Protocol):
    """The settings of a backbone."""

    @property
    def embedding_width(self) -> int | None:
        """Size of the vectors of its embedding layer; None where there is no such layer."""
        ...

    @property
    def label(self) -> str:
        """What it is, for people: ``"LSTM of 320 units"``."""
        ...

    def build(
        self,
        vocabulary_size: int,
        *,
        source: str = "tokens",
        output: bool = True,
        name: str = "backbone",
    ) -> Network:
        """A new network.

        Args:
            vocabulary_size: V; frequent tokens come first.
            source: ``"tokens"``, or ``"vectors"`` of the size of a state vector.
            output: whether there is an output layer.
            name: of the model.
        """
        ...

    def footprint(self, vocabulary_size: int, targets: int) -> tuple[int, int]:
        """Numbers that training holds, about: weights, and activations of ``targets`` positions
        that grow with the vocabulary."""
        ...
