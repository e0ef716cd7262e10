"""P(next token | the document so far): a document cache over what a model predicts.

A text repeats itself: its names, its phrases, its headings. An LSTM that has met a name once does
not count on it again; a cache does (cache language models: Kuhn & De Mori 1990; Grave, Joulin &
Usunier 2017). This one is a Pitman-Yor process (:mod:`textgen.evaluation.pitman_yor`) over the
document so far, whose P_0 is the model's P(x | all tokens before): the mixture is a distribution
over documents like the model's, and nothing is read ahead. A cache begins empty with every
document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from textgen.evaluation.dynamic import DynamicEvaluation
from textgen.evaluation.pitman_yor import (
    MIN_PROBABILITY,
    ContextCounts,
    PitmanYor,
    context_kind,
    numbered,
)
from textgen.tokenizers.base import BOUNDARY


@dataclass(frozen=True)
class DocumentCache(PitmanYor):
    """A cache; without discounts and strengths, one that is to be fitted. ``cache.json`` holds its
    attributes.

    Attributes:
        dynamic: how the network goes on learning from the document, if it does: P_0 is then what
            it predicts after that.
    """

    dynamic: DynamicEvaluation | None = None


class CacheState:
    """A document that is read token by token under a cache."""

    def __init__(self, cache: DocumentCache) -> None:
        self._cache = cache
        self._tables = [dict[tuple[int, ...], Counter[int]]() for _ in cache.orders]
        self._last = [BOUNDARY] * max(cache.orders)

    def _contexts(self) -> list[tuple[int, ...]]:
        return [tuple(self._last[len(self._last) - order :]) for order in self._cache.orders]

    def copy(self) -> CacheState:
        """The same document, that may go on differently."""
        state = CacheState(self._cache)
        state._tables = [dict(table) for table in self._tables]
        state._last = self._last
        return state

    def mixed(self, probabilities: np.ndarray) -> np.ndarray:
        """P(x | the document so far) from the network's: (V,) float64 → (V,) float64."""
        cache = self._cache
        result = np.maximum(probabilities, MIN_PROBABILITY)
        for table, context, discounts, strengths in zip(
            self._tables, self._contexts(), cache.discounts, cache.strengths, strict=True
        ):
            if counter := table.get(context):
                kind = int(context_kind(counter.total(), len(counter)))
                discount, strength = discounts[kind], strengths[kind]
                total = counter.total() + strength
                result = result * ((strength + discount * len(counter)) / total)
                result[list(counter)] += (np.array(list(counter.values())) - discount) / total
        return result

    def add(self, token: int) -> None:
        """Count the token that came."""
        for table, context in reversed(list(zip(self._tables, self._contexts(), strict=True))):
            counter = table[context] = Counter(table.get(context))  # copies may have the old one
            counter[token] += 1
            if counter[token] > 1:
                break
        self._last = [*self._last[1:], token]


def count(tokens: np.ndarray, orders: Sequence[int]) -> ContextCounts:
    """What a :class:`CacheState` counts along a document and its end mark, all at once.

    Args:
        tokens: (n,) integers, without boundaries.
        orders: rising.
    """
    text = numbered(np.concatenate([[BOUNDARY], tokens.astype(np.int64), [BOUNDARY]]))[1]
    size = len(text)
    grams = [np.zeros_like(text), text]  # by length, which n-gram ends at each token
    for _ in range(max(orders)):
        # before the document stand only boundaries
        previous = np.concatenate([grams[-1][:1], grams[-1][:-1]])
        grams.append(numbered(previous * size + text)[1])
    levels = list[tuple[np.ndarray, ...]]()
    everything = counted = np.ones(size - 1, dtype=bool)
    for order in reversed(orders):
        context, whole = grams[order][:-1], grams[order + 1][1:]
        before, same = _earlier(whole, everything, counted)
        new = before == 0
        levels.append((same, *_earlier(context, counted, new)))
        counted = new
    return ContextCounts(*map(np.array, zip(*reversed(levels), strict=True)))


def _earlier(groups: np.ndarray, *counted: np.ndarray) -> list[np.ndarray]:
    """How many earlier places of the same group are counted, (n,) int32 for each (n,) bool."""
    order = np.argsort(groups, kind="stable")
    begins = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(np.append(begins, len(groups)))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    sums = [np.cumsum(places[order]) - places[order] for places in counted]
    return [(s - np.repeat(s[begins], sizes))[place].astype(np.int32) for s in sums]
