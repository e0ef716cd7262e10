"""A rare word is written out in characters, which are ordinary tokens of the main model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from textgen.tokenizers.tokens import ESCAPE
from textgen.tokenizers.words.pieces import FIRST_OWN, JOIN, Vocabulary
from textgen.tokenizers.words.rare_words.base import (
    EncodedWords,
    FillCallback,
    FittedPolicy,
    Placeholder,
    PolicyTrainingData,
    RareWord,
)

NAME = "spelled"


@dataclass(frozen=True)
class Spell:
    """Characters and an end-of-word token. Nothing is hidden, so nothing is charged beside the
    model but characters that were never seen. It has no settings."""

    def fit(self, data: PolicyTrainingData) -> Spelled:
        """A token for each character of the training split."""
        return Spelled(data.vocabulary.characters)

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Spelled:
        """The same again: the vocabulary has the characters."""
        return Spelled(vocabulary.characters)


class Spelled(FittedPolicy):
    """The first token is the end of a word, then come the characters."""

    def __init__(self, characters: str) -> None:
        self._characters = characters
        self._codes = {c: FIRST_OWN + 1 + i for i, c in enumerate(characters)}
        self.names = ("<end>", *(f"<{c}>" for c in characters))

    def encode(self, items: Sequence[int | RareWord], pieces: Sequence[str]) -> EncodedWords:
        coded = EncodedWords()
        for number, item in enumerate(items):
            if not isinstance(item, RareWord):
                coded.add(number, item)
                continue
            coded.replaced += 1
            coded.add(number, *item.joining)
            for character in item.core:
                code = self._codes.get(character, ESCAPE)
                coded.add(number, code)
                if code == ESCAPE:
                    coded.add_surface(character)
            coded.add(number, FIRST_OWN)
        return coded

    def decode(self, tokens: Sequence[int], fill: FillCallback) -> Iterator[int | Placeholder]:
        word, joined = "", False
        for place, token in enumerate(tokens):
            if FIRST_OWN < token < self.first_word:
                word += self._characters[token - FIRST_OWN - 1]
            elif token == ESCAPE:
                word += fill(token, place)
            else:
                if word:
                    yield Placeholder(word, not joined, NAME)
                word = ""
                joined = token == JOIN
                if token != FIRST_OWN:
                    yield token
        if word:
            yield Placeholder(word, not joined, NAME)

    def state(self) -> dict[str, Any]:
        return {}

    def portable(self) -> dict[str, Any]:
        return {"speller": None, "only": None}
