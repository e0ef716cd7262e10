"""A document as token ids, and what a token leaves open.

A text is cut into *pieces*: characters, words with their leading space, numbers, runs of
punctuation, or subwords. A *token* is an entry of the vocabulary; its number, the *token id*, is
what a model reads. ``BOUNDARY`` (0) stands before the first and after the last token of a document,
and for the padding before it. ``ESCAPE`` (1) stands for a character that the training text did not
hold.

The network chooses tokens. The *surface form* behind a placeholder, a token from which the text
cannot be told, is chosen in steps: yes or no, a word that a spelling model spells, a character that
is named outright. A generator of such steps describes this once. The bits that are charged, the
words that are drawn and the choices that an arithmetic coder and an audit walk through are all read
from it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from textgen.tokenizers.base import Tokenizer
    from textgen.tokenizers.words.spelling import Speller

BOUNDARY = 0
ESCAPE = 1
RESERVED = 2
CHARACTER_BITS = math.log2(0x110000)
"""Cost in bits of naming one Unicode code point outright: the price of a character never seen."""


def _no_places() -> np.ndarray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class EncodedDocument:
    """A document as token ids, with the surface forms of its placeholders.

    A placeholder is a token from which the text cannot be told, such as that of all rare words.

    Attributes:
        tokens: (n,) unsigned integers, the token ids, without boundaries.
        surfaces: the surface form of each placeholder, in order of occurrence.
        spelling_bits: (len(surfaces),) float64, −log2 P(surface form | token) of each, in bits.
            Empty where the text was encoded for training, for which nothing is charged.
        characters: length of the text in characters.
        pieces: number of pieces.
        replaced: number of pieces that were replaced by something else, or left out.
        remembered_bits: ``spelling_bits`` where a surface form is cheaper for having stood in the
            document before; None where nothing is remembered.
        ends: (n,) int64, never falling: where the text of each token ends, in characters from the
            beginning of the document. A token that ends where the one before does (a case modifier,
            the first byte of a character) stands for no text by itself. Empty, as are the next two,
            where the text was encoded for training.
        places: (len(surfaces),) int64, the place of the token that each surface form belongs to; n
            for the end of the text.
        starts: (n,) int64, where each token's own text begins, if words may have been left out
            before it, which then belong to its surface form; else None.
    """

    tokens: np.ndarray
    surfaces: tuple[str, ...]
    spelling_bits: np.ndarray
    characters: int
    pieces: int
    replaced: int
    remembered_bits: np.ndarray | None = None
    ends: np.ndarray = field(default_factory=_no_places)
    places: np.ndarray = field(default_factory=_no_places)
    starts: np.ndarray | None = None

    @property
    def spelling_bits_with_memory(self) -> np.ndarray:
        """(len(surfaces),) float64: ``remembered_bits``, or where nothing is remembered the same as
        ``spelling_bits``."""
        return self.spelling_bits if self.remembered_bits is None else self.remembered_bits


@dataclass(frozen=True)
class Rendered:
    """Generated tokens as text.

    Attributes:
        text: with all placeholders filled.
        filled: (start, end, name of the placeholder) of every span of ``text`` that fills one, in
            characters.
    """

    text: str
    filled: tuple[tuple[int, int, str], ...] = ()


def smallest_dtype(size: int) -> np.dtype[Any]:
    """The narrowest unsigned integer type that holds token ids 0 … size − 1."""
    return np.dtype(np.min_scalar_type(size - 1))


POINT = ((17, 0x10000), (256, 0x100), (256, 1))
"""A code point in three choices: of how many, and what each counts for. 17 · 256 · 256 = 0x110000,
so the three cost ``CHARACTER_BITS``."""
UNSEEN = "\ufffd"


class DocumentCounts:
    """The words that were spelled in a document so far, by class.

    Attributes:
        counts: class → word → occurrences.
        totals: class → occurrences of all its words.
    """

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.totals: Counter[str] = Counter()

    def add(self, word: str, name: str) -> None:
        """Count one more occurrence of a word of the class ``name``."""
        self.counts.setdefault(name, Counter())[word] += 1
        self.totals[name] += 1


class Chance(NamedTuple):
    """Yes or no, with P(yes); ``known`` is the choice of a known text."""

    yes: float
    known: bool | None


class Word(NamedTuple):
    """A word of a class of a spelling model, and how it is written where it is only marked."""

    speller: Speller
    name: str
    known: str | None
    mark: str


class UnseenCharacter(NamedTuple):
    """A character that the training text did not hold, by its code point."""

    known: str | None


Steps = Generator[Chance | Word | UnseenCharacter, Any, str]
"""Yields steps, is sent what was chosen in each, and returns a surface form."""
StepsOf = Callable[[str | None], Steps]
"""From a surface form, or None where it is not known, to the steps that lead to it."""


def unseen_character(known: str | None) -> Steps:
    """The one step of a character that was never seen."""
    return (yield UnseenCharacter(known))


def known_steps(steps: Steps) -> Iterator[Chance | Word | UnseenCharacter]:
    """The steps that lead to a surface form that is known."""
    chosen = None
    while True:
        try:
            step = steps.send(chosen)
        except StopIteration:
            return
        yield step
        chosen = step.known


def surface_bits(forms: Iterable[Steps]) -> tuple[np.ndarray, np.ndarray]:
    """−log2 P of each known surface form of a document: alone, and with a memory of the words
    before it; both (n,) float64."""
    bits, words, places = list[float](), list[Word](), list[int]()
    for place, steps in enumerate(forms):
        bits.append(0.0)
        for step in known_steps(steps):
            if isinstance(step, Word):
                words.append(step)
                places.append(place)
            elif isinstance(step, Chance):
                bits[-1] -= math.log2(step.yes if step.known else 1 - step.yes)
            else:
                bits[-1] += CHARACTER_BITS
    alone, remembered = np.array(bits), np.array(bits)
    for speller in {id(word.speller): word.speller for word in words}.values():
        own = [i for i, word in enumerate(words) if word.speller is speller]
        spelled = [(words[i].known or "", words[i].name) for i in own]
        at = [places[i] for i in own]
        for total, costs in zip((alone, remembered), speller.document_bits(spelled), strict=True):
            np.add.at(total, at, costs)
    return alone, remembered


def remember_words(forms: Iterable[Steps], earlier: DocumentCounts) -> None:
    """Add the words of known surface forms to those of a document so far."""
    for steps in forms:
        for step in known_steps(steps):
            if isinstance(step, Word):
                step.speller.remember(step.known or "", step.name, earlier)


def draw_surface(
    steps: Steps, fill: str, random: Random, earlier: DocumentCounts | None = None
) -> str:
    """A surface form at random.

    Args:
        steps: that lead to it.
        fill: one of :data:`textgen.tokenizers.FILL`; with ``"scored"`` it is drawn with exactly the
            probability that is charged for it.
        random: the source of random numbers.
        earlier: the words of the document so far, to which those of the form are added; None
            without a memory.
    """
    chosen: Any = None
    while True:
        try:
            step = steps.send(chosen)
        except StopIteration as end:
            return str(end.value)
        if isinstance(step, Chance):
            chosen = random.random() < step.yes
        elif not isinstance(step, Word):
            chosen = UNSEEN
        elif fill == "mark":
            chosen = step.mark
        elif fill != "scored":
            chosen = step.speller.pick(step.name, random, new=fill == "spell")
        else:
            chosen = step.speller.draw(step.name, random, earlier)
            if earlier is not None:
                step.speller.remember(chosen, step.name, earlier)


class Choice(NamedTuple):
    """One choice. Whoever knows what is chosen need not ask for the probabilities.

    Attributes:
        probabilities: gives (n,) float64, of what can be chosen; None where that is the next token.
        known: what a known document chooses; None where none is known.
    """

    probabilities: Callable[[], np.ndarray] | None
    known: int | None


Choices = Generator[Choice, int, str]
"""Yields choices, is sent what was chosen, and returns what they spell."""


def choices(steps: Steps, earlier: DocumentCounts | None) -> Choices:
    """The single choices of some steps; words are added to those of the document so far."""
    chosen: Any = None
    while True:
        try:
            step = steps.send(chosen)
        except StopIteration as end:
            return str(end.value)
        if isinstance(step, Chance):
            known = None if step.known is None else int(step.known)
            chosen = bool((yield Choice(partial(np.array, [1 - step.yes, step.yes]), known)))
        elif isinstance(step, Word):
            chosen = yield from _letters(step, earlier)
        else:
            chosen = yield from _code_point(step.known)


def _letters(step: Word, earlier: DocumentCounts | None) -> Choices:
    """A word, one character after another and then its end: 0 is the end, 1 a character never
    seen."""
    speller, word = step.speller, ""

    def probabilities() -> np.ndarray:
        return speller.following(word, step.name, earlier=earlier)[1]

    while True:
        letter = index = None
        if step.known is not None:
            letter = step.known[len(word) : len(word) + 1]
            index = max(speller.alphabet.find(letter) + 2, 1) if letter else 0
        chosen = yield Choice(probabilities, index)
        if not chosen:
            break
        word += (yield from _code_point(letter)) if chosen == 1 else speller.alphabet[chosen - 2]
    if earlier is not None:
        speller.remember(word, step.name, earlier)
    return word


def _code_point(known: str | None) -> Choices:
    point = 0
    for size, weight in POINT:
        index = None if known is None else ord(known) // weight % size
        point += weight * (yield Choice(partial(np.full, size, 1 / size), index))
    return chr(point)


def walk(
    tokenizer: Tokenizer, known: EncodedDocument | None = None, memory: bool = False
) -> Generator[Choice, int, EncodedDocument]:
    """All choices of a document, the last of which is the boundary at its end.

    Args:
        tokenizer: of the document.
        known: a document that chooses; None for one that is being read or written.
        memory: whether rare words are charged with a memory of the document.

    Returns:
        The document that was chosen, for ``tokenizer.decode``.
    """
    earlier = DocumentCounts() if memory else None
    tokens, surfaces = list[int](), list[str]()
    path = None if known is None else [*known.tokens.tolist(), BOUNDARY]
    known_surfaces = iter(() if known is None else known.surfaces)
    while True:
        if (steps_of := tokenizer.surface_steps(tokens)) is not None:
            steps = steps_of(next(known_surfaces, None))
            surfaces.append((yield from choices(steps, earlier)))
        token = yield Choice(None, None if path is None else path[len(tokens)])
        if token == BOUNDARY:
            chosen = np.array(tokens, dtype=np.int64)
            return EncodedDocument(chosen, tuple(surfaces), np.zeros(0), 0, 0, 0)
        tokens.append(token)


def forms_at(
    steps_of: Callable[[Sequence[int]], StepsOf | None],
    tokens: Sequence[int],
    places: Iterable[int],
    surfaces: Iterable[str],
) -> Iterator[Steps]:
    """The steps of the surface forms of a document.

    Args:
        steps_of: ``surface_steps`` of its tokenizer.
        tokens, places, surfaces: as in :class:`EncodedDocument`.
    """
    for place, surface in zip(places, surfaces, strict=True):
        found = steps_of(tokens[max(0, place - 1) : place + 1])
        assert found is not None
        yield found(surface)
