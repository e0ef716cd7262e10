"""The interface of a metric.

A metric turns each sample into a row of counts that may be added up, and sums of rows into figures.
So a bootstrap over samples is one matrix product. What cannot be added up over samples (types,
distinct n-grams) is computed for each sample and enters as a sum beside a count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from textgen.evaluation.metrics.real_words import words

T = TypeVar("T")
Pairs: TypeAlias = "Iterable[Sequence[tuple[float, float]]]"
"""For each sample the (part, whole) of every label."""


@dataclass(frozen=True)
class Sample:
    """A text, and (start, end, token) of every stretch of it that fills in a placeholder."""

    text: str
    filled: tuple[tuple[int, int, str], ...] = ()

    @cached_property
    def words(self) -> list[str]:
        """Lower-cased, in order; see :func:`textgen.evaluation.metrics.real_words.words`."""
        return words(self.text)

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each of its words occurs."""
        return Counter(self.words)


class Human:
    """Human text to compare with: the documents of the training split, and nothing else.

    Args:
        documents: raw texts.
        language: their code of ISO 639.
    """

    def __init__(self, documents: Sequence[str], language: str = "en") -> None:
        self.documents, self.language = tuple(documents), language
        self._made: dict[Callable[[Human], Any], Any] = {}

    @cached_property
    def words(self) -> list[list[str]]:
        """The lower-cased words of each document, in order."""
        return [words(text) for text in self.documents]

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each word occurs."""
        counts: Counter[str] = Counter()
        for found in self.words:
            counts.update(found)
        return counts

    def once(self, make: Callable[[Human], T]) -> T:
        """``make(self)``, computed once and kept: for what only one metric needs."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]


class Label(NamedTuple):
    """How a figure is shown.

    Attributes:
        meaning: what it is, in plain words; ``{language}`` stands for that of the text.
        unit: what it is counted in.
        form: its format specification, such as ``.1%``.
        better: which direction is better; ``"human"`` is closer to the figure of human text.
    """

    meaning: str
    unit: str
    form: str = ".1%"
    better: Literal["higher", "lower", "human"] = "human"


class Metric(Protocol):
    """A family of figures; ``labels`` has one entry for each, in the order shown.

    One that means something in certain languages alone also has ``applies(language) -> bool``; in
    others it is neither computed nor shown.
    """

    labels: ClassVar[Mapping[str, Label]]

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        """(P, K) float64, one row per sample; rows may be added up."""
        ...

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        """Figures of summed rows.

        Args:
            total: (…, K) float64 sums of rows, each row taken any number of times.

        Returns:
            (…) float64 for every label; NaN where there was nothing to count.
        """
        ...


class Ratios:
    """A metric whose figures are each a part over a whole, summed over samples."""

    labels: ClassVar[Mapping[str, Label]]

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        """For each sample (part, whole) of every label, in the order of ``labels``."""
        raise NotImplementedError

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        rows = [[n for pair in row for n in pair] for row in self.pairs(samples, human)]
        return table(rows, 2 * len(self.labels))

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        return {
            name: ratio(total[..., 2 * i], total[..., 2 * i + 1])
            for i, name in enumerate(self.labels)
        }


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, NaN where the whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def table(rows: Sequence[Sequence[float]], columns: int) -> np.ndarray:
    """(P, ``columns``) float64, also without rows."""
    return np.array(rows, dtype=float).reshape(len(rows), columns)
