"""Rare words that come back in their document, above all names.

With a memory of the document (Kuhn & De Mori 1990) the word-spelling model becomes the base of a
Pitman–Yor process over the rare words of the document so far, one table a word (Teh 2006):

    P(w | class, before) = (n(w) − d) / (n + θ) + (θ + d t) / (n + θ) · P(w | class)

after n rare words of the class, n(w) of them w and t different ones.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

DISCOUNTS = tuple(i / 20 for i in range(1, 20))
STRENGTHS = tuple(2.0**i for i in range(-2, 11))
PRIOR = 0.25
"""Weight of the squared distance from MEMORY, in ln θ and in log-odds of d, against nats."""


class DocumentCounts:
    """The rare words of a document so far, by class.

    Attributes:
        counts: class → word → occurrences.
        totals: class → occurrences of all its words.
    """

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.totals: Counter[str] = Counter()

    def add(self, word: str, name: str) -> None:
        """Count one more occurrence of a word of the class ``name``."""
        self.counts.setdefault(name, Counter())[word] += 1
        self.totals[name] += 1


class WordMemory(NamedTuple):
    """A memory of rare words: discount d and strength θ."""

    discount: float
    strength: float

    def share_of_new(self, name: str, earlier: DocumentCounts) -> float:
        """The mass that the earlier words of a class leave to P(w | class)."""
        types = len(earlier.counts.get(name, ()))
        return (self.strength + self.discount * types) / (earlier.totals[name] + self.strength)

    def share_of(self, word: str, name: str, earlier: DocumentCounts) -> float:
        """The mass that an earlier word of a class has as such; 0 if it is none."""
        count = earlier.counts[name][word] if name in earlier.counts else 0
        return (count - self.discount) / (earlier.totals[name] + self.strength) if count else 0.0


MEMORY = WordMemory(0.8, 32.0)
"""Where no validation words tell better."""


def tuned_word_memory(documents: Sequence[Sequence[tuple[str, str, float]]]) -> WordMemory:
    """Discount and strength by the likelihood of the rare words of whole validation documents.

    Args:
        documents: each rare word, its class and P(word | class), in order of occurrence.
    """
    rows = []
    for document in documents:
        earlier = DocumentCounts()
        for word, name, new in document:
            before = earlier.counts.get(name, Counter())
            rows.append((before[word], len(before), earlier.totals[name], new))
            earlier.add(word, name)
    if not rows:
        return MEMORY
    counts, types, totals, new = np.array(rows).T

    def cost(memory: WordMemory) -> float:
        d, strength = memory
        far = math.log(strength / MEMORY.strength) ** 2
        far += (_log_odds(d) - _log_odds(MEMORY.discount)) ** 2
        mass = np.where(counts > 0, counts - d, 0.0) + (strength + d * types) * new
        return PRIOR * far - float(np.log(np.maximum(mass / (totals + strength), 1e-300)).sum())

    return min(itertools.starmap(WordMemory, itertools.product(DISCOUNTS, STRENGTHS)), key=cost)


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))
