"""Words as strings of characters: the distributions that a spelling model is mixed from."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

BEGIN, END, OTHER, FIRST = 0, 1, 2, 3
"""Codes of characters: a word begins, a word ends, one never seen, the first of the alphabet."""
REMEMBERED = 20_000_000
"""Numbers that a character model keeps of what it has computed."""
SHORT = 2
"""Beginnings of words up to this length have so many continuations that they are remembered."""


class CharacterNgram:
    """Characters of words by interpolated Kneser–Ney with one discount an order.

    P(c | h) = max(n(hc) − D, 0) / n(h·) + D · |{c: n(hc) > 0}| / n(h·) · P(c | h without its first
    character), with D = n₁ / (n₁ + 2 n₂) (Kneser & Ney 1995; Ney, Essen & Kneser 1994, eq. 9).
    Counts of a context that reaches back to the beginning of the word or over the full order are
    occurrences, those of shorter ones are numbers of different characters before them.

    Args:
        words: the words as strings of codes; each counts once.
        size: number of codes, A.
        order: n; a character is predicted from n − 1 before it.
    """

    def __init__(self, words: Iterable[str], size: int, order: int) -> None:
        self._size, self._reach = size, order - 1
        self._tables: list[dict[str, Counter[int]]] = [{} for _ in range(order)]
        for word in words:
            padded = chr(BEGIN) + word + chr(END)
            for i in range(1, len(padded)):
                context = padded[max(0, i - self._reach) : i]
                table = self._tables[len(context)]
                table.setdefault(context, Counter())[ord(padded[i])] += 1
        for length in range(self._reach, 0, -1):
            shorter = self._tables[length - 1]
            for context, counts in self._tables[length].items():
                shorter.setdefault(context[1:], Counter()).update(dict.fromkeys(counts, 1))
        self._discounts = [_discount(table) for table in self._tables]
        self._uniform = np.full(size, 1.0 / (size - 1))
        self._uniform[BEGIN] = 0.0
        self._known: dict[str, np.ndarray] = {}

    def following(self, prefix: str) -> np.ndarray:
        """(A,) float64: the probability of each code after the beginning of a word."""
        return self._vector((chr(BEGIN) + prefix)[-self._reach :] if self._reach else "")

    def _vector(self, context: str) -> np.ndarray:
        known = self._known.get(context)
        if known is not None:
            return known
        lower = self._vector(context[1:]) if context else self._uniform
        counts = self._tables[len(context)].get(context)
        if counts is None:
            return lower
        places, values = np.array(list(counts)), np.array(list(counts.values()), dtype=float)
        discount, total = self._discounts[len(context)], values.sum()
        result = lower * (discount * len(values) / total)
        result[places] += (values - discount) / total
        if len(self._known) * self._size > REMEMBERED:
            self._known.clear()
        self._known[context] = result
        return result

    def log_mass(self, word: str) -> float:
        """ln P(word), its end included."""
        return self.log_prefix_mass(word) + math.log(self.following(word)[END])

    def log_prefix_mass(self, prefix: str) -> float:
        """ln of the probability of all words that begin so; in logarithms, for words have no
        longest length."""
        return sum(math.log(self.following(prefix[:i])[ord(code)]) for i, code in enumerate(prefix))


def _discount(table: Mapping[str, Counter[int]]) -> float:
    counts = Counter(n for each in table.values() for n in each.values())
    return counts[1] / (counts[1] + 2 * counts[2]) if counts[1] and counts[2] else 0.5


class Without:
    """A character model of the words outside a vocabulary: P(word) / (1 − P(vocabulary)).

    Args:
        model: over all strings.
        vocabulary: the words that are never spelled, as codes, sorted.
    """

    def __init__(self, model: CharacterNgram, vocabulary: Sequence[str]) -> None:
        self._model, self._vocabulary = model, vocabulary
        self._after: dict[str, np.ndarray] = {}

    @cached_property
    def _masses(self) -> np.ndarray:
        """(len(vocabulary),): P(word) of each; neighbours in the list share their beginning."""
        masses, stack, before = np.zeros(len(self._vocabulary)), [1.0], ""
        for i, word in enumerate(self._vocabulary):
            shared = 0
            for a, b in zip(word, before, strict=False):
                if a != b:
                    break
                shared += 1
            del stack[shared + 1 :]
            for j in range(shared, len(word)):
                stack.append(stack[-1] * float(self._model.following(word[:j])[ord(word[j])]))
            masses[i], before = stack[-1] * self._model.following(word)[END], word
        return masses

    @cached_property
    def _left(self) -> float:
        return max(1.0 - float(self._masses.sum()), 1e-12)

    def log_mass(self, word: str) -> float:
        """ln P(word) for a word outside the vocabulary."""
        return self._model.log_mass(word) - math.log(self._left)

    def log_prefix_mass(self, prefix: str) -> float:
        """ln of a bound on the mass of the words outside the vocabulary that begin so."""
        return self._model.log_prefix_mass(prefix) - math.log(self._left)

    def continuations(self, prefix: str, log_scale: float) -> np.ndarray:
        """(A,): the mass of all words outside the vocabulary that go on from ``prefix`` so, divided
        by exp(log_scale)."""
        whole = math.exp(self.log_prefix_mass(prefix) - log_scale)
        with np.errstate(divide="ignore"):
            known = np.exp(np.log(self._known(prefix)) - log_scale)
        return np.maximum(whole * self._model.following(prefix) - known, 0.0)

    def _known(self, prefix: str) -> np.ndarray:
        """(A,): the share of the vocabulary in what goes on from ``prefix`` so."""
        if prefix not in self._after:
            mass = np.zeros(len(self._model.following("")))
            low, high = self._range(prefix)
            for i in range(low, high):
                word = self._vocabulary[i]
                at = ord(word[len(prefix)]) if len(word) > len(prefix) else END
                mass[at] += self._masses[i] / self._left
            if len(prefix) > SHORT:
                return mass
            self._after[prefix] = mass
        return self._after[prefix]

    def _range(self, prefix: str) -> tuple[int, int]:
        if not prefix:
            return 0, len(self._vocabulary)
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return bisect.bisect_left(self._vocabulary, prefix), bisect.bisect_left(
            self._vocabulary, after
        )


class Pool:
    """Given words, by how often they occurred."""

    def __init__(self, counts: Mapping[str, float], size: int) -> None:
        self._counts, self._total, self._size = counts, sum(counts.values()), size

    def log_mass(self, word: str) -> float:
        count = self._counts.get(word, 0)
        return math.log(count / self._total) if count else -math.inf

    def log_prefix_mass(self, prefix: str) -> float:
        count = sum(n for word, n in self._counts.items() if word.startswith(prefix))
        return math.log(count / self._total) if count else -math.inf

    def continuations(self, prefix: str, log_scale: float) -> np.ndarray:
        mass = np.zeros(self._size)
        for word, count in self._counts.items():
            if word.startswith(prefix):
                at = ord(word[len(prefix)]) if len(word) > len(prefix) else END
                mass[at] += count / self._total * math.exp(-log_scale)
        return mass
