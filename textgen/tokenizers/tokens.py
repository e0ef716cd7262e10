"""The token ids that every tokenizer shares, and a document as token ids.

A text is cut into *pieces*: characters, words with their leading space, numbers, runs of
punctuation, or subwords. A *token* is an entry of the vocabulary, its number, the *token id*, is
what a model reads. ``BOUNDARY`` (0) stands before the first and after the last token of a document,
and for the padding before it. ``ESCAPE`` (1) stands for a character that the training text did not
hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BOUNDARY = 0
ESCAPE = 1
RESERVED = 2
CHARACTER_BITS = math.log2(0x110000)
"""Cost in bits of naming one Unicode code point outright: the price of a character never seen."""


def _no_places() -> np.ndarray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class EncodedDocument:
    """A document as token ids, with the surface forms of its placeholders.

    A placeholder is a token from which the text cannot be told, such as that of all rare words.

    Attributes:
        tokens: (n,) unsigned integers, the token ids, without boundaries.
        surfaces: the surface form of each placeholder, in order of occurrence.
        spelling_bits: (len(surfaces),) float64, −log2 P(surface form | token) of each, in bits.
            Empty where the text was encoded for training, for which nothing is charged.
        characters: length of the text in characters.
        pieces: number of pieces.
        replaced: number of pieces that were replaced by something else, or left out.
        remembered_bits: ``spelling_bits`` where a surface form is cheaper for having stood in the
            document before; None where nothing is remembered.
        ends: (n,) int64, never falling: where the text of each token ends, in characters from the
            beginning of the document. A token that ends where the one before does (a case modifier,
            the first byte of a character) stands for no text by itself. Empty, as are the next two,
            where the text was encoded for training.
        places: (len(surfaces),) int64, the place of the token that each surface form belongs to; n
            for the end of the text.
        starts: (n,) int64, where each token's own text begins, if words may have been left out
            before it, which then belong to its surface form; else None.
    """

    tokens: np.ndarray
    surfaces: tuple[str, ...]
    spelling_bits: np.ndarray
    characters: int
    pieces: int
    replaced: int
    remembered_bits: np.ndarray | None = None
    ends: np.ndarray = field(default_factory=_no_places)
    places: np.ndarray = field(default_factory=_no_places)
    starts: np.ndarray | None = None

    @property
    def spelling_bits_with_memory(self) -> np.ndarray:
        """(len(surfaces),) float64: ``remembered_bits``, or where nothing is remembered the same as
        ``spelling_bits``."""
        return self.spelling_bits if self.remembered_bits is None else self.remembered_bits


@dataclass(frozen=True)
class Rendered:
    """Generated tokens as text.

    Attributes:
        text: with all placeholders filled.
        filled: (start, end, name of the placeholder) of every span of ``text`` that fills one, in
            characters.
    """

    text: str
    filled: tuple[tuple[int, int, str], ...] = ()


def smallest_dtype(size: int) -> np.dtype[Any]:
    """The narrowest unsigned integer type that holds token ids 0 … size − 1."""
    return np.dtype(np.min_scalar_type(size - 1))
