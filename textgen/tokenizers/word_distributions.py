"""What a spelling model mixes: given words, and character n-grams of all words but known ones.

:class:`ClassDistributions` has what is mixed for each class of words.

A distribution over words says P(word) of whole words, and P of all words that begin in some way;
the latter are the probabilities of the next character, which is drawn, coded and audited. All are
natural logarithms, for words have no greatest length.
"""

import bisect
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from textgen.ngrams.kneser_ney import KneserNeyModel
from textgen.tokenizers.codes import (
    END,
    UNSEEN_CODE,
    ClassBeginnings,
    Codes,
    Coding,
    as_arrays,
    fit_characters,
)

MIN_TYPES_FOR_OWN_MODEL = 200  # different words of a class that has a character model of its own
CACHED_NUMBERS = 5_000_000  # of what may follow a prefix, in each distribution
LEAST_LEFT = 1e-12  # of the mass of a class, what known words leave to others


class OutOfVocabulary:
    """A character model of the words of a class that are outside a vocabulary:

        P(word) = P_n-grams(word) / (P_n-grams(class) − Σ_v P_n-grams(v))

    over the words v of the vocabulary that are of the class. The words of a class are those that
    begin in one way, but for longer beginnings, which other classes have.

    Args:
        model: n-grams, a distribution over all strings.
        vocabulary: the words that are never spelled.
        beginnings: what the words of the class begin with.
    """

    def __init__(
        self,
        model: KneserNeyModel,
        vocabulary: Sequence[Codes],
        beginnings: ClassBeginnings[Codes],
    ) -> None:
        self._model = model
        self._beginning, self._other_classes = beginnings
        known = [
            word
            for word in vocabulary
            if word.startswith(self._beginning) and not word.startswith(self._other_classes)
        ]
        # what begins as the class does and is none of its words: known words, and other classes
        self._excluded = sorted([*known, *self._other_classes])
        rows = max(1, CACHED_NUMBERS // model.size)
        self._cached_after = lru_cache(rows)(self._after_context)
        self._cached_excluded = lru_cache(rows)(self._excluded_after)

    def log_masses(self, words: Sequence[Codes]) -> np.ndarray:
        """(n,) float64: ln P(word) of words of the class outside the vocabulary."""
        log_class = self._log_steps(self._beginning) + math.log(self._left)
        return self._model.log_masses(as_arrays(words)) - log_class

    def log_continuations(self, prefix: Codes) -> np.ndarray:
        """(A,) float64: ln of the mass of all words that begin with ``prefix`` and each code, END
        for the word that ends there."""
        start = len(self._beginning)
        with np.errstate(divide="ignore"):
            if len(prefix) < start:
                only = np.zeros(self._model.size)
                only[ord(self._beginning[len(prefix)])] = 1.0
                return np.log(only)
            log_prefix = self._log_steps(prefix, start) - math.log(self._left)
            # relative to the mass of the prefix, which may be too small for a float64
            excluded = np.exp(np.log(self._cached_excluded(prefix)) - log_prefix)
            return log_prefix + np.log(np.maximum(self._after(prefix) - excluded, 0.0))

    @cached_property
    def _excluded_masses(self) -> np.ndarray:
        """(E,) float64: P_n-grams of what is excluded, given the beginning of the class."""
        logs = self._model.log_masses(as_arrays(self._excluded)) - self._log_steps(self._beginning)
        for other in self._other_classes:  # all words that begin so, not the one word
            place = bisect.bisect_left(self._excluded, other)
            logs[place] = self._log_steps(other, len(self._beginning))
        return np.exp(logs)

    @cached_property
    def _left(self) -> float:
        """The share of the class that is not excluded."""
        return max(1.0 - float(self._excluded_masses.sum()), LEAST_LEFT)

    def _excluded_after(self, prefix: Codes) -> np.ndarray:
        masses = self._excluded_masses / self._left
        return masses_by_next_code(self._excluded, masses, prefix, self._model.size)

    def _log_steps(self, prefix: str, start: int = 0) -> float:
        """ln P_n-grams of all strings that begin with a prefix, given its first ``start`` codes."""
        log = 0.0
        for place in range(start, len(prefix)):
            log += math.log(self._after(prefix[:place])[ord(prefix[place])])
        return log

    def _after(self, prefix: str) -> np.ndarray:
        """(A,) float64: P_n-grams(code | a prefix)."""
        return self._cached_after(prefix[max(0, len(prefix) - self._model.order) :])

    def _after_context(self, context: str) -> np.ndarray:
        return self._model.distribution([ord(code) for code in context])


class Pool:
    """Given words, by how often they occurred; methods as in :class:`OutOfVocabulary`.

    Args:
        counts: words, each with its number of occurrences.
        size: number of codes, A.
    """

    def __init__(self, counts: Mapping[Codes, int], size: int) -> None:
        total = sum(counts.values())
        self._masses = {word: counts[word] / total for word in sorted(counts)}
        self._words = list(self._masses)
        self._size = size
        self.log_continuations = lru_cache(max(1, CACHED_NUMBERS // size))(self._log_continuations)

    def log_masses(self, words: Sequence[Codes]) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log([self._masses.get(word, 0.0) for word in words])

    def _log_continuations(self, prefix: Codes) -> np.ndarray:
        masses = list(self._masses.values())
        with np.errstate(divide="ignore"):
            return np.log(masses_by_next_code(self._words, masses, prefix, self._size))


WordDistribution = OutOfVocabulary | Pool


class Components(NamedTuple):
    """The distributions that are mixed for a class; None for one that it lacks.

    Attributes:
        pool: its training words.
        own: n-grams of characters over these.
        shared: n-grams of characters over all words.
    """

    pool: Pool | None
    own: OutOfVocabulary | None
    shared: OutOfVocabulary


class ClassDistributions:
    """The distributions that are mixed for each class of words. Those of a class are made when it
    is first asked for.

    Args:
        coding: of the words.
        order: of the n-grams.
        examples: class → word → occurrences in the training split.
        known: the words from which the shared n-grams learn how words are built.
        vocabulary: the words that are never spelled.
        pooled: whether the examples can be met again.
    """

    def __init__(
        self,
        coding: Coding,
        order: int,
        *,
        examples: Mapping[str, Mapping[str, int]],
        known: Iterable[str],
        vocabulary: Iterable[str],
        pooled: bool,
    ) -> None:
        self._coding = coding
        self._order = order
        self._examples = examples
        self._pooled = pooled
        # a form with a character never seen, such as the capital of an é, is spelled like any
        # other word that has one: its code stands for all of them
        never_spelled = {coding.word(word) for word in vocabulary}
        self._never_spelled = sorted(codes for codes in never_spelled if UNSEEN_CODE not in codes)
        known_codes = sorted({coding.word(word) for word in known})
        self._shared_model = fit_characters(known_codes, order, coding.size)
        self._shared = dict[ClassBeginnings[Codes], OutOfVocabulary]()
        self._components = dict[str, Components]()

    def of_class(self, name: str) -> Components:
        """What is mixed for a class."""
        if name not in self._components:
            self._components[name] = self._make_components(name)
        return self._components[name]

    def _make_components(self, name: str) -> Components:
        examples = self._examples.get(name, {})
        members = {self._coding.word(word): number for word, number in examples.items()}
        beginnings = self._coding.beginnings(name)
        pool = Pool(members, self._coding.size) if members and self._pooled else None
        own = None
        if len(members) >= MIN_TYPES_FOR_OWN_MODEL:
            model = fit_characters(sorted(members), self._order, self._coding.size)
            own = OutOfVocabulary(model, self._never_spelled, beginnings)
        return Components(pool, own, self._shared_by(beginnings))

    def _shared_by(self, beginnings: ClassBeginnings[Codes]) -> OutOfVocabulary:
        """The shared n-grams, made once for all classes that begin alike."""
        if beginnings not in self._shared:
            shared = OutOfVocabulary(self._shared_model, self._never_spelled, beginnings)
            self._shared[beginnings] = shared
        return self._shared[beginnings]


def masses_by_next_code(
    words: Sequence[str], masses: Sequence[float] | np.ndarray, prefix: str, size: int
) -> np.ndarray:
    """(A,) float64: the mass of sorted words that begin with a prefix, by the code behind it."""
    start = bisect.bisect_left(words, prefix)
    stop = bisect.bisect_left(words, prefix + chr(sys.maxunicode))
    result = np.zeros(size)
    for word, mass in zip(words[start:stop], masses[start:stop], strict=True):
        code = ord(word[len(prefix)]) if len(word) > len(prefix) else END
        result[code] += mass
    return result
