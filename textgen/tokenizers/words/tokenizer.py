"""A text as words and back: pieces, their tokens, and the words that fill placeholders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

import numpy as np

from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.choices import Opened
from textgen.tokenizers.tokens import EncodedDocument, Rendered, smallest_dtype
from textgen.tokenizers.words.filling import ScoredWriter, Writer
from textgen.tokenizers.words.pieces import pretokenize, word_break_ranges
from textgen.tokenizers.words.rare_words.base import (
    EncodedWords,
    FittedPolicy,
    Placeholder,
    RareWord,
)
from textgen.tokenizers.words.recurrence import DocumentCounts
from textgen.tokenizers.words.segmenters.base import Segmenter
from textgen.tokenizers.words.vocabulary import (
    FIRST_OWN,
    JOIN,
    MODIFIERS,
    Vocabulary,
    recase,
    split_space,
)


@dataclass(frozen=True)
class WordTokenizer(Tokenizer):
    """Token ids in this order: the two reserved ones, the modifiers, those of the rare-word policy,
    and the words, frequent ones first.

    Args:
        vocabulary: the words with tokens of their own.
        policy: what becomes of the other words.
        withheld: words of the vocabulary that are shown as rare ones in training.
        average: characters per token over some training text.
        segmenter: cuts words of scripts without spaces.
        language: of the text: in English "a" and "an" are made to fit the words that are filled in.
    """

    spaces_lead = True
    whole_words = True
    vocabulary: Vocabulary
    policy: FittedPolicy
    withheld: frozenset[str]
    average: float
    segmenter: Segmenter | None = None
    language: str = "en"

    @property
    def size(self) -> int:
        return self.policy.first_word + len(self.vocabulary.words)

    @property
    def characters_per_token(self) -> float:
        return self.average

    @property
    def charged(self) -> bool:  # type: ignore[override]  # the policy decides
        return self.policy.charged

    @property
    def extra_data(self) -> tuple[str, ...]:  # type: ignore[override]  # the policy knows
        return (*self.policy.extra_data, *(self.segmenter.extra_data if self.segmenter else ()))

    @property
    def unwritable(self) -> tuple[int, ...]:  # type: ignore[override]  # the policy adds some
        return (*Tokenizer.unwritable, *self.policy.unwritable)

    @cached_property
    def names(self) -> Sequence[str]:
        words = self.vocabulary.words
        return ("<boundary>", "<escape>", *MODIFIERS, *self.policy.names, *words)

    def encode_pieces(
        self, pieces: Sequence[str], withheld: frozenset[str] = frozenset(), charge: bool = False
    ) -> EncodedWords:
        """The pieces of a document as tokens; ``withheld`` words are treated as rare ones."""
        items = [item for each in self._items(pieces, withheld) for item in each]
        return self.policy.encode(items, pieces, charge)

    def _items(
        self, pieces: Sequence[str], withheld: frozenset[str] = frozenset()
    ) -> Iterator[list[int | RareWord]]:
        """What the policy is given for each piece: its tokens, or that it is rare."""
        first = self.policy.first_word
        for place, piece in enumerate(pieces):
            parts = self.vocabulary.parts(piece)
            if parts is None or piece in withheld:
                yield [RareWord(piece, place)]
            else:
                yield [*parts[0], first + parts[1]]

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        pieces = pretokenize(text, self.segmenter)
        coded = self.encode_pieces(pieces, self.withheld if training else frozenset(), not training)
        encoded = EncodedDocument(
            np.array(coded.tokens, dtype=smallest_dtype(self.size)),
            tuple(coded.surfaces),
            np.array(coded.bits, dtype=np.float64),
            len(text),
            len(pieces),
            coded.replaced,
        )
        if training:
            return encoded
        starts, ends = self._places(pieces, np.array(coded.sources, dtype=np.int64))
        return replace(
            encoded,
            remembered_bits=np.array(coded.remembered_bits) if coded.remembered_bits else None,
            ends=ends,
            places=np.array(coded.places, dtype=np.int64),
            starts=starts,
        )

    def _places(self, pieces: Sequence[str], sources: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the text of each token begins and ends, given the item that it came from."""
        ends, position = list[int](), 0
        for piece, items in zip(pieces, self._items(pieces), strict=True):
            ends += [position] * (len(items) - 1)  # modifiers stand for no text by themselves
            position += len(piece)
            ends.append(position)
        starts = np.array([0, *ends])[sources]
        last = np.append(sources[1:] != sources[:-1], True)[: len(sources)]
        # of the tokens of one item the last ends it; between two items words may have been dropped
        return starts, np.where(last, np.array([*ends, 0])[sources], starts)

    def decode(self, encoded: EncodedDocument) -> str:
        surfaces = iter(encoded.surfaces)
        items = self.policy.decode(encoded.tokens.tolist(), lambda token, place: next(surfaces))
        words = _Words(self.vocabulary, self.policy.first_word)
        return "".join(words.text(item) for item in items)

    def render(
        self, tokens: np.ndarray, *, before: str = "", fill: str = "scored", seed: int = 0,
        memory: bool = False,
    ) -> Rendered:  # fmt: skip
        random = Random(seed)
        if fill == "scored":
            earlier = self._placeholders(before) if memory else None
            writer = ScoredWriter(self.policy, random, earlier)
        else:
            writer = Writer(self.policy, fill, random, before, articles=self.language == "en")
        words = _Words(self.vocabulary, self.policy.first_word)
        for item in self.policy.decode([int(s) for s in tokens], writer.surface):
            if isinstance(item, Placeholder):
                words.text(item)
                writer.place(item)
            else:
                writer.write(words.text(item))
        return writer.rendered()

    def placeholder_texts(
        self, before: str = "", memory: bool = False
    ) -> Callable[[Sequence[int], str], dict[str, float]]:
        earlier = self._placeholders(before) if memory else None
        own = range(FIRST_OWN, self.policy.first_word)

        def following(tokens: Sequence[int], prefix: str) -> dict[str, float]:
            *modifiers, token = tokens
            if token not in own:
                return {}
            if JOIN not in modifiers:  # a space comes first
                if not prefix:
                    return {" ": 1.0} if self.policy.surface_following(token, "", earlier) else {}
                if prefix[0] != " ":
                    return {}
                prefix = prefix[1:]
            return self.policy.surface_following(token, prefix, earlier)

        return following

    def opened(self, tokens: Sequence[int], earlier: DocumentCounts | None) -> Opened | None:
        return self.policy.opened(tokens, earlier)

    def _placeholders(self, prompt: str) -> DocumentCounts:
        """The rare words of a prompt, whose last space belongs to the word that comes next."""
        earlier = DocumentCounts()
        coded = self.encode_pieces(pretokenize(prompt.removesuffix(" "), self.segmenter))
        tokens = [*coded.tokens, -1]
        for place, surface in zip(coded.places, coded.surfaces, strict=True):
            self.policy.remember(tokens[place], surface, earlier)
        return earlier

    def state(self) -> dict[str, Any]:
        return {
            "words": list(self.vocabulary.words),
            "counts": list(self.vocabulary.counts),
            "characters": self.vocabulary.characters,
            "characters_per_token": self.average,
            "rare_words": self.policy.state(),
            "language": self.language,
        }

    def portable(self) -> dict[str, Any]:
        if self.segmenter is not None:
            raise ValueError(f"words cut by {type(self.segmenter).__name__}")
        return {
            "kind": "words",
            "words": self.vocabulary.words,
            "characters": self.vocabulary.characters,
            "own": self.policy.names,
            "unwritable": self.unwritable,
            "ranges": word_break_ranges(),
            **self.policy.portable(),
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
