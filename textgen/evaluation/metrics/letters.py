"""Are letters as frequent as in human text?"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Sample, ratio, table


@dataclass(frozen=True)
class Letters:
    """Distance of the letter frequencies from the training text's; capitals count as small letters.

    Jensen–Shannon divergence (Lin, "Divergence measures based on the Shannon entropy", IEEE
    Transactions on Information Theory 37, 1991, equation 4.1 with logarithms to base 2): with p and
    q the two distributions and m = (p + q) / 2, H(m) − (H(p) + H(q)) / 2. From 0, the same, to 1
    bit, no letter in common. Every letter of any script counts, and every combining mark; letters
    that do not occur in the training text share a column.
    """

    labels: ClassVar[dict[str, Label]] = {
        "letters_divergence": Label(
            "distance of the letter frequencies from the training text's", "bits", ".4f", "lower"
        ),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        known = human.once(training_letters)
        alphabet = list(known)
        rows = []
        for sample in samples:
            found = letters(sample.text)
            row = [found[letter] for letter in alphabet]
            rows.append([*row, found.total() - sum(row)])
        return table(rows, len(alphabet) + 1)

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        known = np.array([*human.once(training_letters).values(), 0], dtype=float)
        p = ratio(total, total.sum(-1, keepdims=True))
        q = ratio(known, known.sum())
        divergence = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
        return {"letters_divergence": np.maximum(divergence, 0)}


def letters(text: str) -> Counter[str]:
    """How often each letter or combining mark occurs, lower-cased."""
    return Counter({c: n for c, n in Counter(text.lower()).items() if c.isalpha() or is_mark(c)})


def is_mark(character: str) -> bool:
    """Whether it combines with the letter before it: an accent, a vowel sign."""
    return unicodedata.category(character).startswith("M")


def training_letters(human: Human) -> Counter[str]:
    """How often each letter occurs in the training text."""
    counts: Counter[str] = Counter()
    for document in human.documents:
        counts.update(letters(document))
    return counts


def _entropy(p: np.ndarray) -> np.ndarray:
    """In bits, along the last axis."""
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(-1)
