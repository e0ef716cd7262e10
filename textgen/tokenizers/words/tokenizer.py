"""A text as words and back: pieces, their tokens, and what is written for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

import numpy as np

from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.tokens import EncodedDocument, Layout, Rendered, smallest_dtype
from textgen.tokenizers.words.filling import Writer
from textgen.tokenizers.words.rare_words.base import EncodedWords, Placeholder, Rare, Replacer
from textgen.tokenizers.words.vocabulary import (
    FIRST_OWN,
    JOIN,
    MODIFIERS,
    Vocabulary,
    recase,
    split_space,
)

PIECE = re.compile(
    r"\n+| ?(?:[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|_+|([^\w\s])\1*)|\s",
)


def pretokenize(text: str) -> list[str]:
    """The pieces of a text; joined together they are the text."""
    return [match.group() for match in PIECE.finditer(text)]


@dataclass(frozen=True)
class WordTokenizer(Tokenizer):
    """Tokens: the two reserved ones, the modifiers, the policy's own, the words by frequency."""

    spaces_lead = True
    vocabulary: Vocabulary
    replacer: Replacer
    withheld: frozenset[str]
    average: float

    @property
    def size(self) -> int:
        return self.replacer.first_word + len(self.vocabulary.words)

    @property
    def characters_per_token(self) -> float:
        return self.average

    @property
    def charged(self) -> bool:  # type: ignore[override]  # the policy decides
        return self.replacer.charged

    @property
    def extra_data(self) -> tuple[str, ...]:  # type: ignore[override]  # the policy knows
        return self.replacer.extra_data

    @property
    def unwritable(self) -> tuple[int, ...]:  # type: ignore[override]  # the policy adds some
        return (*Tokenizer.unwritable, *self.replacer.unwritable)

    @cached_property
    def names(self) -> Sequence[str]:
        words = self.vocabulary.words
        return ("<boundary>", "<escape>", *MODIFIERS, *self.replacer.names, *words)

    def code(
        self, pieces: Sequence[str], withheld: frozenset[str], charge: bool = False
    ) -> EncodedWords:
        """The pieces of a document as tokens; ``withheld`` words are treated as rare."""
        items = [item for each in self._items(pieces, withheld) for item in each]
        return self.replacer.encode(items, pieces, charge)

    def _items(self, pieces: Sequence[str], withheld: frozenset[str]) -> Iterator[list[int | Rare]]:
        """What the replacer is given for each piece: its tokens, or that it is rare."""
        first = self.replacer.first_word
        for place, piece in enumerate(pieces):
            parts = self.vocabulary.parts(piece)
            if parts is None or piece in withheld:
                yield [Rare(piece, place)]
            else:
                yield [*parts[0], first + parts[1]]

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        pieces = pretokenize(text)
        coded = self.code(pieces, self.withheld if training else frozenset(), not training)
        return EncodedDocument(
            np.array(coded.tokens, dtype=smallest_dtype(self.size)),
            tuple(coded.surfaces),
            np.array(coded.bits, dtype=np.float64),
            len(text),
            len(pieces),
            coded.replaced,
        )

    def layout(self, text: str) -> Layout:
        pieces = pretokenize(text)
        coded = self.code(pieces, frozenset())
        ends, told = list[int](), 0
        for piece, items in zip(pieces, self._items(pieces, frozenset()), strict=True):
            ends += [told] * (len(items) - 1)  # modifiers tell nothing by themselves
            told += len(piece)
            ends.append(told)
        sources = np.array(coded.sources, dtype=np.int64)
        before = np.array([0, *ends])[sources]
        last = np.append(sources[1:] != sources[:-1], True)[: len(sources)]
        # of the tokens of one item the last tells it; between two there may be words left out
        ends_of = np.where(last, np.array([*ends, 0])[sources], before)
        return Layout(ends_of, np.array(coded.places, dtype=np.int64), before)

    def decode(self, encoded: EncodedDocument) -> str:
        surfaces = iter(encoded.surfaces)
        items = self.replacer.decode(encoded.tokens.tolist(), lambda token, place: next(surfaces))
        words = _Words(self.vocabulary, self.replacer.first_word)
        return "".join(words.text(item) for item in items)

    def render(
        self, tokens: np.ndarray, *, before: str = "", fill: str = "pool", seed: int = 0
    ) -> Rendered:
        writer = Writer(self.replacer, fill, Random(seed), before, self._opened(before))
        words = _Words(self.vocabulary, self.replacer.first_word)
        for item in self.replacer.decode([int(s) for s in tokens], writer.surface):
            if isinstance(item, Placeholder):
                words.text(item)
                writer.place(item)
            else:
                writer.write(words.text(item))
        return writer.rendered()

    def _opened(self, prompt: str) -> list[tuple[int, str]]:
        """The tokens of a prompt that leave something open, each with what it stands for, if the
        policy has a use for them; its last space belongs to the word that comes next."""
        prompt = prompt.removesuffix(" ")
        if not prompt or not self.replacer.remembers:
            return []
        coded = self.code(pretokenize(prompt), frozenset())
        places = zip(coded.places, coded.surfaces, strict=True)
        return [(coded.tokens[place], surface) for place, surface in places]

    def state(self) -> dict[str, Any]:
        return {
            "words": list(self.vocabulary.words),
            "counts": list(self.vocabulary.counts),
            "characters": self.vocabulary.characters,
            "characters_per_token": self.average,
            "rare_words": self.replacer.state(),
        }


class _Words:
    """Tokens of words and modifiers, one after another, as text."""

    def __init__(self, vocabulary: Vocabulary, first: int) -> None:
        self._words, self._first = vocabulary.words, first
        self._join, self._case = False, 0

    def text(self, item: int | Placeholder) -> str:
        """The text that ``item`` adds; a modifier adds none and waits for its word."""
        if isinstance(item, Placeholder):
            self._join, self._case = False, 0
            return " " * item.spaced + item.word
        if item < self._first:
            if JOIN <= item < FIRST_OWN:
                self._join |= item == JOIN
                self._case = self._case if item == JOIN else item
            return ""
        space, core = split_space(self._words[item - self._first])
        if self._case:
            core = recase(core, self._case)
        text = core if self._join else space + core
        self._join, self._case = False, 0
        return text
