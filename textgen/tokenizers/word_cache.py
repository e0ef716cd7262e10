"""A document cache of rare words: what was spelled in a document so far comes back.

Rare words come back in their document, above all names (Kuhn & De Mori 1990). With a cache the
spelling model becomes the base of a Pitman–Yor process over the rare words of the document so far,
one table a word (Teh 2006):

    P(w | class, before) = (n(w) − d) / (n + θ) + (θ + d t) / (n + θ) · P(w | class)

after n rare words of the class, n(w) of them w and t different ones.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
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
        words: how many different ones there are.
        longer: code that follows, END included → the beginning with that code.
    """

    occurrences: int = 0
    words: int = 0
    longer: dict[str, "Beginning"] = field(default_factory=dict)


class DocumentCounts:
    """The words that were spelled in a document so far, as codes, by class. They are counted by
    what they begin with, so that a letter costs the same behind many words as behind few."""

    def __init__(self) -> None:
        self._classes = defaultdict[str, Beginning](Beginning)

    def add(self, word: Codes, class_name: str) -> None:
        """Count one more occurrence of a word of a class."""
        beginnings = [self._classes[class_name]]
        for code in word + chr(END):
            beginnings.append(beginnings[-1].longer.setdefault(code, Beginning()))
        is_new = beginnings[-1].occurrences == 0
        for beginning in beginnings:
            beginning.occurrences += 1
            if is_new:
                beginning.words += 1

    def of_class(self, class_name: str) -> tuple[int, int]:
        """How many different words of a class there were, and how many in all."""
        every = self._classes[class_name]
        return every.words, every.occurrences

    def continuations(self, prefix: Codes, class_name: str, size: int) -> np.ndarray:
        """Of the words of a class that begin with a prefix and then each code, the occurrences, and
        how many different ones there are: (2, A) integers.

        Args:
            prefix: as codes.
            class_name: of the words.
            size: number of codes, A.
        """
        counts = np.zeros((2, size), dtype=np.int64)
        beginning = self._classes[class_name]
        for code in prefix:
            if code not in beginning.longer:
                return counts
            beginning = beginning.longer[code]
        for code, longer in beginning.longer.items():
            counts[:, ord(code)] = longer.occurrences, longer.words
        return counts


class WordCache(NamedTuple):
    """A document cache of rare words: discount d and strength θ."""

    discount: float
    strength: float

    def held(self, occurrences: ArrayLike, words: ArrayLike, total: ArrayLike) -> np.ndarray:
        """The mass that earlier words have for having come, where ``total`` words of their class
        came: together ``occurrences`` times, ``words`` different ones."""
        discounted = np.asarray(occurrences) - self.discount * np.asarray(words)
        return discounted / (np.asarray(total) + self.strength)

    def left(self, types: ArrayLike, total: ArrayLike) -> np.ndarray:
        """The mass that earlier words leave to P(w | class), where ``total`` words of a class came,
        ``types`` different ones."""
        remaining = self.strength + self.discount * np.asarray(types)
        return remaining / (np.asarray(total) + self.strength)

    def shares(
        self, count: ArrayLike, types: ArrayLike, total: ArrayLike
    ) -> tuple[np.ndarray, np.ndarray]:
        """The mass that single words have for having come earlier, and the mass that all earlier
        ones leave; arguments as :func:`seen_before` gives them."""
        is_known = np.minimum(count, 1)  # one word if it came at all, else none
        return self.held(count, is_known, total), self.left(types, total)


USUAL_CACHE = WordCache(0.8, 32.0)  # where no validation words say otherwise


def seen_before(words: Iterable[tuple[Codes, str]]) -> np.ndarray:
    """Of each word of a document, how often it came before, and how many different ones and all of
    its class came: (3, n) integers."""
    counts = Counter[tuple[str, str]]()
    types = Counter[str]()
    totals = Counter[str]()
    rows = list[tuple[int, int, int]]()
    for word, class_name in words:
        rows.append((counts[word, class_name], types[class_name], totals[class_name]))
        if (word, class_name) not in counts:
            types[class_name] += 1
        counts[word, class_name] += 1
        totals[class_name] += 1
    return np.array(rows, dtype=int).reshape(-1, 3).T


def tuned_word_cache(documents: Sequence[CodedWords], masses: np.ndarray) -> WordCache:
    """Discount and strength by the likelihood of the rare words of whole validation documents.

    Args:
        documents: each rare word and its class, in order of occurrence.
        masses: (n,) float64, P(word | class) of each of them.
    """
    from scipy.special import logit

    seen = np.concatenate([seen_before(document) for document in documents], axis=1)

    def cost(cache: WordCache) -> float:
        distance = math.log(cache.strength / USUAL_CACHE.strength) ** 2
        distance += (logit(cache.discount) - logit(USUAL_CACHE.discount)) ** 2
        held, left = cache.shares(*seen)
        return CACHE_PRIOR * distance - np.log(np.maximum(held + left * masses, 1e-300)).sum()

    return min(starmap(WordCache, product(DISCOUNTS, STRENGTHS)), key=cost)
