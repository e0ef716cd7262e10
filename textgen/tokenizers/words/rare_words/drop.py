"""Rare words are removed before training, as the article's author considered.

What is removed has to be described separately, or the text is not: how many words are missing in
each gap between two tokens, whether a space stood before each, and their spelling.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from textgen.tokenizers.tokens import Chance, Steps, StepsOf, Word
from textgen.tokenizers.words.pieces import Vocabulary, pretokenize, split_space
from textgen.tokenizers.words.rare_words.base import (
    EncodedWords,
    FillCallback,
    FittedPolicy,
    Placeholder,
    PolicyTrainingData,
    RareWord,
    fit_rare_speller,
    load_speller,
)
from textgen.tokenizers.words.rare_words.classes import UNK
from textgen.tokenizers.words.spelling import Speller


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
        speller = fit_rare_speller(data, lambda pieces, rare: [UNK] * len(rare))
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

    def encode(self, items: Sequence[int | RareWord], pieces: Sequence[str]) -> EncodedWords:
        coded, gaps = EncodedWords(), [list[str]()]
        for number, item in enumerate(items):
            if isinstance(item, RareWord):
                gaps[-1].append(item.piece)
                continue
            coded.places.append(len(coded.tokens))  # the gap is before the token
            coded.add(number, item)
            gaps.append([])
        coded.places.append(len(coded.tokens))
        coded.surfaces = list(map(Gap, gaps))
        coded.replaced = sum(map(len, gaps))
        return coded

    def decode(self, tokens: Sequence[int], fill: FillCallback) -> Iterator[int | Placeholder]:
        for place, token in enumerate([*tokens, None]):
            gap = fill(-1, place)
            if gap:
                yield Placeholder(gap, False, UNK)
            if token is not None:
                yield token

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf:
        return self._gap

    def _gap(self, known: str | None) -> Steps:
        """The words that are missing in a gap; what is not charged for is not described."""
        pieces, gap = None if known is None else _pieces(known), ""
        for number in itertools.count() if self.charged else ():
            if not (yield Chance(self.missing, None if pieces is None else number < len(pieces))):
                break
            space, core = (None, None) if pieces is None else split_space(pieces[number])
            spaced = yield Chance(self.spaced, None if space is None else bool(space))
            gap += " " * spaced + (yield Word(self.speller, UNK, core, ""))
        return gap

    def state(self) -> dict[str, Any]:
        return {"speller": self.speller.state(), "missing": self.missing, "spaced": self.spaced}
