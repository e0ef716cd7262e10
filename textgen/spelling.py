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

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from textgen.character_ngram import END, FIRST, OTHER, CharacterNgram, Pool, Without
from textgen.symbols import CHARACTER_BITS

ORDERS = (4, 5, 6, 7)
OWN = 200
"""A class has its own character model from so many different words on."""
PRIOR = 20.0
"""A class's mixture weights are drawn towards those of all classes as by so many words."""


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
    ) -> None:
        self.examples = {key: dict(words) for key, words in examples.items()}
        self.alphabet = "".join(sorted(alphabet))
        self.pooled, self.order = pooled, order
        self.weights = dict(weights or {"": (1 / 3, 1 / 3, 1 / 3)})
        self._size = FIRST + len(self.alphabet)
        self._codes = {ord(c): FIRST + i for i, c in enumerate(self.alphabet)}
        self._never_spelled, self._related = vocabulary, related
        self._components: dict[str, tuple[Any, Any, Any]] = {}

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

    def bits(self, word: str, name: str) -> float:
        """−log2 P(word | class), a character never seen named outright."""
        code = self._encode(word)
        logs = [math.log(weight) + part.log_mass(code) for weight, part in self._mixture(name)]
        nats = -float(np.logaddexp.reduce(logs))
        return CHARACTER_BITS * code.count(chr(OTHER)) + nats / math.log(2)

    def following(
        self, prefix: str, name: str, *, recall: bool = True
    ) -> tuple[list[str], np.ndarray]:
        """What comes after the beginning of a word of a class; without ``recall``, of a new one.

        Returns:
            Characters, ``""`` for the end and ``"\\ufffd"`` for a character never seen first; and
            their probabilities, which sum to 1. The product along a word is exactly what ``bits``
            charges.
        """
        code = self._encode(prefix)
        parts = self._mixture(name)
        mixture = [(w, p) for w, p in parts if recall or not isinstance(p, Pool)]
        scale = max(part.log_prefix_mass(code) for _, part in mixture)
        mass = sum(weight * part.continuations(code, scale) for weight, part in mixture)
        options, total = ["", "\ufffd", *self.alphabet], mass[END:].sum()
        if total <= 0:  # no word outside the vocabulary begins so
            return options, np.eye(1, len(options))[0]
        return options, mass[END:] / total

    def pick(self, name: str, generator: random.Random, *, new: bool) -> str:
        """A word of a class: one of its training words, as often as it occurred there, or, if it
        is to be ``new`` or there are none, a newly spelled one."""
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
