"""Tokenizers with placeholders: tokens from which the text cannot be known."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from textgen.core.tokens import BOUNDARY, ESCAPE
from textgen.tokenizers.base import Rendered, Tokenizer, walk
from textgen.tokenizers.encoded import UNSEEN, EncodedDocument, Surface, smallest_dtype, text_of
from textgen.tokenizers.filling import Filling
from textgen.tokenizers.steps import StepsOf, follow, surface_bits, take_known
from textgen.tokenizers.word_cache import DocumentCounts


class Span(NamedTuple):
    """A token and where it stands.

    Attributes:
        token: its id; BOUNDARY at the end of a text.
        surface: its surface form; None if it leaves nothing open.
        start, end: where its own text begins and ends, in characters of the document.
    """

    token: int
    surface: Surface | None
    start: int
    end: int


class GrowingText(ABC):
    """A text to which tokens are added one by one."""

    def __init__(self) -> None:
        self.parts = list[str]()
        self.length = 0  # of all parts, in characters
        self.filled = list[tuple[int, int, str]]()  # as in Rendered

    @abstractmethod
    def write(self, token: int, surface: str | None) -> None:
        """Append a token, and its surface form if it leaves one open."""

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
    tokens are written, and what a placeholder hides, by :meth:`surface_steps`, or what is missing
    in gaps, by :attr:`gap_steps`.
    """

    @abstractmethod
    def writer(self, before: str = "", fill: str = "scored") -> GrowingText:
        """An empty text that continues another one."""

    def document(
        self, spans: Sequence[Span], counts: tuple[int, int, int], training: bool
    ) -> EncodedDocument:
        """An encoded document; ``counts`` are its characters, pieces, and those replaced."""
        written = [span for span in spans if span.token != BOUNDARY]
        tokens = [span.token for span in written]
        surfaces = tuple(span.surface for span in spans if span.surface is not None)
        ids = np.array(tokens, dtype=smallest_dtype(self.size))
        characters, pieces, replaced = counts
        unlocated = EncodedDocument(ids, surfaces, characters, pieces, replaced)
        if training:
            return unlocated
        opened = [steps_of for _, steps_of in self._with_steps(tokens) if steps_of is not None]
        alone, remembered = surface_bits(opened, surfaces)
        return replace(
            unlocated,
            spelling_bits=alone,
            remembered_bits=remembered,
            ends=np.array([span.end for span in written], dtype=np.int64),
            places=np.flatnonzero([span.surface is not None for span in spans]),
            starts=np.array([span.start for span in written], dtype=np.int64),
        )

    def _with_steps(self, tokens: Sequence[int]) -> Iterator[tuple[int, StepsOf | None]]:
        """Each token with :meth:`steps_at` of its place; last BOUNDARY, if there is a gap before
        the end."""
        for place, token in enumerate(tokens):
            yield token, self.steps_at(tokens, place)
        if self.gap_steps is not None:
            yield BOUNDARY, self.gap_steps

    def decode(self, encoded: EncodedDocument) -> str:
        surfaces = iter(encoded.surfaces)
        writer = self.writer()
        for token, steps_of in self._with_steps(encoded.tokens.tolist()):
            surface = None if steps_of is None else text_of(next(surfaces))
            writer.write(token, surface)
        return writer.rendered().text

    def _remember(self, text: str, earlier: DocumentCounts) -> None:
        """Add the rare words of a text to a document cache."""
        follow(walk(self, self.encode(text), earlier), take_known)

    def written(self, tokens: np.ndarray, before: str, filling: Filling) -> Rendered:
        before = before.removesuffix(" ")  # the next token brings its own
        if filling.earlier is not None:
            self._remember(before, filling.earlier)
        writer = self.writer(before, filling.fill)
        leaves_gaps = self.gap_steps is not None
        for token, steps_of in self._with_steps(tokens.tolist()):
            if steps_of is None or (leaves_gaps and filling.fill != "scored"):
                surface = None
            elif token == ESCAPE:
                surface = UNSEEN  # no character that was never seen is made up
            else:
                surface = follow(steps_of(None), filling.draw)
            writer.write(token, surface)
        return writer.rendered()
