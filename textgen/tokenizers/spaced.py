"""A text as words, line ends and the white space between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

PIECE = re.compile(r"\n|\S+")
BETWEEN = ((False, False), (False, True), (True, False), (True, True))
"""The places between two pieces, (after a word, before a word); what is no word is a line end, or
the beginning of the text."""


def pieces_of(text: str) -> Iterator[tuple[str, str]]:
    """Every word and line end, each with the white space before it, and last ``""`` with that at
    the end of the text. Joined together they are the text."""
    end = 0
    for found in PIECE.finditer(text):
        yield text[end : found.start()], found.group()
        end = found.end()
    yield text[end:], ""


def is_word(piece: str) -> bool:
    """Whether a piece is a word, and not a line end or an end of the text."""
    return piece not in ("", "\n")


def count_pieces(texts: Sequence[str]) -> tuple[Counter[str], tuple[str, ...]]:
    """How often each word and the line end occurs in some texts, and the most common white space
    at each place of :data:`BETWEEN`."""
    counts: Counter[str] = Counter({"\n": 0})
    between: dict[tuple[bool, bool], Counter[str]] = {place: Counter() for place in BETWEEN}
    for text in texts:
        after = False
        for space, piece in pieces_of(text):
            if piece:
                counts[piece] += 1
                between[after, is_word(piece)][space] += 1
            after = is_word(piece)
    return counts, tuple(_most_common(between[place], place) for place in BETWEEN)


def _most_common(found: Counter[str], place: tuple[bool, bool]) -> str:
    if not found:
        return " " if all(place) else ""
    return min(found, key=lambda space: (-found[space], space))
