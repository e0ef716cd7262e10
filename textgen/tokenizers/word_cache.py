"""A document cache of rare words: what was spelled in a document so far comes back.

Rare words come back in their document, above all names (Kuhn & De Mori 1990). With a cache the
spelling model becomes the base of a Pitman–Yor process over the rare words of the document so far,
one table a word (Teh 2006):

    P(w | class, before) = (n(w) − d) / (n + θ) + (θ + d t) / (n + θ) · P(w | class)

after n rare words of the class, n(w) of them w and t different ones.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product, starmap
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from textgen.tokenizers.codes import END, Codes

DISCOUNTS = tuple((np.arange(1, 20) / 20).tolist())
STRENGTHS = tuple((2.0 ** np.arange(-2, 11)).tolist())
# of the squared distance from USUAL_CACHE, in ln θ and log-odds of d, against nats
CACHE_PRIOR = 0.25
CodedWords = Sequence[tuple[Codes, str]]  # words as codes, each with its class


@dataclass(slots=True)
class Beginning:
    """What some words begin with.

    Attributes:
        occurrences: of words that begin so.
        types: how many different ones there are.
        longer: code that follows, END included → the beginning with that code.
    """

    occurrences: int = 0
    types: int = 0
    longer: dict[str, "Beginning"] = field(default_factory=dict)


class ClassCounts(NamedTuple):
    """How many words of a class there were: different ones, and in all."""

    types: int
    occurrences: int


class Continuations(NamedTuple):
    """How many words go on with each code, (A,) integers: in all, and different ones."""

    occurrences: np.ndarray
    types: np.ndarray


class DocumentCounts:
    """The words that were spelled in a document so far, as codes, by class. They are counted by
    what they begin with, so that a letter costs the same behind many words as behind few."""

    def __init__(self) -> None:
        self._classes = defaultdict[str, Beginning](Beginning)

    def add(self, word: Codes, class_name: str) -> None:
        """Count one more occurrence of a word of a class."""
        beginnings = [self._classes[class_name]]
        for code in word + chr(END):
            longer = beginnings[-1].longer
            if code not in longer:
                longer[code] = Beginning()
            beginnings.append(longer[code])
        is_new = beginnings[-1].occurrences == 0
        for beginning in beginnings:
            beginning.occurrences += 1
            if is_new:
                beginning.types += 1

    def of_class(self, class_name: str) -> ClassCounts:
        """How many words of a class there were."""
        every = self._classes[class_name]
        return ClassCounts(every.types, every.occurrences)

    def continuations(self, prefix: Codes, class_name: str, size: int) -> Continuations:
        """How many words of a class begin with a prefix and then each code.

        Args:
            prefix: as codes.
            class_name: of the words.
            size: number of codes, A.
        """
        counts = Continuations(np.zeros(size, np.int64), np.zeros(size, np.int64))
        beginning = self._classes[class_name]
        for code in prefix:
            if code not in beginning.longer:
                return counts
            beginning = beginning.longer[code]
        for code, longer in beginning.longer.items():
            counts.occurrences[ord(code)] = longer.occurrences
            counts.types[ord(code)] = longer.types
        return counts


class Seen(NamedTuple):
    """What came before each word of a document, (n,) integers each.

    Attributes:
        occurrences: of the word itself.
        types: different words of its class.
        total: words of its class in all.
    """

    occurrences: np.ndarray
    types: np.ndarray
    total: np.ndarray


class WordCache(NamedTuple):
    """A document cache of rare words: discount d and strength θ."""

    discount: float
    strength: float

    def held(self, occurrences: ArrayLike, types: ArrayLike, total: ArrayLike) -> np.ndarray:
        """The mass that earlier words have for having come, where ``total`` words of their class
        came: together ``occurrences`` times, ``types`` different ones."""
        discounted = np.asarray(occurrences) - self.discount * np.asarray(types)
        return discounted / (np.asarray(total) + self.strength)

    def left(self, types: ArrayLike, total: ArrayLike) -> np.ndarray:
        """The mass that earlier words leave to P(w | class), where ``total`` words of a class came,
        ``types`` different ones."""
        remaining = self.strength + self.discount * np.asarray(types)
        return remaining / (np.asarray(total) + self.strength)

    def shares(self, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
        """The mass that single words have for having come earlier, and the mass that all earlier
        ones leave, (n,) float64 each."""
        words = np.minimum(seen.occurrences, 1)  # one if it came at all, else none
        return self.held(seen.occurrences, words, seen.total), self.left(seen.types, seen.total)


USUAL_CACHE = WordCache(0.8, 32.0)  # where no validation words say otherwise


def seen_before(words: CodedWords) -> Seen:
    """What came before each word of a document."""
    counts = Counter[tuple[str, str]]()
    types_of_class = Counter[str]()
    total_of_class = Counter[str]()
    size = len(words)
    seen = Seen(np.zeros(size, int), np.zeros(size, int), np.zeros(size, int))
    for place, (word, class_name) in enumerate(words):
        seen.occurrences[place] = counts[word, class_name]
        seen.types[place] = types_of_class[class_name]
        seen.total[place] = total_of_class[class_name]
        if counts[word, class_name] == 0:
            types_of_class[class_name] += 1
        counts[word, class_name] += 1
        total_of_class[class_name] += 1
    return seen


def tuned_word_cache(documents: Sequence[CodedWords], masses: np.ndarray) -> WordCache:
    """Discount and strength by the likelihood of the rare words of whole validation documents.

    Args:
        documents: each rare word and its class, in order of occurrence.
        masses: (n,) float64, P(word | class) of each of them.
    """
    from scipy.special import logit

    of_documents = [seen_before(document) for document in documents]
    seen = Seen(
        occurrences=np.concatenate([each.occurrences for each in of_documents]),
        types=np.concatenate([each.types for each in of_documents]),
        total=np.concatenate([each.total for each in of_documents]),
    )

    def cost(cache: WordCache) -> float:
        distance = math.log(cache.strength / USUAL_CACHE.strength) ** 2
        distance += (logit(cache.discount) - logit(USUAL_CACHE.discount)) ** 2
        held, left = cache.shares(seen)
        return CACHE_PRIOR * distance - np.log(np.maximum(held + left * masses, 1e-300)).sum()

    return min(starmap(WordCache, product(DISCOUNTS, STRENGTHS)), key=cost)
