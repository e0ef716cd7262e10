"""The surprisal of words: the same events under models of characters, subwords and words.

A word is a stretch between white space (:data:`textgen.tokenizers.borders.WHITE`), a border is
white space or the end of the text. Behind a text u that ends with a word, or at the beginning:

    gap_bits  = −log2 P(exactly the white space g, and then a word | u, and then a border)
    word_bits = −log2 P(the word w, and then a border | u g, and then a word)

A model of words writes most words with the space before them and their end in one token, a model of
characters pays for the end in the next space; by these events each pays for it in the word itself
(Pimentel & Meister 2024, arXiv:2406.14561; Oh & Schuler 2024, arXiv:2406.10851). With P(t) the
probability of the tokens of a text t, and of what they hide, whatever comes behind them, and B and
W those of a border and of g and a word, as :class:`textgen.tokenizers.borders.Borders` has them:

    P(g, and then a word | border)  = P(u) W(u, g) / (P(u) B(u))
    P(w, and then a border | …)     = P(u g w) B(u g w) / (P(u) W(u, g))

So the bits of all gaps and words are those of the text up to its last word and the border there. At
the beginning of a text B is 1. The probabilities of all words behind u g sum to one, but for what
the model leaves to tokens that no text has: words and subwords are read on their canonical tokens,
and the bits of a text are an upper bound.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.settings import PartName
from textgen.core.tokens import BOUNDARY
from textgen.data.documents import Document
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.sampler import Stepper
from textgen.evaluation.scores import DocumentBits
from textgen.tokenizers.base import walk
from textgen.tokenizers.borders import WHITE, Borders, Openings
from textgen.tokenizers.encoded import EncodedDocument
from textgen.tokenizers.steps import Choice, follow, take_known
from textgen.tokenizers.word_cache import DocumentCounts

WORD = re.compile(f"[^{WHITE}]+")
# Tokens that may come first → their probability under each part, and what has read them.
Readings = dict[tuple[int, ...], tuple[dict[PartName, float], Stepper]]
# By how many tokens come before.
Chances = dict[int, float]


class WordBits(NamedTuple):
    """What a word costs under one distribution.

    Attributes:
        gap: bits of the white space before it, see above.
        word: bits of the word.
        spelling: of these, those of spelling what a token hides.
        entropy: in bits, of the next token before the word.
    """

    gap: float
    word: float
    spelling: float
    entropy: float


class Place(NamedTuple):
    """Where a word stands among the tokens of a text.

    Attributes:
        gap, lead: the white space before it; and what of this belongs to the word's first token.
        border: how many tokens come before the gap.
        opens: how many come before its openings, see :class:`textgen.tokenizers.borders.Borders`.
        first: how many come before the word's own tokens.
        end: how many come before the border behind it.
    """

    gap: str
    lead: str
    border: int
    opens: int
    first: int
    end: int


def find_words(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end."""
    return [match.span() for match in WORD.finditer(text)]


def word_bits(model: LanguageModel, text: str, start: int = 0) -> dict[str, list[WordBits]]:
    """Part of the model → the bits of every word, read behind all that stands before it.

    ``with_cache`` is left out where the network goes on learning: a word that it might have read
    instead would have taught it something else.

    Args:
        text: a document.
        start: the first words, up to here, are read and not charged.

    Raises:
        TextgenError: a token holds white space and a word behind it.
        ValueError: it is not known where the tokenizer's words end; says of what tokenizer.
    """
    if model.cache and model.cache.dynamic:
        model = replace(model, cache=None)
    encoded = model.tokenizer.encode(text)
    places = _places(model.tokenizer.borders(), encoded, text, start)
    scores = model.score([Document("text", text)], encoded=[encoded])
    chances = _chances(model, encoded, places)
    return {p: _bits_of_words(own, encoded, places, *scores[p]) for p, own in chances.items()}


def _places(borders: Borders, encoded: EncodedDocument, text: str, start: int) -> list[Place]:
    tokens, ends, starts = [*encoded.tokens.tolist(), BOUNDARY], encoded.ends, encoded.starts
    begins = np.concatenate([[0], ends[:-1]]) if starts is None else starts
    # all bytes of a character end with it; what has no text begins where the next token does
    count = partial(ends.searchsorted, side="right") if starts is None else starts.searchsorted

    def opens(openings: Openings, place: int) -> bool:
        last = {first: place + len(first) for first in openings}
        found = (f for f in openings if tuple(tokens[place : last[f]]) == f)
        return any(openings[first][tokens[last[first]]] > 0 for first in found)

    places, last = list[Place](), 0
    for begin, end in find_words(text):
        own = int(np.searchsorted(ends, begin, "right"))  # the token of the first character
        first = own if starts is None else int(np.searchsorted(starts, begins[own]))
        gap, lead = text[last:begin], text[begins[own] : begin]
        border, after = int(count(last)), int(count(end))
        place = Place(gap, lead, border, border if borders.whole else first, first, after)
        if begin >= start:
            aligned = begins[own] >= last and ends[after - 1] == end
            known = aligned and opens(borders.word(gap, lead), place.opens)
            if not (known and opens(borders.border(), after)):
                message = f"{text[last:end]!r}: a token holds white space and other characters"
                raise TextgenError(message, "replace unusual white space or marks there")
            places.append(place)
        last = end
    return places


def _bits_of_words(
    chances: tuple[Chances, Chances, Chances],
    encoded: EncodedDocument,
    places: Sequence[Place],
    bits: DocumentBits,
) -> list[WordBits]:
    """Of one part, from the bits of the text's tokens."""
    border, word, entropy = chances
    spelling = np.zeros(len(encoded.tokens) + 1)
    np.add.at(spelling, encoded.places, bits.surface_bits)
    spelled = np.concatenate([[0.0], np.cumsum(spelling)])
    cost = spelled + np.concatenate([[0.0], np.cumsum(bits.model_bits, dtype=np.float64)])
    return [
        WordBits(
            gap=float(cost[p.opens] - cost[p.border]) - word[p.opens] + border[p.border],
            word=float(cost[p.end] - cost[p.opens]) - border[p.end] + word[p.opens],
            spelling=float(spelled[p.end] - spelled[p.first]),
            entropy=entropy[p.first],
        )
        for p in places
    ]


def _chances(
    model: LanguageModel, encoded: EncodedDocument, places: Sequence[Place]
) -> dict[PartName, tuple[Chances, Chances, Chances]]:
    """Part of the model → log2 of the chance of a border and of a word, and the entropy in
    bits of the next token. A text begins behind a border. The network reads once for all parts."""
    found = {part: ({0: 0.0}, Chances(), Chances()) for part in model.parts}
    behind = {n for p in places for n in (p.border, p.end)} - {0}
    gaps, firsts = {p.opens: p for p in places}, {p.first for p in places}
    earlier = DocumentCounts() if model.cache else None
    remembered = {part: earlier if part == "with_cache" else None for part in model.parts}
    borders = {part: model.tokenizer.borders(counts) for part, counts in remembered.items()}
    stepper, coming = Stepper(model), iter(range(len(encoded.tokens) + 1))

    def log_chance(part: PartName, openings: Openings, readings: Readings) -> float:
        """Of openings, under a part. ``readings`` has what was read of tokens that come first."""

        def read(first: tuple[int, ...]) -> tuple[dict[PartName, float], Stepper]:
            if first not in readings:
                chances, before = read(first[:-1])
                own = {p: c * before.probabilities(p)[first[-1]] for p, c in chances.items()}
                after = before.copy()
                after.append(first[-1])
                readings[first] = own, after
            return readings[first]

        ways = ((*read(first), weights) for first, weights in openings.items())
        return float(np.log2(sum(c[part] * (w @ s.probabilities(part)) for c, s, w in ways)))

    def read(choice: Choice) -> int:
        if choice.probabilities is not None:
            return take_known(choice)
        place, readings = next(coming), Readings({(): (dict.fromkeys(model.parts, 1.0), stepper)})
        for part, (border, word, entropy) in found.items():
            if place in behind:
                border[place] = log_chance(part, borders[part].border(), readings)
            if gap := gaps.get(place):
                word[place] = log_chance(part, borders[part].word(gap.gap, gap.lead), readings)
            if place in firsts:
                chances = np.maximum(stepper.probabilities(part), 1e-300)
                entropy[place] = -float(chances @ np.log2(chances))
        if choice.known:
            stepper.append(choice.known)
        return take_known(choice)

    follow(walk(model.tokenizer, encoded, earlier), read)
    return found
