"""The tokens that every tokenizer shares, and a text as tokens.

``BOUNDARY`` (0) stands before the first and after the last token of a document, and for the
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
class EncodedDocument:
    """A text as tokens, and what the tokens do not say.

    Attributes:
        tokens: (n,) unsigned integers, without boundaries.
        surfaces: what each token that leaves something open stands for, in order of occurrence.
        spelling_bits: (len(surfaces),) float64, −log2 P(surface | token) of each. Empty where the
            text was encoded for training: nobody is charged for training text.
        characters: length of the text in characters.
        pieces: the characters, words or subwords it was cut into before any was replaced.
        replaced: how many pieces something else stands for, or nothing at all.
    """

    tokens: np.ndarray
    surfaces: tuple[str, ...]
    spelling_bits: np.ndarray
    characters: int
    pieces: int
    replaced: int


@dataclass(frozen=True)
class Layout:
    """Which stretch of a text each of its tokens tells.

    Attributes:
        ends: (n,) int64, never falling: how much of the text, in characters, is told once a token
            is read and what it leaves open is known. A token whose end is that of the one before
            (a case modifier, the first byte of a character) tells nothing by itself.
        places: (m,) int64, the token that each surface belongs to; n for the end of the text.
        starts: (n,) int64, where each token's own text begins, if words may have been left out
            before it, which then belong to its surface; else None.
    """

    ends: np.ndarray
    places: np.ndarray
    starts: np.ndarray | None = None


@dataclass(frozen=True)
class Rendered:
    """Generated tokens as text.

    Attributes:
        text: what is read.
        filled: (start, end, token) of every stretch of ``text`` that fills in a placeholder.
    """

    text: str
    filled: tuple[tuple[int, int, str], ...] = ()


def smallest_dtype(size: int) -> np.dtype[Any]:
    """The narrowest unsigned integer type that holds tokens 0 … size − 1."""
    return np.dtype(np.min_scalar_type(size - 1))
