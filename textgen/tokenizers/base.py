"""The interface of a tokenizer: settings that are fitted on the training split, and the result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from textgen.tokenizers.tokens import (
    BOUNDARY,
    ESCAPE,
    EncodedDocument,
    Rendered,
    StepsOf,
    unseen_character,
)

FILL = ("scored", "pool", "spell", "mark")
"""How a generated placeholder is filled: by a word drawn with the probability that is charged for
it, by one of the training words it stood for, by a newly spelled one, or by a mark such as
``<unk>``. Only the first writes text with the distribution that is scored."""


class Tokenizer(ABC):
    """A fitted tokenizer. ``decode(encode(text)) == text`` for every string."""

    charged: bool = True
    """Whether every bit of a text is charged. If not, there is no normalised distribution over the
    raw text, and no figure of it may be printed."""
    extra_data: tuple[str, ...] = ()
    """Data from outside the training split that it uses, in words for the reports."""
    closed_vocabulary: bool = False
    """Whether the vocabulary belongs to one file of tokens: its perplexity is then comparable with
    that of other models of the same file, and with nothing else."""
    spaces_lead: bool = False
    """Whether the space before a word belongs to the word's own token."""
    whole_words: bool = False
    """Whether a token with a text is a whole word, so that the next one begins another."""
    unwritable: tuple[int, ...] = (BOUNDARY, ESCAPE)
    """Token ids that are never drawn in generation, since they stand for no text of their own."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of tokens in the vocabulary, V, the two reserved ones included."""

    @property
    @abstractmethod
    def characters_per_token(self) -> float:
        """Average over some training text: how long a sample of so many tokens is."""

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """(V,): the text each token stands for, or its name where it stands for none."""

    @abstractmethod
    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        """A text as token ids.

        Args:
            text: any string.
            training: nothing is charged, no token is located in the text, and some known words may
                be encoded as rare ones, which the network would otherwise never see.
        """

    @abstractmethod
    def decode(self, encoded: EncodedDocument) -> str:
        """The text again, exactly."""

    @abstractmethod
    def render(
        self, tokens: np.ndarray, *, before: str = "", fill: str = "scored", seed: int = 0,
        memory: bool = False,
    ) -> Rendered:  # fmt: skip
        """Generated tokens as text.

        Args:
            tokens: (n,) integers, token ids; reserved ones are left out.
            before: the text that they continue.
            fill: one of :data:`FILL`.
            seed: of the words that fill placeholders.
            memory: with the fill ``"scored"``, rare words that stood in the text before come back
                as often as a memory of the document has it.
        """

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        """How the surface form is chosen that belongs behind some tokens.

        Args:
            tokens: of the document so far; only the last two matter.

        Returns:
            None where they leave nothing open. By default only a character never seen is open.
        """
        return unseen_character if len(tokens) and tokens[-1] == ESCAPE else None

    def unknown(self, text: str) -> list[str]:
        """The parts of a prompt for which there is no token."""
        return []

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data."""

    def portable(self) -> dict[str, Any]:
        """What ``textgen/interactive/tokenizers.js`` needs to do the same, as JSON data.

        Raises:
            ValueError: it cannot; says why.
        """
        raise ValueError(f"{type(self).__name__}, which only Python has")


class TokenizerConfig(Protocol):
    """The settings of a tokenizer: fitting and loading give the fitted one."""

    def fit(
        self, texts: Sequence[str], tuning: Sequence[str], seed: int, alphabet: str = ""
    ) -> Tokenizer:
        """Learn everything from the training split.

        Args:
            texts: the training split, or a sample of a large one.
            tuning: the validation split, on which a few numbers may be chosen.
            seed: of whatever is random.
            alphabet: characters of the training split that a sample of it may lack.
        """
        ...

    def load(self, state: dict[str, Any]) -> Tokenizer:
        """The fitted tokenizer from its ``state()``."""
        ...
