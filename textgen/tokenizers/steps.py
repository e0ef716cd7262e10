"""How a surface form is chosen: the steps that lead to it.

The network chooses tokens. The surface form behind a placeholder is chosen in steps: yes or no, a
word that a spelling model spells, a character that is named outright. A generator of such steps
describes this once. The bits that are charged, the words that are drawn, and the choices that an
arithmetic coder and an audit walk through are all read from it.

A generator yields a step, is sent what was chosen, and returns what all its steps lead to. So the
token of "town", which may stand for itself or for a rare word, is described by::

    def surface_of_town(known):
        stands_in = yield from chance(0.1, None if known is None else known != "town")
        if not stands_in:
            return "town"
        return (yield from spelled(speller, "town", "<town>", known))

and ``follow(surface_of_town("Dunwich"), choose)`` goes this way:

1. ``choose`` is asked about a :class:`Choice` with the probabilities (0.1, 0.9), of which a known
   document has the first. One who charges bits adds −log2 0.1 and answers with that number, 0.
2. ``choose`` is asked about a :class:`Word` of the class "town", known to be "Dunwich". One who
   charges notes it for the spelling model and answers "Dunwich".
3. The generator returns "Dunwich", and so does ``follow``.

Where words are drawn, nothing is known: ``surface_of_town(None)``, and the answers are random.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from textgen.tokenizers.encoded import Surface, text_of
from textgen.tokenizers.word_cache import DocumentCounts

if TYPE_CHECKING:
    from textgen.tokenizers.spelling import Speller

# a code point in three choices: of how many, and what each counts for; 17 · 256 · 256 = 0x110000
CODE_POINT_CHOICES = ((17, 0x10000), (256, 0x100), (256, 1))
YES, NO = 0, 1  # the numbers of the two choices of a chance


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


class Word(NamedTuple):
    """A word that a spelling model spells: a step of many choices, made all at once.

    Attributes:
        speller: the spelling model.
        class_name: the word's class.
        mark: how it is written where it is only marked.
        known: the word of a known document; None if no document is known.
    """

    speller: "Speller"
    class_name: str
    mark: str
    known: str | None


# What is sent back for a step: the number of a choice, or a word.
Chosen: TypeAlias = int | str
Step = TypeVar("Step")
Result = TypeVar("Result")
# Generators of steps, as in the example above: they yield a step, are sent what was chosen, and
# return what this leads to, such as a surface form. Of the second kind every step is a choice.
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
    """A single step: yes or no, with P(yes)."""
    number: int | None = None
    if known is not None:
        number = YES if known else NO
    chosen = yield from one_of(lambda: np.array([yes, 1 - yes]), number)
    return chosen == YES


def unseen_character(known: Surface | None) -> Choices[str]:
    """A character that the training text did not hold, by its code point."""
    known_point = None if known is None else ord(text_of(known))
    point = 0
    for size, weight in CODE_POINT_CHOICES:
        known_digit = None if known_point is None else known_point // weight % size
        digit = yield from one_of(partial(np.full, size, 1 / size), known_digit)
        point += weight * digit
    return chr(point)


def spelled(speller: "Speller", class_name: str, mark: str, known: Surface | None) -> Steps[str]:
    """A single step, a :class:`Word` of a class: the word that is chosen."""
    known_word = None if known is None else text_of(known)
    return str((yield Word(speller, class_name, mark, known_word)))


def follow(steps: Generator[Step, Chosen, Result], choose: Callable[[Step], Chosen]) -> Result:
    """What steps lead to, where ``choose`` makes every choice."""
    chosen: Any = None  # begins a generator
    while True:
        try:
            step = steps.send(chosen)
        except StopIteration as end:
            return end.value
        chosen = choose(step)


def letter_by_letter(steps: Steps[Result], earlier: DocumentCounts | None) -> Choices[Result]:
    """Steps as choices alone: in place of every word come those of its letters.

    Args:
        steps: that may be words.
        earlier: a document cache, by which words are spelled and to which they are added.
    """
    chosen: Any = None  # begins a generator
    while True:
        try:
            step = steps.send(chosen)
        except StopIteration as end:
            return end.value
        if isinstance(step, Word):
            chosen = yield from step.speller.choices(step.class_name, step.known, earlier)
        else:
            chosen = yield step


def take_known(choice: Choice) -> int:
    """What a known document chooses."""
    assert choice.known is not None
    return choice.known


class _SpelledWord(NamedTuple):
    """A word of a class, and the number of the surface form that it is a part of."""

    surface: int
    word: str
    class_name: str


def surface_bits(
    opened: Iterable[StepsOf], surfaces: Sequence[Surface]
) -> tuple[np.ndarray, np.ndarray]:
    """−log2 P of each known surface form of a document: alone, and with a cache of the words
    before it; both (n,) float64.

    Args:
        opened: (n,) the steps of each.
        surfaces: (n,) what they lead to.
    """
    bits = np.zeros(len(surfaces))
    spelled_words = defaultdict["Speller", list[_SpelledWord]](list)

    def charge(number: int, step: Choice | Word) -> Chosen:
        """Charge a surface form for a choice at once; all words of a document together are faster
        than one by one, and wait."""
        if isinstance(step, Choice):
            bits[number] += step.known_bits()
            return take_known(step)
        assert step.known is not None
        word = _SpelledWord(number, step.known, step.class_name)
        spelled_words[step.speller].append(word)
        return step.known

    for number, (steps_of, surface) in enumerate(zip(opened, surfaces, strict=True)):
        follow(steps_of(surface), partial(charge, number))
    alone = bits.copy()
    remembered = bits.copy()
    for speller, words in spelled_words.items():
        classed_words = [(word.word, word.class_name) for word in words]
        numbers = [word.surface for word in words]  # some more than once: a gap hides many words
        bits_alone, bits_remembered = speller.document_bits(classed_words)
        np.add.at(alone, numbers, bits_alone)
        np.add.at(remembered, numbers, bits_remembered)
    return alone, remembered
