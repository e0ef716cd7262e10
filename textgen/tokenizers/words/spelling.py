"""P(word | token): what a replaced word costs, and how a new one is spelled.

A word that a token stands for is drawn from a mixture of up to three distributions: the training
words the token stood for (the pool), a character model of those of its own class, and a character
model of all words, frequent ones included, for they are built alike. Words of the vocabulary are
never spelled, so the character models are divided by the mass they leave to other strings. What
remains open is small and on the safe side: strings that the word pattern would cut in two keep
their mass.

A rare word that stood in a document comes back there, above all a name. With a memory of the
document (Kuhn & De Mori 1990) the mixture becomes the base of a Pitman-Yor process over its rare
words so far, one table a word (Teh 2006):

    P(w | class, before) = (n(w) − d) / (n + θ) + (θ + d t) / (n + θ) · P(w | class)

after n rare words of the class, n(w) of them w and t different ones.

Does not handle: words longer than memory allows, agreement of a spelled word with its neighbours.
A character that training never saw is paid in full each time, also in a word that comes back.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from textgen.tokenizers.tokens import CHARACTER_BITS
from textgen.tokenizers.words.character_ngram import (
    END,
    FIRST,
    OTHER,
    CharacterNgram,
    Pool,
    Without,
)

ORDERS = (4, 5, 6, 7)
OWN = 200
"""A class has its own character model from so many different words on."""
PRIOR = 20.0
"""A class's mixture weights are drawn towards those of all classes as by so many words."""
DISCOUNTS = tuple(i / 20 for i in range(1, 20))
STRENGTHS = tuple(2.0**i for i in range(-2, 11))
MEMORY = (0.8, 32.0)
"""Discount d and strength θ where no validation words tell better."""
MEMORY_PRIOR = 0.25
"""Weight of the squared distance from MEMORY, in ln θ and in log-odds of d, against nats."""


class DocumentCounts:
    """The rare words of a document so far, by class."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.totals: Counter[str] = Counter()

    def add(self, word: str, name: str) -> None:
        self.counts.setdefault(name, Counter())[word] += 1
        self.totals[name] += 1


class Speller:
    """P(word | class), and new words of a class.

    Args:
        examples: class → word → occurrences in the training split: the rare words.
        alphabet: every character of the training split.
        vocabulary: tells the words that are never spelled, once it is asked for a probability.
        related: known words from which to learn how words are built.
        pooled: whether the examples can be met again, that is, are not in the vocabulary.
        order: of the character models.
        weights: class → weights of (pool, own character model, shared character model); the key
            ``""`` holds those of a class that is not listed.
        memory: (discount d, strength θ) of the memory of a document; None for none.
    """

    def __init__(
        self,
        examples: Mapping[str, Mapping[str, int]],
        alphabet: Iterable[str],
        vocabulary: Callable[[], Iterable[str]],
        related: Iterable[str] = (),
        *,
        pooled: bool = True,
        order: int = 5,
        weights: Mapping[str, Sequence[float]] | None = None,
        memory: Sequence[float] | None = None,
    ) -> None:
        self.examples = {key: dict(words) for key, words in examples.items()}
        self.alphabet = "".join(sorted(alphabet))
        self.pooled, self.order = pooled, order
        self.weights = dict(weights or {"": (1 / 3, 1 / 3, 1 / 3)})
        self.memory = (memory[0], memory[1]) if memory else None
        self._size = FIRST + len(self.alphabet)
        self._codes = {ord(c): FIRST + i for i, c in enumerate(self.alphabet)}
        self._never_spelled, self._related = vocabulary, related
        self._components: dict[str, tuple[Any, Any, Any]] = {}
        self._logs: dict[tuple[str, str], float] = {}

    def _encode(self, word: str) -> str:
        codes = self._codes
        return "".join(chr(codes.get(ord(c), OTHER)) for c in word)

    @cached_property
    def known(self) -> frozenset[str]:
        """The examples and the related words."""
        return frozenset(w for members in self.examples.values() for w in members).union(
            self._related
        )

    @cached_property
    def _words(self) -> list[str]:
        return sorted({self._encode(w) for w in self.known})

    @cached_property
    def _vocabulary(self) -> list[str]:
        # a form with a character never seen, such as the capital of an é, is spelled like any
        # other word that has one: its code stands for all of them
        codes = {self._encode(w) for w in self._never_spelled()}
        return sorted(code for code in codes if chr(OTHER) not in code)

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
            pool = Pool(members, self._size) if members and self.pooled else None
            self._components[name] = (pool, own, self._shared)
        return self._components[name]

    def _mixture(self, name: str) -> list[tuple[float, Any]]:
        weights = self.weights.get(name, self.weights[""])
        pairs = [(w, c) for w, c in zip(weights, self._of(name), strict=True) if c is not None]
        total = sum(w for w, _ in pairs)
        return [(w / total, c) for w, c in pairs if w] if total else [(1.0, self._shared)]

    def bits(self, word: str, name: str, earlier: DocumentCounts | None = None) -> float:
        """−log2 P(word | class, what came earlier), a character never seen named outright."""
        code = self._encode(word)
        log = self._log_mass(code, name)
        if self.memory and earlier and earlier.totals[name]:
            new, discount = self._share_of_new(name, earlier), self.memory[0]
            log += math.log(new)
            if count := earlier.counts[name][code]:
                held = (count - discount) / (earlier.totals[name] + self.memory[1])
                log = float(np.logaddexp(log, math.log(held)))
        return CHARACTER_BITS * code.count(chr(OTHER)) - log / math.log(2)

    def _log_mass(self, code: str, name: str) -> float:
        """ln P(word | class), whatever came earlier."""
        if (code, name) not in self._logs:
            logs = [math.log(weight) + part.log_mass(code) for weight, part in self._mixture(name)]
            self._logs[code, name] = float(np.logaddexp.reduce(logs))
        return self._logs[code, name]

    def _share_of_new(self, name: str, earlier: DocumentCounts) -> float:
        """The mass that the words of a document leave to P(word | class); only with a memory."""
        discount, strength = self.memory or MEMORY
        left = strength + discount * len(earlier.counts.get(name, ()))
        return left / (earlier.totals[name] + strength)

    def remember(self, word: str, name: str, earlier: DocumentCounts) -> None:
        """Add a word of a class to what came earlier."""
        earlier.add(self._encode(word), name)

    def charge(self, word: str, name: str, earlier: DocumentCounts) -> float:
        """The bits of the next rare word of a document, which from now on is an earlier one."""
        bits = self.bits(word, name, earlier)
        self.remember(word, name, earlier)
        return bits

    def following(
        self, prefix: str, name: str, *, recall: bool = True, earlier: DocumentCounts | None = None
    ) -> tuple[list[str], np.ndarray]:
        """What comes after the beginning of a word of a class; without ``recall``, of a new one.

        Returns:
            Characters, ``""`` for the end and ``"\\ufffd"`` for a character never seen first; and
            their probabilities, which sum to 1. The product along a word is exactly what ``bits``
            charges.
        """
        code = self._encode(prefix)
        parts = self._mixture(name)
        if self.memory and earlier and earlier.totals[name]:
            new = self._share_of_new(name, earlier)
            held = {word: n - self.memory[0] for word, n in earlier.counts[name].items()}
            parts = [(1 - new, Pool(held, self._size)), *((w * new, p) for w, p in parts)]
        mixture = [(w, p) for w, p in parts if recall or not isinstance(p, Pool)]
        scale = max(part.log_prefix_mass(code) for _, part in mixture)
        mass = sum(weight * part.continuations(code, scale) for weight, part in mixture)
        options, total = ["", "\ufffd", *self.alphabet], mass[END:].sum()
        if total <= 0:  # no word outside the vocabulary begins so
            return options, np.eye(1, len(options))[0]
        return options, mass[END:] / total

    def pick(
        self, name: str, generator: random.Random, *, new: bool, earlier: Counter[str] | None = None
    ) -> str:
        """A word of a class: with a memory perhaps an earlier one of the passage, else one of its
        training words, as often as it occurred there, or, if it is to be ``new`` or there are none,
        a newly spelled one."""
        if self.memory and earlier:
            discount, strength = self.memory
            held = [n - discount for n in earlier.values()]
            if generator.random() * (earlier.total() + strength) < sum(held):
                (word,) = generator.choices(list(earlier), held)
                return word
        examples = self.examples.get(name, {})
        if new or not examples:
            return self.draw(name, generator)
        (word,) = generator.choices(list(examples), list(examples.values()))
        return word

    def draw(self, name: str, generator: random.Random, longest: int = 30) -> str:
        """A new word of a class, spelled character by character, without white space. After too
        many tries that end in known words, or in none, the last one is given as it is."""
        for _ in range(20):
            word = ""
            while len(word) < longest:
                options, chances = self.following(word, name, recall=False)
                weights = [
                    0.0 if o == "\ufffd" or o.isspace() else p
                    for o, p in zip(options, chances, strict=True)
                ]
                if not word:
                    weights[0] = 0.0
                if not sum(weights):
                    break
                (choice,) = generator.choices(options, weights)
                if not choice:
                    break
                word += choice
            if word and word not in self.known:
                return word
        return word

    def tune(self, words: Mapping[str, Sequence[str]]) -> None:
        """Choose the order and the weights by the likelihood of validation words of each class.

        The weights by expectation-maximisation (Jelinek & Mercer 1980).
        """
        everything = [self._encode(w) for each in words.values() for w in each]
        if not everything:
            return

        def cost(order: int) -> float:
            model = CharacterNgram(self._words, self._size, order)
            return -sum(map(model.log_mass, everything))

        self.order = min(ORDERS, key=cost)
        self.__dict__.pop("_shared", None)
        self._components.clear()
        self._logs.clear()
        rows = {
            name: [
                [math.exp(p.log_mass(self._encode(w))) if p else 0.0 for p in self._of(name)]
                for w in each
            ]
            for name, each in words.items()
        }
        common = _maximise([row for each in rows.values() for row in each], (1 / 3,) * 3, 0.5)
        self.weights = {"": common}
        self.weights |= {n: _maximise(r, common, PRIOR) for n, r in rows.items() if r}

    def tune_memory(self, documents: Iterable[Iterable[tuple[str, str]]]) -> None:
        """Choose discount and strength by the likelihood of the rare words, each with its class, of
        whole validation documents; gives the speller a memory. To be called once it is tuned."""
        rows = []
        for document in documents:
            earlier = DocumentCounts()
            for word, name in document:
                code, before = self._encode(word), earlier.counts.get(name, Counter())
                new = math.exp(self._log_mass(code, name))
                rows.append((before[code], len(before), earlier.totals[name], new))
                earlier.add(code, name)
        self.memory = MEMORY
        if rows:
            counts, types, totals, new = np.array(rows).T

            def cost(setting: tuple[float, float]) -> float:
                d, strength = setting
                far = (
                    math.log(strength / MEMORY[1]) ** 2 + (_log_odds(d) - _log_odds(MEMORY[0])) ** 2
                )
                mass = np.where(counts > 0, counts - d, 0.0) + (strength + d * types) * new
                told = float(np.log(np.maximum(mass / (totals + strength), 1e-300)).sum())
                return MEMORY_PRIOR * far - told

            self.memory = min(itertools.product(DISCOUNTS, STRENGTHS), key=cost)

    def state(self) -> dict[str, Any]:
        return {
            "examples": self.examples,
            "alphabet": self.alphabet,
            "pooled": self.pooled,
            "order": self.order,
            "weights": {name: list(weights) for name, weights in self.weights.items()},
            **({"memory": list(self.memory)} if self.memory else {}),
        }


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


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
