"""The interface of a tokenizer, and the walk along all choices that make a document."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import repeat
from random import Random
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from textgen.core.tokens import BOUNDARY, ESCAPE, RESERVED
from textgen.tokenizers.borders import Borders
from textgen.tokenizers.encoded import EncodedDocument, Surface
from textgen.tokenizers.filling import Filling
from textgen.tokenizers.steps import (
    Choices,
    StepsOf,
    letter_by_letter,
    next_token,
    unseen_character,
)
from textgen.tokenizers.word_cache import DocumentCounts

MEASURED_CHARACTERS = 200_000


class Rendered(NamedTuple):
    """Generated tokens as text.

    Attributes:
        text: with all placeholders filled.
        filled: (start, end, name of the placeholder) of every span of ``text`` that fills one, in
            characters.
    """

    text: str
    filled: tuple[tuple[int, int, str], ...] = ()


class Tokenizer(ABC):
    """A fitted tokenizer. ``decode(encode(text)) == text`` for every string.

    Attributes:
        names: (V,) the text each token stands for, or its name if it stands for none.
        alphabet: the characters that it has tokens for; None if it spells any other.
        characters_per_token: average over some training text.
        charged: whether every bit of a text is charged. If not, there is no normalised distribution
            over the raw text, and no figure of it may be printed.
        extra_data: data from outside the training split that it uses, in words for the reports.
        closed_vocabulary: whether the vocabulary belongs to one file of tokens: its perplexity is
            then comparable with that of other models of the same file, and with nothing else.
        spaces_lead: whether the space before a word belongs to the word's own token.
        unwritable: token ids that are never drawn in generation, since they stand for no text.
    """

    alphabet: Sequence[str] | None = None
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
            training: nothing is charged, and no token is located in the text.
        """

    @abstractmethod
    def decode(self, encoded: EncodedDocument) -> str:
        """The text again, exactly."""

    def render(
        self,
        tokens: np.ndarray,
        *,
        before: str = "",
        fill: str = "scored",
        seed: int = 0,
        cached: bool = False,
        temperature: float = 1.0,
    ) -> Rendered:
        """Generated tokens as text.

        Args:
            tokens: (n,) integers, token ids; reserved ones are left out.
            before: the text that they continue.
            fill: one of :data:`FILL`.
            seed: of the words that fill placeholders.
            cached: with the fill ``"scored"``, rare words that stood in the text before come back
                as often as a document cache has it.
            temperature: of the words that are drawn with the fill ``"scored"``.
        """
        earlier = DocumentCounts() if cached and fill == "scored" else None
        filling = Filling(fill, Random(seed), earlier, temperature)
        return self.written(np.asarray(tokens), before, filling)

    def written(self, tokens: np.ndarray, before: str, filling: Filling) -> Rendered:
        """As :meth:`render`. The document cache of the filling is empty, if there is one: the text
        before is still to be added to it."""
        return Rendered(self.decode(EncodedDocument(tokens[tokens >= RESERVED])))

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        """How what the last one of some tokens hides is chosen, its surface form.

        Args:
            tokens: of a document, one at least, up to the token that is asked about; only the last
                two matter.

        Returns:
            None where it hides nothing. By default only ESCAPE hides something, a character never
            seen. Of a tokenizer that leaves gaps no token hides anything.
        """
        return unseen_character if tokens[-1] == ESCAPE else None

    @property
    def gap_steps(self) -> StepsOf | None:
        """How what is missing in a gap is chosen: the text before a token, or before the end, that
        has no token. It is the surface form of the token that the gap is before.

        Returns:
            None, as by default, for a tokenizer that leaves no gaps; all others have a gap before
            every token and at the end.
        """
        return None

    def steps_at(self, tokens: Sequence[int], place: int) -> StepsOf | None:
        """How the surface form at a place of a document is chosen: what is missing before the
        token there, or else what it hides.

        Args:
            tokens: of the document.
            place: of a token; with gaps also ``len(tokens)``, for the end.

        Returns:
            None where nothing is left open.
        """
        if self.gap_steps is not None:
            return self.gap_steps
        return self.surface_steps(tokens[max(0, place - 1) : place + 1])

    def borders(self, earlier: DocumentCounts | None = None) -> Borders:
        """Where words end and begin.

        Args:
            earlier: a document cache, which may go on growing.

        Raises:
            ValueError: that is not known; says of what.
        """
        raise ValueError(type(self).__name__)

    def temperature_offsets(self, temperature: float) -> np.ndarray:
        """(V,) float32: what is added to logits that were divided by a temperature, so that a token
        that stands for many words is as probable as they are together. Below 1 only: above, the sum
        over all words need not be finite."""
        return np.zeros(self.size, dtype=np.float32)

    def unknown(self, text: str) -> list[str]:
        """The parts of a prompt for which there is no token."""
        return [] if self.alphabet is None else sorted(set(text) - set(self.alphabet))

    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data: by default the fields of a dataclass."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    def portable(self) -> dict[str, Any]:
        """What ``textgen/interactive/tokenizers.js`` needs to do the same, as JSON data.

        Raises:
            ValueError: it cannot; says why.
        """
        raise ValueError(f"{type(self).__name__}, which only Python has")


class TokenizerConfig(Protocol):
    """The settings of a tokenizer: fitting and loading give the fitted one."""

    def fit(
        self,
        texts: Sequence[str],
        tuning: Sequence[str],
        seed: int,
        alphabet: str = "",
        language: str = "en",
    ) -> Tokenizer:
        """Learn everything from the training split.

        Args:
            texts: the training split, or a sample of a large one.
            tuning: the validation split, on which a few numbers may be chosen.
            seed: of whatever is random.
            alphabet: characters of the training split that a sample of it may lack.
            language: of the text, an ISO code.
        """

    def load(self, state: dict[str, Any]) -> Tokenizer:
        """The fitted tokenizer from its ``state()``."""


Fitted = TypeVar("Fitted", bound=Tokenizer)


def with_characters_per_token(tokenizer: Fitted, texts: Sequence[str]) -> Fitted:
    """A fitted tokenizer, a dataclass, that knows its characters per token in the first
    MEASURED_CHARACTERS."""
    characters = 0
    tokens = 0
    for text in texts:
        if characters == MEASURED_CHARACTERS:
            break
        beginning = text[: MEASURED_CHARACTERS - characters]
        characters += len(beginning)
        tokens += len(tokenizer.encode(beginning, training=True).tokens)
    pace = characters / tokens if tokens else 1.0
    return replace(tokenizer, characters_per_token=pace)  # type: ignore[type-var]


def walk(
    tokenizer: Tokenizer, document: EncodedDocument | None, earlier: DocumentCounts | None
) -> Choices[EncodedDocument]:
    """All choices of a document, the last of which is the boundary at its end.

    Behind every token come the choices of what it hides, if it hides something. Before every token
    and before the end come the choices of what is missing there, if the tokenizer leaves gaps.

    Args:
        tokenizer: of the document.
        document: what is chosen, with its surface forms; None if others choose.
        earlier: a document cache, by which rare words are charged and to which they are added.

    Returns:
        The document that was chosen, for ``tokenizer.decode``.
    """
    known_tokens: Iterator[int | None] = repeat(None)
    known_surfaces: Iterator[Surface | None] = repeat(None)
    if document is not None:
        known_tokens = iter([*document.tokens.tolist(), BOUNDARY])
        known_surfaces = iter(document.surfaces)
    tokens = list[int]()
    surfaces = list[str]()
    gap_steps = tokenizer.gap_steps
    while True:
        if gap_steps is not None:
            missing = yield from letter_by_letter(gap_steps(next(known_surfaces)), earlier)
            surfaces.append(missing)
        token = yield from next_token(next(known_tokens))
        if token == BOUNDARY:
            return EncodedDocument(np.array(tokens, dtype=np.int64), tuple(surfaces))
        tokens.append(token)
        hidden_steps = tokenizer.surface_steps(tokens)
        if hidden_steps is not None:
            hidden = yield from letter_by_letter(hidden_steps(next(known_surfaces)), earlier)
            surfaces.append(hidden)
