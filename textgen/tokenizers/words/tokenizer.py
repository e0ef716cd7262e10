"""A text as words and back: pieces, their tokens, and the words that fill placeholders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

import numpy as np

from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.steps import (
    DocumentCounts,
    Steps,
    StepsOf,
    Word,
    forms_at,
    remember_words,
    surface_bits,
)
from textgen.tokenizers.tokens import EncodedDocument, Rendered, smallest_dtype
from textgen.tokenizers.words.filling import ScoredWriter, Writer
from textgen.tokenizers.words.pieces import pretokenize, word_break_ranges
from textgen.tokenizers.words.rare_words.base import (
    EncodedWords,
    FittedPolicy,
    Placeholder,
    RareWord,
)
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
        self, pieces: Sequence[str], withheld: frozenset[str] = frozenset()
    ) -> EncodedWords:
        """The pieces of a document as tokens; ``withheld`` words are treated as rare ones."""
        items = [item for each in self._items(pieces, withheld) for item in each]
        return self.policy.encode(items, pieces)

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
        coded = self.encode_pieces(pieces, self.withheld if training else frozenset())
        encoded = EncodedDocument(
            np.array(coded.tokens, dtype=smallest_dtype(self.size)),
            tuple(coded.surfaces),
            np.zeros(0),
            len(text),
            len(pieces),
            coded.replaced,
        )
        if training:
            return encoded
        alone, remembered = surface_bits(self._forms(coded))
        starts, ends = self._places(pieces, np.array(coded.sources, dtype=np.int64))
        return replace(
            encoded,
            spelling_bits=alone,
            remembered_bits=remembered,
            ends=ends,
            places=np.array(coded.places, dtype=np.int64),
            starts=starts,
        )

    def _forms(self, coded: EncodedWords) -> Iterator[Steps]:
        return forms_at(self.surface_steps, coded.tokens, coded.places, coded.surfaces)

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
        random, chosen = Random(seed), [int(token) for token in tokens]
        if fill == "scored":
            earlier = self._rare_words_of(before) if memory else None
            writer = ScoredWriter(self.policy, chosen, random, earlier)
        else:
            english = self.language == "en"
            writer = Writer(self.policy, chosen, random, fill, before, articles=english)
        words = _Words(self.vocabulary, self.policy.first_word)
        for item in self.policy.decode(chosen, writer.surface):
            if isinstance(item, Placeholder):
                words.text(item)
                writer.place(item)
            else:
                writer.write(words.text(item))
        return writer.rendered()

    def placeholder_texts(
        self, before: str = "", memory: bool = False
    ) -> Callable[[Sequence[int], str], dict[str, float]]:
        earlier = self._rare_words_of(before) if memory else None

        def following(tokens: Sequence[int], prefix: str) -> dict[str, float]:
            steps_of = self.surface_steps(tokens)
            step = next(steps_of(None), None) if steps_of else None
            if not isinstance(step, Word):
                return {}
            if JOIN not in tokens:  # a space comes first
                if prefix[:1] != " ":
                    return {} if prefix else {" ": 1.0}
                prefix = prefix[1:]
            options, chances = step.speller.following(prefix, step.name, earlier=earlier)
            return dict(zip(options, chances.tolist(), strict=True))

        return following

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        return self.policy.surface_steps(tokens)

    def _rare_words_of(self, prompt: str) -> DocumentCounts:
        """The rare words of a prompt, whose last space belongs to the word that comes next."""
        earlier = DocumentCounts()
        pieces = pretokenize(prompt.removesuffix(" "), self.segmenter)
        remember_words(self._forms(self.encode_pieces(pieces)), earlier)
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
