"""Rare words are removed before training, as the article's author considered.

What is gone must be told by something else, or the text is not described: how many words are
missing in each gap between two tokens, whether a space stood before each, and their spelling.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from textgen.tokenizers.words.rare_words.base import (
    EncodedWords,
    Fill,
    Placeholder,
    PolicyTrainingData,
    Rare,
    Replacer,
    fitted_speller,
    loaded_speller,
)
from textgen.tokenizers.words.rare_words.unk import NAME
from textgen.tokenizers.words.spelling import DocumentCounts, Speller
from textgen.tokenizers.words.vocabulary import Vocabulary


@dataclass(frozen=True)
class Drop:
    """Leave rare words out.

    Args:
        charged: pay for what is left out. Without it, as when people compare perplexities of texts
            they have filtered, there is no distribution over the text and no figure is printed.
        memory: a rare word that stood in the document before is cheaper than a new one.
    """

    charged: bool = True
    memory: bool = False

    def fit(self, data: PolicyTrainingData) -> Dropped:
        speller = fitted_speller(data, lambda pieces, rare: [NAME] * len(rare), self.memory)
        documents, rare = data.tuning, data.tuning_rare
        missing = sum(map(len, rare))
        spaced = sum(word.spaced for each in rare for word in each)
        kept = sum(map(len, documents)) - missing + len(documents)
        return Dropped(
            speller, (missing + 0.5) / (kept + missing + 1), (spaced + 0.5) / (missing + 1),
            self.charged,
        )  # fmt: skip

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Dropped:
        speller = loaded_speller(state["speller"], vocabulary)
        return Dropped(speller, state["missing"], state["spaced"], self.charged)


class Dropped(Replacer):
    """Words missing in a gap are geometrically distributed: P(k) = (1 − q) q^k.

    Args:
        speller: P(word).
        missing: q.
        spaced: the probability of a space before a missing word.
        charged: whether all this is paid for.
    """

    def __init__(self, speller: Speller, missing: float, spaced: float, charged: bool) -> None:
        self.speller, self.missing, self.spaced, self.charged = speller, missing, spaced, charged

    def encode(
        self, items: Sequence[int | Rare], pieces: Sequence[str], charge: bool
    ) -> EncodedWords:
        coded, gap, earlier = EncodedWords(), list[Rare](), DocumentCounts()
        for number, item in enumerate([*items, None]):
            if isinstance(item, Rare):
                gap.append(item)
                continue
            if item is not None:
                coded.add(number, item)
            coded.surfaces.append("".join(word.piece for word in gap))
            coded.places.append(len(coded.tokens) - (item is not None))  # the gap is before it
            if charge:
                coded.bits.append(self.gap_bits(gap, earlier) if self.charged else 0.0)
            coded.replaced += len(gap)
            gap.clear()
        return coded

    def gap_bits(self, words: Sequence[Rare], earlier: DocumentCounts) -> float:
        """What the words missing in one gap cost, after those missing earlier in the document."""
        bits = -math.log2(1 - self.missing) - len(words) * math.log2(self.missing)
        for word in words:
            bits -= math.log2(self.spaced if word.spaced else 1 - self.spaced)
            bits += self.speller.charge(word.core, NAME, earlier)
        return bits

    def decode(self, tokens: Sequence[int], fill: Fill) -> Iterator[int | Placeholder]:
        for place, token in enumerate([*tokens, None]):
            gap = fill(-1, place)
            if gap:
                yield Placeholder(gap, False, NAME)
            if token is not None:
                yield token

    def draw_surface(self, token: int, mode: str, random: Random, earlier: Counter[str]) -> str:
        return ""  # what was removed is not missed by the model

    def state(self) -> dict[str, Any]:
        return {"speller": self.speller.state(), "missing": self.missing, "spaced": self.spaced}
