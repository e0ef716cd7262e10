"""How a surface form is chosen: the steps that lead to it.

The network chooses tokens. The surface form behind a placeholder is chosen in steps: yes or no, a
word that a spelling model spells, a character that is named outright. A generator of such steps
describes this once. The bits that are charged, the words that are drawn, and the choices that an
arithmetic coder and an audit walk through are all read from it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from random import Random
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from textgen.tokenizers.encoded import Surface, text_of
from textgen.tokenizers.word_cache import DocumentCounts

# a code point in three choices: of how many, and what each counts for; 17 · 256 · 256 = 0x110000
CODE_POINT_CHOICES = ((17, 0x10000), (256, 0x100), (256, 1))
# How a generated placeholder is filled: by a word drawn with the probability that is charged for
# it, by one of the training words it stood for, or by a mark such as <unk>. Only the first writes
# text with the distribution that is scored.
FILL = ("scored", "pool", "mark")
YES, NO = 0, 1  # the numbers of the two choices of a chance
MIN_TEMPERATURE = 1e-6  # what a temperature of 0 is taken for: it leaves only the likeliest


class Choice(NamedTuple):
    """One choice, by its number.

    Attributes:
        probabilities: gives (n,) float64, of what can be chosen; None where that is the next token.
        known: what a known document chooses; None if no document is known.
    """

    probabilities: Callable[[], np.ndarray] | None
    known: int | None

    def known_bits(self) -> float:
        """−log2 P of what a known document chooses; of a choice with probabilities."""
        assert self.probabilities is not None
        return -math.log2(self.probabilities()[self.known])


class WordSpeller(Protocol):
    """What spells words: :class:`textgen.tokenizers.spelling.Speller`."""

    def document_bits(self, words: Sequence[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
        """−log2 P of each rare word of a document, given with its class: alone, and with a cache of
        those before it; (n,) float64 each."""

    def fill(self, name: str, filling: "Filling") -> str:
        """A word that fills a placeholder of a class."""

    def choices(
        self, name: str, known: str | None, earlier: DocumentCounts | None
    ) -> "Choices[str]":
        """A word of a class by its characters; it is added to what came earlier, if that is
        given."""


class Word(NamedTuple):
    """A word that a spelling model spells: a step of many choices, made all at once.

    Attributes:
        speller: the spelling model.
        name: of the word's class.
        mark: how it is written where it is only marked.
        known: the word of a known document; None if no document is known.
    """

    speller: WordSpeller
    name: str
    mark: str
    known: str | None


# The number of a choice, or a word.
Chosen: TypeAlias = int | str
Step = TypeVar("Step")
Result = TypeVar("Result")
# Generators of steps: they are sent what was chosen, and return what this leads to, such as a
# surface form. Of the second kind every step is a choice.
Steps: TypeAlias = Generator[Choice | Word, Chosen, Result]
Choices: TypeAlias = Generator[Choice, Chosen, Result]
# From a surface form, or None where it is not known, to the steps that lead to it; these return it
# as it stands in the text.
StepsOf: TypeAlias = Callable[[Surface | None], Steps[str]]


def one_of(probabilities: Callable[[], np.ndarray] | None, known: int | None) -> Choices[int]:
    """A single step, a :class:`Choice`: the number that is chosen."""
    return int((yield Choice(probabilities, known)))


def next_token(known: int | None) -> Choices[int]:
    """A single step: the next token, or BOUNDARY, whose probabilities a model has."""
    return (yield from one_of(None, known))


def chance(yes: float, known: bool | None) -> Choices[bool]:
    """Yes or no, with P(yes)."""
    number: int | None = None
    if known is not None:
        number = YES if known else NO
    chosen = yield from one_of(lambda: np.array([yes, 1 - yes]), number)
    return chosen == YES


def unseen_character(known: Surface | None) -> Choices[str]:
    """A character that the training text did not hold, by its code point."""
    point = 0
    for size, weight in CODE_POINT_CHOICES:
        number = None if known is None else ord(text_of(known)) // weight % size
        point += weight * (yield from one_of(partial(np.full, size, 1 / size), number))
    return chr(point)


def spelled(speller: WordSpeller, name: str, mark: str, known: Surface | None) -> Steps[str]:
    """A single step, a :class:`Word` of a class: the word that is chosen."""
    return str((yield Word(speller, name, mark, None if known is None else text_of(known))))


def follow(steps: Generator[Step, Chosen, Result], choose: Callable[[Step], Chosen]) -> Result:
    """What steps lead to, where ``choose`` makes every choice."""
    chosen: Any = None  # begins a generator
    while True:
        try:
            step = steps.send(chosen)
        except StopIteration as end:
            return end.value
        chosen = choose(step)


def take_known(choice: Choice) -> int:
    """What a known document chooses."""
    assert choice.known is not None
    return choice.known


class Filling(NamedTuple):
    """How surface forms are drawn.

    Attributes:
        fill: one of :data:`FILL`.
        random: draws them.
        earlier: words of the document that a cache holds; None without one.
        temperature: of what is drawn with the fill ``"scored"``; 0 takes the likeliest.
    """

    fill: str
    random: Random
    earlier: DocumentCounts | None = None
    temperature: float = 1.0

    @property
    def power(self) -> float:
        """1 / temperature."""
        return 1 / max(self.temperature, MIN_TEMPERATURE)

    def powers(self, probabilities: np.ndarray) -> np.ndarray:
        """(n,) float64, P^(1 / temperature) of choices, relative to that of the likeliest."""
        return (probabilities / probabilities.max()) ** self.power

    def draw(self, step: Choice | Word) -> Chosen:
        """What is chosen at random."""
        if isinstance(step, Word):
            if self.fill == "mark":
                return step.mark
            return step.speller.fill(step.name, self)
        assert step.probabilities is not None
        powers = self.powers(step.probabilities())
        (chosen,) = self.random.choices(range(len(powers)), powers.tolist())
        return chosen


def surface_bits(opened: Iterable[StepsOf], surfaces: Sequence[Surface]) -> np.ndarray:
    """−log2 P of each known surface form of a document: alone, and with a cache of the words
    before it; (2, n) float64."""
    bits = list[float]()
    words = defaultdict[WordSpeller, list[tuple[str, str]]](list)
    places = defaultdict[WordSpeller, list[int]](list)

    def charge(step: Choice | Word) -> Chosen:
        if isinstance(step, Choice):
            bits[-1] += step.known_bits()
            return take_known(step)
        assert step.known is not None
        words[step.speller].append((step.known, step.name))  # all at once are faster
        places[step.speller].append(len(bits) - 1)
        return step.known

    for steps_of, surface in zip(opened, surfaces, strict=True):
        bits.append(0.0)
        follow(steps_of(surface), charge)
    both = np.array([bits, bits])
    for speller in words:
        for row, costs in zip(both, speller.document_bits(words[speller]), strict=True):
            np.add.at(row, places[speller], costs)
    return both
