"""The interface of a tokenizer: settings that are fitted on the training split, and the result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from textgen.tokenizers.tokens import (
    BOUNDARY,
    ESCAPE,
    RESERVED,
    DocumentCounts,
    EncodedDocument,
    Rendered,
    Steps,
    StepsOf,
    Word,
    follow,
    known_steps,
    smallest_dtype,
    surface_bits,
    unseen_character,
)

# How a generated placeholder is filled: by a word drawn with the probability that is charged for
# it, by one of the training words it stood for, by a newly spelled one, or by a mark such as
# <unk>. Only the first writes text with the distribution that is scored.
FILL = ("scored", "pool", "spell", "mark")
MEASURED_TEXTS = 50


class Tokenizer(ABC):
    """A fitted tokenizer. ``decode(encode(text)) == text`` for every string.

    Attributes:
        names: (V,) the text each token stands for, or its name if it stands for none.
        characters_per_token: average over some training text.
        charged: whether every bit of a text is charged. If not, there is no normalised distribution
            over the raw text, and no figure of it may be printed.
        extra_data: data from outside the training split that it uses, in words for the reports.
        closed_vocabulary: whether the vocabulary belongs to one file of tokens: its perplexity is
            then comparable with that of other models of the same file, and with nothing else.
        spaces_lead: whether the space before a word belongs to the word's own token.
        unwritable: token ids that are never drawn in generation, since they stand for no text.
    """

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
            training: nothing is charged, no token is located in the text, and some known words may
                be encoded as rare ones, which the network would otherwise never see.
        """

    @abstractmethod
    def decode(self, encoded: EncodedDocument) -> str:
        """The text again, exactly."""

    def render(
        self, tokens: np.ndarray, *, before: str = "", fill: str = "scored", seed: int = 0,
        memory: bool = False,
    ) -> Rendered:  # fmt: skip
        """Generated tokens as text.

        Args:
            tokens: (n,) integers, token ids; reserved ones are left out.
            before: the text that they continue.
            fill: one of :data:`FILL`.
            seed: of the words that fill placeholders.
            memory: with the fill ``"scored"``, rare words that stood in the text before come back
                as often as a memory of the document has it.
        """
        written = np.asarray(tokens)[np.asarray(tokens) >= RESERVED]
        return Rendered(self.decode(EncodedDocument(written, (), np.zeros(0), 0, 0, 0)))

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        """How the surface form is chosen that belongs behind some tokens.

        Args:
            tokens: of the document so far; only the last two matter.

        Returns:
            None where they leave nothing open. By default only a character never seen is open.
        """
        return unseen_character if len(tokens) and tokens[-1] == ESCAPE else None

    def unknown(self, text: str) -> list[str]:
        """The parts of a prompt for which there is no token."""
        return []

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data."""

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
        ...

    def load(self, state: dict[str, Any]) -> Tokenizer:
        """The fitted tokenizer from its ``state()``."""
        ...


Fitted = TypeVar("Fitted", bound=Tokenizer)


def with_pace(tokenizer: Fitted, texts: Sequence[str]) -> Fitted:
    """A fitted tokenizer, a dataclass, that knows its characters per token in the first texts."""
    texts = texts[:MEASURED_TEXTS]
    tokens = sum(len(tokenizer.encode(text, training=True).tokens) for text in texts)
    pace = sum(map(len, texts)) / tokens if tokens else 1.0
    return replace(tokenizer, characters_per_token=pace)  # type: ignore[type-var]


class Span(NamedTuple):
    """A token, BOUNDARY at the end of a text; the surface form of a placeholder; and where the
    token's own text begins and ends."""

    token: int
    surface: str | None
    start: int
    end: int


class GrowingText:
    """A text to which tokens are added one by one; a subclass gives :meth:`write`."""

    def __init__(self) -> None:
        self.parts, self.length = list[str](), 0
        self.filled = list[tuple[int, int, str]]()

    def write(self, token: int, surface: str | None) -> None:
        """Append a token, and its surface form if it leaves one open."""
        raise NotImplementedError

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

    Attributes:
        gaps: whether there is a surface form before every token and at the end of the text.
    """

    gaps: bool = False

    @abstractmethod
    def writer(self, before: str = "", fill: str = "scored") -> GrowingText:
        """An empty text that continues another one."""

    def document(
        self, spans: Sequence[Span], counts: tuple[int, int, int], training: bool
    ) -> EncodedDocument:
        """An encoded document; ``counts`` are its characters, pieces, and those replaced."""
        tokens = [span.token for span in spans if span.token != BOUNDARY]
        surfaces = tuple(span.surface for span in spans if span.surface is not None)
        ids = np.array(tokens, dtype=smallest_dtype(self.size))
        encoded = EncodedDocument(ids, surfaces, np.zeros(0), *counts)
        if training:
            return encoded
        places = [place for place, span in enumerate(spans) if span.surface is not None]
        alone, remembered = surface_bits(self.forms(tokens, surfaces))
        own = spans[: len(tokens)]
        return replace(
            encoded,
            spelling_bits=alone,
            remembered_bits=remembered,
            places=np.array(places, dtype=np.int64),
            starts=np.array([span.start for span in own], dtype=np.int64),
            ends=np.array([span.end for span in own], dtype=np.int64),
        )

    def forms(self, tokens: Sequence[int], surfaces: Sequence[str]) -> Iterator[Steps]:
        """The steps that lead to the surface forms of a document."""
        open_ones = (steps_of for _, steps_of in self.steps_at(tokens) if steps_of)
        return (steps_of(form) for steps_of, form in zip(open_ones, surfaces, strict=True))

    def steps_at(self, tokens: Sequence[int]) -> Iterator[tuple[int, StepsOf | None]]:
        """Each token, and BOUNDARY for the end of the text where that hides something; and what."""
        path = [*tokens, BOUNDARY] if self.gaps else tokens
        for place, token in enumerate(path):
            yield token, self.surface_steps(path[max(0, place - 1) : place + 1])

    def decode(self, encoded: EncodedDocument) -> str:
        surfaces, writer = iter(encoded.surfaces), self.writer()
        for token, steps_of in self.steps_at(encoded.tokens.tolist()):
            writer.write(token, next(surfaces) if steps_of else None)
        return writer.rendered().text

    def render(
        self, tokens: np.ndarray, *, before: str = "", fill: str = "scored", seed: int = 0,
        memory: bool = False,
    ) -> Rendered:  # fmt: skip
        before = before.removesuffix(" ")  # the next token brings its own
        random, writer = Random(seed), self.writer(before, fill)
        earlier = self.spelled_words(before) if memory and fill == "scored" else None
        for token, steps_of in self.steps_at([int(token) for token in tokens]):
            surface = None
            if steps_of and (fill == "scored" or not self.gaps):
                surface = follow(steps_of(None), lambda step: step.draw(fill, random, earlier))
            writer.write(token, surface)
        return writer.rendered()

    def spelled_words(self, text: str) -> DocumentCounts:
        """What a memory of the document holds after a text."""
        encoded, earlier = self.encode(text), DocumentCounts()
        for steps in self.forms(encoded.tokens.tolist(), encoded.surfaces):
            for step in known_steps(steps):
                if isinstance(step, Word):
                    step.speller.remember(step.known or "", step.name, earlier)
        return earlier
