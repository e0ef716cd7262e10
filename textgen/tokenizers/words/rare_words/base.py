"""What every rare-word policy gives: a replacer fitted on the training split.

The word tokenizer cuts a text into pieces, a leading space belonging to its piece. Pieces of the
vocabulary become a token each, behind modifiers where only another form of the word is known. The
rest are rare, and the replacer's business. It owns the tokens from ``FIRST_OWN`` on; those of the
vocabulary's words follow, the frequent ones first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, Protocol

from textgen.tokenizers.words.spelling import Speller
from textgen.tokenizers.words.vocabulary import FIRST_OWN, JOIN, Vocabulary, split_space


@dataclass(frozen=True)
class Rare:
    """A piece that is not in the vocabulary: ``pieces[place]`` of its document."""

    piece: str
    place: int

    @property
    def core(self) -> str:
        return split_space(self.piece)[1]

    @property
    def spaced(self) -> bool:
        return self.piece != self.core

    @property
    def joining(self) -> list[int]:
        """The modifier that stands before its tokens where it has no leading space."""
        return [] if self.spaced else [JOIN]


@dataclass(frozen=True)
class PolicyTrainingData:
    """What a policy is fitted on.

    Attributes:
        documents: the pieces of each training document.
        rare: the rare pieces of each training document.
        tuning, tuning_rare: the same of the validation documents, for tuning alone.
        vocabulary: the words with tokens of their own.
        pooled: whether the rare words of training are outside the vocabulary; where it holds every
            word, the withheld ones are examples of rare words all the same.
        seed: of whatever is random.
    """

    documents: Sequence[Sequence[str]]
    rare: Sequence[Sequence[Rare]]
    tuning: Sequence[Sequence[str]]
    tuning_rare: Sequence[Sequence[Rare]]
    vocabulary: Vocabulary
    pooled: bool
    seed: int


@dataclass
class EncodedWords:
    """A document as tokens, growing; the attributes are those of ``EncodedDocument``.

    ``sources`` holds the number of the item that each token came from, ``places`` the token that
    each surface belongs to.
    """

    tokens: list[int] = field(default_factory=list)
    surfaces: list[str] = field(default_factory=list)
    bits: list[float] = field(default_factory=list)
    replaced: int = 0
    sources: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def add(self, source: int, *tokens: int) -> None:
        """Tokens of an item."""
        self.tokens += tokens
        self.sources += [source] * len(tokens)

    def leave_open(self, surface: str, *bits: float) -> None:
        """What the last token stands for, and its charge if there is one."""
        self.surfaces.append(surface)
        self.places.append(len(self.tokens) - 1)
        self.bits += bits


@dataclass(frozen=True)
class Placeholder:
    """Text that a token stood for: ``word`` behind its leading space, if ``spaced``."""

    word: str
    spaced: bool
    token: str


Fill = Callable[[int, int], str]
"""(token, its place among the tokens) → the surface it stands for."""


class Replacer(ABC):
    """A fitted policy."""

    charged: bool = True
    """Whether it pays for everything it hides."""
    extra_data: tuple[str, ...] = ()
    """What it knows from elsewhere than the training split."""
    unwritable: tuple[int, ...] = ()
    """Tokens of its own that generation never draws."""
    names: tuple[str, ...] = ()
    """Its own tokens' names, ``FIRST_OWN`` and up."""

    @property
    def remembers(self) -> bool:
        """Whether the rare words of a text matter to those that come later in it."""
        return False

    @property
    def first_word(self) -> int:
        """The token of the vocabulary's first word."""
        return FIRST_OWN + len(self.names)

    @abstractmethod
    def encode(
        self, items: Sequence[int | Rare], pieces: Sequence[str], charge: bool
    ) -> EncodedWords:
        """A document as tokens.

        Args:
            items: tokens of known words and modifiers, and the rare words between them.
            pieces: the whole document, for those that look around.
            charge: whether the bits are wanted; else they stay empty.
        """

    @abstractmethod
    def decode(self, tokens: Sequence[int], fill: Fill) -> Iterator[int | Placeholder]:
        """The tokens of known words and modifiers, and the text between them. ``fill`` is asked
        once for each token that leaves something open, in order."""

    def draw_surface(self, token: int, mode: str, random: Random, earlier: Counter[str]) -> str:
        """A surface for a generated token: what ``fill`` answers when there is no text.
        ``earlier`` are the words that this token stood for in the passage. Every policy whose
        tokens leave something open supplies it."""
        raise NotImplementedError

    def known(self, word: str) -> bool:
        """Whether the training split has this word as it stands."""
        return False

    def proper(self, token: int) -> bool | None:
        """Whether a token stands for names; None where that is not known."""
        return None

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data."""


class RareWords(Protocol):
    """The settings of a policy."""

    def fit(self, data: PolicyTrainingData) -> Replacer: ...
    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Replacer: ...


def fitted_speller(
    data: PolicyTrainingData,
    classes: Callable[[Sequence[str], Sequence[Rare]], Sequence[str]],
    memory: bool = False,
) -> Speller:
    """The spelling model of the training split's rare words by class, tuned on validation."""
    examples: dict[str, Counter[str]] = {}
    for pieces, rare in zip(data.documents, data.rare, strict=True):
        for name, word in zip(classes(pieces, rare), rare, strict=True):
            examples.setdefault(name, Counter())[word.core] += 1
    speller = Speller(
        examples,
        data.vocabulary.characters,
        partial(getattr, data.vocabulary, "never_spelled"),
        data.vocabulary.cores,
        pooled=data.pooled,
    )
    documents = [
        list(zip((word.core for word in rare), classes(pieces, rare), strict=True))
        for pieces, rare in zip(data.tuning, data.tuning_rare, strict=True)
    ]
    words: dict[str, list[str]] = {}
    for document in documents:
        # a memory tells what comes again
        for core, name in dict.fromkeys(document) if memory else document:
            words.setdefault(name, []).append(core)
    speller.tune(words)
    if memory:
        speller.tune_memory(documents)
    return speller


def loaded_speller(state: dict[str, Any], vocabulary: Vocabulary) -> Speller:
    """The spelling model as it was fitted."""
    return Speller(
        state["examples"],
        state["alphabet"],
        partial(getattr, vocabulary, "never_spelled"),
        vocabulary.cores,
        pooled=state["pooled"],
        order=state["order"],
        weights=state["weights"],
        memory=state.get("memory"),
    )
