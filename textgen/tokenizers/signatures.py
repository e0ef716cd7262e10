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
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from textgen.tokenizers.casing import CAPITAL, UPPER, folded, recase
from textgen.tokenizers.codes import ClassBeginnings, Form
from textgen.tokenizers.rare_words import Classifier, Pieces, PolicyTrainingData, RareWords
from textgen.tokenizers.vocabulary import CACHED_PIECES, RareWord, Vocabulary

# of a private-use area: words as they are, capitalised, upper-cased, and how their classes begin
AS_IT_IS, CAPITALISED, UPPER_CASED = "\ue000", "\ue001", "\ue002"
SIGNS = AS_IT_IS + CAPITALISED + UPPER_CASED
MODIFIERS = {CAPITALISED: CAPITAL, UPPER_CASED: UPPER}
SHAPES = {AS_IT_IS: "", CAPITALISED: "Aa", UPPER_CASED: "AA"}
MAX_LETTERS = 4  # of an ending
LEAST = 30  # occurrences that should have it
# The most frequent words are contexts by themselves, each under its number in the vocabulary.
CONTEXT_WORDS = 1000
OTHERS = CONTEXT_WORDS  # the number of the context of all others, and of the end of a text
CONTEXTS = CONTEXT_WORDS + 1
STRENGTH = 20.0  # K of information_gain


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
            if not any(other.startswith(shorter) for shorter in longer):
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


def readable_name(beginning: str) -> str:
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
        return Endings({readable_name(beginning): beginning for beginning in beginnings})

    def load_classifier(self, state: dict[str, str]) -> Classifier:
        return Endings(state)


def _context(pieces: Pieces, place: int, vocabulary: Vocabulary) -> int:
    """The number of the known word at a place if it is frequent, else OTHERS."""
    if not 0 <= place < len(pieces):
        return OTHERS
    known = vocabulary.parts(pieces[place])
    if known is None:
        return OTHERS
    return known.number if known.number < CONTEXT_WORDS else OTHERS


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

    @cached_property
    def class_of(self) -> Callable[[str], str]:
        """The class of a word: that with the longest beginning that the word's spelling has."""
        return lru_cache(CACHED_PIECES)(self._find_class)  # most rare words come several times

    def _find_class(self, word: str) -> str:
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
    """The beginnings of spellings that make the classes: the three signs, and then, one after
    another, the beginning of which the contexts tell most.

    Every occurrence of a rare word is of the class with the longest beginning that it has. So a new
    class takes its members from one that was found before, and is worth what
    :func:`information_gain` says of these two.

    Args:
        spellings: (n,) of every occurrence of a rare word.
        contexts: (n,) integers each, the number of a piece near every occurrence.
        number: of beginnings, at most.
    """
    found = list(SIGNS)
    # of every occurrence, the place in ``found`` of the class that it is of
    class_of = np.array([found.index(spelling[0]) for spelling in spellings], int)
    candidates = frequent_beginnings(spellings)
    scored = dict[str, _NewClass]()
    changed = set(range(len(found)))  # classes that have other words since candidates were scored
    while len(found) < number:
        scored |= _new_classes(candidates, found, class_of, contexts, changed)
        best = max(scored.values(), key=lambda each: each.gain, default=None)  # of equals the first
        if best is None or best.gain <= 0:
            break
        changed = {best.old_class, len(found)}
        class_of[best.members] = len(found)
        found.append(best.beginning)
        del candidates[best.beginning], scored[best.beginning]
    return found


class _NewClass(NamedTuple):
    """A beginning of spellings, the class that its words are of now, the occurrences that would be
    of its own, and its gain in bits."""

    beginning: str
    old_class: int
    members: np.ndarray
    gain: float


def _new_classes(
    candidates: Mapping[str, np.ndarray],
    found: Sequence[str],
    class_of: np.ndarray,
    contexts: Sequence[np.ndarray],
    old_classes: Set[int],
) -> dict[str, _NewClass]:
    """What the beginnings would gain whose words are of some classes.

    Args:
        candidates: beginning → the occurrences that have it.
        found: the beginnings of classes so far.
        class_of: (n,) integers, which of these each occurrence is of.
        contexts: (n,) integers each.
        old_classes: the classes, by their place in ``found``.
    """
    counts_of_class = dict[int, list[np.ndarray]]()
    for place in old_classes:
        members = np.flatnonzero(class_of == place)
        counts_of_class[place] = _count_contexts(contexts, members)
    scored = dict[str, _NewClass]()
    for beginning, occurrences in candidates.items():
        old_class = longest_of(found, beginning)
        if old_class not in old_classes:
            continue
        members = occurrences[class_of[occurrences] == old_class]
        counts = _count_contexts(contexts, members)
        gain = 0.0
        for part, whole in zip(counts, counts_of_class[old_class], strict=True):
            gain += information_gain(part, whole)
        scored[beginning] = _NewClass(beginning, old_class, members, gain)
    return scored


def _count_contexts(contexts: Sequence[np.ndarray], occurrences: np.ndarray) -> list[np.ndarray]:
    """How often some occurrences have each piece near them: (CONTEXTS,) integers each."""
    return [np.bincount(context[occurrences], minlength=CONTEXTS) for context in contexts]


def frequent_beginnings(spellings: Sequence[str]) -> dict[str, np.ndarray]:
    """The places of the spellings that have each beginning of a sign and up to MAX_LETTERS letters,
    (n,) integers, if they are at least LEAST."""
    places = defaultdict[str, list[int]](list)
    for place, spelling in enumerate(spellings):
        longest = min(len(spelling), 1 + MAX_LETTERS)
        for length in range(2, longest + 1):
            places[spelling[:length]].append(place)
    return {
        beginning: np.array(found) for beginning, found in places.items() if len(found) >= LEAST
    }


def longest_of(beginnings: Sequence[str], spelling: str) -> int:
    """The place of the longest beginning that a spelling has."""
    places = [i for i, beginning in enumerate(beginnings) if spelling.startswith(beginning)]
    return max(places, key=lambda place: len(beginnings[place]))


def information_gain(part: np.ndarray, whole: np.ndarray) -> float:
    """By how many bits it is shorter to say which words are of a part if their contexts are known.

    Let s be the share of all words that are of the part. Without contexts a word of the part costs
    −log2 s. With them it is predicted from all others: of the n words in its context c are of the
    part, itself not counted, and c / n is drawn towards s as by K = :data:`STRENGTH` words::

        P(of the part | context) = (c + K s) / (n + K)

    The gain is the sum of log2(P / s) over the words of the part; and the same over all others,
    which are a part as well.

    Args:
        part: (C,) integers, words of the part in each context.
        whole: (C,) integers, all words.
    """
    others = whole - part
    return _gain_of_words(part, whole) + _gain_of_words(others, whole)


def _gain_of_words(words: np.ndarray, whole: np.ndarray) -> float:
    """Σ log2(P / s) over some of all words, given by how many are in each context."""
    has_words = words > 0
    words_there = words[has_words]
    all_there = whole[has_words]
    share = words.sum() / whole.sum()
    # each word is predicted from the others: one less
    chances = (words_there - 1 + STRENGTH * share) / (all_there - 1 + STRENGTH)
    return float(words_there @ np.log2(chances / share))
