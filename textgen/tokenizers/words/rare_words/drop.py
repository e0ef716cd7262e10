"""Rare words are removed before training, as the article's author considered.

What is removed has to be described separately, or the text is not: how many words are missing in
each gap between two tokens, whether a space stood before each, and their spelling.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from textgen.tokenizers.choices import Choice, Choices, Opened, either
from textgen.tokenizers.words.drawing import scored_word, spelled
from textgen.tokenizers.words.pieces import pretokenize
from textgen.tokenizers.words.rare_words.base import (
    EncodedWords,
    FillCallback,
    FittedPolicy,
    Placeholder,
    PolicyTrainingData,
    RareWord,
    fit_speller,
    load_speller,
)
from textgen.tokenizers.words.rare_words.unk import NAME
from textgen.tokenizers.words.recurrence import DocumentCounts
from textgen.tokenizers.words.spelling import Speller
from textgen.tokenizers.words.vocabulary import Vocabulary, split_space


@dataclass(frozen=True)
class Drop:
    """Leave rare words out.

    Args:
        charged: charge for what is left out. Without it, as when people compare perplexities of
            texts they have filtered, there is no distribution over the text and no figure is
            printed.
    """

    charged: bool = True

    def fit(self, data: PolicyTrainingData) -> Dropped:
        """Count the gaps of the validation split, and learn to spell what is missing in them."""
        speller = fit_speller(data, lambda pieces, rare: [NAME] * len(rare))
        documents, rare = data.tuning, data.tuning_rare
        missing = sum(map(len, rare))
        spaced = sum(word.spaced for each in rare for word in each)
        kept = sum(map(len, documents)) - missing + len(documents)
        q, space = (missing + 0.5) / (kept + missing + 1), (spaced + 0.5) / (missing + 1)
        return Dropped(speller, q, space, self.charged)

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Dropped:
        """The fitted policy from its ``state()``."""
        speller = load_speller(state["speller"], vocabulary)
        return Dropped(speller, state["missing"], state["spaced"], self.charged)


class Gap(str):
    """The words missing in a gap as one text, which knows how they were cut: a segmenter cuts them
    otherwise where they stand alone."""

    def __new__(cls, pieces: Sequence[str]) -> Gap:
        gap = super().__new__(cls, "".join(pieces))
        gap.pieces = tuple(pieces)
        return gap

    pieces: tuple[str, ...]


def _pieces(gap: str) -> Sequence[str]:
    return gap.pieces if isinstance(gap, Gap) else pretokenize(gap)


class Dropped(FittedPolicy):
    """Words missing in a gap are geometrically distributed: P(k) = (1 − q) q^k.

    Args:
        speller: P(word).
        missing: q.
        spaced: the probability of a space before a missing word.
        charged: whether all this is charged.
    """

    def __init__(self, speller: Speller, missing: float, spaced: float, charged: bool) -> None:
        self.speller, self.missing, self.spaced, self.charged = speller, missing, spaced, charged

    def encode(
        self, items: Sequence[int | RareWord], pieces: Sequence[str], charge: bool
    ) -> EncodedWords:
        coded, gaps = EncodedWords(), [list[RareWord]()]
        for number, item in enumerate(items):
            if isinstance(item, RareWord):
                gaps[-1].append(item)
                continue
            coded.places.append(len(coded.tokens))  # the gap is before the token
            coded.add(number, item)
            gaps.append([])
        coded.places.append(len(coded.tokens))
        coded.surfaces = [Gap([word.piece for word in gap]) for gap in gaps]
        coded.replaced = sum(map(len, gaps))
        if charge:
            coded.bits, coded.remembered_bits = self._bits(gaps)
        return coded

    def _bits(self, gaps: Sequence[Sequence[RareWord]]) -> tuple[list[float], list[float]]:
        """What the words missing in each gap of a document cost, their spelling included: alone,
        and with a memory of the document."""
        if not self.charged:
            return [0.0] * len(gaps), [0.0] * len(gaps)
        words = [(word.core, NAME) for gap in gaps for word in gap]
        stop, more = -math.log2(1 - self.missing), -math.log2(self.missing)
        space = (-math.log2(1 - self.spaced), -math.log2(self.spaced))

        def paid(spelling: Iterator[float]) -> list[float]:
            return [stop + sum(more + space[w.spaced] + next(spelling) for w in g) for g in gaps]

        alone, remembered = self.speller.document_bits(words)
        return paid(iter(alone)), paid(iter(remembered))

    def decode(self, tokens: Sequence[int], fill: FillCallback) -> Iterator[int | Placeholder]:
        for place, token in enumerate([*tokens, None]):
            gap = fill(-1, place)
            if gap:
                yield Placeholder(gap, False, NAME)
            if token is not None:
                yield token

    def draw_surface(self, token: int, mode: str, random: Random) -> str:
        return ""  # the model writes text without gaps

    def sample_surface(self, token: int, random: Random, earlier: DocumentCounts | None) -> str:
        gap, before = "", earlier
        while random.random() < self.missing:
            if before is earlier:  # as it will be after those before in the gap
                before = copy.deepcopy(earlier)
            space = " " * (random.random() < self.spaced)
            word = scored_word(self.speller, NAME, random, before)
            if before is not None:
                self.speller.remember(word, NAME, before)
            gap += space + word
        return gap

    def opened(self, tokens: Sequence[int], earlier: DocumentCounts | None) -> Opened | None:
        return partial(self._gap, earlier)

    def _gap(self, earlier: DocumentCounts | None, known: str | None) -> Choices:
        """The words that are missing in a gap; what is not charged for cannot be told."""
        pieces, gap = None if known is None else _pieces(known), ""
        for number in itertools.count() if self.charged else ():
            more = None if pieces is None else int(number < len(pieces))
            if not (yield Choice(either(self.missing), more)):
                break
            space, core = (None, None) if pieces is None else split_space(pieces[number])
            spaced = None if space is None else len(space)
            gap += " " * (yield Choice(either(self.spaced), spaced))
            gap += yield from spelled(self.speller, NAME, earlier, core)
        return gap

    def remember(self, token: int, surface: str, earlier: DocumentCounts) -> None:
        for piece in _pieces(surface):
            self.speller.remember(split_space(piece)[1], NAME, earlier)

    def state(self) -> dict[str, Any]:
        return {"speller": self.speller.state(), "missing": self.missing, "spaced": self.spaced}
