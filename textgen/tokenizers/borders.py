"""Where words end and begin, as people who study reading count them: at white space.

A word here may be several tokens, or a part of what another tokenizer calls one.

An example, from a tokenizer of words. Behind h = "the cat", does white space come next? It does
with every token that brings its own space, such as " sat", with white space that is a token of its
own, such as a line end, and with the end of the text. ``<capital>`` alone does not tell: the token
behind it may be " sat", which both write as " Sat", or a word without a space. So white space has
two *openings*::

    Opening(first=(), weights=w)           w(v) is 1 for " sat", a line end, the end …; 0 for ","
    Opening(first=(CAPITAL,), weights=w')  w'(v) is 1 for " sat" …; 0 for ","

and the probability that it comes is the sum of what they say::

    Σ_v w(v) P(v | h)  +  P(<capital> | h) Σ_v w'(v) P(v | h, <capital>)

A weight is between 0 and 1 where the token may or may not begin so, as the token of a rare word.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
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


# All ways in which something begins. No continuation of a text is of two of them, so their
# probabilities add up: one that begins with <capital> is of the second opening above alone.
Openings = Sequence[Opening]


class Borders(ABC):
    """Which tokens begin with :data:`WHITE` space and which with a word, behind a word that ends.

    Attributes:
        word_holds_gap: whether the openings of a word are those behind the last word, and begin
            with the tokens of the white space before it; else they are those behind the tokens
            that stand for white space alone. In "cat\\n sat" a tokenizer of words has a token for
            the line end alone, and then " sat"; one of subwords may have a token for "\\n " or not.
    """

    word_holds_gap: bool = False

    @abstractmethod
    def border(self) -> Openings:
        """White space or the end comes."""

    @abstractmethod
    def word(self, gap: str, lead: str) -> Openings:
        """Exactly some white space and then a word comes, however this goes on.

        Both arguments say what the white space is, for two kinds of tokenizers. In "cat\\n sat" the
        white space is "\\n ", and a tokenizer of words has the tokens "\\n" and " sat": the gap is
        "\\n ", and the lead is " ". Where :attr:`word_holds_gap` is true, the openings begin with
        the tokens of the white space, so the gap is needed, and the lead is not looked at. Else
        those tokens have been read, so the lead is needed, and the gap is not looked at.

        Args:
            gap: all white space between the last word and this one.
            lead: the end of the gap that belongs to the first token of the word; empty if that
                begins with the word itself.

        Returns:
            Empty if no token begins so.
        """


def white_escapes(alphabet: Iterable[str]) -> float:
    """P(a character never seen is white space): each is named by its code point."""
    unseen_white = set(WHITE).difference(alphabet)
    return len(unseen_white) / CODE_POINTS
