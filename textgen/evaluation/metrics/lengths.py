"""Are words and sentences as long as in human text?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Pairs, Ratios, Sample, ratio

END = re.compile(
    r"""(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\bSt)(?<!\bProf)(?<!\b[A-HJ-Z])
    [.!?…]+["'”’)\]_*]*(?=\s|--|—|$)(?:\s*\n\s*\n)?
    | [。！？｡।॥؟۔\u0589\u104b\u1362\u17d4]+["'”’」』）)\]]*
    | (?<=\S)\s*\n\s*\n""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class WordLengths:
    """Letters in a word, without marks and apostrophes: the mean, and the distance of the
    distribution.

    Wasserstein-1 distance on the line: Σ |F(n) − G(n)| over the two cumulative distributions
    (Vallender, "Calculation of the Wasserstein distance between probability distributions on the
    line", Theory of Probability and its Applications 18, 1974). It is the number of letters by
    which words would have to grow or shrink, on average, to be as long as the training text's.
    """

    labels: ClassVar[dict[str, Label]] = {
        "word_length": Label("mean length of a word", "letters", ".2f"),
        "word_length_distance": Label(
            "distance of the word lengths from the training text's", "letters", ".3f", "lower"
        ),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        found = [lengths(sample.counts) for sample in samples]
        size = max(len(human.once(training_lengths)), *map(len, found), 1)
        return np.array([np.pad(row, (0, size - len(row))) for row in found])

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        known = human.once(training_lengths)
        known = np.pad(known, (0, total.shape[-1] - len(known)))
        words = total.sum(-1)
        cumulative = ratio(total.cumsum(-1), words[..., None])
        distance = np.abs(cumulative - ratio(known.cumsum(), known.sum())).sum(-1)
        return {
            "word_length": ratio(total @ np.arange(total.shape[-1]), words),
            "word_length_distance": distance,
        }


def lengths(counts: Counter[str]) -> np.ndarray:
    """(longest + 1,) float64: how many words have each length in letters."""
    letters = [sum(map(str.isalpha, word)) for word in counts]
    return np.bincount(letters or [0], list(counts.values()) or [0])


def training_lengths(human: Human) -> np.ndarray:
    """How many words of the training text have each length."""
    return lengths(human.counts)


@dataclass(frozen=True)
class Sentences(Ratios):
    """Words for each end of a sentence.

    An end is a run of . ! ? … with closing quotes and brackets, before white space, a dash or the
    end of the text, or the blank line after a paragraph that ends otherwise. The full stops of Mr.,
    Mrs., Dr., St., Prof. and of initials are none. Those of Chinese, Japanese, Arabic, Urdu, the
    scripts of India, Burmese, Khmer, Ethiopic and Armenian count wherever they stand. Samples are
    cut from longer texts: all words over all ends has no bias from truncated sentences, whereas the
    mean over whole sentences favours short ones.

    Does not handle: other abbreviations; Thai, which has no full stop.
    """

    labels: ClassVar[dict[str, Label]] = {
        "sentence_length": Label("mean length of a sentence", "words", ".1f"),
    }

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        for sample in samples:
            yield [(len(sample.words), sentence_ends(sample.text))]


def sentence_ends(text: str) -> int:
    """How many sentences end in a text."""
    return sum(1 for _ in END.finditer(text.strip()))
