"""Where words end and begin, as people who study reading count them: at white space.

A word here may be several tokens, or a part of what another tokenizer calls one.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

# What stands between words, one byte of UTF-8 each.
WHITE = " \t\r\n"
CODE_POINTS = 0x110000  # of Unicode


class Opening(NamedTuple):
    """One way in which something begins that a text may go on with.

    Attributes:
        first: token ids that come first; empty if the next token tells.
        weights: (V,) float64, of each token that is next behind these, the probability that with it
            the thing has come.
    """

    first: tuple[int, ...]
    weights: np.ndarray


# All ways in which something begins; no continuation of a text is of two of them.
Openings = Sequence[Opening]


class Borders(NamedTuple):
    """Which tokens begin with :data:`WHITE` space and which with a word, behind a word that ends.

    With E the sum of an event's openings, Σ P(first | h) Σ_v weights(v) P(v | h, first), E(border)
    is the probability that white space or the end comes after h, and E(word) that of some white
    space and then a word, however this goes on.

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


def white_escapes(alphabet: Iterable[str]) -> float:
    """P(a character never seen is white space): each is named by its code point."""
    unseen_white = set(WHITE).difference(alphabet)
    return len(unseen_white) / CODE_POINTS
