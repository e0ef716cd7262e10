"""Policies that put one token of a class in the place of a rare word: the common part."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from textgen.tokenizers.words.rare_words.base import EncodedWords, Fill, Placeholder, Rare, Replacer
from textgen.tokenizers.words.spelling import DocumentCounts, Speller
from textgen.tokenizers.words.vocabulary import CAPITAL, FIRST_OWN, JOIN, UPPER


class Placeholders(Replacer):
    """One token a class; the word is charged −log2 P(word | class).

    Args:
        classes: the names of the classes.
        speller: P(word | class).
    """

    def __init__(self, classes: Sequence[str], speller: Speller) -> None:
        self.classes, self.speller = tuple(classes), speller
        self.names = tuple(f"<{name}>" for name in self.classes)
        self._tokens = {name: FIRST_OWN + i for i, name in enumerate(self.classes)}

    @property
    def remembers(self) -> bool:
        return self.speller.memory is not None

    @abstractmethod
    def classify(self, pieces: Sequence[str], rare: Sequence[Rare]) -> Sequence[str]:
        """The class of each rare word of a document."""

    def encode(
        self, items: Sequence[int | Rare], pieces: Sequence[str], charge: bool
    ) -> EncodedWords:
        rare = [item for item in items if isinstance(item, Rare)]
        classes = iter(self.classify(pieces, rare) if rare else ())
        coded, earlier = EncodedWords(replaced=len(rare)), DocumentCounts()
        for number, item in enumerate(items):
            if not isinstance(item, Rare):
                coded.add(number, item)
                continue
            name = next(classes)
            coded.add(number, *item.joining, self._tokens[name])
            bits = [self.speller.charge(item.core, name, earlier)] if charge else []
            coded.leave_open(item.core, *bits)
        return coded

    def decode(self, tokens: Sequence[int], fill: Fill) -> Iterator[int | Placeholder]:
        joined = False
        for place, token in enumerate(tokens):
            own = FIRST_OWN <= token < self.first_word
            if own:
                name = self.classes[token - FIRST_OWN]
                yield Placeholder(fill(token, place), not joined, name)
            else:
                yield token
            joined = token == JOIN or (joined and token in (CAPITAL, UPPER))

    def draw_surface(self, token: int, mode: str, random: Random, earlier: Counter[str]) -> str:
        name = self.classes[token - FIRST_OWN]
        if mode == "mark":
            return self.names[token - FIRST_OWN]
        return self.speller.pick(name, random, new=mode == "spell", earlier=earlier)

    def known(self, word: str) -> bool:
        return word in self.speller.known

    def pool(self, name: str) -> dict[str, int]:
        """The training words of a class and how often they occurred."""
        return self.speller.examples.get(name, {})

    def state(self) -> dict[str, Any]:
        return {"speller": self.speller.state()}
