"""Texts with marked stretches: a held-out passage by its bits, a sample by what is not its own."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup, escape

from textgen.data import Document
from textgen.report.arms import Arm
from textgen.report.breakdown import occurrences

EDGES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0)
"""Bits per character at which the next colour begins."""


MOST, OPENING = 12, 500
"""Documents whose beginnings can be looked at, and characters of each."""


class Piece(NamedTuple):
    """A stretch of a sample.

    Attributes:
        text: of the stretch.
        token: the placeholder that it fills in, if any.
        copied: whether it is part of a long stretch copied from the training text.
    """

    text: str
    token: str
    copied: bool


def passage(
    documents: Sequence[Document], arms: Sequence[Arm], word: str, length: int = 1200
) -> dict[str, Any]:
    """A held-out passage around a word, or else from the middle of a document of median length,
    with each arm's stretches of it: [start, end, model bits, spelling bits], first seed."""
    places = occurrences(documents, word) if word else []
    if places:
        number, middle = places[0][0], places[0][1]
    else:
        number = int(np.argsort([len(d.text) for d in documents])[len(documents) // 2])
        middle = len(documents[number].text) // 2
    text = documents[number].text
    start = max(0, min(middle - length // 2, len(text) - length))
    paragraph = text.rfind("\n\n", max(0, start - length // 4), start + 1)
    start = paragraph + 2 if paragraph >= 0 else text.rfind(" ", 0, start + 1) + 1
    end = min(len(text), start + length)
    end = max(text.rfind(" ", start, end), start + length // 2) if end < len(text) else end
    return {
        "document": documents[number].name,
        "start": start,
        "text": text[start:end],
        "arms": {arm.name: _stretches(arm, number, start, end) for arm in arms},
    }


def passages(documents: Sequence[Document], arms: Sequence[Arm]) -> list[dict[str, Any]]:
    """The beginnings of up to :data:`MOST` held-out documents, as :func:`passage` has one."""
    found = list[dict[str, Any]]()
    for number, document in enumerate(documents[:MOST] if arms else ()):
        end = min(OPENING, len(document.text))
        if end < len(document.text):
            end = document.text.rfind(" ", OPENING // 2, end) + 1 or end
        spans = {arm.name: _stretches(arm, number, 0, end) for arm in arms}
        found.append(
            {"document": document.name, "start": 0, "text": document.text[:end], "arms": spans}
        )
    return [each for each in found if each["text"]]


def _stretches(arm: Arm, number: int, start: int, end: int) -> list[list[float]]:
    cells = zip(*arm.first.token_bits[number].cells(), strict=False)  # without the end mark
    return [
        [max(0, int(a) - start), min(end, int(b)) - start, round(float(m), 3), round(float(s), 3)]
        for a, b, m, s in cells
        if b > start and a < end
    ]


def coloured(text: str, stretches: Sequence[Sequence[float]]) -> Markup:
    """A passage with every stretch in an element that carries its colour and its bits.

    Args:
        text: the passage.
        stretches: start, end, model bits and spelling bits of each, in order.
    """
    parts, done = list[str](), 0
    for first, last, model, spelling in stretches:
        start, end, length = max(done, int(first)), int(last), int(last) - int(first)
        if end <= start:
            continue
        parts.append(str(escape(text[done:start])))
        classes = f"h{heat(model + spelling, length)}"
        classes += " n" if text[start:end].strip("\n") == "" else ""
        parts.append(
            f'<i class="{classes}" data-b="{model:.2f} {spelling:.2f} {length}">'
            f"{escape(text[start:end])}</i>"
        )
        done = end
    return Markup("".join([*parts, str(escape(text[done:]))]))


def heat(bits: float, characters: int) -> int:
    """Number of the colour of a stretch."""
    return bisect_right(EDGES, bits / max(1, characters))


def legend() -> list[str]:
    """What each colour stands for, in bits per character."""
    names = [f"{low:g}–{high:g}" for low, high in zip((0.0, *EDGES), EDGES, strict=False)]
    return [*names, f"{EDGES[-1]:g} and more"]


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
    for start, end in pairwise(sorted(place for place in ends if 0 <= place <= len(text))):
        token = next((s for a, b, s in filled if a <= start and end <= b), "")
        yield Piece(text[start:end], token, any(a <= start and end <= b for a, b in copied))
