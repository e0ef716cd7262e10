"""The word-spelling model, P(word | class): what a replaced word costs, and how a new one is made.

The word model generates a placeholder, a character model the spelling of the word behind it, after
Mielke & Eisner, "Spell Once, Summon Anywhere: A Two-Level Open-Vocabulary Language Model", AAAI
2019. Here the spelling comes from counts: a mixture of up to three distributions, which are the
training words of the placeholder's class (the pool), character n-grams over those words, and
character n-grams over all words, frequent ones included, for they are built alike. Words of the
vocabulary are never spelled, so the n-grams are divided by the mass they leave to other strings.
What remains open is small and on the safe side: strings that would be cut into two pieces keep
their mass. :mod:`textgen.tokenizers.words.recurrence` adds a memory of the document.

Does not handle: words longer than memory allows, agreement of a spelled word with its neighbours.
A character that training never saw is charged in full each time, also in a word that comes back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from textgen.tokenizers.tokens import CHARACTER_BITS
from textgen.tokenizers.words.components import (
    FIRST,
    OTHER,
    OutOfVocabulary,
    Pool,
    as_arrays,
    fit_characters,
    mixture_weights,
)
from textgen.tokenizers.words.recurrence import (
    MEMORY,
    DocumentCounts,
    WordMemory,
    tuned_word_memory,
)

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
        vocabulary: gives the words that are never spelled; called at the first probability.
        related: known words from which to learn how words are built.
        pooled: whether the examples can be met again, that is, are not in the vocabulary.
        order: of the character n-grams.
        weights: class → weights of (pool, own n-grams, shared n-grams); the key ``""`` holds those
            of a class that is not listed.
        memory: (discount d, strength θ) of the memory of the document.
        memory_weights: the weights behind that memory, where a word is new to its document.
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
        memory: Sequence[float] = MEMORY,
        memory_weights: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self.examples = {key: dict(words) for key, words in examples.items()}
        self.alphabet = "".join(sorted(alphabet))
        self.pooled, self.order = pooled, order
        self.weights = dict(weights or {"": (1 / 3, 1 / 3, 1 / 3)})
        self.memory, self.memory_weights = WordMemory(*memory), dict(memory_weights or self.weights)
        self._size = FIRST + len(self.alphabet)
        self._codes = {ord(c): FIRST + i for i, c in enumerate(self.alphabet)}
        self._never_spelled, self._related = vocabulary, related
        self._components: dict[str, tuple[Any, Any, Any]] = {}
        self._logs: dict[tuple[str, bool], dict[str, float]] = {}

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

    def _n_grams(self, words: Sequence[str]) -> OutOfVocabulary:
        return OutOfVocabulary(fit_characters(words, self.order, self._size), self._vocabulary)

    @cached_property
    def _shared(self) -> OutOfVocabulary:
        return self._n_grams(self._words)

    def _of(self, name: str) -> tuple[Any, Any, Any]:
        """The components of a class: pool, own n-grams, shared ones; None for one it lacks."""
        if name not in self._components:
            members = {self._encode(w): n for w, n in self.examples.get(name, {}).items()}
            pool = Pool(members, self._size) if members and self.pooled else None
            own = self._n_grams(sorted(members)) if len(members) >= OWN else None
            self._components[name] = (pool, own, self._shared)
        return self._components[name]

    def _mixture(self, name: str, remembering: bool) -> list[tuple[float, Any]]:
        of_class = self.memory_weights if remembering else self.weights
        weights = of_class.get(name, of_class[""])
        pairs = [(w, c) for w, c in zip(weights, self._of(name), strict=True) if c is not None]
        total = sum(w for w, _ in pairs)
        return [(w / total, c) for w, c in pairs if w] if total else [(1.0, self._shared)]

    def _log_masses(self, codes: Sequence[str], name: str, remembering: bool) -> list[float]:
        """ln P(word | class) of each word, whatever came earlier; ``remembering``, of a word that
        is new to its document."""
        known = self._logs.setdefault((name, remembering), {})
        if new := [code for code in dict.fromkeys(codes) if code not in known]:
            mixture = self._mixture(name, remembering)
            logs = [math.log(weight) + c.log_masses(new) for weight, c in mixture]
            known.update(zip(new, np.logaddexp.reduce(logs).tolist(), strict=True))
        return [known[code] for code in codes]

    def bits(self, word: str, name: str, earlier: DocumentCounts | None = None) -> float:
        """−log2 P(word | class), a character never seen named outright; given what came ``earlier``
        in the document, with the memory of it."""
        code = self._encode(word)
        (log,) = self._log_masses([code], name, earlier is not None)
        if earlier is not None and earlier.totals[name]:
            log += math.log(self.memory.share_of_new(name, earlier))
            if held := self.memory.share_of(code, name, earlier):
                log = float(np.logaddexp(log, math.log(held)))
        return CHARACTER_BITS * code.count(chr(OTHER)) - log / math.log(2)

    def remember(self, word: str, name: str, earlier: DocumentCounts) -> None:
        """Add a word of a class to what came earlier."""
        earlier.add(self._encode(word), name)

    def document_bits(self, words: Sequence[tuple[str, str]]) -> tuple[list[float], list[float]]:
        """−log2 P of each rare word of a document, given with its class: alone, and with a memory
        of those before it."""
        for remembering in (False, True):
            self._prepare(((self._encode(word), name) for word, name in words), remembering)
        alone = [self.bits(word, name) for word, name in words]
        earlier, remembered = DocumentCounts(), []
        for word, name in words:
            remembered.append(self.bits(word, name, earlier))
            self.remember(word, name, earlier)
        return alone, remembered

    def _prepare(self, words: Iterable[tuple[str, str]], remembering: bool) -> None:
        """Compute masses of words as codes, each with its class: faster at once than one by one."""
        by_class: dict[str, list[str]] = {}
        for code, name in words:
            by_class.setdefault(name, []).append(code)
        for name, codes in by_class.items():
            self._log_masses(codes, name, remembering)

    def following(
        self, prefix: str, name: str, *, recall: bool = True, earlier: DocumentCounts | None = None
    ) -> tuple[list[str], np.ndarray]:
        """What may follow the first characters of a word of a class; without ``recall``, of a new
        one; given what came ``earlier`` in the document, with the memory of it.

        Returns:
            Characters, ``""`` for the end and ``"\\ufffd"`` for a character never seen first; and
            (A,) float64, their probabilities, which sum to 1. The product along a word is exactly
            what :meth:`bits` charges.
        """
        code = self._encode(prefix)
        parts = self._mixture(name, earlier is not None)
        if earlier is not None and earlier.totals[name]:
            new = self.memory.share_of_new(name, earlier)
            held = {w: n - self.memory.discount for w, n in earlier.counts[name].items()}
            parts = [(1 - new, Pool(held, self._size)), *((w * new, p) for w, p in parts)]
        mixture = [(w, p) for w, p in parts if recall or not isinstance(p, Pool)]
        scale = max(part.log_prefix_mass(code) for _, part in mixture)
        mass = sum(weight * part.continuations(code, scale) for weight, part in mixture)
        options, total = ["", "\ufffd", *self.alphabet], mass.sum()
        if total <= 0:  # no word outside the vocabulary begins so
            return options, np.eye(1, len(options))[0]
        return options, mass / total

    def tune(self, words: Mapping[str, Sequence[str]]) -> None:
        """Choose the order and the weights by the likelihood of validation words of each class."""
        codes = {name: [self._encode(w) for w in each] for name, each in words.items() if each}
        if not codes:
            return
        everything = as_arrays([code for each in codes.values() for code in each])

        def likelihood(order: int) -> float:
            return fit_characters(self._words, order, self._size).log_masses(everything).sum()

        self.order = max(ORDERS, key=likelihood)
        self.__dict__.pop("_shared", None)
        self._components.clear()
        self._logs.clear()
        self.weights = self.memory_weights = self._likeliest(codes)

    def _likeliest(self, codes: Mapping[str, Sequence[str]]) -> dict[str, Sequence[float]]:
        """The weights of each class that make its words, as codes, most likely."""
        rows = {
            name: np.stack(
                [np.exp(c.log_masses(each)) if c else np.zeros(len(each)) for c in self._of(name)],
                axis=1,
            )
            for name, each in codes.items()
        }
        common = mixture_weights(np.concatenate(list(rows.values())), (1 / 3,) * 3, 0.5)
        of_class = {n: mixture_weights(masses, common, PRIOR) for n, masses in rows.items()}
        return {"": common, **of_class}

    def tune_memory(self, documents: Iterable[Sequence[tuple[str, str]]]) -> None:
        """Choose the settings of the memory, and the weights behind it, by the likelihood of the
        rare words, each with its class, of whole validation documents. To be called after
        :meth:`tune`."""
        coded = [[(self._encode(word), name) for word, name in words] for words in documents]
        first: dict[str, list[str]] = {}  # only the first occurrence in a document is new to it
        for words in coded:
            for code, name in dict.fromkeys(words):
                first.setdefault(name, []).append(code)
        if first:
            self.memory_weights = self._likeliest(first)
        self._logs = {key: logs for key, logs in self._logs.items() if not key[1]}
        self._prepare((word for words in coded for word in words), True)
        self.memory = tuned_word_memory(
            [
                [(c, name, math.exp(*self._log_masses([c], name, True))) for c, name in words]
                for words in coded
            ]
        )

    def state(self) -> dict[str, Any]:
        """What the constructor takes beside alphabet, vocabulary and related words, as JSON."""
        return {
            "examples": self.examples,
            "pooled": self.pooled,
            "order": self.order,
            "weights": {name: list(weights) for name, weights in self.weights.items()},
            "memory": list(self.memory),
            "memory_weights": {name: list(w) for name, w in self.memory_weights.items()},
        }
