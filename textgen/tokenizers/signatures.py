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
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from textgen.tokenizers.casing import CAPITAL, UPPER, folded, recase
from textgen.tokenizers.codes import Form
from textgen.tokenizers.rare_words import ClassPolicy, Pieces, PolicyTrainingData
from textgen.tokenizers.vocabulary import RareWord, Vocabulary

# of a private-use area: words as they are, capitalised, upper-cased, and how their classes begin
AS_IT_IS, CAPITALISED, UPPER_CASED = SIGNS = "\ue000\ue001\ue002"
MODIFIERS = {CAPITALISED: CAPITAL, UPPER_CASED: UPPER}
SHAPES = {AS_IT_IS: "", CAPITALISED: "Aa", UPPER_CASED: "AA"}
MAX_LETTERS, LEAST = 4, 30  # of an ending, and how many words should have it
OTHERS, STRENGTH = 1000, 20.0  # words that are contexts by themselves; see information_gain


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

    def beginnings(self, name: str) -> Sequence[str]:
        result = [self._classes[name]]
        for other in sorted(self._classes.values()):
            if other.startswith(result[0]) and not other.startswith(tuple(result[1:])):
                result += [other] * (other != result[0])
        return result


def spelled_backwards(word: str) -> str:
    sign = AS_IT_IS
    for (modifier,), lower in folded(word):
        sign = CAPITALISED if modifier == CAPITAL else UPPER_CASED
        word = lower
    return sign + word[::-1]


def _context(pieces: Pieces, place: int, vocabulary: Vocabulary) -> int:
    """The known word at a place, if it is frequent."""
    parts = vocabulary.parts(pieces[place]) if 0 <= place < len(pieces) else None
    return OTHERS if parts is None else min(parts[1], OTHERS)


@dataclass(frozen=True)
class Signature(ClassPolicy):
    """One token for each case or ending of rare words, chosen as those that the words beside them
    predict best.

    Args:
        signatures: number of tokens at most; three distinguish the case alone.
    """

    signatures: Annotated[int, Field(ge=3)] = 30

    def learn(self, data: PolicyTrainingData) -> dict[str, str]:
        """Class → what the spellings of its words begin with; its name is read forwards."""
        found = [(w, pieces) for pieces, rare in data.training for w in rare]
        beside = [
            np.array([_context(p, w.place + step, data.vocabulary) for w, p in found], int)
            for step in (-1, 1)
        ]
        spellings = [spelled_backwards(w.core) for w, _ in found]
        beginnings = telling_beginnings(spellings, beside, self.signatures)
        return {f"{SHAPES[b[0]]}…{b[:0:-1]}": b for b in beginnings}

    @property
    def classes(self) -> Sequence[str]:
        return list(self.learnt)

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        return [self.class_of(word.core) for word in rare]

    def class_of(self, word: str) -> str:
        """The class with the longest beginning that the word's spelling has."""
        spelling = spelled_backwards(word)
        return max((len(b), name) for name, b in self.learnt.items() if spelling.startswith(b))[1]

    def spelling_settings(self) -> dict[str, Any]:
        settings = super().spelling_settings()
        known, learnt = settings["alphabet"], "".join(self.learnt.values())
        letters = {*known, *known.lower(), *learnt}
        return {**settings, "alphabet": "".join(letters), "form": Backwards(self.learnt)}


def telling_beginnings(
    spellings: Sequence[str], contexts: Sequence[np.ndarray], number: int
) -> list[str]:
    """Up to so many beginnings of spellings, the three signs first, then one after another that
    which context tells the most bits of.

    Args:
        spellings: of every occurrence of a rare word.
        contexts: (n,) integers each, of a piece near every occurrence.
        number: of beginnings, at most.
    """
    places, found = defaultdict[str, list[int]](list), list(SIGNS)
    for place, spelling in enumerate(spellings):
        for length in range(2, min(len(spelling), 1 + MAX_LETTERS) + 1):
            places[spelling[:length]].append(place)
    words = {b: np.array(p) for b, p in places.items() if len(p) >= LEAST}
    own = np.array([SIGNS.index(s[0]) for s in spellings], int)  # the longest that each word has

    def counts(chosen: np.ndarray) -> list[np.ndarray]:
        return [np.bincount(c[chosen], minlength=OTHERS + 1) for c in contexts]

    def longest_of(beginning: str) -> int:
        return max((len(b), i) for i, b in enumerate(found) if beginning.startswith(b))[1]

    while len(found) < number and words:
        whole = [counts(own == i) for i in range(len(found))]
        options = list[tuple[float, str]]()
        for beginning, of in words.items():
            parent = longest_of(beginning)
            part = counts(of[own[of] == parent])
            options.append((sum(map(information_gain, part, whole[parent])), beginning))
        gain, best = max(options, key=lambda option: option[0])  # the shortest of equals
        if gain <= 0:
            break
        of = words[best]
        own[of[own[of] == longest_of(best)]] = len(found)
        found.append(best)
    return found


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
        seen, share = words > 0, words.sum() / whole.sum()
        chances = (words[seen] - 1 + STRENGTH * share) / (whole[seen] - 1 + STRENGTH)
        bits += float(words[seen] @ np.log2(chances / share))
    return bits
