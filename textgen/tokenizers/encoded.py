"""A document as token ids, with what they leave open.

A text is cut into *pieces*: characters, words with their leading space, numbers, runs of
punctuation, or subwords. A *token* is an entry of the vocabulary; its number, the *token id*, is
what a model reads. ``BOUNDARY`` (0) stands before the first and after the last token of a document,
and for the padding before it. ``ESCAPE`` (1) stands for a character that the training text did not
hold. The *surface form* of a placeholder, a token from which the text cannot be known, is what it
stands for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from textgen.core.tokens import ESCAPE

# the bits of naming one Unicode code point outright: the price of a character never seen
CHARACTER_BITS = math.log2(0x110000)
UNSEEN = "\ufffd"  # is written for a character never seen
# What a token leaves open: a string; of a gap in which words are missing, a tuple of these.
Surface: TypeAlias = str | tuple[str, ...]


def text_of(surface: Surface) -> str:
    """A surface form as it stands in the text."""
    return "".join(surface)


@dataclass(frozen=True)
class EncodedDocument:
    """A document as token ids, with the surface forms of its placeholders.

    Attributes:
        tokens: (n,) unsigned integers, the token ids, without boundaries.
        surfaces: the surface form of each placeholder, in order of occurrence.
        characters: length of the text in characters.
        pieces: number of pieces.
        replaced: number of pieces that were replaced by something else, or left out.
        spelling_bits: (len(surfaces),) float64, −log2 P(surface form | token) of each, in bits.
            Empty, as is all that follows, where the text was encoded for training, for which
            nothing is charged.
        remembered_bits: the same with a document cache, by which a surface form is cheaper for
            having stood in the document before.
        ends: (n,) int64, never falling: where the text of each token ends, in characters from the
            beginning of the document. A token that ends where the one before does (a case modifier,
            the first byte of a character) stands for no text by itself.
        places: (len(surfaces),) int64, the place among the tokens of the placeholder that hides
            each surface form. A surface form that is missing in a gap has the place of the token
            behind the gap, or n at the end of the text.
        starts: (n,) int64, where each token's own text begins, in characters; None if that is where
            the one before ends. With gaps, what is missing before a token stands between.
    """

    tokens: np.ndarray
    surfaces: tuple[Surface, ...] = ()
    characters: int = 0
    pieces: int = 0
    replaced: int = 0
    spelling_bits: np.ndarray = field(default_factory=partial(np.zeros, 0))
    remembered_bits: np.ndarray = field(default_factory=partial(np.zeros, 0))
    ends: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    places: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    starts: np.ndarray | None = None


Encoded = Sequence[EncodedDocument]


def smallest_dtype(size: int) -> np.dtype[np.generic]:
    """The narrowest unsigned integer type that holds token ids 0 … size − 1."""
    return np.dtype(np.min_scalar_type(size - 1))


def document_with_escapes(
    text: str, tokens: np.ndarray, surfaces: Sequence[str], ends: np.ndarray | None
) -> EncodedDocument:
    """A document in which nothing is hidden but characters never seen; without ``ends``, encoded
    for training."""
    encoded = EncodedDocument(
        tokens,
        tuple(surfaces),
        characters=len(text),
        pieces=len(tokens),
        replaced=len(surfaces),
    )
    if ends is None:
        return encoded
    bits = np.full(len(surfaces), CHARACTER_BITS)
    return replace(
        encoded,
        spelling_bits=bits,
        remembered_bits=bits,
        ends=ends,
        places=np.flatnonzero(tokens == ESCAPE),
    )
