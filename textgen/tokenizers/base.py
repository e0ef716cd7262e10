"""The interface of a tokenizer; a document as token ids, and what a token leaves open.

A text is cut into *pieces*: characters, words with their leading space, numbers, runs of
punctuation, or subwords. A *token* is an entry of the vocabulary; its number, the *token id*, is
what a model reads. ``BOUNDARY`` (0) stands before the first and after the last token of a document,
and for the padding before it. ``ESCAPE`` (1) stands for a character that the training text did not
hold.

The network chooses tokens. The *surface form* behind a placeholder, a token from which the text
cannot be known, is chosen in steps: yes or no, a word that a spelling model spells, a character
that is named outright. A generator of such steps describes this once. The bits that are charged,
the words that are drawn, and the choices that an arithmetic coder and an audit walk through are all
read from it.
"""

import math
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from random import Random
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from textgen.core.tokens import BOUNDARY, ESCAPE, RESERVED
from textgen.tokenizers.borders import Borders

# the bits of naming one Unicode code point outright: the price of a character never seen
CHARACTER_BITS = math.log2(0x110000)
# a code point in three choices: of how many, and what each counts for; 17 · 256 · 256 = 0x110000
CODE_POINT_CHOICES = ((17, 0x10000), (256, 0x100), (256, 1))
UNSEEN = "\ufffd"
# How a generated placeholder is filled: by a word drawn with the probability that is charged for
# it, by one of the training words it stood for, or by a mark such as <unk>. Only the first writes
# text with the distribution that is scored.
FILL = ("scored", "pool", "mark")
MEASURED_TEXTS = 50
# What a token leaves open: a string; of a gap in which words are missing, a tuple of these.
Surface: TypeAlias = str | tuple[str, ...]


def text_of(surface: Surface) -> str:
    """A surface form as it stands in the text."""
    return "".join(surface)


@dataclass(frozen=True)
class EncodedDocument:
    """A document as token ids, with the surface forms of its placeholders.

    Attributes:
        tokens: (n,) unsigned integers, the token ids, without boundaries.
        surfaces: the surface form of each placeholder, in order of occurrence.
        characters: length of the text in characters.
        pieces: number of pieces.
        replaced: number of pieces that were replaced by something else, or left out.
        spelling_bits: (len(surfaces),) float64, −log2 P(surface form | token) of each, in bits.
            Empty, as is all that follows, where the text was encoded for training, for which
            nothing is charged.
        remembered_bits: the same with a document cache, by which a surface form is cheaper for
            having stood in the document before.
        ends: (n,) int64, never falling: where the text of each token ends, in characters from the
            beginning of the document. A token that ends where the one before does (a case modifier,
            the first byte of a character) stands for no text by itself.
        places: (len(surfaces),) int64, the place of the token that each surface form belongs to; n
            for the end of the text.
        starts: (n,) int64, where each token's own text begins, if words may have been left out
            before it, which then belong to its surface form; else None.
    """

    tokens: np.ndarray
    surfaces: tuple[Surface, ...] = ()
    characters: int = 0
    pieces: int = 0
    replaced: int = 0
    spelling_bits: np.ndarray = field(default_factory=partial(np.zeros, 0))
    remembered_bits: np.ndarray = field(default_factory=partial(np.zeros, 0))
    ends: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    places: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    starts: np.ndarray | None = None


class Rendered(NamedTuple):
    """Generated tokens as text.

    Attributes:
        text: with all placeholders filled.
        filled: (start, end, name of the placeholder) of every span of ``text`` that fills one, in
            characters.
    """

    text: str
    filled: tuple[tuple[int, int, str], ...] = ()


Encoded = Sequence[EncodedDocument]


def smallest_dtype(size: int) -> np.dtype[Any]:
    """The narrowest unsigned integer type that holds token ids 0 … size − 1."""
    return np.dtype(np.min_scalar_type(size - 1))


class DocumentCounts:
    """The words that were spelled in a document so far: class → word → occurrences."""

    def __init__(self) -> None:
        self.counts, self.totals = defaultdict[str, Counter[str]](Counter), Counter[str]()

    def add(self, word: str, name: str) -> None:
        """Count one more occurrence of a word of the class ``name``."""
        self.counts[name][word] += 1
        self.totals[name] += 1

    def before(self, word: str, name: str) -> tuple[int, int, int]:
        """How often a word occurred, and how many different ones and all of its class."""
        counts = self.counts[name]
        return counts[word], len(counts), self.totals[name]


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


def chance(yes: float, known: bool | None) -> Choices[bool]:
    """Yes or no, with P(yes)."""
    number = None if known is None else int(not known)
    return (yield from one_of(lambda: np.array([yes, 1 - yes]), number)) == 0


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
        temperature: of what is drawn with the fill ``"scored"``.
    """

    fill: str
    random: Random
    earlier: DocumentCounts | None = None
    temperature: float = 1.0

    def draw(self, step: Choice | Word) -> Chosen:
        """What is chosen at random."""
        if isinstance(step, Word):
            return step.mark if self.fill == "mark" else step.speller.fill(step.name, self)
        assert step.probabilities
        chances = step.probabilities()
        powers = (chances / chances.max()) ** (1 / self.temperature)
        return self.random.choices(range(len(powers)), powers.tolist())[0]


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


def document_with_escapes(
    text: str, tokens: np.ndarray, surfaces: Sequence[str], ends: np.ndarray | None
) -> EncodedDocument:
    """A document in which nothing is hidden but characters never seen; without ``ends``, encoded
    for training."""
    counts = len(text), len(tokens), len(surfaces)
    if ends is None:
        return EncodedDocument(tokens, tuple(surfaces), *counts)
    bits, places = np.full(len(surfaces), CHARACTER_BITS), np.flatnonzero(tokens == ESCAPE)
    return EncodedDocument(tokens, tuple(surfaces), *counts, bits, bits, ends, places)


class Tokenizer(ABC):
    """A fitted tokenizer. ``decode(encode(text)) == text`` for every string.

    Attributes:
        names: (V,) the text each token stands for, or its name if it stands for none.
        alphabet: the characters that it has tokens for; None if it spells any other.
        characters_per_token: average over some training text.
        charged: whether every bit of a text is charged. If not, there is no normalised distribution
            over the raw text, and no figure of it may be printed.
        extra_data: data from outside the training split that it uses, in words for the reports.
        closed_vocabulary: whether the vocabulary belongs to one file of tokens: its perplexity is
            then comparable with that of other models of the same file, and with nothing else.
        spaces_lead: whether the space before a word belongs to the word's own token.
        unwritable: token ids that are never drawn in generation, since they stand for no text.
    """

    alphabet: Sequence[str] | None = None
    characters_per_token: float = 1.0
    charged: bool = True
    extra_data: tuple[str, ...] = ()
    closed_vocabulary: bool = False
    spaces_lead: bool = False
    unwritable: tuple[int, ...] = (BOUNDARY, ESCAPE)

    @property
    @abstractmethod
    def names(self) -> Sequence[str]: ...

    @property
    def size(self) -> int:
        """Number of tokens in the vocabulary, V, the two reserved ones included."""
        return len(self.names)

    @abstractmethod
    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        """A text as token ids.

        Args:
            text: any string.
            training: nothing is charged, and no token is located in the text.
        """

    @abstractmethod
    def decode(self, encoded: EncodedDocument) -> str:
        """The text again, exactly."""

    def render(
        self,
        tokens: np.ndarray,
        *,
        before: str = "",
        fill: str = "scored",
        seed: int = 0,
        cached: bool = False,
        temperature: float = 1.0,
    ) -> Rendered:
        """Generated tokens as text.

        Args:
            tokens: (n,) integers, token ids; reserved ones are left out.
            before: the text that they continue.
            fill: one of :data:`FILL`.
            seed: of the words that fill placeholders.
            cached: with the fill ``"scored"``, rare words that stood in the text before come back
                as often as a document cache has it.
            temperature: of the words that are drawn with the fill ``"scored"``.
        """
        earlier = DocumentCounts() if cached and fill == "scored" else None
        filling = Filling(fill, Random(seed), earlier, temperature)
        return self.written(np.asarray(tokens), before, filling)

    def written(self, tokens: np.ndarray, before: str, filling: Filling) -> Rendered:
        """As :meth:`render`; what is ``earlier`` in the filling is still to be read."""
        return Rendered(self.decode(EncodedDocument(tokens[tokens >= RESERVED])))

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        """How the surface form is chosen that belongs behind some tokens.

        Args:
            tokens: of the document so far; only the last two matter.

        Returns:
            None where they leave nothing open. By default only a character never seen is open.
        """
        return unseen_character if len(tokens) and tokens[-1] == ESCAPE else None

    def borders(self, earlier: DocumentCounts | None = None) -> Borders:
        """Where words end and begin.

        Args:
            earlier: a document cache, which may go on growing.

        Raises:
            ValueError: that is not known; says of what.
        """
        raise ValueError(type(self).__name__)

    def temperature_offsets(self, temperature: float) -> np.ndarray:
        """(V,) float32: what is added to logits that were divided by a temperature, so that a token
        that stands for many words is as probable as they are together. Below 1 only: above, the sum
        over all words need not be finite."""
        return np.zeros(self.size, dtype=np.float32)

    def unknown(self, text: str) -> list[str]:
        """The parts of a prompt for which there is no token."""
        return [] if self.alphabet is None else sorted(set(text) - set(self.alphabet))

    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data: by default the fields of a dataclass."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    def portable(self) -> dict[str, Any]:
        """What ``textgen/interactive/tokenizers.js`` needs to do the same, as JSON data.

        Raises:
            ValueError: it cannot; says why.
        """
        raise ValueError(f"{type(self).__name__}, which only Python has")


class TokenizerConfig(Protocol):
    """The settings of a tokenizer: fitting and loading give the fitted one."""

    def fit(
        self, texts: Sequence[str], tuning: Sequence[str], seed: int, alphabet: str = ""
    ) -> Tokenizer:
        """Learn everything from the training split.

        Args:
            texts: the training split, or a sample of a large one.
            tuning: the validation split, on which a few numbers may be chosen.
            seed: of whatever is random.
            alphabet: characters of the training split that a sample of it may lack.
        """

    def load(self, state: dict[str, Any]) -> Tokenizer:
        """The fitted tokenizer from its ``state()``."""


Fitted = TypeVar("Fitted", bound=Tokenizer)


def with_characters_per_token(tokenizer: Fitted, texts: Sequence[str]) -> Fitted:
    """A fitted tokenizer, a dataclass, that knows its characters per token in the first texts."""
    texts = texts[:MEASURED_TEXTS]
    tokens = sum(len(tokenizer.encode(text, training=True).tokens) for text in texts)
    pace = sum(map(len, texts)) / tokens if tokens else 1.0
    return replace(tokenizer, characters_per_token=pace)  # type: ignore[type-var]


class Span(NamedTuple):
    """A token, BOUNDARY at the end of a text; the surface form of a placeholder; and where the
    token's own text begins and ends."""

    token: int
    surface: Surface | None
    start: int
    end: int


class GrowingText(ABC):
    """A text to which tokens are added one by one."""

    def __init__(self) -> None:
        self.parts, self.length = list[str](), 0
        self.filled = list[tuple[int, int, str]]()

    @abstractmethod
    def write(self, token: int, surface: str | None) -> None:
        """Append a token, and its surface form if it leaves one open."""

    def append(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def append_filled(self, word: str, name: str) -> None:
        """Append a word that fills a placeholder, and note where it stands."""
        if word:
            self.filled.append((self.length, self.length + len(word), name))
            self.append(word)

    def rendered(self) -> Rendered:
        return Rendered("".join(self.parts), tuple(self.filled))


class PlaceholderTokenizer(Tokenizer):
    """The base of tokenizers with placeholders: a subclass says how a text becomes spans, how
    tokens are written, and by :meth:`surface_steps` what a placeholder hides.
    """

    @property
    def gaps(self) -> bool:
        """Whether there is a surface form before every token and at the end of the text."""
        return self.surface_steps(()) is not None

    @abstractmethod
    def writer(self, before: str = "", fill: str = "scored") -> GrowingText:
        """An empty text that continues another one."""

    def document(
        self, spans: Sequence[Span], counts: tuple[int, int, int], training: bool
    ) -> EncodedDocument:
        """An encoded document; ``counts`` are its characters, pieces, and those replaced."""
        own = [span for span in spans if span.token != BOUNDARY]
        tokens = [span.token for span in own]
        surfaces = tuple(span.surface for span in spans if span.surface is not None)
        ids = np.array(tokens, dtype=smallest_dtype(self.size))
        if training:
            return EncodedDocument(ids, surfaces, *counts)
        places = np.flatnonzero([span.surface is not None for span in spans])
        starts, ends = np.array([span[2:] for span in own], dtype=np.int64).reshape(-1, 2).T
        opened = (steps_of for _, steps_of in self.steps_at(tokens) if steps_of)
        alone, remembered = surface_bits(opened, surfaces)
        return EncodedDocument(ids, surfaces, *counts, alone, remembered, ends, places, starts)

    def steps_at(self, tokens: Sequence[int]) -> Iterator[tuple[int, StepsOf | None]]:
        """Each token, and BOUNDARY for the end of the text where that hides something; and what."""
        path = [*tokens, BOUNDARY] if self.gaps else tokens
        for place, token in enumerate(path):
            yield token, self.surface_steps(path[max(0, place - 1) : place + 1])

    def decode(self, encoded: EncodedDocument) -> str:
        surfaces, writer = iter(encoded.surfaces), self.writer()
        for token, steps_of in self.steps_at(encoded.tokens.tolist()):
            writer.write(token, text_of(next(surfaces)) if steps_of else None)
        return writer.rendered().text

    def written(self, tokens: np.ndarray, before: str, filling: Filling) -> Rendered:
        before = before.removesuffix(" ")  # the next token brings its own
        if filling.earlier is not None:
            follow(walk(self, self.encode(before), filling.earlier), take_known)
        writer = self.writer(before, filling.fill)
        for token, steps_of in self.steps_at(tokens.tolist()):
            surface = None
            if steps_of and (filling.fill == "scored" or not self.gaps):
                escaped = token == ESCAPE  # no character that was never seen is made up
                surface = UNSEEN if escaped else follow(steps_of(None), filling.draw)
            writer.write(token, surface)
        return writer.rendered()


def walk(
    tokenizer: Tokenizer, document: EncodedDocument | None, earlier: DocumentCounts | None
) -> Choices[EncodedDocument]:
    """All choices of a document, the last of which is the boundary at its end.

    Args:
        tokenizer: of the document.
        document: what is chosen; None if it is being read or written.
        earlier: a document cache, by which rare words are charged and to which they are added.

    Returns:
        The document that was chosen, for ``tokenizer.decode``.
    """
    tokens, surfaces = list[int](), list[str]()
    path = None if document is None else [*document.tokens.tolist(), BOUNDARY]
    known_surfaces = iter(() if document is None else document.surfaces)
    while True:
        if (steps_of := tokenizer.surface_steps(tokens)) is not None:
            surface = yield from _choices(steps_of(next(known_surfaces, None)), earlier)
            surfaces.append(surface)
        token = yield from one_of(None, None if path is None else path[len(tokens)])
        if token == BOUNDARY:
            return EncodedDocument(np.array(tokens, dtype=np.int64), tuple(surfaces))
        tokens.append(token)


def _choices(steps: Steps[Result], earlier: DocumentCounts | None) -> Choices[Result]:
    """The steps of a surface form, every word by its choices."""
    chosen: Any = None  # begins a generator
    while True:
        try:
            step = steps.send(chosen)
        except StopIteration as end:
            return end.value
        if isinstance(step, Word):
            chosen = yield from step.speller.choices(step.name, step.known, earlier)
        else:
            chosen = yield step
