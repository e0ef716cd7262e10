"""Where words end and begin, as people who study reading count them: at white space.

A word here may be several tokens, or a part of what another tokenizer calls one.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

# What stands between words, one byte of UTF-8 each.
WHITE = " \t\r\n"
# Something that a text may go on with: tokens that come first → (V,) float64, with what probability
# it has come when each token is next. No continuation is counted twice.
Openings = dict[tuple[int, ...], np.ndarray]


class Borders(NamedTuple):
    """Which tokens begin with :data:`WHITE` space and which with a word, behind a word that ends.

    With E the sum of an event's openings, Σ P(tokens that come first | h) Σ_v weight(v) P(v | h and
    these), E(border) is the probability that white space or the end comes after h, and E(word) that
    of some white space and then a word, however this goes on.

    Attributes:
        border: white space or the end comes.
        word: from white space, and what of it belongs to the token that comes next, to the openings
            of exactly this white space and a word behind it.
        whole: whether the openings of a word are those after the last word, and have all of the
            white space; else the tokens that stand for white space alone are known.
    """

    border: Callable[[], Openings]
    word: Callable[[str, str], Openings]
    whole: bool = False


def opposite(openings: Openings) -> Openings:
    """What a text goes on with where it does not go on so."""
    rest = {before: 1.0 - weights for before, weights in openings.items()}
    for before in filter(None, openings):
        rest[before[:-1]][before[-1]] = 0.0  # the token after it decides
    return rest


def white_escapes(alphabet: Iterable[str]) -> float:
    """P(a character never seen is white space)."""
    return len(set(WHITE).difference(alphabet)) / 0x110000
