"""Texts with their stretches marked: a passage by its bits, a sample by what it did not invent."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from markupsafe import Markup, escape

EDGES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0)
"""Bits per character at which the next colour begins."""


class Piece(NamedTuple):
    """A stretch of a sample.

    Attributes:
        text: of the stretch.
        token: the placeholder that it fills in, if any.
        copied: whether it stands in the training text as part of a long stretch.
    """

    text: str
    token: str
    copied: bool


def heat(bits: float, characters: int) -> int:
    """Number of the colour of a stretch."""
    return bisect_right(EDGES, bits / max(1, characters))


def coloured(text: str, stretches: Sequence[Sequence[float]]) -> Markup:
    """A passage with every stretch in an element that carries its colour and its bits.

    Args:
        text: the passage.
        stretches: start, end, model bits and spelling bits of each, in order.
    """
    parts, told = list[str](), 0
    for first, last, model, spelling in stretches:
        start, end = max(told, int(first)), int(last)
        if end <= start:
            continue
        parts.append(str(escape(text[told:start])))
        classes = f"h{heat(model + spelling, int(last) - int(first))}"
        classes += " n" if text[start:end].strip("\n") == "" else ""
        parts.append(
            f'<i class="{classes}" data-b="{model:.2f} {spelling:.2f} {int(last) - int(first)}">'
            f"{escape(text[start:end])}</i>"
        )
        told = end
    return Markup("".join([*parts, str(escape(text[told:]))]))


def mean_bits(stretches: Sequence[Sequence[float]]) -> float:
    """Bits per character of a passage."""
    characters = sum(end - start for start, end, _, _ in stretches)
    return sum(model + spelling for _, _, model, spelling in stretches) / max(1, characters)


def pieces(sample: Mapping[str, Any]) -> Iterator[Piece]:
    """A sample in stretches that are filled in, copied, both or neither."""
    text = sample["text"]
    filled = [(int(a), int(b), str(token)) for a, b, token in sample["filled"]]
    copied = [(int(a), int(b)) for a, b in sample["copied"]]
    ends = {0, len(text), *(place for span in filled + copied for place in span[:2])}
    cuts = sorted(place for place in ends if 0 <= place <= len(text))
    for start, end in pairwise(cuts):
        token = next((s for a, b, s in filled if a <= start and end <= b), "")
        yield Piece(text[start:end], token, any(a <= start and end <= b for a, b in copied))


def legend() -> list[str]:
    """What each colour stands for, in bits per character."""
    names = [f"{low:g}–{high:g}" for low, high in zip((0.0, *EDGES), EDGES, strict=False)]
    return [*names, f"{EDGES[-1]:g} and more"]
