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

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from textgen.core.tokens import RESERVED
from textgen.tokenizers.base import Tokenizer, with_characters_per_token
from textgen.tokenizers.encoded import EncodedDocument, text_of
from textgen.tokenizers.filling import ScoredWords, log_sum_of_powers, score_examples
from textgen.tokenizers.placeholders import GrowingText, PlaceholderTokenizer, Span
from textgen.tokenizers.spelling import Speller, fit_speller, load_speller
from textgen.tokenizers.steps import StepsOf, spelled

SPACING, SPELLED = RESERVED, RESERVED + 1
FIRST = RESERVED + 2  # the token of the vocabulary's first word
CLASSES = {SPACING: "spacing", SPELLED: "word"}  # what their spelling models call them
MARKS = {SPACING: " ", SPELLED: "<spelled>"}
# Places between two pieces. A line end is no word, nor is the beginning or the end of a text.
NUMBER_OF_PLACES = 4
BETWEEN_NO_WORDS = 0
BEFORE_WORD = 1
BEHIND_WORD = 2
BETWEEN_WORDS = 3
PIECE = re.compile(r"\n|\S+")


@dataclass(frozen=True)
class Whitespace:
    """The tokenizer of pre-tokenised text. It has no settings."""

    def fit(
        self,
        texts: Sequence[str],
        tuning: Sequence[str] = (),
        seed: int = 0,
        alphabet: str = "",
        language: str = "en",
    ) -> "WhitespaceTokenizer":
        """The vocabulary and the usual white space of the training text; arguments as in
        ``TokenizerConfig``."""
        counts, usual = count_pieces(texts)
        words = sorted(counts, key=lambda word: (-counts[word], word))
        characters = "".join(sorted(set(alphabet).union(*texts)))
        index = token_index(words)
        training = [list(spans_of(text, index, usual)) for text in texts]
        held_out = [list(spans_of(text, index, usual)) for text in tuning]
        spelling = dict[str, Any]()
        for token, name in CLASSES.items():
            examples = [hidden_behind(token, spans) for spans in training]
            tuning_words = [hidden_behind(token, spans) for spans in held_out]
            settings = spelling_settings(token, words, characters)
            spelling[name] = fit_speller(examples, tuning_words, **settings).state()
        tokenizer = WhitespaceTokenizer(words, usual, characters, spelling)
        return with_characters_per_token(tokenizer, texts)

    def load(self, state: dict[str, Any]) -> "WhitespaceTokenizer":
        """The fitted tokenizer from its ``state()``."""
        return WhitespaceTokenizer(**state)


@dataclass(frozen=True)
class WhitespaceTokenizer(PlaceholderTokenizer):
    """Token ids in this order: the two reserved ones, ``<spacing>``, ``<spelled>``, and the words
    and the line end, frequent ones first.

    Args:
        words: with the line end among them.
        usual: the white space that belongs to the token behind it, by :func:`place_of`.
        characters: every character of the training split.
        spelling: what the spelling model of each of :data:`CLASSES` needs beside its settings.
        characters_per_token: over some training text.
    """

    spaces_lead = True
    closed_vocabulary = True
    words: Sequence[str]
    usual: Sequence[str]
    characters: str
    spelling: dict[str, Any]
    characters_per_token: float = 1.0

    @cached_property
    def _index(self) -> dict[str, int]:
        return token_index(self.words)

    @cached_property
    def spellers(self) -> dict[int, Speller]:
        """P(white space | not the usual one) and P(word | outside the vocabulary)."""
        spellers = dict[int, Speller]()
        for token, name in CLASSES.items():
            settings = spelling_settings(token, self.words, self.characters)
            spellers[token] = load_speller(self.spelling[name], **settings)
        return spellers

    @cached_property
    def names(self) -> Sequence[str]:
        return ("<boundary>", "<escape>", "<spacing>", "<spelled>", *self.words)

    @property
    def unwritable(self) -> tuple[int, ...]:  # type: ignore[override]  # the training text decides
        seen_spacings = self.spelling[CLASSES[SPACING]]["examples"]
        if seen_spacings:
            return Tokenizer.unwritable
        return (*Tokenizer.unwritable, SPACING)

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        spans = list(spans_of(text, self._index, self.usual))
        replaced = sum(span.surface is not None for span in spans)
        return self.document(spans, (len(text), len(spans), replaced), training)

    def writer(self, before: str = "", fill: str = "scored") -> GrowingText:
        return _Writer(self, before)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        if tokens[-1] not in CLASSES:
            return None
        token = int(tokens[-1])
        return partial(spelled, self.spellers[token], CLASSES[token], MARKS[token])

    def temperature_offsets(self, temperature: float) -> np.ndarray:
        offsets = super().temperature_offsets(temperature)
        if temperature < 1:
            for token, examples in self._scored_examples.items():
                offsets[token] = log_sum_of_powers(examples, temperature)
        return offsets

    @cached_property
    def _scored_examples(self) -> dict[int, ScoredWords]:
        return {
            token: score_examples(self.spellers[token], name)
            for token, name in CLASSES.items()
            if token not in self.unwritable
        }


def token_index(words: Sequence[str]) -> dict[str, int]:
    """Word, or the line end, → token."""
    return {word: token for token, word in enumerate(words, FIRST)}


def spelling_settings(token: int, words: Sequence[str], characters: str) -> dict[str, Any]:
    """The settings of the spelling model behind a token: of words outside the vocabulary, or of
    white space within a line.

    Args:
        token: one of :data:`CLASSES`.
        words: the vocabulary, with the line end.
        characters: every character of the training split.
    """
    in_line = characters.replace("\n", "")
    if token == SPACING:
        known = list[str]()
        alphabet = "".join(character for character in in_line if character.isspace())
    else:
        known = [word for word in words if word != "\n"]
        alphabet = "".join(character for character in in_line if not character.isspace())
    return {"alphabet": alphabet, "vocabulary": lambda: known, "related": known}


def spans_of(text: str, index: Mapping[str, int], usual: Sequence[str]) -> Iterator[Span]:
    """The spans of a text, given the token of each known word and the usual white space."""
    end = 0
    for space, piece, place in pieces_of(text):
        start = end
        expected = usual[place] if piece else ""
        if space != expected:
            start += len(space)
            yield Span(SPACING, space, end, start)
        end += len(space) + len(piece)
        if piece in index:
            yield Span(index[piece], None, start, end)
        elif piece:
            yield Span(SPELLED, piece, start, end)


def hidden_behind(token: int, spans: Iterable[Span]) -> list[tuple[str, str]]:
    """What the spans of a token hide, each with its class."""
    surfaces = [span.surface for span in spans if span.token == token]
    return [(text_of(surface), CLASSES[token]) for surface in surfaces if surface is not None]


class _Writer(GrowingText):
    """Words, each behind the usual white space."""

    def __init__(self, tokenizer: WhitespaceTokenizer, before: str) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._before = before.rpartition("\n")[2]
        self._is_spaced = self._before[-1:].isspace()  # the next word brings no usual white space

    def write(self, token: int, surface: str | None) -> None:
        if token == SPACING:
            self.append(surface or "")
        elif token >= SPELLED:
            piece = self._tokenizer.words[token - FIRST] if surface is None else surface
            if not self._is_spaced:
                self.append(self._tokenizer.usual[place_of(self._before, piece)])
            if surface is None:
                self.append(piece)
            else:
                self.append_filled(piece, "spelled")
            self._before = piece
        self._is_spaced = token == SPACING


def pieces_of(text: str) -> Iterator[tuple[str, str, int]]:
    """Every word and line end, each with the white space before it and the place of that, and last
    ``""`` with the white space at the end of the text. Joined together they are the text."""
    end = 0
    before = ""
    for match in PIECE.finditer(text):
        piece = match.group()
        yield text[end : match.start()], piece, place_of(before, piece)
        end = match.end()
        before = piece
    yield text[end:], "", place_of(before, "")


def place_of(before: str, piece: str) -> int:
    """The number of the place between two pieces; ``""`` is the beginning or the end."""
    is_behind_word = before not in ("", "\n")
    is_before_word = piece not in ("", "\n")
    if is_behind_word and is_before_word:
        return BETWEEN_WORDS
    if is_behind_word:
        return BEHIND_WORD
    if is_before_word:
        return BEFORE_WORD
    return BETWEEN_NO_WORDS


def count_pieces(texts: Sequence[str]) -> tuple[Counter[str], list[str]]:
    """How often each word and the line end occurs in some texts, and the most common white space
    at each place."""
    counts = Counter({"\n": 0})
    spaces = [Counter[str]() for _ in range(NUMBER_OF_PLACES)]
    spaces[BETWEEN_WORDS][" "] = 0  # usual between two words that never meet
    for text in texts:
        for space, piece, place in pieces_of(text):
            if piece:
                counts[piece] += 1
                spaces[place][space] += 1
    return counts, [_most_common(found) for found in spaces]


def _most_common(spaces: Counter[str]) -> str:
    """Of equals, the first in the order of code points; empty where there is none."""
    return min(spaces, key=lambda space: (-spaces[space], space), default="")
