"""What every tokenizer gives: a codec fitted on the training split.

Two symbols are the same in all codecs. ``BOUNDARY`` (0) stands before the first and after the
last symbol of a document, and for the padding before it. ``ESCAPE`` (1) stands for whatever the
training text did not hold; what it hides travels beside the symbols and is charged for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

BOUNDARY = 0
ESCAPE = 1
CHARACTER_BITS = math.log2(0x110000)
"""Cost in bits of naming one Unicode code point outright: the price of a character never seen."""


@dataclass(frozen=True)
class Encoded:
    """A text as symbols.

    Attributes:
        symbols: (n,) unsigned integers, without boundaries.
        surfaces: what each symbol that hides something stands for, in order of occurrence.
        spelling_bits: (len(surfaces),) float64, −log2 P(surface | symbol) of each.
        characters: length of the text in characters.
    """

    symbols: np.ndarray
    surfaces: tuple[str, ...]
    spelling_bits: np.ndarray
    characters: int


class Codec(Protocol):
    """A fitted tokenizer. ``decode(encode(text)) == text`` for every string."""

    @property
    def size(self) -> int:
        """Number of symbols, the two reserved ones included."""
        ...

    def encode(self, text: str) -> Encoded: ...
    def decode(self, encoded: Encoded) -> str: ...
    def render(self, symbols: Sequence[int] | np.ndarray) -> str:
        """Generated symbols as text; reserved symbols are left out."""
        ...

    def unknown(self, text: str) -> list[str]:
        """The parts of a prompt that the model has no symbol for."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data."""
        ...


class Tokenizer(Protocol):
    """The settings of a tokenizer; fitting and loading give its codec."""

    def fit(self, texts: Iterable[str]) -> Codec: ...
    def load(self, state: dict[str, Any]) -> Codec: ...


def smallest_dtype(size: int) -> np.dtype[Any]:
    """The narrowest unsigned integer type that holds symbols 0 … size − 1."""
    return np.dtype(np.min_scalar_type(size - 1))
