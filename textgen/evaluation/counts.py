"""Counts of what followed a context before, and how far to trust them beside a network.

:class:`PitmanYor` is a hierarchical Pitman-Yor process. Every level counts which tokens have
followed contexts of so many tokens; its base is the level below, that of the lowest a given
distribution P_0 (Teh 2006, with one table a token):

    P_j(x) = max(n_j(x) − d_j, 0) / (n_j + θ_j) + (θ_j + d_j t_j) / (n_j + θ_j) · P_{j−1}(x)

Level j has a context of ``orders[j]`` tokens; after it n_j tokens have been counted, n_j(x) of
them x, t_j different ones. The highest level counts every token, each lower one a token that was
new to the level above it (Kneser & Ney 1995). What has followed a context says how far to trust
it, so d_j and θ_j depend on which of CONTEXT_KINDS kinds of context it is, much as the escapes of
PPM do (Shkarin 2002). P_j sums to one if P_{j−1} does.

:class:`TrainingCounts` are such counts of the training text. A network that has trained for minutes
does not know by heart what counts know at once: which word has followed these two. What a network
predicts is mixed with what counts predict on top of it, its predictions being P_0, and with what
they predict alone, P_0 being uniform (mixtures of recurrent networks and n-grams: Mikolov et al.
2011). How far each is trusted is fitted on validation text.
The counts of a document so far are :mod:`textgen.evaluation.memory`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from pydantic.dataclasses import dataclass
from scipy.optimize import minimize

from textgen.tokenizers.base import BOUNDARY, THIRDS, WEIGHTS_PRIOR, mixture_weights

# Most different tokens after contexts of one kind, and how often each came on average.
DIFFERENT_LIMITS, TIMES_LIMITS = (1, 2, 4, 10), (1, 2, 5, 20)
CONTEXT_KINDS = (len(DIFFERENT_LIMITS) + 1) * (len(TIMES_LIMITS) + 1)
# d and θ before anything is known.
START = (0.8, 8.0)
# Of the squared distance from START, or of a kind from its level, in log-odds of d and in ln θ,
# against nats.
PRIOR_WEIGHT = 0.25
# Of the log-odds of d, and of ln θ.
LIMITS = ((-4.0, 6.0), (-4.0, 16.0))
# Least that a network is taken to leave to a token: a double may have no room for less.
MIN_PROBABILITY = 2.0**-1000
# Enough to settle some hundred numbers.
TUNING_TOKENS = 100_000
# The fit ends where a step saves less than this share of all nats.
FIT_TOLERANCE = 1e-6
UNSEEN = -1
# Counted of a training text, about: more takes a gigabyte and more for characters.
MAX_TOKENS = 4_000_000


class Counts(NamedTuple):
    """What the levels have counted after the context of each token of a document.

    Attributes:
        same: (orders, n) integers, n_j(x) of the token that comes.
        all: (orders, n) integers, n_j.
        different: (orders, n) integers, t_j.
    """

    same: np.ndarray
    all: np.ndarray
    different: np.ndarray


def context_kind(total: ArrayLike, different: ArrayLike) -> np.ndarray:
    """The kind of a context, from how many tokens were counted after it and how many different
    ones: by the latter, and by how often each came on average. (Where nothing was counted, d and θ
    do not matter.)"""
    different = np.maximum(different, 1)
    by_different = np.searchsorted(DIFFERENT_LIMITS, different)
    return by_different * (len(TIMES_LIMITS) + 1) + np.searchsorted(
        TIMES_LIMITS, np.asarray(total) / different
    )


def _probabilities(bits: np.ndarray) -> np.ndarray:
    return np.maximum(np.exp2(-bits.astype(np.float64)), MIN_PROBABILITY)


@dataclass(frozen=True)
class PitmanYor:
    """A fitted process.

    Attributes:
        orders: tokens of context of each level, rising.
        discounts, strengths: d and θ of each level, for each kind of context.
    """

    orders: tuple[int, ...]
    discounts: tuple[tuple[float, ...], ...]
    strengths: tuple[tuple[float, ...], ...]

    def mixed_bits(self, bits: np.ndarray, counts: Counts) -> np.ndarray:
        """What tokens cost: (n,) −log2 P_0 → (n,) float32 −log2 P."""
        return (-np.log2(self.mixed(_probabilities(bits), counts))).astype(np.float32)

    def mixed(self, probabilities: np.ndarray, counts: Counts) -> np.ndarray:
        """P of each token from its P_0: (n,) float64 → (n,) float64."""
        for discounts, strengths, same, total, different in zip(
            self.discounts, self.strengths, *counts, strict=True
        ):
            kind = context_kind(total, different)
            discount = np.array(discounts)[kind]
            strength = np.array(strengths)[kind]
            own = np.maximum(same - discount, 0.0)
            below = (strength + discount * different) * probabilities
            probabilities = (own + below) / (total + strength)
        return probabilities


def fit(orders: Sequence[int], documents: Sequence[tuple[np.ndarray, Counts]]) -> PitmanYor:
    """The process that makes the first TUNING_TOKENS tokens of documents most likely, but for a
    weak pull of what all kinds of a level share towards START, and of each kind towards that: a
    kind that these documents do not have is like the rest of its level.

    Args:
        orders: rising.
        documents: bits (n,) of the tokens of each under P_0, and what was counted, of validation
            documents.
    """
    parts, room = list[tuple[np.ndarray, ...]](), TUNING_TOKENS
    for bits, counts in documents:
        end = min(len(bits), room)  # the end mark of a document that is cut short is left out
        parts.append((_probabilities(bits[None, :end]), *(row[:, :end] for row in counts)))
        room -= end
    (probabilities,), *rows = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    counts = Counts(*rows)
    kinds = context_kind(counts.all, counts.different)
    start = [[np.log(START[0] / (1 - START[0]))], [np.log(START[1])]]
    text = probabilities, counts
    of_levels = likeliest(*text, np.zeros_like(kinds), np.repeat(start, len(orders), axis=1), 1)
    best = likeliest(*text, kinds, of_levels[:, :, 0], CONTEXT_KINDS)
    discounts, strengths = (tuple(map(tuple, values.tolist())) for values in _settings(best))
    return PitmanYor(tuple(orders), discounts, strengths)


def likeliest(
    probabilities: np.ndarray, counts: Counts, kinds: np.ndarray, near: np.ndarray, number: int
) -> np.ndarray:
    """(2, orders, number): log-odds of d, and ln θ, of each kind of context, by which tokens are
    likeliest, but for a pull towards those of their level.

    Args:
        probabilities: (n,) P_0 of the tokens.
        counts: after their contexts.
        kinds: (orders, n) of these.
        near: (2, orders), those of the levels.
        number: of kinds.
    """
    start = np.repeat(near, number)

    def cost(setting: np.ndarray) -> tuple[float, np.ndarray]:
        nats, slope = _nats(setting.reshape(2, -1, number), probabilities, counts, kinds)
        away = setting - start
        return nats + PRIOR_WEIGHT * float(away @ away), slope + 2 * PRIOR_WEIGHT * away

    limits = np.repeat(LIMITS, len(kinds) * number, axis=0)
    options = {"ftol": FIT_TOLERANCE}
    best = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=limits, options=options).x
    return best.reshape(2, -1, number)


def _settings(setting: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """d and θ, (orders, kinds) each, from their log-odds and logarithms."""
    return 1 / (1 + np.exp(-setting[0])), np.exp(setting[1])


def _nats(
    setting: np.ndarray, probabilities: np.ndarray, counts: Counts, kinds: np.ndarray
) -> tuple[float, np.ndarray]:
    """−ln P of all tokens, and its slope in every part of the setting; ``kinds`` (orders, n) are
    those of the contexts."""
    levels = [probabilities]
    slopes = list[tuple[np.ndarray, ...]]()
    number = setting.shape[-1]
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
        slope.append([np.bincount(kind, back * part, number) for part in parts])
        back = back * share
    return -float(np.log(levels[-1]).sum()), np.array(slope[::-1]).transpose(1, 0, 2).ravel()


class Level(NamedTuple):
    """What has followed the contexts of one length.

    Attributes:
        same: (n-grams with one more token,) int64, how often each counts at this level.
        all, different: (contexts,) int64, how many follow each context, and how many different
            ones.
    """

    same: np.ndarray
    all: np.ndarray
    different: np.ndarray


class Trust(NamedTuple):
    """How far counts of the training text are trusted beside a network.

    Attributes:
        processes: of counts whose P_0 is the network, and of those whose P_0 is uniform.
        weights: of the network, of counts on top of it, and of counts alone, for each number of
            levels that know the context, from none to all.
    """

    processes: tuple[PitmanYor, PitmanYor]
    weights: Sequence[Sequence[float]]


class TrainingCounts:
    """The n-grams of the training text, and how far they are trusted, once :meth:`fit` is done.

    n-grams are numbered by length: one of n + 1 tokens by its place among all (number of the first
    n tokens, last token) that occur, in order, so that all that have followed n tokens lie side by
    side.

    Args:
        orders: lengths of contexts, rising.
        documents: tokens (n,) of each, without boundaries; the first MAX_TOKENS are counted.
        size: V, number of tokens.
        trust: as fitted before.
    """

    def __init__(
        self,
        orders: Sequence[int],
        documents: Sequence[np.ndarray],
        size: int,
        trust: Trust | None = None,
    ) -> None:
        before = np.cumsum([0, *(len(document) for document in documents)])
        room = MAX_TOKENS - before[before < MAX_TOKENS]
        documents = [d[:most] for d, most in zip(documents, room, strict=False)]
        self.documents, self.trust = documents, trust
        self._orders = tuple(orders)
        self._size = size
        self._longest = max(orders)
        parts = [self._with_boundaries(document) for document in documents]
        text = np.concatenate(parts)
        counted = np.concatenate([np.arange(len(part)) >= self._longest for part in parts])
        self._keys = list[np.ndarray]()  # of the n-grams of each length from 1, rising
        grams = [np.zeros(len(text), dtype=np.int64)]  # of each length, the one that ends here
        for _ in range(self._longest + 1):
            keys, numbers = _numbered(_before(grams[-1]) * size + text)
            self._keys.append(keys)
            grams.append(numbers)
        self._levels = list[Level]()
        for order in reversed(orders):
            whole, keys = grams[order + 1], self._keys[order]
            same = np.bincount(whole[counted], minlength=len(keys))
            contexts, minimum = keys // size, grams[order].max() + 1
            sums = (np.bincount(contexts, counts, minimum) for counts in (same, same > 0))
            self._levels.insert(0, Level(same, *(values.astype(np.int64) for values in sums)))
            # the next level counts what was new to this one: each n-gram at one of its places
            places = np.flatnonzero(counted)
            place_of = np.full(len(keys), UNSEEN)
            place_of[whole[places]] = places
            counted = np.zeros_like(counted)
            counted[place_of[place_of != UNSEEN]] = True

    def _with_boundaries(self, tokens: np.ndarray) -> np.ndarray:
        """(longest + n + 1,) int64: nothing but boundaries stands before a document."""
        begin, end = (np.full(n, BOUNDARY, dtype=np.int64) for n in (self._longest, 1))
        return np.concatenate([begin, tokens, end])

    def _number(self, before: np.ndarray, tokens: np.ndarray, length: int) -> np.ndarray:
        """Numbers of n-grams of a length, from those of all but their last tokens."""
        keys = self._keys[length - 1]
        wanted = np.where(before == UNSEEN, UNSEEN, before * self._size + tokens)
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[places] == wanted, places, UNSEEN)

    def counts(self, tokens: np.ndarray) -> Counts:
        """What has followed the context of each of (n,) tokens of a document and its end mark."""
        text = self._with_boundaries(tokens)
        columns = list[tuple[np.ndarray, ...]]()
        gram = np.zeros(len(text), dtype=np.int64)
        for order in range(self._longest + 1):
            context, gram = _before(gram), self._number(_before(gram), text, order + 1)
            if order in self._orders:
                level = self._levels[self._orders.index(order)]
                looked_up = zip(level, (gram, context, context), strict=True)
                found = [_at(row, place) for row, place in looked_up]
                columns.append(tuple(row[self._longest :] for row in found))
        return Counts(*map(np.array, zip(*columns, strict=True)))

    def fit(self, documents: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        """Fit the trust in counts to validation documents.

        Args:
            documents: tokens (n,) and the network's bits (n + 1,) of each.

        Returns:
            What each costs then, as :meth:`bits` has it.
        """
        counted = [(bits, self.counts(tokens)) for tokens, bits in documents]
        uniform = [(np.full(len(bits), np.log2(self._size)), counts) for bits, counts in counted]
        processes = fit(self._orders, counted), fit(self._orders, uniform)
        parts = [self._components(processes, *pair) for pair in counted]
        masses, known = (np.concatenate(part) for part in zip(*parts, strict=True))
        common = mixture_weights(masses, THIRDS, 0.5)
        of_known = (masses[known == number] for number in range(len(self._orders) + 1))
        weights = tuple(mixture_weights(m, common, WEIGHTS_PRIOR) for m in of_known)
        self.trust = Trust(processes, weights)
        return [_mixture_bits(weights, *part) for part in parts]

    def _components(
        self, processes: tuple[PitmanYor, PitmanYor], bits: np.ndarray, counts: Counts
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n, 3): P of each token by the network, by counts on top of it, and by counts alone; and
        (n,), how many levels know its context."""
        chances = _probabilities(bits)
        bases = chances, np.full(len(chances), 1 / self._size)
        mixed = (p.mixed(base, counts) for p, base in zip(processes, bases, strict=True))
        return np.stack([chances, *mixed], axis=1), (counts.all > 0).sum(axis=0)

    def bits(self, tokens: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """What the tokens of a document and its end mark cost: (n + 1,) bits of the network →
        (n + 1,) float32."""
        assert self.trust is not None
        processes, weights = self.trust
        return _mixture_bits(weights, *self._components(processes, bits, self.counts(tokens)))

    def start(self, rows: int) -> list[np.ndarray]:
        """Contexts of every length, none included, at the beginning of documents: (rows,) each."""
        return [np.zeros(rows, dtype=np.int64)] * (self._longest + 1)  # those of boundaries alone

    def after(self, contexts: list[np.ndarray], tokens: np.ndarray) -> list[np.ndarray]:
        """Contexts behind one more token (rows,)."""
        longer = enumerate(contexts[:-1], 1)
        return contexts[:1] + [self._number(before, tokens, length) for length, before in longer]

    def mixed(self, contexts: list[np.ndarray], probabilities: np.ndarray) -> np.ndarray:
        """P(next token) behind contexts from the network's: (rows, V) float64 → the same."""
        assert self.trust is not None
        processes, weights = self.trust
        levels = zip(self._orders, self._levels, strict=True)
        totals = [_at(level.all, contexts[order]) for order, level in levels]
        shares = np.array(weights)[(np.array(totals) > 0).sum(axis=0)]
        left = shares[:, 1:].copy()  # what higher levels leave to lower ones, by both processes
        added, everywhere = list[tuple[np.ndarray, ...]](), np.zeros((1, 1))
        for number in reversed(range(len(totals))):
            order, level = self._orders[number], self._levels[number]
            keys, rows = self._keys[order], np.flatnonzero(totals[number])
            context = contexts[order][rows]
            total, different = level.all[context], level.different[context]
            kind = context_kind(total, different)
            discounts = np.array([p.discounts[number] for p in processes])[:, kind]
            strengths = np.array([p.strengths[number] for p in processes])[:, kind]
            share = left[rows].T / (total + strengths)
            left[rows] = (share * (strengths + discounts * different)).T
            if not order:  # the same tokens, nearly all, in every row
                own = np.zeros((len(processes), self._size))
                own[:, keys] = np.maximum(level.same - discounts[:, :1], 0.0)
                everywhere = share.T @ own
                continue
            ends = np.searchsorted(keys, [context * self._size, (context + 1) * self._size])
            sizes = ends[1] - ends[0]
            row = np.repeat(np.arange(len(rows)), sizes)
            place = np.arange(len(row)) + np.repeat(ends[0] - (np.cumsum(sizes) - sizes), sizes)
            own = share[:, row] * np.maximum(level.same[place] - discounts[:, row], 0.0)
            added.append((rows[row], keys[place] - context[row] * self._size, own.sum(axis=0)))
        result = np.maximum(probabilities, MIN_PROBABILITY)
        result *= shares[:, :1] + left[:, :1]  # in place: rows of words are long
        result += left[:, 1:] / self._size + everywhere
        for at_rows, columns, own in added:
            result[at_rows, columns] += own
        return result


def with_training_counts(
    network: Any, documents: Sequence[np.ndarray], bits: list[np.ndarray]
) -> list[np.ndarray]:
    """Bits of the tokens of documents under a network, mixed with counts of the training text if it
    has them."""
    counts = network.training_counts
    return [counts.bits(*pair) for pair in zip(documents, bits, strict=True)] if counts else bits


def _mixture_bits(
    weights: Sequence[Sequence[float]], masses: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """−log2 P of tokens (n,) float32 from what ``_components`` returns."""
    return (-np.log2((np.array(weights)[known] * masses).sum(axis=1))).astype(np.float32)


def _numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``np.unique(values, return_inverse=True)`` of (n,) int64 from 0 on. Where there is room,
    values and their places are sorted as one number, which is twice as fast."""
    bits = len(values).bit_length()
    if int(values.max()) >> (63 - bits):
        return np.unique(values, return_inverse=True)
    packed = np.sort((values << bits) | np.arange(len(values)))
    places, packed = packed & ((1 << bits) - 1), packed >> bits
    new = np.concatenate([[True], packed[1:] != packed[:-1]])
    numbers = np.empty_like(values)
    numbers[places] = np.cumsum(new) - 1
    return packed[new], numbers


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The values at some places; 0 for UNSEEN."""
    return np.where(places == UNSEEN, 0, values[places])


def _before(values: np.ndarray) -> np.ndarray:
    """The value before each; 0 before the first."""
    return np.concatenate([values[:1] * 0, values[:-1]])
