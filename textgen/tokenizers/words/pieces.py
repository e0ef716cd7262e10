"""A text cut into words and what stands between them."""

from __future__ import annotations

import re

PIECE = re.compile(
    r"\n+| ?(?:[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|_+|([^\w\s])\1*)|\s",
)


def pretokenize(text: str) -> list[str]:
    """The pieces of a text; joined together they are the text."""
    return [match.group() for match in PIECE.finditer(text)]
