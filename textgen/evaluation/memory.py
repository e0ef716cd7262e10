"""P(next token | the document so far): a memory of the document over what the model says.

A text repeats itself: its names, its phrases, its headings. An LSTM that has met a name once does
not count on it again; a memory does (a cache language model: Kuhn & De Mori 1990; Grave, Joulin &
Usunier 2017). This one is a Pitman-Yor process (:mod:`textgen.evaluation.counts`) over the
document so far, whose P_0 is the model's P(x | all tokens before): what comes out is a distribution
over documents like what goes in, and nothing is read ahead. A memory begins empty with every
document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from textgen.evaluation.counts import MIN_PROBABILITY, Counts, PitmanYor, context_kind, fit
from textgen.evaluation.dynamic import Learning
from textgen.tokenizers.base import BOUNDARY


@dataclass(frozen=True)
class Memory(PitmanYor):
    """A tuned memory. ``memory.json`` holds its attributes.

    Attributes:
        learning: how the network goes on learning from the document, if it does: P_0 is then what
            it says after that.
    """

    learning: Learning | None = None

    def bits(self, tokens: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """What the tokens of a document cost with the memory.

        Args:
            tokens: (n,) integers, without boundaries.
            bits: (n + 1,) −log2 of the model's probabilities, the end mark's last.

        Returns:
            (n + 1,) float32.
        """
        return self.mixed_bits(bits, count(tokens, self.orders))


def tune_memory(
    orders: Sequence[int], documents: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Memory:
    """The memory for validation documents: tokens (n,) and the model's bits (n + 1,) of each."""
    pairs = [(bits, count(tokens, orders)) for tokens, bits in documents]
    return Memory(**vars(fit(orders, pairs)))


class MemoryState:
    """A document that is read token by token under a memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._tables = [dict[tuple[int, ...], Counter[int]]() for _ in memory.orders]
        self._last = [BOUNDARY] * max(memory.orders)

    def _contexts(self) -> list[tuple[int, ...]]:
        return [tuple(self._last[len(self._last) - order :]) for order in self._memory.orders]

    def copy(self) -> MemoryState:
        """The same document, that may go on differently."""
        state = MemoryState(self._memory)
        state._tables = [{k: Counter(v) for k, v in table.items()} for table in self._tables]
        state._last = self._last
        return state

    def mixed(self, probabilities: np.ndarray) -> np.ndarray:
        """P(x | the document so far) from the network's: (V,) float64 → (V,) float64."""
        memory = self._memory
        result = np.maximum(probabilities, MIN_PROBABILITY)
        for table, context, discounts, strengths in zip(
            self._tables, self._contexts(), memory.discounts, memory.strengths, strict=True
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
            counter = table.setdefault(context, Counter())
            counter[token] += 1
            if counter[token] > 1:
                break
        self._last = [*self._last[1:], token]


def count(tokens: np.ndarray, orders: Sequence[int]) -> Counts:
    """What a :class:`MemoryState` counts along a document and its end mark, all at once.

    Args:
        tokens: (n,) integers, without boundaries.
        orders: rising.
    """
    text = _numbered(np.concatenate([[BOUNDARY], tokens.astype(np.int64), [BOUNDARY]]))
    size = len(text)
    grams = [np.zeros_like(text), text]  # by length, which n-gram ends at each token
    for _ in range(max(orders)):
        # before the document stand only boundaries
        previous = np.concatenate([grams[-1][:1], grams[-1][:-1]])
        grams.append(_numbered(previous * size + text))
    levels = list[tuple[np.ndarray, ...]]()
    everything = counted = np.ones(size - 1, dtype=bool)
    for order in reversed(orders):
        context, whole = grams[order][:-1], grams[order + 1][1:]
        before, same = _earlier(whole, everything, counted)
        new = before == 0
        levels.append((same, *_earlier(context, counted, new)))
        counted = new
    return Counts(*map(np.array, zip(*reversed(levels), strict=True)))


def _numbered(values: np.ndarray) -> np.ndarray:
    """Equal values as equal numbers from 0."""
    return np.unique(values, return_inverse=True)[1]


def _earlier(groups: np.ndarray, *counted: np.ndarray) -> list[np.ndarray]:
    """How many earlier places of the same group are counted, (n,) int32 for each (n,) bool."""
    order = np.argsort(groups, kind="stable")
    begins = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(np.append(begins, len(groups)))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    sums = [np.cumsum(places[order]) - places[order] for places in counted]
    return [(s - np.repeat(s[begins], sizes))[place].astype(np.int32) for s in sums]
