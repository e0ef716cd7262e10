"""A text whose last word may be unfinished, and the tokens with which it goes on."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from textgen.interactive.reader import Reader
from textgen.interactive.texts import BROKEN

EXPANSIONS = 64
"""Beginnings of ways that are followed, at most."""
SMALLEST = 1e-6
"""Share of what was found below which no other beginning is followed."""
LONGEST = 100
"""Characters of the rest of a rare word, at most."""

Following = Callable[[Sequence[int], str], dict[str, float]]


class Way(NamedTuple):
    """One way in which a text may go on.

    Attributes:
        tokens: those of the text, the last of which finishes it and may go beyond it.
        mass: P(all of them from the last whole word on).
        beyond: the text beyond; None where the last token is a placeholder.
        placeholder: its modifiers and itself, and how its text begins, which has yet to be spelled.
    """

    tokens: tuple[int, ...]
    mass: float
    beyond: str | None
    placeholder: tuple[tuple[int, ...], str] = ((), "")


def ways(
    reader: Reader, before: tuple[int, ...], lacking: str, memory: bool, following: Following
) -> list[Way]:
    """The ways in which a text may go on, with their probabilities: all but the least probable.

    Args:
        reader: the model.
        before: the tokens up to the last, perhaps unfinished, word.
        lacking: that word as far as it goes.
        memory: whether the memory of the document counts.
        following: of placeholders behind the text before that word.
    """
    reader.read(before, memory)  # kept: all ways begin there
    found, order = list[Way](), itertools.count()
    open_ = [(-1.0, next(order), before, lacking, tuple[int, ...]())]
    for _ in range(EXPANSIONS):
        if not open_ or -open_[0][0] < SMALLEST * sum(way.mass for way in found):
            break
        lost, _, tokens, lacking, modifiers = heapq.heappop(open_)
        path, table = (*tokens, *modifiers), reader.table(modifiers)
        chances = -lost * reader.read(path, memory, keep=False).chances
        for token, known in table.agreeing(lacking):
            mass, rest = float(chances[token]), lacking[len(known) :]
            if len(known) >= len(lacking):
                found.append(Way((*path, token), mass, known[len(lacking) :]))
            else:
                heapq.heappush(open_, (-mass, next(order), (*path, token), rest, ()))
        for token in table.modifiers:
            after = (*modifiers, token)
            if reader.may_agree(after, lacking):
                heapq.heappush(open_, (-float(chances[token]), next(order), tokens, lacking, after))
        for token in table.open:
            own = (*modifiers, token)
            if mass := float(chances[token]) * beginning(following, own, lacking):
                found.append(Way((*path, token), mass, None, (own, lacking)))
    return found


def beginning(following: Following, placeholder: Sequence[int], text: str) -> float:
    """P(the text of a placeholder begins so); 0 where that is not known by character."""
    mass = 1.0 if following(placeholder, "") else 0.0
    for end, character in enumerate(text):
        if not mass:
            break
        mass *= following(placeholder, text[:end]).get(character, 0.0)
    return mass


def rest_of_placeholder(
    following: Following, placeholder: Sequence[int], begun: str, random: np.random.Generator
) -> str:
    """The rest of a placeholder's text that begins so, drawn as it is charged."""
    rest = ""
    while len(rest) < LONGEST:
        found = {c: p for c, p in following(placeholder, begun + rest).items() if c != BROKEN}
        chances = np.array(list(found.values()))
        if not chances.sum():
            break
        character = list(found)[int(random.choice(len(chances), p=chances / chances.sum()))]
        if not character:
            break
        rest += character
    return rest
