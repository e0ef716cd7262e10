"""Words: tokens that keep their leading space, and a policy for those that are rare.

A token is a word with its apostrophes, a number, a run of one punctuation mark, a run of line ends,
or any other single character; a single space before it belongs to it. Joined together the tokens
are the text. Scored on one canonical sequence of symbols (a word that is known is never written
otherwise), so the bits are an upper bound.

Does not handle: languages written without spaces, where a token is a whole clause.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, Literal

import numpy as np

from textgen.errors import TextgenError
from textgen.rare_words.base import (
    FIRST_OWN,
    JOIN,
    MODIFIERS,
    Coded,
    Hidden,
    Material,
    Rare,
    RareWords,
    Replacer,
    Vocabulary,
    folded,
    recase,
    split_space,
)
from textgen.settings import Count
from textgen.symbols import Encoded, Layout, Rendered, smallest_dtype
from textgen.tokenizers.base import Codec
from textgen.tokenizers.writing import Writer

TOKEN = re.compile(
    r"\n+| ?(?:[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|_+|([^\w\s])\1*)|\s",
)


def tokenise(text: str) -> list[str]:
    """The tokens of a text; joined together they are the text."""
    return [match.group() for match in TOKEN.finditer(text)]


@dataclass(frozen=True)
class Words:
    """The word tokenizer.

    Args:
        rare_words: the policy for words outside the vocabulary.
        minimum_count: a word belongs to the vocabulary if it occurs so often in the training split.
            With 1 every word does; each second word that occurs once is then shown to the network
            as a rare one all the same, for else it would never have seen any.
        size: or the vocabulary is the so many most frequent words.
        case: ``"kept"`` leaves words as they are and writes a case modifier only before a word that
            is known in lower case alone; ``"factored"`` writes all words in lower case, behind a
            modifier where they are capitalised.

    Raises:
        ValueError: both a size and a minimum count other than its default.
    """

    rare_words: RareWords
    minimum_count: Count = 2
    size: Count | None = None
    case: Literal["kept", "factored"] = "kept"

    def __post_init__(self) -> None:
        if self.size is not None and self.minimum_count != 2:
            raise ValueError("size and minimum_count both given: one of them decides")

    def fit(
        self, texts: Sequence[str], tuning: Sequence[str] = (), seed: int = 0, alphabet: str = ""
    ) -> WordCodec:
        once: dict[str, str] = {}  # a string a type, not one a token
        documents = [[once.setdefault(t, t) for t in tokenise(text)] for text in texts]
        vocabulary = self._vocabulary(documents, set(alphabet).union(*texts))
        withheld = self._withheld(vocabulary)
        others = [tokenise(text) for text in tuning]
        material = Material(
            documents=documents,
            rare=[_rare(tokens, vocabulary, withheld) for tokens in documents],
            tuning=others,
            tuning_rare=[_rare(tokens, vocabulary) for tokens in others],
            vocabulary=vocabulary,
            pooled=not withheld,
            seed=seed,
        )
        replacer = self.rare_words.fit(material)
        codec = WordCodec(vocabulary, replacer, withheld, 1.0)
        symbols = sum(len(codec.code(tokens, withheld).symbols) for tokens in documents[:50])
        characters = sum(len(text) for text in texts[:50])
        return WordCodec(vocabulary, replacer, withheld, max(characters, 1) / max(symbols, 1))

    def _vocabulary(self, documents: list[list[str]], characters: Set[str]) -> Vocabulary:
        counts: Counter[str] = Counter()
        for tokens in documents:
            counts.update(tokens)
        if self.case == "factored":
            counts = _fold(counts)
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        if self.size is not None:
            ranked = ranked[: self.size]
        else:
            ranked = [pair for pair in ranked if pair[1] >= self.minimum_count]
        if not ranked:
            raise TextgenError(
                "tokenizer.minimum_count",
                found=f"{self.minimum_count}, and no word of the training split occurs so often",
                expected="a vocabulary of at least one word",
                hint="lower it, or use more text",
            )
        return Vocabulary(
            tuple(word for word, _ in ranked),
            tuple(count for _, count in ranked),
            self.case == "factored",
            "".join(sorted(characters)),
        )

    def _withheld(self, vocabulary: Vocabulary) -> frozenset[str]:
        """Words that occur once, half of them, where the vocabulary holds all words."""
        if self.size is not None or self.minimum_count > 1:
            return frozenset()
        return frozenset(
            word
            for word, count in zip(vocabulary.words, vocabulary.counts, strict=True)
            if count == 1 and zlib.crc32(word.encode("utf-8", "surrogatepass")) % 2
        )

    def load(self, state: dict[str, Any]) -> WordCodec:
        vocabulary = Vocabulary(
            tuple(state["words"]),
            tuple(state["counts"]),
            self.case == "factored",
            state["characters"],
        )
        replacer = self.rare_words.load(state["rare_words"], vocabulary)
        return WordCodec(
            vocabulary, replacer, self._withheld(vocabulary), state["characters_per_symbol"]
        )


def _fold(counts: Counter[str]) -> Counter[str]:
    result: Counter[str] = Counter()
    for token, count in counts.items():
        space, core = split_space(token)
        result[space + next((lower for _, lower in folded(core)), core)] += count
    return result


def _rare(
    tokens: Sequence[str], vocabulary: Vocabulary, withheld: frozenset[str] = frozenset()
) -> list[Rare]:
    return [
        Rare(token, place)
        for place, token in enumerate(tokens)
        if token in withheld or vocabulary.parts(token) is None
    ]


@dataclass(frozen=True)
class WordCodec(Codec):
    """Symbols: the two reserved ones, the modifiers, the policy's own, the words by frequency."""

    spaces_lead = True
    vocabulary: Vocabulary
    replacer: Replacer
    withheld: frozenset[str]
    average: float

    @property
    def size(self) -> int:
        return self.replacer.first_word + len(self.vocabulary.words)

    @property
    def characters_per_symbol(self) -> float:
        return self.average

    @property
    def charged(self) -> bool:  # type: ignore[override]  # the policy decides
        return self.replacer.charged

    @property
    def extra_data(self) -> tuple[str, ...]:  # type: ignore[override]  # the policy knows
        return self.replacer.extra_data

    @property
    def unwritable(self) -> tuple[int, ...]:  # type: ignore[override]  # the policy adds some
        return (*Codec.unwritable, *self.replacer.unwritable)

    @cached_property
    def names(self) -> Sequence[str]:
        words = self.vocabulary.words
        return ("<boundary>", "<escape>", *MODIFIERS, *self.replacer.names, *words)

    def code(self, tokens: Sequence[str], withheld: frozenset[str], charge: bool = False) -> Coded:
        """The tokens of a document as symbols; ``withheld`` words are treated as rare."""
        items = [item for each in self._items(tokens, withheld) for item in each]
        return self.replacer.encode(items, tokens, charge)

    def _items(self, tokens: Sequence[str], withheld: frozenset[str]) -> Iterator[list[int | Rare]]:
        """What the replacer is given for each token: its symbols, or that it is rare."""
        first = self.replacer.first_word
        for place, token in enumerate(tokens):
            parts = self.vocabulary.parts(token)
            if parts is None or token in withheld:
                yield [Rare(token, place)]
            else:
                yield [*parts[0], first + parts[1]]

    def encode(self, text: str, *, training: bool = False) -> Encoded:
        tokens = tokenise(text)
        coded = self.code(tokens, self.withheld if training else frozenset(), not training)
        return Encoded(
            np.array(coded.symbols, dtype=smallest_dtype(self.size)),
            tuple(coded.surfaces),
            np.array(coded.bits, dtype=np.float64),
            len(text),
            len(tokens),
            coded.replaced,
        )

    def layout(self, text: str) -> Layout:
        tokens = tokenise(text)
        coded = self.code(tokens, frozenset())
        ends, told = list[int](), 0
        for token, items in zip(tokens, self._items(tokens, frozenset()), strict=True):
            ends += [told] * (len(items) - 1)  # modifiers tell nothing by themselves
            told += len(token)
            ends.append(told)
        sources = np.array(coded.sources, dtype=np.int64)
        before = np.array([0, *ends])[sources]
        last = np.append(sources[1:] != sources[:-1], True)[: len(sources)]
        # of the symbols of one item the last tells it; between two there may be words left out
        ends_of = np.where(last, np.array([*ends, 0])[sources], before)
        return Layout(ends_of, np.array(coded.places, dtype=np.int64), before)

    def decode(self, encoded: Encoded) -> str:
        surfaces = iter(encoded.surfaces)
        items = self.replacer.decode(encoded.symbols.tolist(), lambda symbol, place: next(surfaces))
        words = _Words(self.vocabulary, self.replacer.first_word)
        return "".join(words.text(item) for item in items)

    def render(
        self, symbols: np.ndarray, *, before: str = "", realise: str = "pool", seed: int = 0
    ) -> Rendered:
        writer = Writer(self.replacer, realise, Random(seed), before, self._opened(before))
        words = _Words(self.vocabulary, self.replacer.first_word)
        for item in self.replacer.decode([int(s) for s in symbols], writer.reveal):
            if isinstance(item, Hidden):
                words.text(item)
                writer.fill(item)
            else:
                writer.write(words.text(item))
        return writer.rendered()

    def _opened(self, prompt: str) -> list[tuple[int, str]]:
        """The symbols of a prompt that leave something open, each with what it stands for, if the
        policy has a use for them; its last space belongs to the word that comes next."""
        prompt = prompt.removesuffix(" ")
        if not prompt or not self.replacer.remembers:
            return []
        coded = self.code(tokenise(prompt), frozenset())
        places = zip(coded.places, coded.surfaces, strict=True)
        return [(coded.symbols[place], surface) for place, surface in places]

    def state(self) -> dict[str, Any]:
        return {
            "words": list(self.vocabulary.words),
            "counts": list(self.vocabulary.counts),
            "characters": self.vocabulary.characters,
            "characters_per_symbol": self.average,
            "rare_words": self.replacer.state(),
        }


class _Words:
    """Symbols of words and modifiers, one after another, as text."""

    def __init__(self, vocabulary: Vocabulary, first: int) -> None:
        self._words, self._first = vocabulary.words, first
        self._join, self._case = False, 0

    def text(self, item: int | Hidden) -> str:
        """The text that ``item`` adds; a modifier adds none and waits for its word."""
        if isinstance(item, Hidden):
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
