"""Characters or subwords, and a placeholder wherever a rare word stands.

Which words are rare, what stands for them and how they are spelled is what the word tokenizer of
the same settings does (``words.py``): the same words are replaced at every level, by the same
placeholders, behind which the same spelling model spells them. So rare words can be taken from a
network of characters or subwords and given to n-grams, and nothing else changes.

The space before a rare word belongs to the text before its placeholder: ``the Dunwich h`` is the
characters ``the ␣ <Aa…> ␣ h``. What lies between two placeholders is cut into characters or
subwords by itself. Subwords are learnt from the whole text, rare words included.

A text is scored on one canonical sequence of tokens (a rare word is never written in characters, a
known one never spelled behind a placeholder), so the bits are an upper bound.

Does not handle: scripts that need a segmenter; among subwords, where words end and begin, for the
surprisal of words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import numpy as np

from textgen.core.settings import Count
from textgen.core.tokens import BOUNDARY, ESCAPE, RESERVED
from textgen.core.validation import Plugin
from textgen.tokenizers.base import Rendered, Tokenizer, with_characters_per_token
from textgen.tokenizers.borders import Borders, Opening, Openings
from textgen.tokenizers.casing import FIRST_OWN
from textgen.tokenizers.characters import CharacterBorders, Characters, CharacterTokenizer
from textgen.tokenizers.encoded import EncodedDocument, Surface, smallest_dtype
from textgen.tokenizers.placeholders import GrowingText, PlaceholderTokenizer
from textgen.tokenizers.rare_words import FittedClasses, RareWords
from textgen.tokenizers.segmentation import pretokenize
from textgen.tokenizers.steps import StepsOf, surface_bits
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.vocabulary import split_space
from textgen.tokenizers.word_cache import DocumentCounts
from textgen.tokenizers.words import WordBorders, Words, WordTokenizer

# A placeholder's number in a word tokenizer, less its number here: the case modifiers are missing.
MODIFIERS_LEFT_OUT = FIRST_OWN - RESERVED


@dataclass(frozen=True)
class RareReplaced:
    """Characters or subwords, in which a placeholder stands for every rare word, whose spelling is
    charged: those that the word tokenizer would replace.

    Args:
        rare_words: the policy for rare words, one by which a token of its own stands for a word.
        minimum_count: occurrences in the training split below which a word is rare. With 1, every
            second word that occurs once is.
        subwords: what the rest of a text is cut into; characters if it is not stated.

    Raises:
        ValueError: a policy by which rare words have no tokens of their own.
    """

    rare_words: Annotated[RareWords, Plugin("rare_words")]
    minimum_count: Count = 2
    subwords: Subwords | None = None

    def __post_init__(self) -> None:
        if not issubclass(self.rare_words.fitted_class, FittedClasses):
            kind = type(self.rare_words).__name__.lower()
            message = f"rare_words: by {kind}, rare words have no tokens of their own"
            raise ValueError(f"{message}; take signature, unk, pos or cluster")

    @property
    def words(self) -> Words:
        """The word tokenizer that says which words are rare, and what they cost."""
        return Words(self.rare_words, self.minimum_count)

    @property
    def units(self) -> Characters | Subwords:
        """What the rest of a text is cut into."""
        return Characters() if self.subwords is None else self.subwords

    def fit(
        self,
        texts: Sequence[str],
        tuning: Sequence[str] = (),
        seed: int = 0,
        alphabet: str = "",
        language: str = "en",
    ) -> "RareReplacedTokenizer":
        """The fitted tokenizer; arguments as in ``TokenizerConfig``.

        Raises:
            TextgenError: no word occurs often enough.
        """
        words = self.words.fit(texts, tuning, seed, alphabet, language)
        units = self.units.fit(texts, tuning, seed, alphabet, language)
        return with_characters_per_token(RareReplacedTokenizer(words, units), texts)

    def load(self, state: dict[str, Any]) -> "RareReplacedTokenizer":
        """The fitted tokenizer from its ``state()``."""
        words = self.words.load(state["words"])
        units = self.units.load(state["units"])
        return RareReplacedTokenizer(words, units, state["characters_per_token"])


class _Stretch(NamedTuple):
    """A part of a text without rare words, and the rare word behind it.

    Attributes:
        text: any string.
        rare_word: without the space before it; empty behind the last stretch.
        class_name: of the rare word.
    """

    text: str
    rare_word: str = ""
    class_name: str = ""


@dataclass(frozen=True)
class RareReplacedTokenizer(PlaceholderTokenizer):
    """Token ids in this order: the two reserved ones, the placeholders, and the units.

    Args:
        words: says which words are rare, and what they cost.
        units: cuts what lies between rare words.
        characters_per_token: over some training text.
    """

    words: WordTokenizer
    units: Tokenizer
    characters_per_token: float = 1.0

    @property
    def spaces_lead(self) -> bool:  # type: ignore[override]  # the units decide
        return self.units.spaces_lead

    @property
    def extra_data(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.words.extra_data

    @cached_property
    def names(self) -> Sequence[str]:
        return ("<boundary>", "<escape>", *self.words.policy.names, *self.units.names[RESERVED:])

    @property
    def first_unit(self) -> int:
        """The token of the first unit, behind the placeholders."""
        return RESERVED + len(self.words.policy.names)

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        pieces = pretokenize(text)
        tokens = [np.zeros(0, np.int64)]
        ends = [np.zeros(0, np.int64)]
        surfaces = list[Surface]()
        start = 0
        replaced = 0
        for stretch in self._stretches(pieces):
            encoded = self.units.encode(stretch.text, training=training)
            tokens.append(self._shifted(encoded.tokens))
            ends.append(start + encoded.ends)
            surfaces += encoded.surfaces
            start += len(stretch.text)
            if stretch.rare_word:
                start += len(stretch.rare_word)
                tokens.append(np.array([self._placeholders[stretch.class_name]]))
                ends.append(np.array([start]))
                surfaces.append(stretch.rare_word)
                replaced += 1
        ids = np.concatenate(tokens).astype(smallest_dtype(self.size))
        if training:
            return EncodedDocument(ids, tuple(surfaces), len(text), len(pieces), replaced)
        places = np.flatnonzero((ids == ESCAPE) | self._is_placeholder(ids))
        opened = [self._known_steps(int(token)) for token in ids[places]]
        alone, remembered = surface_bits(opened, surfaces)
        return EncodedDocument(
            ids,
            tuple(surfaces),
            characters=len(text),
            pieces=len(pieces),
            replaced=replaced,
            spelling_bits=alone,
            remembered_bits=remembered,
            ends=np.concatenate(ends),
            places=places,
        )

    def _stretches(self, pieces: Sequence[str]) -> Iterator[_Stretch]:
        """A text, given by its pieces; the last stretch has no rare word behind it."""
        rare = self.words.vocabulary.rare(pieces)
        begin = 0
        for word, class_name in self.words.policy.classifier.classified(pieces, rare):
            text = "".join(pieces[begin : word.place])
            space, core = split_space(word.piece)
            yield _Stretch(text + space, core, class_name)
            begin = word.place + 1
        yield _Stretch("".join(pieces[begin:]))

    @cached_property
    def _placeholders(self) -> dict[str, int]:
        """Class → token."""
        classes = self.words.policy.classifier.classes
        return {class_name: token for token, class_name in enumerate(classes, RESERVED)}

    def _is_placeholder(self, tokens: np.ndarray) -> np.ndarray:
        return (tokens >= RESERVED) & (tokens < self.first_unit)

    def _shifted(self, tokens: np.ndarray) -> np.ndarray:
        """The tokens of units as they are numbered here."""
        numbers = tokens.astype(np.int64)
        return np.where(numbers >= RESERVED, numbers + self.first_unit - RESERVED, numbers)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        token = tokens[-1]
        if RESERVED <= token < self.first_unit:
            return self.words.policy.surface_steps([token + MODIFIERS_LEFT_OUT])
        return super().surface_steps(tokens)

    def _known_steps(self, token: int) -> StepsOf:
        """Those of a token that hides something."""
        steps_of = self.surface_steps([token])
        assert steps_of is not None
        return steps_of

    def writer(self, before: str = "", fill: str = "scored") -> GrowingText:
        return _Writer(self)

    def temperature_offsets(self, temperature: float) -> np.ndarray:
        offsets = super().temperature_offsets(temperature)
        if temperature < 1:
            for token, offset in self.words.policy.temperature_offsets(temperature).items():
                offsets[token - MODIFIERS_LEFT_OUT] = offset
        return offsets

    def borders(self, earlier: DocumentCounts | None = None) -> Borders:
        """As :meth:`textgen.tokenizers.base.Tokenizer.borders`.

        Raises:
            ValueError: units that are not characters, or a policy by which the tokens of a text
                depend on what comes behind it.
        """
        if not isinstance(self.units, CharacterTokenizer):
            raise ValueError("rare words that are replaced among subwords")
        among_words = WordBorders(self.words, self.words.white_beginnings, earlier)
        return _Borders(self, CharacterBorders(self.units), among_words)

    def state(self) -> dict[str, Any]:
        return {
            "words": self.words.state(),
            "units": self.units.state(),
            "characters_per_token": self.characters_per_token,
        }

    def portable(self) -> dict[str, Any]:
        return {
            "kind": "rare_replaced",
            "words": self.words.portable(),
            "units": self.units.portable(),
        }


class _Writer(GrowingText):
    """Units, which wait for the next placeholder to be decoded together, and rare words."""

    def __init__(self, tokenizer: RareReplacedTokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._waiting_tokens = list[int]()
        self._waiting_surfaces = list[str]()

    def write(self, token: int, surface: str | None) -> None:
        if token == BOUNDARY:
            return
        if token == ESCAPE:
            self._waiting_tokens.append(token)
            self._waiting_surfaces.append(surface or "")
        elif token >= self._tokenizer.first_unit:
            self._waiting_tokens.append(token - self._tokenizer.first_unit + RESERVED)
        else:
            self._write_waiting()
            name = self._tokenizer.names[token]
            self.append_filled(surface or "", name[1:-1])

    def _write_waiting(self) -> None:
        tokens = np.array(self._waiting_tokens, dtype=np.int64)
        waiting = EncodedDocument(tokens, tuple(self._waiting_surfaces))
        self.append(self._tokenizer.units.decode(waiting))
        self._waiting_tokens = []
        self._waiting_surfaces = []

    def rendered(self) -> Rendered:
        self._write_waiting()
        return super().rendered()


class _Borders(Borders):
    """Where words end and begin among characters and rare words.

    A placeholder v stands for white space with the probability w(v), as among words; else it begins
    a word, as do all characters that are not white::

        P(border | h) = Σ_{c white} P(c | h) + P(end | h) + Σ_{v rare} P(v | h) w(v)
        P(word | h) = 1 − P(border | h)

    Args:
        tokenizer: of the text.
        among_characters: of its units.
        among_words: of its words; changes with what a cache remembers, if there is one.
    """

    def __init__(
        self,
        tokenizer: RareReplacedTokenizer,
        among_characters: CharacterBorders,
        among_words: WordBorders,
    ) -> None:
        self._among_words = among_words
        self._first_unit = tokenizer.first_unit
        (opening,) = among_characters.border()
        self._of_reserved, self._of_units = np.split(opening.weights, [RESERVED])

    def border(self) -> Openings:
        return [Opening((), self._white())]

    def word(self, gap: str, lead: str) -> Openings:
        return [Opening((), 1.0 - self._white())]

    def _white(self) -> np.ndarray:
        """(V,) float64: P(the token begins with white space, or is the end)."""
        of_rare_words = self._among_words.white_of_rare_words()
        first = RESERVED + MODIFIERS_LEFT_OUT
        placeholders = of_rare_words[first : self._first_unit + MODIFIERS_LEFT_OUT]
        return np.concatenate([self._of_reserved, placeholders, self._of_units])
