"""Policies that put one symbol of a class in the place of a rare word: the common part."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from textgen.tokenizers.words.rare_words.base import Coded, Hidden, Rare, Replacer, Reveal
from textgen.tokenizers.words.spelling import Earlier, Speller
from textgen.tokenizers.words.vocabulary import CAPITAL, FIRST_OWN, JOIN, UPPER


class Placeholders(Replacer):
    """One symbol a class; the word is charged −log2 P(word | class).

    Args:
        classes: the names of the classes.
        speller: P(word | class).
    """

    def __init__(self, classes: Sequence[str], speller: Speller) -> None:
        self.classes, self.speller = tuple(classes), speller
        self.names = tuple(f"<{name}>" for name in self.classes)
        self._symbols = {name: FIRST_OWN + i for i, name in enumerate(self.classes)}

    @property
    def remembers(self) -> bool:
        return self.speller.cache is not None

    @abstractmethod
    def classify(self, tokens: Sequence[str], rare: Sequence[Rare]) -> Sequence[str]:
        """The class of each rare word of a document."""

    def encode(self, items: Sequence[int | Rare], tokens: Sequence[str], charge: bool) -> Coded:
        rare = [item for item in items if isinstance(item, Rare)]
        classes = iter(self.classify(tokens, rare) if rare else ())
        coded, earlier = Coded(replaced=len(rare)), Earlier()
        for number, item in enumerate(items):
            if not isinstance(item, Rare):
                coded.add(number, item)
                continue
            name = next(classes)
            coded.add(number, *item.joining, self._symbols[name])
            bits = [self.speller.charge(item.core, name, earlier)] if charge else []
            coded.leave_open(item.core, *bits)
        return coded

    def decode(self, symbols: Sequence[int], reveal: Reveal) -> Iterator[int | Hidden]:
        joined = False
        for place, symbol in enumerate(symbols):
            own = FIRST_OWN <= symbol < self.first_word
            if own:
                name = self.classes[symbol - FIRST_OWN]
                yield Hidden(reveal(symbol, place), not joined, name)
            else:
                yield symbol
            joined = symbol == JOIN or (joined and symbol in (CAPITAL, UPPER))

    def realise(self, symbol: int, mode: str, random: Random, earlier: Counter[str]) -> str:
        name = self.classes[symbol - FIRST_OWN]
        if mode == "mark":
            return self.names[symbol - FIRST_OWN]
        return self.speller.pick(name, random, new=mode == "spell", earlier=earlier)

    def known(self, word: str) -> bool:
        return word in self.speller.known

    def pool(self, name: str) -> dict[str, int]:
        """The training words of a class and how often they occurred."""
        return self.speller.examples.get(name, {})

    def state(self) -> dict[str, Any]:
        return {"speller": self.speller.state()}
