"""Pre-tokenised text, as benchmarks such as PTB publish it: tokens are split at white space.

Every line end is a token, the ``<eos>`` of the literature, and ``<unk>`` in a text is a word like
any other. The vocabulary is closed: it is what the training text holds, line ends included, so that
perplexity per token is counted as published.

No white space is lost. Between two words, at both ends of a line and on an empty one, the training
text has some *usual* white space (in PTB, ``" the cat \\n"``, it is one space each time). That is
part of the token behind it and costs nothing. Any other white space is a token of its own,
``<spacing>``, and is charged; in a text that is always spaced alike it never occurs. A word outside
the vocabulary is ``<spelled>``, and its spelling is charged.

Does not handle: text that is not tokenised yet ("end." is a word here, and so is "end"). A training
text without a word outside the vocabulary teaches the network that there are none, so one in a
held-out text is dear. Of a corpus so large that tokenizers are fitted on a sample of it, the
vocabulary is that of the sample.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from random import Random
from typing import Any

import numpy as np

from textgen.tokenizers.base import Tokenizer
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
    draw_surface,
    forms_at,
    remember_words,
    smallest_dtype,
    surface_bits,
)
from textgen.tokenizers.words.spelling import Speller, fit_speller

SPACING, SPELLED = RESERVED, RESERVED + 1
"""White space that is not the usual one; a word outside the vocabulary."""
CLASSES = {SPACING: "spacing", SPELLED: "word"}
"""What the spelling model calls them."""
FIRST = RESERVED + len(CLASSES)
"""The token of the vocabulary's first word."""


PIECE = re.compile(r"\n|\S+")
BETWEEN = ((False, False), (False, True), (True, False), (True, True))
"""The places between two pieces, (after a word, before a word); what is no word is a line end, or
the beginning of the text."""


@dataclass(frozen=True)
class Whitespace:
    """The tokenizer of pre-tokenised text. It has no settings."""

    def fit(
        self, texts: Sequence[str], tuning: Sequence[str] = (), seed: int = 0, alphabet: str = ""
    ) -> WhitespaceTokenizer:
        """The vocabulary and the usual white space of the training text; arguments as in
        ``TokenizerConfig``."""
        counts, usual = count_pieces(texts)
        words = tuple(sorted(counts, key=lambda word: (-counts[word], word)))
        characters = "".join(sorted(set(alphabet).union(*texts)))
        fitted = WhitespaceTokenizer(words, usual, characters, {}, 1.0)
        opened = [list(fitted.open_tokens(text)) for text in texts]
        tuned = [list(fitted.open_tokens(text)) for text in tuning]
        spelling = {}
        for token, name in CLASSES.items():
            training, tuning_forms = (
                [[(form, name) for own, form in forms if own == token] for forms in documents]
                for documents in (opened, tuned)
            )
            settings = fitted.spelling_settings(token)
            spelling[name] = fit_speller(training, tuning_forms, **settings).state()
        tokens = sum(len(fitted.encode(text, training=True).tokens) for text in texts)
        pace = sum(map(len, texts)) / tokens if tokens else 1.0
        return replace(fitted, spelling=spelling, pace=pace)

    def load(self, state: dict[str, Any]) -> WhitespaceTokenizer:
        """The fitted tokenizer from its ``state()``."""
        return WhitespaceTokenizer(
            tuple(state["words"]),
            tuple(state["usual"]),
            state["characters"],
            state["spelling"],
            state["characters_per_token"],
        )


@dataclass(frozen=True)
class WhitespaceTokenizer(Tokenizer):
    """Token ids in this order: the two reserved ones, ``<spacing>``, ``<spelled>``, and the words
    of the training text with the line end, frequent ones first.

    Args:
        words: the vocabulary.
        usual: white space at the places :data:`BETWEEN`; that at the end
            of a text is ``""``.
        characters: every character of the training split.
        spelling: class of :data:`CLASSES` → what its spelling model's ``state()`` gives.
        pace: characters per token over the training text.
    """

    spaces_lead = True
    closed_vocabulary = True
    words: tuple[str, ...]
    usual: tuple[str, ...]
    characters: str
    spelling: dict[str, Any]
    pace: float

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: FIRST + i for i, word in enumerate(self.words)}

    @cached_property
    def spellers(self) -> dict[int, Speller]:
        """P(white space | not the usual one) and P(word | outside the vocabulary)."""
        return {
            token: Speller(**self.spelling[name], **self.spelling_settings(token))
            for token, name in CLASSES.items()
        }

    def spelling_settings(self, token: int) -> dict[str, Any]:
        """What a spelling model depends on beside its state: that of words, without those of the
        vocabulary, or of white space within a line."""
        spacing = token == SPACING
        words = [] if spacing else [word for word in self.words if is_word(word)]
        alphabet = [c for c in self.characters if c.isspace() == spacing and c != "\n"]
        return {"alphabet": alphabet, "vocabulary": lambda: words, "related": words}

    @property
    def size(self) -> int:
        return FIRST + len(self.words)

    @property
    def characters_per_token(self) -> float:
        return self.pace

    @property
    def names(self) -> Sequence[str]:
        return ("<boundary>", "<escape>", "<spacing>", "<spelled>", *self.words)

    @property
    def unwritable(self) -> tuple[int, ...]:  # type: ignore[override]  # the training text decides
        known = self.spellers[SPACING].examples
        return Tokenizer.unwritable if known else (*Tokenizer.unwritable, SPACING)

    def _usual(self, after_word: bool, piece: str) -> str:
        """The usual white space before a piece."""
        return self.usual[BETWEEN.index((after_word, is_word(piece)))] if piece else ""

    def _walk(self, text: str) -> Iterator[tuple[int, str | None, int]]:
        """Every token of a text, its surface form if it leaves one open, and where it ends."""
        index, end, after = self._index, 0, False
        for space, piece in pieces_of(text):
            end += len(space)
            if space != self._usual(after, piece):
                yield SPACING, space, end
            end += len(piece)
            if piece:
                token = index.get(piece, SPELLED)
                yield token, piece if token == SPELLED else None, end
            after = is_word(piece)

    def open_tokens(self, text: str) -> Iterator[tuple[int, str]]:
        """The placeholders of a text and their surface forms."""
        return ((token, form) for token, form, _ in self._walk(text) if form is not None)

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        walked = list(self._walk(text))
        surfaces = tuple(surface for _, surface, _ in walked if surface is not None)
        encoded = EncodedDocument(
            np.array([token for token, _, _ in walked], dtype=smallest_dtype(self.size)),
            surfaces,
            np.zeros(0),
            len(text),
            pieces=len(walked),
            replaced=len(surfaces),
        )
        if training:
            return encoded
        places = [i for i, (_, surface, _) in enumerate(walked) if surface is not None]
        tokens = [token for token, _, _ in walked]
        forms = forms_at(self.surface_steps, tokens, places, surfaces)
        alone, remembered = surface_bits(forms)
        return replace(
            encoded,
            spelling_bits=alone,
            remembered_bits=remembered,
            ends=np.array([end for _, _, end in walked], dtype=np.int64),
            places=np.array(places, dtype=np.int64),
        )

    def decode(self, encoded: EncodedDocument) -> str:
        surfaces = iter(encoded.surfaces)
        writer = _Writer(self)
        for token in encoded.tokens.tolist():
            writer.write(token, next(surfaces) if token in CLASSES else "")
        return "".join(writer.parts)

    def render(
        self, tokens: np.ndarray, *, before: str = "", fill: str = "scored", seed: int = 0,
        memory: bool = False,
    ) -> Rendered:  # fmt: skip
        random, filled = Random(seed), list[tuple[int, int, str]]()
        before = before.removesuffix(" ")  # the next token brings its own space
        writer, earlier = _Writer(self, before), self._words_of(before) if memory else None
        for token in map(int, tokens):
            if token in (BOUNDARY, ESCAPE):
                continue
            surface = ""
            if steps_of := self.surface_steps([token]):
                # of white space there are no marks
                way = "pool" if token == SPACING and fill != "scored" else fill
                surface = draw_surface(steps_of(None), way, random, earlier)
            writer.write(token, surface)
            if token == SPELLED and surface:
                filled.append((writer.length - len(surface), writer.length, "spelled"))
        return Rendered("".join(writer.parts), tuple(filled))

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        if not len(tokens) or tokens[-1] not in CLASSES:
            return None
        return partial(self._spelled, int(tokens[-1]))

    def _spelled(self, token: int, known: str | None) -> Steps:
        return (yield Word(self.spellers[token], CLASSES[token], known, "<spelled>"))

    def _words_of(self, text: str) -> DocumentCounts:
        """What a memory of the document holds after a text."""
        earlier = DocumentCounts()
        forms = (self._spelled(token, form) for token, form in self.open_tokens(text))
        remember_words(forms, earlier)
        return earlier

    def state(self) -> dict[str, Any]:
        return {
            "words": list(self.words),
            "usual": list(self.usual),
            "characters": self.characters,
            "characters_per_token": self.pace,
            "spelling": self.spelling,
        }


class _Writer:
    """Tokens as text, one after another; ``before`` is the text that they continue."""

    def __init__(self, tokenizer: WhitespaceTokenizer, before: str = "") -> None:
        self._tokenizer = tokenizer
        self.parts, self.length = list[str](), 0
        last = before[-1:]
        self._after_word = bool(last) and not last.isspace()
        self._spaced = last.isspace() and last != "\n"  # the last token was <spacing>

    def write(self, token: int, surface: str) -> None:
        """Append a token, with its surface form if it leaves one open."""
        if token == SPACING:
            self._append(surface)
            self._spaced = True
            return
        piece = surface if token == SPELLED else self._tokenizer.words[token - FIRST]
        if not self._spaced:
            self._append(self._tokenizer._usual(self._after_word, piece))
        self._append(piece)
        self._after_word, self._spaced = is_word(piece), False

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)


def pieces_of(text: str) -> Iterator[tuple[str, str]]:
    """Every word and line end, each with the white space before it, and last ``""`` with that at
    the end of the text. Joined together they are the text."""
    end = 0
    for found in PIECE.finditer(text):
        yield text[end : found.start()], found.group()
        end = found.end()
    yield text[end:], ""


def is_word(piece: str) -> bool:
    """Whether a piece is a word, and not a line end or an end of the text."""
    return piece not in ("", "\n")


def count_pieces(texts: Sequence[str]) -> tuple[Counter[str], tuple[str, ...]]:
    """How often each word and the line end occurs in some texts, and the most common white space
    at each place of :data:`BETWEEN`."""
    counts: Counter[str] = Counter({"\n": 0})
    between: dict[tuple[bool, bool], Counter[str]] = {place: Counter() for place in BETWEEN}
    for text in texts:
        after = False
        for space, piece in pieces_of(text):
            if piece:
                counts[piece] += 1
                between[after, is_word(piece)][space] += 1
            after = is_word(piece)
    return counts, tuple(_most_common(between[place], place) for place in BETWEEN)


def _most_common(found: Counter[str], place: tuple[bool, bool]) -> str:
    if not found:
        return " " if all(place) else ""
    return min(found, key=lambda space: (-found[space], space))
