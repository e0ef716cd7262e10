"""Does a text repeat itself, is it caught in a loop, do samples repeat each other?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Pairs, Ratios, Sample

BLOCK = 100
DISTINCT = {1: "single words", 2: "pairs of words", 3: "triples of words"}
LONGEST = 10
ORDERS = (1, 2, 3, 4)
EPSILON = 0.1


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


@dataclass(frozen=True)
class SelfBleu(Ratios):
    """Self-BLEU-4: BLEU of each sample with all the others as references, the mean over samples.

    Zhu et al., "Texygen: a benchmarking platform for text generation models", SIGIR 2018, on BLEU
    of Papineni et al., ACL 2002: the geometric mean of the clipped precisions of 1- to 4-grams of
    words, times the brevity penalty against the reference closest in length. As in Texygen, a
    precision without a match counts 0.1 matches (smoothing method 1 of Chen & Cherry, "A systematic
    comparison of smoothing techniques for sentence-level BLEU", WMT 2014); without a word in
    common the score is 0. Words are lower-cased, without punctuation.

    The figure grows with the number and the length of the samples: compare sets of one size. The
    bootstrap draws among the scores and keeps the references, for a sample drawn twice would be its
    own copy. Samples of fewer than four words, and a set of one, have none.
    """

    labels: ClassVar[dict[str, Label]] = {
        "self_bleu_4": Label("similarity of samples to each other", "BLEU-4", ".3f"),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        size = np.array([len(sample.words) for sample in samples])
        scored = size >= max(ORDERS)
        if len(samples) < 2 or not scored.any():
            return np.zeros((len(samples), 2))
        matches = clipped_matches(samples)
        possible = np.maximum(size - np.array(ORDERS)[:, None] + 1, 1)
        log_precision = np.log(np.where(matches > 0, matches, EPSILON) / possible).mean(0)
        away = np.abs(size[:, None] - size) + 0.5 * (size > size[:, None])  # of two, the shorter
        np.fill_diagonal(away, np.inf)
        closest = size[away.argmin(1)]
        penalty = np.minimum(0, 1 - closest / np.maximum(size, 1))
        score = np.exp(log_precision + penalty) * (matches[0] > 0)
        return np.stack([score * scored, scored], axis=1)


def clipped_matches(samples: Sequence[Sample]) -> np.ndarray:
    """n-grams of each sample that also occur in another.

    Each counts at most as often as in the other sample that has it most often.

    Returns:
        (4, P) float64, for n = 1 … 4.
    """
    numbers: dict[str, int] = {}
    words = [numbers.setdefault(w, len(numbers)) for sample in samples for w in sample.words]
    first = np.array(words, dtype=np.int64)
    rows = np.repeat(np.arange(len(samples)), [len(sample.words) for sample in samples])
    grams, result = first, []
    for n in ORDERS:
        if n > 1:
            grams = grams[:-1] * len(numbers) + first[n - 1 :]
            grams = np.unique(grams, return_inverse=True)[1]
        begun = rows[: len(grams)]
        whole = begun == rows[n - 1 :]
        pairs, count = np.unique(grams[whole] * len(samples) + begun[whole], return_counts=True)
        gram, row = np.divmod(pairs, len(samples))
        others = _most_elsewhere(gram, count)
        result.append(np.bincount(row, np.minimum(count, others), minlength=len(samples)))
    return np.array(result)


def _most_elsewhere(gram: np.ndarray, count: np.ndarray) -> np.ndarray:
    """For every (n-gram, sample) with its count: the highest count of the n-gram in another."""
    order = np.lexsort((-count, gram))
    start = np.flatnonzero(np.diff(gram[order], prepend=-1))
    alone = np.diff(start, append=len(gram)) == 1
    highest = np.repeat(count[order[start]], np.diff(start, append=len(gram)))
    second = np.where(alone, 0, count[order[np.minimum(start + 1, len(gram) - 1)]])
    found = np.empty(len(gram), dtype=np.int64)
    found[order] = highest
    found[order[start]] = second
    return found
