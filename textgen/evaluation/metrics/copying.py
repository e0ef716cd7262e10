"""How much of a text is not the model's own: copied, recombined or filled in afterwards?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Pairs, Ratios, Sample, ratio
from textgen.evaluation.metrics.matching import Matcher

AT_LEAST = 30
"""Characters: a stretch of the training text of at least this length is called copied."""
ORDERS = (2, 3, 4, 5)


@dataclass(frozen=True)
class Copying:
    """Stretches that occur in the training text character by character, capitals and white space
    included.

    Human text has some too: set phrases, names, an author's favourite expressions. The bootstrap
    interval of the longest stretch of all can never exceed what was observed.
    """

    labels: ClassVar[dict[str, Label]] = {
        "copied": Label(
            f"characters in stretches of {AT_LEAST} or more copied from the training text",
            "of characters",
        ),
        "longest_copy": Label(
            "longest stretch of a sample copied from the training text, mean", "characters", ".1f"
        ),
        "longest_copy_of_all": Label(
            "longest stretch copied from the training text", "characters", ".0f"
        ),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        """Columns: characters, those copied, then how many samples have each longest stretch."""
        found = matches([sample.text for sample in samples], human)
        longest = [int(lengths.max(initial=0)) for lengths in found]
        rows = np.zeros((len(samples), max(longest) + 3))
        for row, lengths, most in zip(rows, found, longest, strict=True):
            row[0] = len(lengths)
            row[1] = sum(stop - start for start, stop in spans(lengths, AT_LEAST))
            row[2 + most] = 1
        return rows

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        longest = total[..., 2:]
        size = np.arange(longest.shape[-1])
        return {
            "copied": ratio(total[..., 1], total[..., 0]),
            "longest_copy": ratio(longest @ size, longest.sum(-1)),
            "longest_copy_of_all": np.max((longest > 0) * size, axis=-1).astype(float),
        }


@dataclass(frozen=True)
class Novelty(Ratios):
    """Share of n-grams of words that do not occur in the training text (McCoy et al., "How much do
    language models copy from their training data?", TACL 11, 2023).

    Words are lower-cased and without punctuation. Fewer than in human text indicates copying, more
    indicates words in random order.
    """

    labels: ClassVar[dict[str, Label]] = {
        f"novel_{n}": Label(f"new sequences of {n} words", "of them") for n in ORDERS
    }

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        numbers, matcher = human.once(_training_words)
        coded = [
            np.array([numbers.get(word, matcher.size) for word in sample.words], dtype=np.int64)
            for sample in samples
        ]
        for lengths in matcher.longest(coded):
            whole = [lengths[: max(0, len(lengths) - n + 1)] for n in ORDERS]
            yield [(int((w < n).sum()), len(w)) for n, w in zip(ORDERS, whole, strict=True)]


@dataclass(frozen=True)
class Refilled(Ratios):
    """Placeholders of rare words that were filled in, for every 1,000 words."""

    labels: ClassVar[dict[str, Label]] = {
        "refilled": Label("placeholders filled in", "per 1,000 words", ".1f"),
    }

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        for sample in samples:
            yield [(1000 * len(sample.filled), len(sample.words))]


def copied_spans(text: str, human: Human, at_least: int = AT_LEAST) -> list[tuple[int, int]]:
    """(start, end) of the stretches of a text copied from the training text.

    Each is as long as can be; where two overlap, the later one starts where the earlier ends.
    """
    return spans(matches([text], human)[0], at_least)


def spans(lengths: np.ndarray, at_least: int) -> list[tuple[int, int]]:
    """The stretches of a text, given the longest match from each of its places."""
    found: list[tuple[int, int]] = []
    end = 0
    for start in np.flatnonzero(lengths >= at_least).tolist():
        stop = start + int(lengths[start])
        if stop > end:
            found.append((max(start, end), stop))
            end = stop
    return found


def matches(texts: Sequence[str], human: Human) -> list[np.ndarray]:
    """For every character of every text: the length of the longest copy that starts there."""
    numbers, matcher = human.once(_training_text)
    return matcher.longest([numbers[_code_points(text)] for text in texts])


def _training_text(human: Human) -> tuple[np.ndarray, Matcher]:
    """A code for every code point, and the training documents in these codes."""
    documents = [_code_points(text) for text in human.documents]
    present = np.zeros(0x110000, dtype=bool)
    for document in documents:
        present[document] = True
    size = int(present.sum()) + 1
    numbers = np.where(present, present.cumsum(), size)
    return numbers, Matcher([numbers[document] for document in documents], size)


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _training_words(human: Human) -> tuple[dict[str, int], Matcher]:
    """A code for every word, and the training documents in these codes."""
    numbers = {word: i for i, word in enumerate(human.counts, start=1)}
    documents = [
        np.array([numbers[word] for word in words], dtype=np.int64) for words in human.words
    ]
    return numbers, Matcher(documents, len(numbers) + 1)
