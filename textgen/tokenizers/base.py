"""What every tokenizer gives: a tokenizer fitted on the training split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from textgen.tokenizers.tokens import BOUNDARY, ESCAPE, EncodedDocument, Layout, Rendered

FILL = ("pool", "spell", "mark")
"""How a generated placeholder becomes a word: drawn from the training words it stood for, newly
spelled, or left standing as a mark."""


class Tokenizer(ABC):
    """A fitted tokenizer. ``decode(encode(text)) == text`` for every string."""

    charged: bool = True
    """Whether every bit of a text is paid for. If not, no figure of it may be printed."""
    extra_data: tuple[str, ...] = ()
    """What it knows from elsewhere than the training split, in words for the reports."""
    spaces_lead: bool = False
    """Whether the space before a word belongs to the word's own token."""
    unwritable: tuple[int, ...] = (BOUNDARY, ESCAPE)
    """Tokens that generation never draws, since they stand for no text of their own."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of tokens, the two reserved ones included."""

    @property
    @abstractmethod
    def characters_per_token(self) -> float:
        """Average over some training text: how far a sample of so many tokens goes."""

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """The text each token stands for, or its name where it stands for none; (size,)."""

    @abstractmethod
    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        """A text as tokens. ``training`` leaves out the charges, and may show the network tokens
        that it would otherwise never see."""

    @abstractmethod
    def layout(self, text: str) -> Layout:
        """Where in the text the tokens and surfaces of ``encode(text)`` stand."""

    @abstractmethod
    def decode(self, encoded: EncodedDocument) -> str: ...

    @abstractmethod
    def render(
        self, tokens: np.ndarray, *, before: str = "", fill: str = "pool", seed: int = 0
    ) -> Rendered:
        """Generated tokens as text.

        Args:
            tokens: (n,) integers; reserved ones are left out.
            before: the text that they continue.
            fill: one of :data:`FILL`.
            seed: repeats the words that are drawn.
        """

    def unknown(self, text: str) -> list[str]:
        """The parts of a prompt that the model has no token for."""
        return []

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data."""


class TokenizerConfig(Protocol):
    """The settings of a tokenizer; fitting and loading give its tokenizer."""

    def fit(
        self, texts: Sequence[str], tuning: Sequence[str], seed: int, alphabet: str = ""
    ) -> Tokenizer:
        """Args:
        texts: the training split, from which everything is learnt.
        tuning: the validation split, on which a few numbers may be chosen.
        seed: of whatever is random.
        alphabet: characters of the training split that ``texts``, a sample of it, may lack.
        """
        ...

    def load(self, state: dict[str, Any]) -> Tokenizer: ...
