"""Policies that put the token of a class in the place of a rare word: all they have in common."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field

from textgen.core.settings import Count
from textgen.tokenizers.tokens import Steps, StepsOf, Word
from textgen.tokenizers.words.pieces import CAPITAL, FIRST_OWN, JOIN, UPPER, Vocabulary
from textgen.tokenizers.words.rare_words.base import (
    EncodedWords,
    FillCallback,
    FittedPolicy,
    Guess,
    Placeholder,
    PolicyTrainingData,
    RareWord,
    fit_rare_speller,
    load_speller,
    word_vectors,
)
from textgen.tokenizers.words.spelling import Speller
from textgen.tokenizers.words.tagging import (
    describe_tagger,
    model_for,
    model_language,
    tag_documents,
)


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


UNK = "unk"


@dataclass(frozen=True)
class Unk(ClassPolicy):
    """One token for every rare word, whose spelling is charged.

    Args:
        recall: a rare word of the training split may come back whole, which is cheaper than
            spelling it. Without, every rare word is spelled as if it were new.
    """

    recall: bool = True
    classes = (UNK,)

    def classify(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        return [UNK] * len(rare)

    def fit(self, data: PolicyTrainingData) -> FittedClasses:
        return super().fit(replace(data, pooled=data.pooled and self.recall))


COARSE = {
    "NN": "NOUN", "NNS": "NOUN", "NNP": "PROPN", "NNPS": "PROPN",
    "VB": "VERB", "VBD": "VERB", "VBG": "VERB", "VBN": "VERB", "VBP": "VERB", "VBZ": "VERB",
    "JJ": "ADJ", "JJR": "ADJ", "JJS": "ADJ", "RB": "ADV", "RBR": "ADV", "RBS": "ADV", "CD": "NUM",
}  # fmt: skip
"""Tags of the Penn Treebank (Marcus et al. 1993) that new words join, and their coarse classes,
which are those of Universal Dependencies."""
NOUNS = ("NN", "NNS", "NNP", "NNPS")
NAMES = ("NNP", "NNPS", "PROPN")
REST = "other"


@dataclass(frozen=True)
class Pos(ClassPolicy):
    """One token for each part of speech.

    Args:
        tags: ``"fine"`` for Penn Treebank tags, which carry the inflection; ``"coarse"`` for six
            classes, in languages other than English ``"fine"`` too; ``"noun"`` for one class of all
            nouns and one of everything else.
        model: a spaCy package, or ``"auto"`` for one of the text's language.
    """

    tags: Literal["fine", "coarse", "noun"] = "fine"
    model: str = "auto"
    never_drawn = (REST,)

    @property
    def _package(self) -> str:
        """The spaCy package that the classes were fitted with."""
        return str(self.learnt["model"]) if self.learnt else self.model

    @property
    def _class_of_tag(self) -> dict[str, str]:
        universal = self.learnt is not None and self.learnt["language"] != "en"
        if self.tags == "noun":
            return dict.fromkeys(("NOUN", "PROPN") if universal else NOUNS, "NOUN")
        if universal:
            return {tag: tag for tag in COARSE.values()}
        return dict(zip(COARSE, COARSE, strict=True)) if self.tags == "fine" else COARSE

    @property
    def classes(self) -> Sequence[str]:
        return (*dict.fromkeys(self._class_of_tag.values()), REST)

    @property
    def extra_data(self) -> tuple[str, ...]:
        return (describe_tagger(self._package),)

    def classify(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        (tags,), known = tag_documents([pieces], self._package), self._class_of_tag
        return [known.get(tags[word.place], REST) for word in rare]

    def in_language(self, language: str) -> Pos:
        """With the tagger of a language, if none is named.

        Raises:
            TextgenError: it is not installed.
        """
        return replace(self, model=model_for(language)) if self.model == "auto" else self

    def learn(self, data: PolicyTrainingData) -> Any:
        if self.model == "auto":
            return None
        return {"model": self.model, "language": model_language(self.model)}

    def proper(self, name: str) -> bool | None:
        return None if self.tags == "noun" and name != REST else name in NAMES


@dataclass(frozen=True)
class Cluster(ClassPolicy):
    """One token for each cluster: k-means over gensim vectors of the rare words.

    A word costs P(cluster | history) · P(word | cluster), the latter a mixture of the cluster's
    training words and of spelling.

    Args:
        clusters: how many at most.
        vectors: ``"fasttext"`` or ``"word2vec"``, trained on the training split.
        size: of a vector.
        epochs: passes over the training split.
    """

    clusters: Annotated[int, Field(gt=1)] = 50
    vectors: Literal["fasttext", "word2vec"] = "fasttext"
    size: Count = 64
    epochs: Count = 5

    def learn(self, data: PolicyTrainingData) -> list[list[str]]:
        """The words of each cluster."""
        words = sorted({word.core for rare in data.rare for word in rare})
        if not words:
            return [[]]
        learnt = word_vectors(data, self.vectors, self.size, self.epochs)
        points = np.stack([learnt[word] for word in words])
        numbers = _k_means(points, min(self.clusters, len(words)), data.seed)
        clusters = dict[int, list[str]]()
        for word, number in zip(words, numbers.tolist(), strict=True):
            clusters.setdefault(number, []).append(word)
        return [clusters[number] for number in sorted(clusters)]

    @property
    def classes(self) -> Sequence[str]:
        return [f"cluster {number}" for number in range(len(self.learnt))]

    @cached_property
    def _guess(self) -> Guess:
        members = zip(self.classes, self.learnt, strict=True)
        known = {word: name for name, words in members for word in words}
        return Guess(known or {"": self.classes[0]})

    def classify(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        return [self._guess(word.core) for word in rare]


def _k_means(points: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """(n,): the cluster of each of (n, size) vectors by direction (Lloyd 1982; k-means++)."""
    from scipy.cluster.vq import kmeans2

    directions = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    _, numbers = kmeans2(
        directions.astype(np.float64), clusters, minit="++", seed=seed, missing="warn"
    )
    return numbers
