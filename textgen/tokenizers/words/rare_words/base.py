"""What every rare-word policy gives: a replacer fitted on the training split.

The word tokenizer cuts a text into tokens, a leading space belonging to its token. Tokens of the
vocabulary become a symbol each, behind modifiers where only another form of the word is known. The
rest are rare, and the replacer's business. It owns the symbols from ``FIRST_OWN`` on; those of the
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
    """A token that is not in the vocabulary: ``tokens[place]`` of its document."""

    token: str
    place: int

    @property
    def core(self) -> str:
        return split_space(self.token)[1]

    @property
    def spaced(self) -> bool:
        return self.token != self.core

    @property
    def joining(self) -> list[int]:
        """The modifier that stands before its symbols where it has no leading space."""
        return [] if self.spaced else [JOIN]


@dataclass(frozen=True)
class Material:
    """What a policy is fitted on.

    Attributes:
        documents: the tokens of each training document.
        rare: the rare tokens of each training document.
        tuning, tuning_rare: the same of the validation documents, for tuning alone.
        vocabulary: the words with symbols of their own.
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
class Coded:
    """A document as symbols, growing; the attributes are those of ``Encoded``.

    ``sources`` holds the number of the item that each symbol came from, ``places`` the symbol that
    each surface belongs to.
    """

    symbols: list[int] = field(default_factory=list)
    surfaces: list[str] = field(default_factory=list)
    bits: list[float] = field(default_factory=list)
    replaced: int = 0
    sources: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def add(self, source: int, *symbols: int) -> None:
        """Symbols of an item."""
        self.symbols += symbols
        self.sources += [source] * len(symbols)

    def leave_open(self, surface: str, *bits: float) -> None:
        """What the last symbol stands for, and its charge if there is one."""
        self.surfaces.append(surface)
        self.places.append(len(self.symbols) - 1)
        self.bits += bits


@dataclass(frozen=True)
class Hidden:
    """Text that a symbol stood for: ``word`` behind its leading space, if ``spaced``."""

    word: str
    spaced: bool
    symbol: str


Reveal = Callable[[int, int], str]
"""(symbol, its place among the symbols) → the surface it stands for."""


class Replacer(ABC):
    """A fitted policy."""

    charged: bool = True
    """Whether it pays for everything it hides."""
    extra_data: tuple[str, ...] = ()
    """What it knows from elsewhere than the training split."""
    unwritable: tuple[int, ...] = ()
    """Symbols of its own that generation never draws."""
    names: tuple[str, ...] = ()
    """Its own symbols' names, ``FIRST_OWN`` and up."""

    @property
    def remembers(self) -> bool:
        """Whether the rare words of a text matter to those that come later in it."""
        return False

    @property
    def first_word(self) -> int:
        """The symbol of the vocabulary's first word."""
        return FIRST_OWN + len(self.names)

    @abstractmethod
    def encode(self, items: Sequence[int | Rare], tokens: Sequence[str], charge: bool) -> Coded:
        """A document as symbols.

        Args:
            items: symbols of known words and modifiers, and the rare words between them.
            tokens: the whole document, for those that look around.
            charge: whether the bits are wanted; else they stay empty.
        """

    @abstractmethod
    def decode(self, symbols: Sequence[int], reveal: Reveal) -> Iterator[int | Hidden]:
        """The symbols of known words and modifiers, and the text between them. ``reveal`` is asked
        once for each symbol that leaves something open, in order."""

    def realise(self, symbol: int, mode: str, random: Random, earlier: Counter[str]) -> str:
        """A surface for a generated symbol: what ``reveal`` answers when there is no text.
        ``earlier`` are the words that this symbol stood for in the passage. Every policy whose
        symbols leave something open supplies it."""
        raise NotImplementedError

    def known(self, word: str) -> bool:
        """Whether the training split has this word as it stands."""
        return False

    def proper(self, symbol: int) -> bool | None:
        """Whether a symbol stands for names; None where that is not known."""
        return None

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data."""


class RareWords(Protocol):
    """The settings of a policy."""

    def fit(self, material: Material) -> Replacer: ...
    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Replacer: ...


def fitted_speller(
    material: Material,
    classes: Callable[[Sequence[str], Sequence[Rare]], Sequence[str]],
    document_cache: bool = False,
) -> Speller:
    """The spelling model of the training split's rare words by class, tuned on validation."""
    examples: dict[str, Counter[str]] = {}
    for tokens, rare in zip(material.documents, material.rare, strict=True):
        for name, word in zip(classes(tokens, rare), rare, strict=True):
            examples.setdefault(name, Counter())[word.core] += 1
    speller = Speller(
        examples,
        material.vocabulary.characters,
        partial(getattr, material.vocabulary, "never_spelled"),
        material.vocabulary.cores,
        pooled=material.pooled,
    )
    documents = [
        list(zip((word.core for word in rare), classes(tokens, rare), strict=True))
        for tokens, rare in zip(material.tuning, material.tuning_rare, strict=True)
    ]
    words: dict[str, list[str]] = {}
    for document in documents:
        # a cache tells what comes again
        for core, name in dict.fromkeys(document) if document_cache else document:
            words.setdefault(name, []).append(core)
    speller.tune(words)
    if document_cache:
        speller.tune_cache(documents)
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
        cache=state.get("cache"),
    )
