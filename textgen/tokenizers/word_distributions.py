"""What a spelling model mixes: given words, and character n-grams of all words but known ones.

:class:`ClassDistributions` has what is mixed for each class of words. Every distribution over words
says P(word) of whole words, and P of all words that begin in some way; the latter are the
probabilities of the next character, which is drawn, coded and audited. All are natural logarithms,
for words have no greatest length.
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
    """A character model of the words of a class that are outside a vocabulary.

    With p(w) the n-grams' probability of a word w, and p(b…) that of all strings that begin with b:

        P(w | class) = p(w) / (p(b…) · left)
        left         = 1 − Σ_v p(v) / p(b…) − Σ_o p(o…) / p(b…)

    where all words of the class begin with b, the v are those of the vocabulary that are of the
    class, and the o are the longer beginnings that other classes have. All words that begin with
    some codes x have together, if b is a beginning of x:

        P(x… | class) = (p(x…) − Σ p(v) − Σ p(o…)) / (p(b…) · left)

    over those v and o that begin with x.

    Args:
        model: n-grams, a distribution over all strings, p.
        vocabulary: the words that are never spelled.
        beginnings: what the words of the class begin with, b, and the o.
    """

    def __init__(
        self,
        model: KneserNeyModel,
        vocabulary: Sequence[Codes],
        beginnings: ClassBeginnings[Codes],
    ) -> None:
        self._model = model
        self._beginning = beginnings.own
        self._other_classes = beginnings.others
        self._known_words = [
            word
            for word in vocabulary
            if word.startswith(self._beginning) and not word.startswith(self._other_classes)
        ]
        cached_prefixes = max(1, CACHED_NUMBERS // model.size)
        self._chances_behind = lru_cache(cached_prefixes)(self._compute_chances_behind)
        self._excluded_behind = lru_cache(cached_prefixes)(self._compute_excluded_behind)

    def log_masses(self, words: Sequence[Codes]) -> np.ndarray:
        """(n,) float64: ln P(word | class) of words of the class outside the vocabulary."""
        log_class = self._log_mass(self._beginning) + math.log(self._left)
        return self._model.log_masses(as_arrays(words)) - log_class

    def log_continuations(self, prefix: Codes) -> np.ndarray:
        """(A,) float64: ln of the mass of all words that begin with ``prefix`` and each code, END
        for the word that ends there."""
        if len(prefix) < len(self._beginning):
            return self._log_only(self._beginning[len(prefix)])
        # x is the prefix and a a code: P(xa… | class) is the product of p(x…) / (p(b…) left), of
        # which only the logarithm is always a float64, and p(a | x) less what is excluded behind xa
        log_prefix = self._log_mass(prefix, len(self._beginning)) - math.log(self._left)
        with np.errstate(divide="ignore"):
            excluded = np.exp(np.log(self._excluded_behind(prefix)) - log_prefix)
            remaining = np.maximum(self._next_chances(prefix) - excluded, 0.0)
            return log_prefix + np.log(remaining)

    def _log_only(self, code: str) -> np.ndarray:
        """(A,) float64: ln of the mass of each code where only one can come."""
        logs = np.full(self._model.size, -math.inf)
        logs[ord(code)] = 0.0
        return logs

    @cached_property
    def _excluded(self) -> "Excluded":
        """What begins as the class does and is none of its words: the v and the o."""
        log_known = self._model.log_masses(as_arrays(self._known_words))
        log_known = log_known - self._log_mass(self._beginning)
        logs = dict(zip(self._known_words, log_known.tolist(), strict=True))
        for beginning in self._other_classes:
            logs[beginning] = self._log_mass(beginning, len(self._beginning))
        codes = sorted(logs)
        return Excluded(codes, np.exp([logs[each] for each in codes]))

    @cached_property
    def _left(self) -> float:
        """What is left of the class where the v and o are excluded."""
        return max(1.0 - float(self._excluded.masses.sum()), LEAST_LEFT)

    def _compute_excluded_behind(self, prefix: Codes) -> np.ndarray:
        """(A,) float64: (Σ p(v) + Σ p(o…)) / (p(b…) left), over the v and o that begin with a
        prefix and each code."""
        codes, masses = self._excluded
        return masses_by_next_code(codes, masses / self._left, prefix, self._model.size)

    def _log_mass(self, prefix: Codes, given: int = 0) -> float:
        """ln p of all strings that begin with a prefix, given its first codes, as many as
        ``given``."""
        log_mass = 0.0
        for place in range(given, len(prefix)):
            chances = self._next_chances(Codes(prefix[:place]))
            log_mass += math.log(chances[ord(prefix[place])])
        return log_mass

    def _next_chances(self, prefix: Codes) -> np.ndarray:
        """(A,) float64: p(code | a prefix)."""
        context_start = max(0, len(prefix) - self._model.order)
        return self._chances_behind(prefix[context_start:])

    def _compute_chances_behind(self, context: str) -> np.ndarray:
        return self._model.distribution([ord(code) for code in context])


class Excluded(NamedTuple):
    """Known words, and the beginnings of other classes.

    Attributes:
        codes: sorted.
        masses: (E,) float64, p(v) / p(b…) of each word and p(o…) / p(b…) of each beginning.
    """

    codes: Sequence[Codes]
    masses: np.ndarray


class Pool:
    """Given words, by how often they occurred; methods as in :class:`OutOfVocabulary`.

    Args:
        counts: words, each with its number of occurrences.
        size: number of codes, A.
    """

    def __init__(self, counts: Mapping[Codes, int], size: int) -> None:
        total = sum(counts.values())
        self._words = sorted(counts)
        self._masses = [counts[word] / total for word in self._words]
        self._mass_of_word = dict(zip(self._words, self._masses, strict=True))
        self._size = size
        cached_prefixes = max(1, CACHED_NUMBERS // size)
        self.log_continuations = lru_cache(cached_prefixes)(self._compute_log_continuations)

    def log_masses(self, words: Sequence[Codes]) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log([self._mass_of_word.get(word, 0.0) for word in words])

    def _compute_log_continuations(self, prefix: Codes) -> np.ndarray:
        masses = masses_by_next_code(self._words, self._masses, prefix, self._size)
        with np.errstate(divide="ignore"):
            return np.log(masses)


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

    def masses(self, words: Sequence[Codes]) -> np.ndarray:
        """(n, 3) float64: P(word | class) of words under each; 0 under one that is lacking."""
        columns = list[np.ndarray]()
        for distribution in self:
            if distribution is None:
                columns.append(np.zeros(len(words)))
            else:
                columns.append(np.exp(distribution.log_masses(words)))
        return np.stack(columns, axis=1)


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
        never_spelled = {coding.codes_of_word(word) for word in vocabulary}
        self._never_spelled = sorted(codes for codes in never_spelled if UNSEEN_CODE not in codes)
        known_codes = sorted({coding.codes_of_word(word) for word in known})
        self._shared_model = fit_characters(known_codes, order, coding.size)
        self._shared = dict[ClassBeginnings[Codes], OutOfVocabulary]()
        self._components = dict[str, Components]()

    def of_class(self, class_name: str) -> Components:
        """What is mixed for a class."""
        if class_name not in self._components:
            self._components[class_name] = self._make_components(class_name)
        return self._components[class_name]

    def _make_components(self, class_name: str) -> Components:
        examples = self._examples.get(class_name, {})
        counts = {self._coding.codes_of_word(word): number for word, number in examples.items()}
        beginnings = self._coding.beginnings(class_name)
        pool: Pool | None = None
        if counts and self._pooled:
            pool = Pool(counts, self._coding.size)
        own: OutOfVocabulary | None = None
        if len(counts) >= MIN_TYPES_FOR_OWN_MODEL:
            model = fit_characters(sorted(counts), self._order, self._coding.size)
            own = OutOfVocabulary(model, self._never_spelled, beginnings)
        return Components(pool, own, self._shared_by(beginnings))

    def _shared_by(self, beginnings: ClassBeginnings[Codes]) -> OutOfVocabulary:
        """The shared n-grams, made once for all classes that begin alike."""
        if beginnings not in self._shared:
            shared = OutOfVocabulary(self._shared_model, self._never_spelled, beginnings)
            self._shared[beginnings] = shared
        return self._shared[beginnings]


def masses_by_next_code(
    words: Sequence[Codes], masses: Sequence[float] | np.ndarray, prefix: Codes, size: int
) -> np.ndarray:
    """(A,) float64: the mass of the words that begin with a prefix, by the code behind it; END for
    the prefix itself.

    Args:
        words: sorted.
        masses: of each word.
        prefix: as codes.
        size: number of codes, A.
    """
    start = bisect.bisect_left(words, prefix)
    behind_all = prefix + chr(sys.maxunicode)  # that begin with the prefix
    stop = bisect.bisect_left(words, behind_all)
    result = np.zeros(size)
    for word, mass in zip(words[start:stop], masses[start:stop], strict=True):
        code = END
        if word != prefix:
            code = ord(word[len(prefix)])
        result[code] += mass
    return result
