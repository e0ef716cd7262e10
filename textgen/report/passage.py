"""A passage of held-out text, and what each arm pays for its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from textgen.data import Document
from textgen.report import breakdown
from textgen.report.arms import Arm


def passage(
    documents: Sequence[Document], arms: Sequence[Arm], word: str, length: int = 1200
) -> dict[str, Any]:
    """A held-out passage around a word, or else from the middle of a document of middling size,
    with each arm's stretches of it: [start, end, model bits, spelling bits], first seed."""
    places = breakdown.occurrences(documents, word) if word else []
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


def _stretches(arm: Arm, number: int, start: int, end: int) -> list[list[float]]:
    starts, ends, model, spelling = arm.first.token_bits[number].cells()
    inside = np.flatnonzero((ends > start) & (starts < end))
    return [
        [
            max(0, int(starts[i]) - start),
            min(end, int(ends[i])) - start,
            round(float(model[i]), 3),
            round(float(spelling[i]), 3),
        ]
        for i in inside
    ]
