"""P(word | symbol): what a replaced word costs, and how a new one is spelled.

A word that a symbol stands for is drawn from a mixture of up to three distributions: the training
words the symbol stood for (the pool), a character model of those of its own class, and a character
model of all words, frequent ones included, for they are built alike. Words of the vocabulary are
never spelled, so the character models are divided by the mass they leave to other strings. What
remains open is small and on the safe side: strings that the word pattern would cut in two keep
their mass.

Does not handle: words longer than memory allows, agreement of a spelled word with its neighbours.
"""

from __future__ import annotations

import bisect
import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from textgen.symbols import CHARACTER_BITS

BEGIN, END, OTHER, FIRST = 0, 1, 2, 3
"""Codes inside this module: word begins, word ends, a character never seen, the first letter."""
ORDERS = (4, 5, 6, 7)
OWN = 200
"""A class has its own character model from so many different words on."""
PRIOR = 20.0
"""A class's mixture weights are drawn towards those of all classes as by so many words."""
REMEMBERED = 20_000_000
"""Numbers that a character model keeps of what it has computed."""


class CharacterNgram:
    """Characters of words by interpolated Kneser–Ney with one discount an order.

    P(c | h) = max(n(hc) − D, 0) / n(h·) + D · |{c: n(hc) > 0}| / n(h·) · P(c | h without its first
    character), with D = n₁ / (n₁ + 2 n₂) (Kneser & Ney 1995; Ney, Essen & Kneser 1994, eq. 9).
    Counts of a context that reaches back to the beginning of the word or over the full order are
    occurrences, those of shorter ones are numbers of different characters before them.

    Args:
        words: the words as codes, see :class:`Speller`; each counts once.
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

    def mass(self, word: str) -> float:
        """P(word), its end included."""
        return self.prefix_mass(word) * self.following(word)[END]

    def prefix_mass(self, prefix: str) -> float:
        """The probability of all words that begin so."""
        return math.prod(
            float(self.following(prefix[:i])[ord(code)]) for i, code in enumerate(prefix)
        )


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

    def mass(self, word: str) -> float:
        """P(word) for a word outside the vocabulary."""
        return self._model.mass(word) / self._left

    def continuations(self, prefix: str) -> np.ndarray:
        """(A,): the mass of all words outside the vocabulary that go on from ``prefix`` so."""
        mass = self._model.prefix_mass(prefix) * self._model.following(prefix)
        low, high = self._range(prefix)
        for i in range(low, high):
            word = self._vocabulary[i]
            mass[ord(word[len(prefix)]) if len(word) > len(prefix) else END] -= self._masses[i]
        return np.maximum(mass, 0.0) / self._left

    def _range(self, prefix: str) -> tuple[int, int]:
        if not prefix:
            return 0, len(self._vocabulary)
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return bisect.bisect_left(self._vocabulary, prefix), bisect.bisect_left(
            self._vocabulary, after
        )


class Pool:
    """The training words themselves, by how often they occurred."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts, self._total = counts, sum(counts.values())

    def mass(self, word: str) -> float:
        return self._counts.get(word, 0) / self._total

    def continuations(self, prefix: str, size: int) -> np.ndarray:
        mass = np.zeros(size)
        for word, count in self._counts.items():
            if word.startswith(prefix):
                at = ord(word[len(prefix)]) if len(word) > len(prefix) else END
                mass[at] += count / self._total
        return mass


class Speller:
    """P(word | class), and new words of a class.

    Args:
        examples: class → word → occurrences in the training split: the rare words.
        alphabet: every character of the training split.
        vocabulary: the words that are never spelled.
        related: known words from which to learn how words are built.
        pooled: whether the examples can be met again, that is, are not in the vocabulary.
        order: of the character models.
        weights: class → weights of (pool, own character model, shared character model); the key
            ``""`` holds those of a class that is not listed.
    """

    def __init__(
        self,
        examples: Mapping[str, Mapping[str, int]],
        alphabet: Iterable[str],
        vocabulary: Iterable[str],
        related: Iterable[str] = (),
        *,
        pooled: bool = True,
        order: int = 5,
        weights: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self.examples = {key: dict(words) for key, words in examples.items()}
        self.alphabet = "".join(sorted(alphabet))
        self.pooled, self.order = pooled, order
        self.weights = dict(weights or {"": (1 / 3, 1 / 3, 1 / 3)})
        self._size = FIRST + len(self.alphabet)
        self._codes = {ord(c): FIRST + i for i, c in enumerate(self.alphabet)}
        self._vocabulary = sorted({self._encode(w) for w in vocabulary})
        everything = {w for members in self.examples.values() for w in members}.union(related)
        self._words = sorted({self._encode(w) for w in everything})
        self._components: dict[str, tuple[Any, Any, Any]] = {}

    def _encode(self, word: str) -> str:
        codes = self._codes
        return "".join(chr(codes.get(ord(c), OTHER)) for c in word)

    @cached_property
    def _shared(self) -> Without:
        return Without(CharacterNgram(self._words, self._size, self.order), self._vocabulary)

    def _of(self, name: str) -> tuple[Any, Any, Any]:
        """The components of a class: pool, own, shared; None where there is no such."""
        if name not in self._components:
            members = {self._encode(w): n for w, n in self.examples.get(name, {}).items()}
            own = None
            if len(members) >= OWN:
                own = Without(
                    CharacterNgram(sorted(members), self._size, self.order), self._vocabulary
                )
            pool = Pool(members) if members and self.pooled else None
            self._components[name] = (pool, own, self._shared)
        return self._components[name]

    def _mixture(self, name: str) -> list[tuple[float, Any]]:
        weights = self.weights.get(name, self.weights[""])
        pairs = [(w, c) for w, c in zip(weights, self._of(name), strict=True) if c is not None]
        total = sum(w for w, _ in pairs)
        return [(w / total, c) for w, c in pairs] if total else [(1.0, self._shared)]

    def bits(self, word: str, name: str) -> float:
        """−log2 P(word | class), a character never seen named outright."""
        code = self._encode(word)
        mass = sum(weight * part.mass(code) for weight, part in self._mixture(name))
        return CHARACTER_BITS * code.count(chr(OTHER)) - math.log2(max(mass, 1e-300))

    def following(self, prefix: str, name: str) -> tuple[list[str], np.ndarray]:
        """What comes after the beginning of a word of a class.

        Returns:
            Characters, ``""`` for the end and ``"\\ufffd"`` for a character never seen first; and
            their probabilities, which sum to 1. The product along a word is exactly what ``bits``
            charges.
        """
        code = self._encode(prefix)
        mass = np.zeros(self._size)
        for weight, part in self._mixture(name):
            given = (code, self._size) if isinstance(part, Pool) else (code,)
            mass += weight * part.continuations(*given)
        return ["", "\ufffd", *self.alphabet], mass[END:] / mass[END:].sum()

    def draw(self, name: str, generator: random.Random, longest: int = 30) -> str:
        """A word of a class, spelled character by character; never one of the vocabulary."""
        for _ in range(20):
            word = ""
            while len(word) < longest:
                options, chances = self.following(word, name)
                weights = [
                    0.0 if o == "\ufffd" else p for o, p in zip(options, chances, strict=True)
                ]
                if not word:
                    weights[0] = 0.0
                if not sum(weights):
                    break
                (choice,) = generator.choices(options, weights)
                if not choice:
                    return word
                word += choice
        return word or "it"

    def tune(self, words: Mapping[str, Sequence[str]]) -> None:
        """Choose the order and the weights by the likelihood of validation words of each class.

        The weights by expectation-maximisation (Jelinek & Mercer 1980).
        """
        everything = [self._encode(w) for each in words.values() for w in each]
        if not everything:
            return

        def cost(order: int) -> float:
            model = CharacterNgram(self._words, self._size, order)
            return -sum(math.log(max(model.mass(w), 1e-300)) for w in everything)

        self.order = min(ORDERS, key=cost)
        self.__dict__.pop("_shared", None)
        self._components.clear()
        rows = {
            name: [[p.mass(self._encode(w)) if p else 0.0 for p in self._of(name)] for w in each]
            for name, each in words.items()
        }
        common = _maximise([row for each in rows.values() for row in each], (1 / 3,) * 3, 0.5)
        self.weights = {"": common}
        self.weights |= {n: _maximise(r, common, PRIOR) for n, r in rows.items() if r}

    def state(self) -> dict[str, Any]:
        return {
            "examples": self.examples,
            "alphabet": self.alphabet,
            "pooled": self.pooled,
            "order": self.order,
            "weights": {name: list(weights) for name, weights in self.weights.items()},
        }


def _maximise(
    rows: Sequence[Sequence[float]], prior: Sequence[float], strength: float
) -> tuple[float, ...]:
    """Mixture weights that make the rows of component masses likely, drawn towards a prior."""
    masses, before = np.array(rows), np.array(prior)
    masses = masses[masses.sum(axis=1) > 0]
    weights = before
    for _ in range(50):
        shares = masses * weights
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
        weights = (shares.sum(axis=0) + strength * before) / (len(masses) + strength)
    return tuple(float(w) for w in weights)
