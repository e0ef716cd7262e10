"""What every objective gives. The rest of textgen knows only this."""

from __future__ import annotations

from typing import Any, Protocol

from textgen.core import Backbone


class Objective(Protocol):
    """How the text is cut into spans and what the network does with one.

    A span is ``before`` tokens of context followed by ``length`` targets. Targets tile a document
    without gap or overlap, so every token is charged exactly once. The probability of a target
    depends on earlier tokens only, which makes the product a distribution over documents.
    """

    @property
    def before(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def carries_state(self) -> bool:
        """Whether the LSTM states go on from one span of a document to the next."""
        ...

    @property
    def context(self) -> str:
        """How far a prediction can look back, in words for the reports."""
        ...

    def build(self, settings: Backbone, vocabulary_size: int, lstm: Any) -> Any:
        """The network, a functional Keras model that saves as a plain Keras file."""
        ...

    def logits(self, network: Any, spans: Any, states: Any, training: bool) -> tuple[Any, Any]:
        """spans (B, before + length) int32 → logits (B, length, V), states after the span."""
        ...

    def begin(self, network: Any, settings: Backbone, batch: int) -> Any:
        """The carry of a generation loop before the first token of a document."""
        ...

    def next_logits(self, network: Any, carry: Any) -> tuple[Any, Any]:
        """Logits (B, V) of the next token, the carry with what was computed."""
        ...

    def append(self, carry: Any, tokens: Any) -> Any:
        """The carry after the tokens (B,) int32 have been written."""
        ...
