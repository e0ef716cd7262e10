"""Policies that put the token of a class in the place of a rare word: all they have in common."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from textgen.tokenizers.steps import Steps, StepsOf, Word
from textgen.tokenizers.words.rare_words.base import (
    EncodedWords,
    FillCallback,
    FittedPolicy,
    Placeholder,
    PolicyTrainingData,
    RareWord,
    fit_rare_speller,
    load_speller,
)
from textgen.tokenizers.words.spelling import Speller
from textgen.tokenizers.words.vocabulary import CAPITAL, FIRST_OWN, JOIN, UPPER, Vocabulary


@dataclass(frozen=True)
class ClassPolicy(ABC):
    """The base of policies that replace each rare word by the token of its class.

    A subclass gives :attr:`classes` and :meth:`classify`; it is a frozen dataclass, whose fields
    are its settings. Fitting, charging, generation, saving and loading are done here: a rare word
    costs −log2 P(class | history) − log2 P(word | class), the latter by the word-spelling model.
    """

    learnt: Any = field(default=None, init=False, repr=False, compare=False)
    """What :meth:`learn` returned, once the policy is fitted or loaded."""

    @property
    @abstractmethod
    def classes(self) -> Sequence[str]:
        """The names of the classes, each of which becomes a token ``<name>``."""

    @abstractmethod
    def classify(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        """The class of each rare word of a document.

        Since the class itself is encoded, it may depend on anything in the document.

        Args:
            pieces: all pieces of the document.
            rare: those outside the vocabulary, each with its place in ``pieces``; at least one.
        """

    @property
    def never_drawn(self) -> Sequence[str]:
        """Classes whose tokens are never drawn in generation."""
        return ()

    @property
    def extra_data(self) -> tuple[str, ...]:
        """Data from outside the training split that it uses, in words for the reports."""
        return ()

    def in_language(self, language: str) -> Self:
        """The settings for texts in a language, a code of ISO 639; these by default."""
        return self

    def learn(self, data: PolicyTrainingData) -> Any:
        """What the classes depend on beside the settings, as JSON data; in ``self.learnt`` from
        then on."""
        return None

    def proper(self, name: str) -> bool | None:
        """Whether a class consists of proper names; None where that is not known."""
        return None

    def fit(self, data: PolicyTrainingData) -> FittedClasses:
        """Learn the classes and the spelling model of the rare words of each."""
        policy = self._with(self.learn(data))
        return FittedClasses(policy, fit_rare_speller(data, policy.classes_of))

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> FittedClasses:
        """The fitted policy from its ``state()``."""
        return FittedClasses(
            self._with(state["learnt"]), load_speller(state["speller"], vocabulary)
        )

    def classes_of(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        """As :meth:`classify`, checked, and also without a single rare word.

        Raises:
            ValueError: a class that is not among :attr:`classes`, or not one for each word.
        """
        names = self.classify(pieces, rare) if rare else ()
        if len(names) != len(rare) or not set(names) <= set(self.classes):
            raise ValueError(
                f"{type(self).__name__}.classify: {len(rare)} of {list(self.classes)} expected, "
                f"received {list(names)}"
            )
        return names

    def _with(self, learnt: Any) -> Self:
        policy = copy.copy(self)
        object.__setattr__(policy, "learnt", learnt)
        return policy


class FittedClasses(FittedPolicy):
    """One token a class; a word is charged −log2 P(word | class).

    Args:
        policy: classifies rare words.
        speller: P(word | class).
    """

    def __init__(self, policy: ClassPolicy, speller: Speller) -> None:
        self.policy, self.speller = policy, speller
        self.classes = tuple(policy.classes)
        self.extra_data = policy.extra_data
        self.names = tuple(f"<{name}>" for name in self.classes)
        self._tokens = {name: FIRST_OWN + i for i, name in enumerate(self.classes)}
        self.unwritable = tuple(self._tokens[name] for name in policy.never_drawn)

    def encode(self, items: Sequence[int | RareWord], pieces: Sequence[str]) -> EncodedWords:
        rare = [item for item in items if isinstance(item, RareWord)]
        names = iter(self.policy.classes_of(pieces, rare))
        coded = EncodedWords(replaced=len(rare))
        for number, item in enumerate(items):
            if isinstance(item, RareWord):
                coded.add(number, *item.joining, self._tokens[next(names)])
                coded.add_surface(item.core)
            else:
                coded.add(number, item)
        return coded

    def decode(self, tokens: Sequence[int], fill: FillCallback) -> Iterator[int | Placeholder]:
        joined = False
        for place, token in enumerate(tokens):
            if FIRST_OWN <= token < self.first_word:
                yield Placeholder(fill(token, place), not joined, self._name(token))
            else:
                yield token
            joined = token == JOIN or (joined and token in (CAPITAL, UPPER))

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        if not len(tokens) or not FIRST_OWN <= tokens[-1] < self.first_word:
            return None
        return partial(self._spelled, self._name(tokens[-1]))

    def _spelled(self, name: str, known: str | None) -> Steps:
        return (yield Word(self.speller, name, known, f"<{name}>"))

    def known(self, word: str) -> bool:
        return word in self.speller.known

    def proper(self, token: int) -> bool | None:
        return self.policy.proper(self._name(token))

    def state(self) -> dict[str, Any]:
        return {"learnt": self.policy.learnt, "speller": self.speller.state()}

    def portable(self) -> dict[str, Any]:
        kept = ("examples", "pooled", "order", "weights")
        speller = {key: value for key, value in self.speller.state().items() if key in kept}
        return {
            "speller": {"alphabet": self.speller.alphabet, **speller},
            "only": self.classes[0] if len(self.classes) == 1 else None,
        }

    def _name(self, token: int) -> str:
        return self.classes[token - FIRST_OWN]
