"""Which words does a text use: known or new ones, how many different ones, how often each?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.data import word_list
from textgen.evaluation.metrics.base import Human, Label, Pairs, Ratios, Sample, ratio
from textgen.evaluation.metrics.real_words import is_real

AFTER = 150
"""Words: human text of 1,000 characters has some 170."""
RANKS = 50
"""Beyond them counts are small and tied, and a sample of this size says nothing about their law."""
LEAST = 5
"""A rank whose word is rarer than this is left out, for the same reason."""
FEWEST = 5
"""No line is fitted to fewer ranks."""


@dataclass(frozen=True)
class KnownWords(Ratios):
    """Shares of words that occur in the training text, once in it, not in it."""

    labels: ClassVar[dict[str, Label]] = {
        "words_in_training": Label("in the training text", "of words"),
        "words_once_in_training": Label("once in the training text", "of words"),
        "unseen_words": Label("not in the training text", "of words"),
    }

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        training = human.counts
        for sample in samples:
            once = unseen = 0
            for word, n in sample.counts.items():
                seen = training.get(word, 0)
                once += n * (seen == 1)
                unseen += n * (seen == 0)
            total = len(sample.words)
            yield [(n, total) for n in (total - unseen, once, unseen)]


@dataclass(frozen=True)
class RealWords(Ratios):
    """Shares of words of the language, and of new ones among them.

    A word of the language stands in the training text or in the frequency list of wordfreq (Speer
    2022, zenodo.org/records/7199437), under the rule of ``real_words.is_real``. The last share is
    the article's question: would the network ever write a word like "pandemonium"?

    Applies to some forty languages with a list.
    """

    labels: ClassVar[dict[str, Label]] = {
        "real_words": Label("in the training text, or a word of {language}", "of words"),
        "unseen_real_words": Label(
            "not in the training text, but a word of {language}", "of words", ".2%"
        ),
    }

    def applies(self, language: str) -> bool:
        return word_list(language) is not None

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        training = human.counts
        for sample in samples:
            unseen = new = 0
            for word, n in sample.counts.items():
                if word not in training:
                    unseen += n
                    new += n * is_real(word, training.keys(), human.language)
            total = len(sample.words)
            yield [(total - unseen + new, total), (new, total)]


@dataclass(frozen=True)
class Heaps(Ratios):
    """Types among the first 150 words of a sample, and the exponent with which they grow.

    Heaps' law (Heaps, Information Retrieval, 1978, section 7.5) has types V(N) ∝ N^β. β is taken
    from one doubling, log2 V(150) / V(75), V being the mean over samples. Shorter samples are left
    out.
    """

    labels: ClassVar[dict[str, Label]] = {
        "types": Label(f"different words among the first {AFTER}", "words", ".1f"),
        "heaps_exponent": Label(
            f"Heaps exponent from {AFTER // 2} to {AFTER} words", "exponent", ".2f"
        ),
    }

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        for sample in samples:
            words = sample.words[:AFTER]
            whole = len(words) == AFTER
            types, earlier = len(set(words)) * whole, len(set(words[: AFTER // 2])) * whole
            yield [(types, whole), (types, earlier)]

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        found = super().values(total, human)
        return found | {"heaps_exponent": np.log2(found["heaps_exponent"])}


@dataclass(frozen=True)
class Zipf:
    """Exponent s of frequency ∝ rank^−s over all samples together (Zipf, Human Behavior and the
    Principle of Least Effort, 1949): minus the slope of log frequency on log rank, least squares.

    Over the 50 most frequent words, as far as they occur five times. Depends on the number of
    words (Piantadosi, "Zipf's word frequency law in natural language", Psychonomic Bulletin &
    Review 21, 2014): compare sets of one size.
    """

    labels: ClassVar[dict[str, Label]] = {
        "zipf_exponent": Label(
            f"Zipf exponent of the {RANKS} most frequent words", "exponent", ".2f"
        ),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        numbers: dict[str, int] = {}
        for sample in samples:
            for word in sample.counts:
                numbers.setdefault(word, len(numbers))
        rows = np.zeros((len(samples), max(len(numbers), 1)))
        for row, sample in zip(rows, samples, strict=True):
            row[[numbers[word] for word in sample.counts]] = list(sample.counts.values())
        return rows

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        ranks = min(RANKS, total.shape[-1])
        top = -np.sort(np.partition(-total, ranks - 1, axis=-1)[..., :ranks], axis=-1)
        used = (top >= LEAST).astype(float)
        x = np.broadcast_to(np.log(np.arange(1, ranks + 1)), top.shape)
        y = np.log(np.maximum(top, 1))
        n = used.sum(-1)
        x = x - ratio((used * x).sum(-1), n)[..., None]
        slope = ratio((used * x * y).sum(-1), (used * x * x).sum(-1))
        return {"zipf_exponent": np.where(n >= FEWEST, -slope, np.nan)}
