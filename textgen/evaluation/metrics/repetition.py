"""Does a text repeat itself, is it caught in a loop?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Pairs, Ratios, Sample

BLOCK = 100
DISTINCT = {1: "single words", 2: "pairs of words", 3: "triples of words"}
LONGEST = 10


@dataclass(frozen=True)
class Distinct(Ratios):
    """Distinct-n: different n-grams of words over all of them, in blocks of 100 words of a sample.

    Li et al., "A diversity-promoting objective function for neural conversation models", NAACL
    2016, but over n-grams where they divide by words, so that no repetition is 1. The
    figure falls with the length of a text: hence blocks of one size, side by side; the remainder of
    a sample, or a shorter sample, is left out.
    """

    labels: ClassVar[dict[str, Label]] = {
        f"distinct_{n}": Label(f"different {grams} in {BLOCK} words", "of them")
        for n, grams in DISTINCT.items()
    }

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        for sample in samples:
            words = sample.words
            starts = range(0, len(words) - BLOCK + 1, BLOCK)
            blocks = [words[start : start + BLOCK] for start in starts]
            yield [
                (
                    sum(len(set(zip(*(b[i:] for i in range(n)), strict=False))) for b in blocks),
                    len(blocks) * (BLOCK - n + 1),
                )
                for n in DISTINCT
            ]


@dataclass(frozen=True)
class Loops(Ratios):
    """Share of words in an n-gram that is repeated immediately, for n from 1 to 10.

    A single word counts from three in a row on ("very very" is English), longer stretches from two.
    Punctuation and capitals are ignored.
    """

    labels: ClassVar[dict[str, Label]] = {
        "loops": Label("words in a stretch repeated immediately", "of words", better="lower"),
    }

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        for sample in samples:
            yield [(looped(sample.words).sum(), len(sample.words))]


def looped(words: Sequence[str]) -> np.ndarray:
    """(n,) bool: the words in a stretch repeated immediately, every repetition of it."""
    numbers: dict[str, int] = {}
    code = np.array([numbers.setdefault(word, len(numbers)) for word in words], dtype=np.int64)
    inside = np.zeros(len(code) + 1, dtype=np.int64)
    for n in range(1, min(LONGEST, len(code) // 2) + 1):
        same = np.concatenate([[0], code[n:] == code[:-n], [0]])
        edges = np.flatnonzero(np.diff(same))
        starts, stops = edges[::2], edges[1::2]
        long = stops - starts >= max(n, 2)
        inside[starts[long]] += 1
        inside[stops[long] + n] -= 1
    return inside[:-1].cumsum() > 0
