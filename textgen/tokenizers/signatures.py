"""Rare words by their case and their last letters, which the spelling model then goes on from.

How a word ends says much of what stands around it: parsers class unknown words so (Klein &
Manning, "Accurate unlexicalized parsing", ACL 2003), and class-based language models rare ones
(Müller & Schütze, "Improved modeling of out-of-vocabulary words using morphological classes", ACL
2011). Here the words are spelled backwards, the case first: ``Dunwich`` as a sign for its capital
and then ``hciwnud``. So a class is the beginning of a spelling, and no letter is paid for twice:
P(class) P(word | class) only divides the steps of one spelling between network and speller.

Does not handle: case inside a word, as in ``McDonald``, which is spelled as it is.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from textgen.tokenizers.casing import CAPITAL, UPPER, folded, recase
from textgen.tokenizers.codes import ClassBeginnings, Form
from textgen.tokenizers.rare_words import Classifier, Pieces, PolicyTrainingData, RareWords
from textgen.tokenizers.vocabulary import RareWord, Vocabulary

# of a private-use area: words as they are, capitalised, upper-cased, and how their classes begin
AS_IT_IS, CAPITALISED, UPPER_CASED = "\ue000", "\ue001", "\ue002"
SIGNS = AS_IT_IS + CAPITALISED + UPPER_CASED
MODIFIERS = {CAPITALISED: CAPITAL, UPPER_CASED: UPPER}
SHAPES = {AS_IT_IS: "", CAPITALISED: "Aa", UPPER_CASED: "AA"}
MAX_LETTERS = 4  # of an ending
LEAST = 30  # occurrences that should have it
OTHERS = 1000  # the number of words that are contexts by themselves, and of the context of others
STRENGTH = 20.0  # see information_gain


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
        sign, letters = spelling[:1], spelling[1:]
        word = backwards(letters)
        modifier = MODIFIERS.get(sign)
        return word if modifier is None else recase(word, modifier)

    def beginnings(self, class_name: str) -> ClassBeginnings[str]:
        first = self._classes[class_name]
        longer = list[str]()
        for other in sorted(self._classes.values()):  # each before those that begin with it
            if other == first or not other.startswith(first):
                continue
            if not other.startswith(tuple(longer)):
                longer.append(other)
        return ClassBeginnings(first, tuple(longer))


def spelled_backwards(word: str) -> str:
    """The sign of a word's case, and its letters in lower case from the last to the first."""
    lower_case = folded(word)
    if lower_case is None:
        return AS_IT_IS + backwards(word)
    modifier, lower = lower_case
    sign = CAPITALISED if modifier == CAPITAL else UPPER_CASED
    return sign + backwards(lower)


def backwards(text: str) -> str:
    """The characters from the last to the first."""
    return "".join(reversed(text))


def class_name(beginning: str) -> str:
    """A class as it is read, such as ``Aa…ing``, from what the spellings of its words begin
    with."""
    sign, letters = beginning[0], beginning[1:]
    return f"{SHAPES[sign]}…{backwards(letters)}"


@dataclass(frozen=True)
class Signature(RareWords):
    """One token for each case or ending of rare words, chosen as those that the words beside them
    predict best.

    Args:
        signatures: number of tokens at most; three distinguish the case alone.
    """

    signatures: Annotated[int, Field(ge=3)] = 30

    def learn(self, data: PolicyTrainingData) -> Classifier:
        """Tell by the known words before and behind every rare word, if these are frequent."""
        spellings = list[str]()
        before, behind = list[int](), list[int]()
        for pieces, rare in data.training:
            for word in rare:
                spellings.append(spelled_backwards(word.core))
                before.append(_context(pieces, word.place - 1, data.vocabulary))
                behind.append(_context(pieces, word.place + 1, data.vocabulary))
        contexts = [np.array(before, int), np.array(behind, int)]
        beginnings = telling_beginnings(spellings, contexts, self.signatures)
        return Endings({class_name(beginning): beginning for beginning in beginnings})

    def load_classifier(self, state: dict[str, str]) -> Classifier:
        return Endings(state)


def _context(pieces: Pieces, place: int, vocabulary: Vocabulary) -> int:
    """The number of the known word at a place if it is frequent, else OTHERS."""
    known = vocabulary.parts(pieces[place]) if 0 <= place < len(pieces) else None
    return OTHERS if known is None else min(known[1], OTHERS)


@dataclass(frozen=True)
class Endings(Classifier):
    """Cases and endings of words.

    Attributes:
        beginnings: class, named as it is read, → what the spellings of its words begin with.
    """

    beginnings: Mapping[str, str]

    @property
    def classes(self) -> Sequence[str]:
        return list(self.beginnings)

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        return [self.class_of(word.core) for word in rare]

    def class_of(self, word: str) -> str:
        """The class with the longest beginning that the word's spelling has."""
        spelling = spelled_backwards(word)
        names = [name for name, start in self.beginnings.items() if spelling.startswith(start)]
        return max(names, key=lambda name: len(self.beginnings[name]))

    def state(self) -> Mapping[str, str]:
        return self.beginnings

    def form(self) -> Form:
        return Backwards(self.beginnings)

    def letters(self, characters: str) -> str:
        spelled = "".join(self.beginnings.values())
        return "".join({*characters, *characters.lower(), *spelled})


def telling_beginnings(
    spellings: Sequence[str], contexts: Sequence[np.ndarray], number: int
) -> list[str]:
    """Up to so many beginnings of spellings, the three signs first, then one after another that
    which context tells the most bits of.

    Every occurrence belongs to the longest beginning that it has. A new one takes those that have
    it from the beginning that they belonged to; it is worth what :func:`information_gain` says.

    Args:
        spellings: of every occurrence of a rare word.
        contexts: (n,) integers each, of a piece near every occurrence.
        number: of beginnings, at most.
    """
    found = list(SIGNS)
    belongs_to = np.array([found.index(spelling[0]) for spelling in spellings], int)
    candidates = frequent_beginnings(spellings)

    def counted(occurrences: np.ndarray) -> list[np.ndarray]:
        """How often some occurrences have each context."""
        return [np.bincount(context[occurrences], minlength=OTHERS + 1) for context in contexts]

    while len(found) < number:
        counts_of_found = [counted(np.flatnonzero(belongs_to == i)) for i in range(len(found))]
        best: _Candidate | None = None
        for beginning, occurrences in candidates.items():
            longest = longest_of(found, beginning)
            members = occurrences[belongs_to[occurrences] == longest]
            gain = 0.0
            for part, whole in zip(counted(members), counts_of_found[longest], strict=True):
                gain += information_gain(part, whole)
            if gain > (best.gain if best else 0.0):  # of equals, the first is the shortest
                best = _Candidate(beginning, members, gain)
        if best is None:
            break
        belongs_to[best.members] = len(found)
        found.append(best.beginning)
    return found


class _Candidate(NamedTuple):
    """A beginning of spellings, the occurrences that would belong to it, and its gain in bits."""

    beginning: str
    members: np.ndarray
    gain: float


def frequent_beginnings(spellings: Sequence[str]) -> dict[str, np.ndarray]:
    """The places of the spellings that have each beginning of a sign and up to MAX_LETTERS letters,
    (n,) integers, if they are at least LEAST."""
    places = defaultdict[str, list[int]](list)
    for place, spelling in enumerate(spellings):
        longest = min(len(spelling), 1 + MAX_LETTERS)
        for length in range(2, longest + 1):
            places[spelling[:length]].append(place)
    return {b: np.array(found) for b, found in places.items() if len(found) >= LEAST}


def longest_of(beginnings: Sequence[str], spelling: str) -> int:
    """The number of the longest beginning that a spelling has."""
    numbers = [i for i, beginning in enumerate(beginnings) if spelling.startswith(beginning)]
    return max(numbers, key=lambda i: len(beginnings[i]))


def information_gain(part: np.ndarray, whole: np.ndarray) -> float:
    """By how many bits it is shorter to say which words are of a part if their contexts are known.
    Each word is predicted from all others, the share in its context drawn towards that in the
    whole as by :data:`STRENGTH` words.

    Args:
        part: (C,) integers, words of the part in each context.
        whole: (C,) integers, all words.
    """
    bits = 0.0
    for words in (part, whole - part):
        share = words.sum() / whole.sum()
        seen = words > 0
        chances = (words[seen] - 1 + STRENGTH * share) / (whole[seen] - 1 + STRENGTH)
        bits += float(words[seen] @ np.log2(chances / share))
    return bits
