"""A document as a sequence of choices, each with its distribution.

The network chooses tokens; what a token leaves open is chosen behind it, character by character.
An arithmetic coder and an audit walk through both in the one order in which a reader needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from textgen.tokenizers.tokens import BOUNDARY, EncodedDocument
from textgen.tokenizers.words.recurrence import DocumentCounts

if TYPE_CHECKING:
    from textgen.tokenizers.base import Tokenizer

POINT = ((17, 0x10000), (256, 0x100), (256, 1))
"""A code point in three choices: of how many, and what each counts for. 17 · 256 · 256 = 0x110000,
so the three cost ``CHARACTER_BITS``."""


class Choice(NamedTuple):
    """One choice. Whoever knows what is chosen need not ask for the probabilities.

    Attributes:
        probabilities: gives (n,) float64, of what can be chosen; None where that is the next token.
        known: what a known document chooses; None where none is known.
    """

    probabilities: Callable[[], np.ndarray] | None
    known: int | None


Choices = Generator[Choice, int, str]
"""Yields choices, is sent what was chosen, and returns a surface form."""
Opened = Callable[[str | None], Choices]
"""From a surface form, or None where it is not known, to the choices that lead to it."""


def either(chance: float) -> Callable[[], np.ndarray]:
    """Of no (0) and yes (1), from P(yes)."""
    return partial(np.array, [1 - chance, chance])


def code_point(known: str | None) -> Choices:
    """A character that was never seen, by its code point."""
    point = 0
    for size, weight in POINT:
        index = None if known is None else ord(known) // weight % size
        point += weight * (yield Choice(partial(np.full, size, 1 / size), index))
    return chr(point)


def walk(
    tokenizer: Tokenizer, known: EncodedDocument | None = None, memory: bool = False
) -> Generator[Choice, int, EncodedDocument]:
    """All choices of a document, the last of which is the boundary at its end.

    Args:
        tokenizer: of the document.
        known: a document that chooses; None for one that is being read or written.
        memory: whether rare words are charged with a memory of the document.

    Returns:
        The document that was chosen, for ``tokenizer.decode``.
    """
    earlier = DocumentCounts() if memory else None
    tokens, surfaces = list[int](), list[str]()
    path = None if known is None else [*known.tokens.tolist(), BOUNDARY]
    given = iter(() if known is None else known.surfaces)
    while True:
        if (opened := tokenizer.opened(tokens, earlier)) is not None:
            surfaces.append((yield from opened(next(given, None))))
        token = yield Choice(None, None if path is None else path[len(tokens)])
        if token == BOUNDARY:
            chosen = np.array(tokens, dtype=np.int64)
            return EncodedDocument(chosen, tuple(surfaces), np.zeros(0), 0, 0, 0)
        tokens.append(token)
