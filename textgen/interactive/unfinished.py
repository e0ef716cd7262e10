"""A text whose last word may be unfinished, and the tokens with which it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from textgen.interactive.reader import Reader
from textgen.interactive.texts import BROKEN

SMALLEST = 1e-12
"""Probability below which a way of going on is left out."""
LONGEST = 100
"""Characters of the rest of a rare word, at most."""


class Way(NamedTuple):
    """One way in which a text may go on.

    Attributes:
        tokens: those of the text, the last of which finishes it and may go beyond it.
        mass: P(all of them from the last whole word on).
        beyond: the text beyond; None where the last token is a placeholder, whose text begins with
            what is lacking and has yet to be spelled.
    """

    tokens: tuple[int, ...]
    mass: float
    beyond: str | None


def ways(
    reader: Reader, before: tuple[int, ...], lacking: str, memory: bool, text: str
) -> list[Way]:
    """All ways in which a text may go on, with their probabilities.

    Args:
        reader: the model.
        before: the tokens up to the last, perhaps unfinished, word.
        lacking: that word as far as it goes.
        memory: whether the memory of the document counts.
        text: all of it.
    """
    following = reader.tokenizer.placeholder_texts(text, memory)

    def search(
        tokens: tuple[int, ...], lacking: str, mass: float, modifiers: tuple[int, ...] = ()
    ) -> Iterator[Way]:
        path = (*tokens, *modifiers)
        chances, table = mass * reader.read(path, memory).chances, reader.table(modifiers)
        for token, known in table.agreeing(lacking):
            if chances[token] < SMALLEST:
                continue
            if len(known) >= len(lacking):
                yield Way((*path, token), float(chances[token]), known[len(lacking) :])
            else:
                rest = lacking[len(known) :]
                yield from search((*path, token), rest, float(chances[token]))
        for token in table.modifiers:
            if reader.may_agree((*modifiers, token), lacking) and chances[token] >= SMALLEST:
                yield from search(tokens, lacking, float(chances[token]), (*modifiers, token))
        for token in () if modifiers else table.open:
            spelled = float(chances[token])
            for end in range(len(lacking)):
                if spelled < SMALLEST:
                    break
                spelled *= following(token, lacking[:end]).get(lacking[end], 0.0)
            if spelled >= SMALLEST:
                yield Way((*path, token), spelled, None)

    return list(search(before, lacking, 1.0))


def rest_of_placeholder(
    reader: Reader, token: int, lacking: str, text: str, memory: bool, random: np.random.Generator
) -> str:
    """The rest of a placeholder's text that begins with ``lacking``, drawn as it is charged."""
    following = reader.tokenizer.placeholder_texts(text, memory)
    rest = ""
    while len(rest) < LONGEST:
        found = {c: p for c, p in following(token, lacking + rest).items() if c != BROKEN}
        chances = np.array(list(found.values()))
        if not chances.sum():
            break
        character = list(found)[int(random.choice(len(chances), p=chances / chances.sum()))]
        if not character:
            break
        rest += character
    return rest
