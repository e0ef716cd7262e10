"""The symbols that every codec shares, and a text as symbols.

``BOUNDARY`` (0) stands before the first and after the last symbol of a document, and for the
padding before it. ``ESCAPE`` (1) stands for a character that the training text did not hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

BOUNDARY = 0
ESCAPE = 1
RESERVED = 2
CHARACTER_BITS = math.log2(0x110000)
"""Cost in bits of naming one Unicode code point outright: the price of a character never seen."""


@dataclass(frozen=True)
class Encoded:
    """A text as symbols, and what the symbols do not say.

    Attributes:
        symbols: (n,) unsigned integers, without boundaries.
        surfaces: what each symbol that leaves something open stands for, in order of occurrence.
        spelling_bits: (len(surfaces),) float64, −log2 P(surface | symbol) of each. Empty where the
            text was encoded for training: nobody is charged for training text.
        characters: length of the text in characters.
        tokens: the characters, words or subwords it was cut into before any was replaced.
        replaced: how many tokens something else stands for, or nothing at all.
    """

    symbols: np.ndarray
    surfaces: tuple[str, ...]
    spelling_bits: np.ndarray
    characters: int
    tokens: int
    replaced: int


@dataclass(frozen=True)
class Layout:
    """Which stretch of a text each of its symbols tells.

    Attributes:
        ends: (n,) int64, never falling: how much of the text, in characters, is told once a symbol
            is read and what it leaves open is known. A symbol whose end is that of the one before
            (a case modifier, the first byte of a character) tells nothing by itself.
        places: (m,) int64, the symbol that each surface belongs to; n for the end of the text.
        starts: (n,) int64, where each symbol's own text begins, if words may have been left out
            before it, which then belong to its surface; else None.
    """

    ends: np.ndarray
    places: np.ndarray
    starts: np.ndarray | None = None


@dataclass(frozen=True)
class Rendered:
    """Generated symbols as text.

    Attributes:
        text: what is read.
        realised: (start, end, symbol) of every stretch of ``text`` that fills in a placeholder.
    """

    text: str
    realised: tuple[tuple[int, int, str], ...] = ()


def smallest_dtype(size: int) -> np.dtype[Any]:
    """The narrowest unsigned integer type that holds symbols 0 … size − 1."""
    return np.dtype(np.min_scalar_type(size - 1))
