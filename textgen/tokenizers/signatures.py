"""Rare words by their case and their last letters, which the spelling model then goes on from.

How a word ends says much of what stands around it: parsers class unknown words so (Klein &
Manning, "Accurate unlexicalized parsing", ACL 2003), and class-based language models rare ones
(Müller & Schütze, "Improved modeling of out-of-vocabulary words using morphological classes", ACL
2011). Here the words are spelled backwards, the case first: ``Dunwich`` as a sign for its capital
and then ``hciwnud``. So a class is a beginning of spellings, no letter of which is paid for twice:
P(class) P(word | class) only divides the steps of one spelling between network and speller.

Does not handle: case inside a word, as in ``McDonald``, which is spelled as it is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from textgen.tokenizers.pieces import CAPITAL, UPPER, RareWord, folded, recase
from textgen.tokenizers.rare_words import ClassPolicy, Pieces, PolicyTrainingData
from textgen.tokenizers.spelling import Form

# of a private-use area: words as they are, capitalised, upper-cased, and how their classes begin
AS_IT_IS, CAPITALISED, UPPER_CASED = SIGNS = "\ue000\ue001\ue002"
MODIFIERS = {CAPITALISED: CAPITAL, UPPER_CASED: UPPER}
SHAPES = {AS_IT_IS: "", CAPITALISED: "Aa", UPPER_CASED: "AA"}
MAX_LETTERS = 3


class Backwards(Form):
    """A sign of a word's case, and its letters in lower case from the last to the first.

    Args:
        classes: class → what the spellings of its words begin with, unless they have the longer
            beginning of another class.
    """

    signs = SIGNS

    def __init__(self, classes: Mapping[str, str]) -> None:
        self._classes = classes

    def spelling(self, word: str) -> str:
        return spelled_backwards(word)

    def word(self, spelling: str) -> str:
        modifier, word = MODIFIERS.get(spelling[:1]), spelling[:0:-1]
        return recase(word, modifier) if modifier else word

    def beginnings(self, name: str) -> tuple[str, Sequence[str]]:
        first, others = self._classes[name], list[str]()
        for other in sorted(self._classes.values()):
            below = other.startswith(first) and other != first
            if below and not other.startswith(tuple(others)):
                others.append(other)
        return first, others


def spelled_backwards(word: str) -> str:
    sign = AS_IT_IS
    for (modifier,), lower in folded(word):
        sign, word = CAPITALISED if modifier == CAPITAL else UPPER_CASED, lower
    return sign + word[::-1]


@dataclass(frozen=True)
class Signature(ClassPolicy):
    """One token for each of the commonest ways in which rare words are cased and end.

    Args:
        signatures: how many at most; three tell the case alone.
    """

    signatures: Annotated[int, Field(ge=3)] = 30

    def learn(self, data: PolicyTrainingData) -> list[str]:
        """What the spellings of each class begin with."""
        spellings = (spelled_backwards(w.core) for _, rare in data.training for w in rare)
        return common_beginnings(Counter(spellings), self.signatures)

    @cached_property
    def _beginnings(self) -> dict[str, str]:
        """Class → what the spellings of its words begin with; the name is read forwards."""
        return {f"{SHAPES[b[0]]}…{b[:0:-1]}": b for b in self.learnt}

    @cached_property
    def classes(self) -> Sequence[str]:
        return tuple(self._beginnings)

    @cached_property
    def _class_of_beginning(self) -> dict[str, str]:
        return {beginning: name for name, beginning in self._beginnings.items()}

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        return [self.class_of(word.core) for word in rare]

    def class_of(self, word: str) -> str:
        """The class with the longest beginning that the word's spelling has."""
        spelling, known = spelled_backwards(word), self._class_of_beginning
        lengths = range(1 + MAX_LETTERS, 0, -1)
        return next(known[spelling[:n]] for n in lengths if spelling[:n] in known)

    def spelling_settings(self) -> dict[str, Any]:
        settings = super().spelling_settings()
        letters = settings["alphabet"] + settings["alphabet"].lower()
        return {**settings, "alphabet": letters, "form": Backwards(self._beginnings)}

    def portable(self) -> dict[str, Any]:
        raise ValueError("rare words that are spelled backwards, which only Python has")


def common_beginnings(spellings: Mapping[str, int], number: int) -> list[str]:
    """So many beginnings of spellings, the three signs among them: one after another that which
    tells the most bits of words whose longest beginning is known already."""
    words = Counter[str]()
    for spelling, count in spellings.items():
        words[spelling[: 1 + MAX_LETTERS]] += count
    longest = {word: word[0] for word in words}
    found = list(SIGNS)
    while len(found) < number:
        totals, parts = Counter[str](), Counter[tuple[str, str]]()
        for word, count in words.items():
            totals[longest[word]] += count
            for n in range(len(longest[word]) + 1, len(word) + 1):
                parts[longest[word], word[:n]] += count
        gains = {pair: _bits(count, totals[pair[0]]) for pair, count in parts.items()}
        if not gains or not max(gains.values()):
            break
        _, best = max(gains, key=lambda pair: (gains[pair], pair))
        found.append(best)
        longest |= {w: best for w in words if w.startswith(best) and len(longest[w]) < len(best)}
    return found


def _bits(part: int, total: int) -> float:
    """The information of which words are the ``part``, in all ``total``."""
    counts = (part, total - part)
    return sum(-n * math.log2(n / total) for n in counts if n)
