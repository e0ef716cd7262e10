"""What every objective gives. The rest of textgen knows only this."""

from __future__ import annotations

from typing import Any, Protocol

from textgen.models.backbones.base import BackboneConfig, State


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
        """Whether the state goes on from one span of a document to the next."""
        ...

    @property
    def context(self) -> str:
        """How much earlier text a prediction sees, in words for the reports."""
        ...

    def build(self, backbone: BackboneConfig, vocabulary_size: int) -> Any:
        """A new :class:`textgen.models.backbones.base.Network`."""
        ...

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
        ...

    def begin(self, network: Any, batch: int) -> Any:
        """The carry of a generation loop before the first token of a document."""
        ...

    def next_features(self, network: Any, carry: Any) -> tuple[Any, Any]:
        """What the output layer reads for the next token, (B, n), and the carry with what was
        computed."""
        ...

    def append(self, carry: Any, tokens: Any) -> Any:
        """The carry after the tokens (B,) int32 have been written."""
        ...
