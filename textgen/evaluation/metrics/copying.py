"""How much is copied from the training text, character by character?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Sample, ratio
from textgen.evaluation.metrics.matching import Matcher

AT_LEAST = 30
"""Characters: a stretch of so many that stands in the training text is called copied."""


@dataclass(frozen=True)
class Copying:
    """Stretches that stand in the training text character by character, capitals and white space
    included.

    Human text has some too: set phrases, names, what an author likes to say. The bootstrap interval
    of the longest stretch of all can only end at what was seen.
    """

    labels: ClassVar[dict[str, Label]] = {
        "copied": Label(
            f"characters in stretches of {AT_LEAST} or more that stand in the training text",
            "of characters",
            ".1%",
            "human",
        ),
        "longest_copy": Label(
            "longest stretch of a sample that stands in the training text, mean",
            "characters",
            ".1f",
            "human",
        ),
        "longest_copy_of_all": Label(
            "longest stretch that stands in the training text", "characters", ".0f", "human"
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


def copied_spans(text: str, human: Human, at_least: int = AT_LEAST) -> list[tuple[int, int]]:
    """(start, end) of the stretches of a text that stand in the training text.

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
