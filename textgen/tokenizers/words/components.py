"""Distributions over words as strings of characters: what the word-spelling model is mixed from.

A word is a string of codes, one a character: :data:`FIRST` and up for the alphabet, :data:`OTHER`
for a character that training never saw. To the n-grams it is a document of its own, so that their
boundary, :data:`END`, both begins and ends it.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np

from textgen.tokenizers.kneser_ney import KneserNeyModel, fit_kneser_ney
from textgen.tokenizers.tokens import BOUNDARY, ESCAPE, RESERVED

END, OTHER, FIRST = BOUNDARY, ESCAPE, RESERVED
CACHED_NUMBERS = 5_000_000
"""Numbers that a distribution caches of what may follow a prefix."""


def fit_characters(words: Sequence[str], order: int, size: int) -> KneserNeyModel:
    """n-grams of characters over words as codes, each counted once; ``size`` is that of the
    alphabet of codes, A."""
    return fit_kneser_ney(as_arrays(words), order, size)


def as_arrays(words: Sequence[str]) -> list[np.ndarray]:
    """The codes of each word: (n,) uint32."""
    return [np.frombuffer(w.encode("utf-32-le", "surrogatepass"), dtype="<u4") for w in words]


class OutOfVocabulary:
    """A character model of the words outside a vocabulary: P(word) / (1 − P(vocabulary)).

    Args:
        model: a distribution over all strings.
        vocabulary: the words that are never spelled, as codes, sorted.
    """

    def __init__(self, model: KneserNeyModel, vocabulary: Sequence[str]) -> None:
        self._model, self._vocabulary = model, vocabulary
        cached = lru_cache(max(1, CACHED_NUMBERS // model.size))
        self._following, self._known = cached(self._after_context), cached(self._vocabulary_after)

    @cached_property
    def _masses(self) -> np.ndarray:
        """(len(vocabulary),) float64: P(word) of each."""
        return np.exp(self._model.log_masses(as_arrays(self._vocabulary)))

    @cached_property
    def _left(self) -> float:
        return max(1.0 - float(self._masses.sum()), 1e-12)

    def log_masses(self, words: Sequence[str]) -> np.ndarray:
        """(n,) float64: ln P(word) of words outside the vocabulary."""
        return self._model.log_masses(as_arrays(words)) - math.log(self._left)

    def log_prefix_mass(self, prefix: str) -> float:
        """ln of an upper bound on the mass of the words outside the vocabulary that start with
        ``prefix``; in logarithms, since words have no greatest length."""
        steps = (math.log(self._after(prefix[:i])[ord(c)]) for i, c in enumerate(prefix))
        return sum(steps) - math.log(self._left)

    def continuations(self, prefix: str, log_scale: float) -> np.ndarray:
        """(A,) float64: the mass of all words outside the vocabulary that begin with ``prefix`` and
        each code (or end there), divided by exp(log_scale)."""
        whole = math.exp(self.log_prefix_mass(prefix) - log_scale)
        with np.errstate(divide="ignore"):
            known = np.exp(np.log(self._known(prefix)) - log_scale)
        return np.maximum(whole * self._after(prefix) - known, 0.0)

    def _after(self, prefix: str) -> np.ndarray:
        """(A,) float64: P(code | prefix) over all strings."""
        reach = self._model.order - 1
        return self._following(prefix[-reach:] if reach else "")

    def _after_context(self, context: str) -> np.ndarray:
        return self._model.distribution([ord(c) for c in context])

    def _vocabulary_after(self, prefix: str) -> np.ndarray:
        """(A,) float64: the share of the vocabulary in each continuation of ``prefix``."""
        found = prefix_range(self._vocabulary, prefix)
        mass, at = np.zeros(self._model.size), len(prefix)
        for word, share in zip(
            self._vocabulary[found], self._masses[found] / self._left, strict=True
        ):
            mass[ord(word[at]) if len(word) > at else END] += share
        return mass


def prefix_range(words: Sequence[str], prefix: str) -> slice:
    """Slice of the sorted words that start with ``prefix``."""
    if not prefix:
        return slice(None)
    after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return slice(bisect.bisect_left(words, prefix), bisect.bisect_left(words, after))


class Pool:
    """Given words, by how often they occurred.

    Args:
        counts: words as codes, each with its number of occurrences.
        size: number of codes, A.
    """

    def __init__(self, counts: Mapping[str, float], size: int) -> None:
        self._counts, self._total, self._size = counts, sum(counts.values()), size
        self._following = lru_cache(max(1, CACHED_NUMBERS // size))(self._counts_after)

    @cached_property
    def _words(self) -> list[str]:
        return sorted(self._counts)

    def log_masses(self, words: Sequence[str]) -> np.ndarray:
        """As :meth:`OutOfVocabulary.log_masses`; −inf for other words."""
        with np.errstate(divide="ignore"):
            return np.log([self._counts.get(word, 0) / self._total for word in words])

    def log_prefix_mass(self, prefix: str) -> float:
        """ln of the mass of the words that start with ``prefix``."""
        count = float(self._following(prefix).sum())
        return math.log(count / self._total) if count else -math.inf

    def continuations(self, prefix: str, log_scale: float) -> np.ndarray:
        """As :meth:`OutOfVocabulary.continuations`, of these words."""
        found = self._following(prefix)
        if not found.any():  # the scale may be of words too long for a float64
            return found
        return found / self._total * math.exp(-log_scale)

    def _counts_after(self, prefix: str) -> np.ndarray:
        """(A,) float64: how often each code stood after ``prefix`` at the beginning of a word."""
        found, at = np.zeros(self._size), len(prefix)
        for word in self._words[prefix_range(self._words, prefix)]:
            found[ord(word[at]) if len(word) > at else END] += self._counts[word]
        return found


def mixture_weights(
    masses: np.ndarray, prior: Sequence[float], strength: float
) -> tuple[float, ...]:
    """The weights of a mixture, by expectation-maximisation (Jelinek & Mercer 1980).

    Args:
        masses: (n, C) float64, P of each of n words under each of C components.
        prior: (C,) the weights that those found are drawn towards,
        strength: as by so many words.
    """
    before = np.array(prior)
    masses = masses[masses.sum(axis=1) > 0]
    weights = before
    for _ in range(50):
        shares = masses * weights
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
        weights = (shares.sum(axis=0) + strength * before) / (len(masses) + strength)
    return tuple(float(w) for w in weights)
