"""P(next token | the document so far): a memory of the document over what the network says.

A text repeats itself: its names, its phrases, its headings. An LSTM that has met a name once does
not count on it again; a memory does (a cache language model: Kuhn & De Mori 1990; Grave, Joulin &
Usunier 2017). This one is a hierarchical Pitman-Yor process (Teh 2006, one table a token) over the
document so far, whose base is the network:

    P_0(x) = the network's P(x | all tokens before)
    P_j(x) = max(n_j(x) − d_j, 0) / (n_j + θ_j) + (θ_j + d_j t_j) / (n_j + θ_j) · P_{j−1}(x)

Level j has a context of ``orders[j]`` tokens; after it n_j tokens have been counted, n_j(x) of
them x, t_j different ones. The highest level counts every token, each lower one a token that was
new to the level above it (Kneser & Ney 1995). What has followed a context says how far to trust
it, so d_j and θ_j depend on which of CONTEXT_KINDS kinds of context it is, much as the escapes of
PPM do (Shkarin 2002). P_j sums to one if P_{j−1} does, so what comes out is a distribution over
documents like what goes in, and nothing is read ahead. A memory begins empty with every document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from pydantic.dataclasses import dataclass
from scipy.optimize import minimize

from textgen.evaluation.dynamic import Learning
from textgen.tokenizers.base import BOUNDARY

CONTEXT_KINDS = 6
# d and θ before anything is known.
START = (0.8, 8.0)
# Of the squared distance from START, in log-odds of d and in ln θ, against nats.
PRIOR_WEIGHT = 0.25
# Of the log-odds of d, and of ln θ.
LIMITS = ((-4.0, 6.0), (-4.0, 16.0))
# Least that a network is taken to leave to a token: a double may have no room for less.
MIN_PROBABILITY = 2.0**-1000
# Enough to settle some hundred numbers.
TUNING_TOKENS = 500_000


class Counts(NamedTuple):
    """What the levels have counted before each token of a document.

    Attributes:
        same: (orders, n) int32, n_j(x) of the token that comes.
        all: (orders, n) int32, n_j.
        different: (orders, n) int32, t_j.
    """

    same: np.ndarray
    all: np.ndarray
    different: np.ndarray


@dataclass(frozen=True)
class Memory:
    """A tuned memory. ``memory.json`` holds its attributes.

    Attributes:
        orders: tokens of context of each level, rising.
        discounts, strengths: d and θ of each level, for each kind of context.
        learning: how the network goes on learning from the document, if it does: P_0 is then what
            it says after that.
    """

    orders: tuple[int, ...]
    discounts: tuple[tuple[float, ...], ...]
    strengths: tuple[tuple[float, ...], ...]
    learning: Learning | None = None

    def bits(self, tokens: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """What the tokens of a document cost with the memory.

        Args:
            tokens: (n,) integers, without boundaries.
            bits: (n + 1,) −log2 of the network's probabilities, the end mark's last.

        Returns:
            (n + 1,) float32.
        """
        mixed = self.mixed(_probabilities(bits), count(tokens, self.orders))
        return (-np.log2(mixed)).astype(np.float32)

    def mixed(self, probabilities: np.ndarray, counts: Counts) -> np.ndarray:
        """P of each token from the network's: (n,) float64 → (n,) float64."""
        for discounts, strengths, same, total, different in zip(
            self.discounts, self.strengths, *counts, strict=True
        ):
            kind = context_kind(total, different)
            discount, strength = np.array(discounts)[kind], np.array(strengths)[kind]
            own = np.maximum(same - discount, 0.0)
            below = (strength + discount * different) * probabilities
            probabilities = (own + below) / (total + strength)
        return probabilities


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
        memory, result = self._memory, np.maximum(probabilities, MIN_PROBABILITY)
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


def context_kind(total: ArrayLike, different: ArrayLike) -> np.ndarray:
    """The kind of a context, from how many tokens were counted after it and how many different
    ones: 0, 1, 2 where only one has followed, once, twice, or more often; 3, 4, 5 where two, three,
    or more have. (Where nothing has, d and θ do not matter.)"""
    single = np.clip(total, 1, 3) - 1
    return np.where(np.less_equal(different, 1), single, np.minimum(different, 4) + 1)


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


def _probabilities(bits: np.ndarray) -> np.ndarray:
    return np.maximum(np.exp2(-bits.astype(np.float64)), MIN_PROBABILITY)


def tune_memory(
    orders: Sequence[int], documents: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Memory:
    """The memory that makes the first TUNING_TOKENS tokens of documents most likely, but for a weak
    pull towards START.

    Args:
        orders: rising.
        documents: tokens (n,) and the network's bits (n + 1,) of each, of the validation split.
    """
    parts, room = list[tuple[np.ndarray, ...]](), TUNING_TOKENS
    for tokens, bits in documents:
        end = min(len(bits), room)  # the end mark of a document that is cut short is left out
        counted = count(tokens[:end], orders)
        parts.append((_probabilities(bits[None, :end]), *(row[:, :end] for row in counted)))
        room -= end
    (probabilities,), *rows = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    counts = Counts(*rows)
    kinds = context_kind(counts.all, counts.different)
    size = len(orders) * CONTEXT_KINDS
    start = np.repeat([np.log(START[0] / (1 - START[0])), np.log(START[1])], size)

    def cost(setting: np.ndarray) -> tuple[float, np.ndarray]:
        nats, slope = _nats(setting, probabilities, counts, kinds)
        away = setting - start
        return nats + PRIOR_WEIGHT * float(away @ away), slope + 2 * PRIOR_WEIGHT * away

    limits = np.repeat(LIMITS, size, axis=0)
    best = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=limits).x
    discounts, strengths = (values.tolist() for values in _settings(best))
    return Memory(tuple(orders), discounts, strengths)


def _settings(setting: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """d and θ, (orders, CONTEXT_KINDS) each, from their log-odds and logarithms in one row."""
    odds, logs = setting.reshape(2, -1, CONTEXT_KINDS)
    return 1 / (1 + np.exp(-odds)), np.exp(logs)


def _nats(
    setting: np.ndarray, probabilities: np.ndarray, counts: Counts, kinds: np.ndarray
) -> tuple[float, np.ndarray]:
    """−ln P of all tokens, and its slope in every part of the setting; ``kinds`` (orders, n) are
    those of the contexts."""
    levels, slopes = [probabilities], list[tuple[np.ndarray, ...]]()
    for discounts, strengths, kind, same, total, different in zip(
        *_settings(setting), kinds, *counts, strict=True
    ):
        d, strength, below = discounts[kind], strengths[kind], levels[-1]
        total = total + strength
        share = (strength + d * different) / total
        levels.append(np.maximum(same - d, 0.0) / total + share * below)
        by_odds = d * (1 - d) * (different * below - (same > 0)) / total
        by_log = strength * (below - levels[-1]) / total
        slopes.append((kind, share, by_odds, by_log))
    back, slope = -1 / levels[-1], list[list[np.ndarray]]()
    for kind, share, *parts in reversed(slopes):
        slope.append([np.bincount(kind, back * part, CONTEXT_KINDS) for part in parts])
        back = back * share
    return -float(np.log(levels[-1]).sum()), np.array(slope[::-1]).transpose(1, 0, 2).ravel()
