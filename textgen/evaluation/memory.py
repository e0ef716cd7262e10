"""P(next token | the document so far): a memory of the document over what the network says.

A text repeats itself: its names, its phrases, its headings. An LSTM that has met a name once does
not count on it again; a memory does (a cache language model: Kuhn & De Mori 1990; Grave, Joulin &
Usunier 2017). This one is
a hierarchical Pitman-Yor process (Teh 2006, one table a token) over the document so far, whose
base is the network:

    P_0(x) = the network's P(x | all tokens before)
    P_j(x) = max(n_j(x) − d_j, 0) / (n_j + θ_j) + (θ_j + d_j t_j) / (n_j + θ_j) · P_{j−1}(x)

Level j has a context of ``orders[j]`` tokens; after it n_j tokens have been counted, n_j(x) of
them x, t_j different ones. The highest level counts every token, each lower one a token that was
new to the level above it (Kneser & Ney 1995). What has followed a context tells how far to trust
it, so d_j and θ_j depend on which of CONTEXTS kinds of context it is (:func:`kind`), much as the
escapes of PPM do (Shkarin 2002). P_j sums to one if P_{j−1} does, so what comes out is a
distribution over documents like what goes in, and nothing is read ahead.

Discounts d and strengths θ are fitted to validation documents, or to the first TUNED tokens of
them: most likely, but for a weak pull towards START. A memory begins empty with every document.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from textgen.evaluation.dynamic import Learning
from textgen.tokenizers.tokens import BOUNDARY

START = (0.8, 8.0)
"""d and θ before anything is known."""
PRIOR = 0.25
"""Weight of the squared distance from START, in log-odds of d and in ln θ, against nats."""
SMALLEST = 2.0**-1000
"""Chance that a network is taken to leave to any token, for a double may make none of it."""
TIMED = 10_000
"""Tokens of a document that tell how long a memory takes."""
TUNED = 500_000
"""Tokens that settle some hundred numbers well enough."""
CONTEXTS = 6
"""Kinds of context, see :func:`kind`."""
LIMITS = ((-4.0, 6.0), (-4.0, 16.0))
"""Of the log-odds of d, and of ln θ."""


class Counts(NamedTuple):
    """What the levels have counted before each token of a document.

    Attributes:
        same: (orders, n) int32, n_j(x) of the token that comes.
        all: (orders, n) int32, n_j.
        kinds: (orders, n) int32, t_j.
    """

    same: np.ndarray
    all: np.ndarray
    kinds: np.ndarray


@dataclass(frozen=True)
class Memory:
    """A tuned memory.

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
        found = self.mixed(_chances(bits), counts(tokens, self.orders))
        return (-np.log2(found)).astype(np.float32)

    def mixed(self, chances: np.ndarray, counted: Counts) -> np.ndarray:
        """P of each token from the network's: (n,) float64 → (n,) float64."""
        for discounts, strengths, same, total, kinds in zip(
            self.discounts, self.strengths, *counted, strict=True
        ):
            which = kind(total, kinds)
            discount, strength = np.array(discounts)[which], np.array(strengths)[which]
            held = np.maximum(same - discount, 0.0)
            chances = (held + (strength + discount * kinds) * chances) / (total + strength)
        return chances

    def state(self) -> dict[str, Any]:
        """What ``memory.json`` holds: the arguments."""
        return asdict(self)

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Memory:
        """The memory that has this state; also an older one, where a level had one discount and one
        strength for all kinds of context.

        Raises:
            KeyError, TypeError, ValueError: it is no state of a memory.
        """
        orders = tuple(state["orders"])

        def rows(values: ArrayLike) -> tuple[tuple[float, ...], ...]:
            table = np.array(values, dtype=np.float64).reshape(len(orders), -1)
            return tuple(map(tuple, np.broadcast_to(table, (len(orders), CONTEXTS)).tolist()))

        learning = state.get("learning")
        return cls(
            orders, rows(state["discounts"]), rows(state["strengths"]),
            learning and Learning(*(tuple(map(float, learning[k])) for k in ("rates", "scales"))),
        )  # fmt: skip


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
        other = MemoryState(self._memory)
        other._tables = [{k: Counter(v) for k, v in table.items()} for table in self._tables]
        other._last = self._last
        return other

    def beyond(self, token: int) -> MemoryState:
        """The place after a token that is read but not counted; the tables are shared, so that many
        continuations can be looked at."""
        other = MemoryState.__new__(MemoryState)
        other._memory, other._tables = self._memory, self._tables
        other._last = [*self._last[1:], token]
        return other

    def mixed(self, chances: np.ndarray) -> np.ndarray:
        """P(x | the document so far) from the network's: (V,) float64 → (V,) float64."""
        levels = zip(
            self._tables, self._contexts(), self._memory.discounts, self._memory.strengths,
            strict=True,
        )  # fmt: skip
        chances = np.maximum(chances, SMALLEST)
        for table, context, discounts, strengths in levels:
            if counted := table.get(context):
                which = int(kind(counted.total(), len(counted)))
                discount, strength = discounts[which], strengths[which]
                total = counted.total() + strength
                chances = chances * ((strength + discount * len(counted)) / total)
                chances[list(counted)] += (np.array(list(counted.values())) - discount) / total
        return chances

    def add(self, token: int) -> None:
        """The token that came."""
        for table, context in reversed(list(zip(self._tables, self._contexts(), strict=True))):
            counted = table.setdefault(context, Counter())
            counted[token] += 1
            if counted[token] > 1:
                break
        self._last = [*self._last[1:], token]


def kind(total: ArrayLike, kinds: ArrayLike) -> np.ndarray:
    """The kind of a context, from how many tokens were counted behind it and how many different
    ones: 0, 1, 2 where one only has followed, once, twice, or more often; 3, 4, 5 where two, three,
    or more have. (Where nothing has, d and θ do not matter.)"""
    return np.where(np.less_equal(kinds, 1), np.clip(total, 1, 3) - 1, np.minimum(kinds, 4) + 1)


def counts(tokens: np.ndarray, orders: Sequence[int]) -> Counts:
    """What a :class:`MemoryState` counts along a document and its end
    mark, all at once.

    Args:
        tokens: (n,) integers, without boundaries.
        orders: rising.
    """
    text = np.concatenate([[BOUNDARY], tokens.astype(np.int64), [BOUNDARY]])
    text, size = _numbered(text), len(text)
    grams = {0: np.zeros(size, dtype=np.int32), 1: text.astype(np.int32)}
    current, wanted = text, {*orders, *(order + 1 for order in orders)}
    for length in range(2, max(orders) + 2):
        # before the document stands nothing but boundaries
        previous = np.concatenate([current[:1], current[:-1]])
        current = _numbered(previous * size + text)
        if length in wanted:
            grams[length] = current.astype(np.int32)
    found = list[tuple[np.ndarray, np.ndarray, np.ndarray]]()
    everything = counted = np.ones(size - 1, dtype=bool)
    for order in reversed(orders):
        context, whole = grams[order][:-1], grams[order + 1][1:]
        before, same = _earlier(whole, everything, counted)
        first = before == 0
        found.append((same, *_earlier(context, counted, first)))
        counted = first
    return Counts(*(np.array(rows) for rows in zip(*reversed(found), strict=True)))


def _chances(bits: np.ndarray) -> np.ndarray:
    return np.maximum(np.exp2(-bits.astype(np.float64)), SMALLEST)


def _numbered(values: np.ndarray) -> np.ndarray:
    """Equal values as equal numbers from 0."""
    return np.unique(values, return_inverse=True)[1]


def _earlier(
    groups: np.ndarray, one: np.ndarray, other: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many earlier places of the same group count, in one way of counting and in another:
    (n,) int32 each."""
    order = np.argsort(groups, kind="stable")
    begins = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(np.append(begins, len(groups)))

    def before(counted: np.ndarray) -> np.ndarray:
        sums = np.cumsum(counted[order]) - counted[order]
        result = np.empty(len(groups), dtype=np.int32)
        result[order] = sums - np.repeat(sums[begins], sizes)
        return result

    return before(one), before(other)


def tuned(orders: Sequence[int], documents: Sequence[tuple[np.ndarray, np.ndarray]]) -> Memory:
    """The memory that makes documents most likely, or of many the first TUNED tokens.

    Args:
        orders: rising.
        documents: tokens (n,) and the network's bits (n + 1,) of each, of the validation split.
    """
    parts, room = list[tuple[Counts, np.ndarray]](), TUNED
    for tokens, bits in documents:
        end = min(len(bits), room)  # of a document cut short the end mark is not asked for
        counted = counts(tokens[:end], orders)
        parts.append((Counts(*(row[:, :end] for row in counted)), bits[:end]))
        room -= end
        if not room:
            break
    together = Counts(
        *(np.concatenate(rows, axis=1) for rows in zip(*(c for c, _ in parts), strict=True))
    )
    return fitted(orders, _chances(np.concatenate([bits for _, bits in parts])), together)


def memory_seconds(orders: Sequence[int], documents: Sequence[np.ndarray]) -> tuple[float, float]:
    """How long :func:`tuned` and reading documents with the memory will take, about, from one."""
    import scipy.optimize  # noqa: F401, takes time once, which is not to be multiplied

    long = [tokens for tokens in documents if len(tokens) >= TIMED]
    tokens = min(long, key=len) if long else max(documents, key=len)
    bits, start = np.full(len(tokens) + 1, 2.0), time.perf_counter()
    memory = tuned(orders, [(tokens, bits)])
    middle = time.perf_counter()
    memory.bits(tokens, bits)
    end, number = time.perf_counter(), sum(len(each) + 1 for each in documents)
    share = min(number, TUNED) / len(bits), number / len(bits)
    return (middle - start) * share[0], (end - middle) * share[1]


def fitted(orders: Sequence[int], chances: np.ndarray, counted: Counts) -> Memory:
    """The memory that makes tokens most likely.

    Args:
        orders: rising.
        chances: (n,) float64, the network's.
        counted: before each of them.
    """
    from scipy.optimize import minimize

    begin = np.repeat([np.log(START[0] / (1 - START[0])), np.log(START[1])], len(orders) * CONTEXTS)
    which = kind(counted.all, counted.kinds)

    def cost(setting: np.ndarray) -> tuple[float, np.ndarray]:
        nats, slope = _nats(setting, chances, counted, which)
        away = setting - begin
        return nats + PRIOR * float(away @ away), slope + 2 * PRIOR * away

    limits = np.repeat(LIMITS, len(orders) * CONTEXTS, axis=0)
    found = minimize(cost, begin, jac=True, method="L-BFGS-B", bounds=limits).x
    discounts, strengths = _settings(found)
    return Memory.load({"orders": orders, "discounts": discounts, "strengths": strengths})


def _settings(setting: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """d and θ, (orders, CONTEXTS) each, from their log-odds and logarithms laid end to end."""
    odds, logs = setting.reshape(2, -1, CONTEXTS)
    return 1 / (1 + np.exp(-odds)), np.exp(logs)


def _nats(
    setting: np.ndarray, chances: np.ndarray, counted: Counts, which: np.ndarray
) -> tuple[float, np.ndarray]:
    """−ln P of all tokens, and its slope in every part of the setting; ``which`` (orders, n) is
    the kind of each context."""
    levels, slopes = [chances], list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]()
    for discounts, strengths, row, same, total, kinds in zip(
        *_settings(setting), which, *counted, strict=True
    ):
        d, strength, below = discounts[row], strengths[row], levels[-1]
        total = total + strength
        share = (strength + d * kinds) / total
        levels.append(np.maximum(same - d, 0.0) / total + share * below)
        slopes.append((
            row,
            d * (1 - d) * (kinds * below - (same > 0)) / total,
            strength * (below - levels[-1]) / total,
            share,
        ))  # fmt: skip
    back, found = -1 / levels[-1], list[list[np.ndarray]]()
    for row, by_odds, by_log, share in reversed(slopes):
        found.append([np.bincount(row, back * by, CONTEXTS) for by in (by_odds, by_log)])
        back = back * share
    slope = np.array(found[::-1]).transpose(1, 0, 2).ravel()
    return -float(np.log(levels[-1]).sum()), slope
