"""A rare word is written out in characters, which are ordinary symbols of the main model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from textgen.tokenizers.tokens import CHARACTER_BITS, ESCAPE
from textgen.tokenizers.words.rare_words.base import Coded, Hidden, Material, Rare, Replacer, Reveal
from textgen.tokenizers.words.vocabulary import FIRST_OWN, JOIN, Vocabulary

NAME = "spelled"


@dataclass(frozen=True)
class Spell:
    """Characters and an end-of-word symbol. Nothing is hidden, so nothing is charged beside the
    model but characters that were never seen. It has no settings."""

    def fit(self, material: Material) -> Spelled:
        return Spelled(material.vocabulary.characters)

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Spelled:
        return Spelled(vocabulary.characters)


class Spelled(Replacer):
    """The first symbol is the end of a word, then come the characters."""

    def __init__(self, characters: str) -> None:
        self._characters = characters
        self._codes = {c: FIRST_OWN + 1 + i for i, c in enumerate(characters)}
        self.names = ("<end>", *(f"<{c}>" for c in characters))

    def encode(self, items: Sequence[int | Rare], tokens: Sequence[str], charge: bool) -> Coded:
        coded = Coded()
        for number, item in enumerate(items):
            if not isinstance(item, Rare):
                coded.add(number, item)
                continue
            coded.replaced += 1
            coded.add(number, *item.joining)
            for character in item.core:
                code = self._codes.get(character, ESCAPE)
                coded.add(number, code)
                if code == ESCAPE:
                    coded.leave_open(character, *([CHARACTER_BITS] * charge))
            coded.add(number, FIRST_OWN)
        return coded

    def decode(self, symbols: Sequence[int], reveal: Reveal) -> Iterator[int | Hidden]:
        word, joined = "", False
        for place, symbol in enumerate(symbols):
            if FIRST_OWN < symbol < self.first_word:
                word += self._characters[symbol - FIRST_OWN - 1]
            elif symbol == ESCAPE:
                word += reveal(symbol, place)
            else:
                if word:
                    yield Hidden(word, not joined, NAME)
                word = ""
                joined = symbol == JOIN
                if symbol != FIRST_OWN:
                    yield symbol
        if word:
            yield Hidden(word, not joined, NAME)

    def realise(self, symbol: int, mode: str, random: Random, earlier: Counter[str]) -> str:
        return "\ufffd"

    def state(self) -> dict[str, Any]:
        return {}
