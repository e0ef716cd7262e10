"""A hierarchical Pitman-Yor process over counts of what followed a context.

Every level counts which tokens have followed contexts of so many tokens; its base is the level
below, that of the lowest a given distribution P_0 (Teh 2006, with one table a token):

    P_j(x) = max(n_j(x) − d_j, 0) / (n_j + θ_j) + (θ_j + d_j t_j) / (n_j + θ_j) · P_{j−1}(x)

Level j has a context of ``orders[j]`` tokens; after it n_j tokens have been counted, n_j(x) of
them x, t_j different ones. The highest level counts every token, each lower one a token that was
new to the level above it (Kneser & Ney 1995). What has followed a context says how far to trust
it, so d_j and θ_j depend on which of CONTEXT_KINDS kinds of context it is, much as the escapes of
PPM do (Shkarin 2002). P_j sums to one if P_{j−1} does.

P is found in either of two directions: from the lowest level upwards, by the formula as it stands;
or from the highest downwards, where each level divides what those above have left
(:func:`divide_at_level`):

    P(x) = Σ_j worth_j · max(n_j(x) − d_j, 0) + left · P_0(x)

The latter is for P of all tokens at once, most of which have followed no context that is counted.

What is counted is the training text or the document so far (:mod:`textgen.evaluation.counts`).
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from pydantic.dataclasses import dataclass
from scipy.optimize import minimize

# Kinds of contexts differ by how many different tokens came at most, and by how often each did on
# average; beyond the last limit there is one more kind.
DIFFERENT_LIMITS = (1, 2, 4, 10)
TIMES_LIMITS = (1, 2, 5, 20)
CONTEXT_KINDS = (len(DIFFERENT_LIMITS) + 1) * (len(TIMES_LIMITS) + 1)
# d and θ before anything is known.
START = (0.8, 8.0)
# The fit adds to the nats of all tokens this times the squared distance that parameters have moved,
# those of a level from START and those of a kind from its level's. The parameters that are fitted
# are the log-odds of d and ln θ.
PRIOR_WEIGHT = 0.25
# Lowest and highest log-odds of d, and ln θ, that a fit may give.
LIMITS = ((-4.0, 6.0), (-4.0, 16.0))
# Least that a network is taken to leave to a token: a double may have no room for less.
MIN_PROBABILITY = 2.0**-1000
# Enough to settle some hundred numbers.
TUNING_TOKENS = 100_000
# Enough to say about how much these will be worth.
CROSS_FITTED_TOKENS = 25_000
# The fit ends where a step saves less than this share of all nats.
FIT_TOLERANCE = 1e-6

Numbers = TypeVar("Numbers", float, np.ndarray)  # of one context, or of each of some


class ContextCounts(NamedTuple):
    """What the levels have counted after contexts, such as that of each token of a document.

    Attributes:
        same: (orders, n) integers, n_j(x) of the token that comes.
        total: (orders, n) integers, n_j.
        different: (orders, n) integers, t_j.
    """

    same: np.ndarray
    total: np.ndarray
    different: np.ndarray

    def cut(self, where: slice) -> "ContextCounts":
        """Those of some tokens."""
        return ContextCounts(self.same[:, where], self.total[:, where], self.different[:, where])

    def of_level(self, level: int) -> "ContextCounts":
        """Those of one level, (n,) each."""
        return ContextCounts(self.same[level], self.total[level], self.different[level])


def joined(parts: Sequence[ContextCounts]) -> ContextCounts:
    """Those of all tokens, one part after another."""
    return ContextCounts(
        same=np.concatenate([part.same for part in parts], axis=1),
        total=np.concatenate([part.total for part in parts], axis=1),
        different=np.concatenate([part.different for part in parts], axis=1),
    )


Counted = Sequence[tuple[np.ndarray, ContextCounts]]  # bits of tokens, and what was counted


def context_kind(total: ArrayLike, different: ArrayLike) -> np.ndarray:
    """The kind of a context, from how many tokens were counted after it and how many different
    ones: by the latter, and by how often each came on average. (Where nothing was counted, d and θ
    do not matter.)"""
    different = np.maximum(different, 1)
    by_different = np.searchsorted(DIFFERENT_LIMITS, different)
    by_times = np.searchsorted(TIMES_LIMITS, np.asarray(total) / different)
    return by_different * (len(TIMES_LIMITS) + 1) + by_times


def kind_of_context(total: int, different: int) -> int:
    """:func:`context_kind` of a single context in which something was counted, in a tenth of the
    time."""
    by_different = bisect_left(DIFFERENT_LIMITS, different)
    by_times = bisect_left(TIMES_LIMITS, total / different)
    return by_different * (len(TIMES_LIMITS) + 1) + by_times


def probabilities_of(bits: np.ndarray) -> np.ndarray:
    """(n,) float64 from bits (n,), at least MIN_PROBABILITY."""
    return np.maximum(np.exp2(-bits.astype(np.float64)), MIN_PROBABILITY)


def divide_at_level(
    left: Numbers, total: Numbers, different: Numbers, discount: Numbers, strength: Numbers
) -> tuple[Numbers, Numbers]:
    """How a level that knows a context divides what the levels above have left.

    Returns:
        What a count is worth, by which max(n(x) − d, 0) is multiplied; and what is left to the
        level below.
    """
    count_worth = left / (total + strength)
    return count_worth, count_worth * (strength + discount * different)


class Division(NamedTuple):
    """How P after contexts is divided among the levels and P_0: P(x) is the sum of
    count_worth · max(n(x) − d, 0) over all levels, and of left · P_0(x).

    Attributes:
        count_worth: (orders, n); 0 where a level does not know the context.
        discounts: (orders, n), d.
        left: (n,), to P_0.
    """

    count_worth: np.ndarray
    discounts: np.ndarray
    left: np.ndarray


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

    def mixed_bits(self, bits: np.ndarray, counts: ContextCounts) -> np.ndarray:
        """What tokens cost: (n,) −log2 P_0 → (n,) float32 −log2 P."""
        return (-np.log2(self.mixed(probabilities_of(bits), counts))).astype(np.float32)

    def mixed(self, probabilities: np.ndarray, counts: ContextCounts) -> np.ndarray:
        """P of each token from its P_0: (n,) float64 → (n,) float64."""
        for level in range(len(self.orders)):
            same, total, different = counts.of_level(level)
            kind = context_kind(total, different)
            discount = np.array(self.discounts[level])[kind]
            strength = np.array(self.strengths[level])[kind]
            counted = np.maximum(same - discount, 0.0)
            below = (strength + discount * different) * probabilities
            probabilities = (counted + below) / (total + strength)
        return probabilities

    def divide(self, whole: np.ndarray, total: np.ndarray, different: np.ndarray) -> Division:
        """How P after contexts is divided among the levels.

        Args:
            whole: (n,), what is divided: 1, or a weight of P.
            total, different: (orders, n), of :class:`ContextCounts`.
        """
        kinds = context_kind(total, different)
        count_worth = np.zeros(kinds.shape)
        discounts = np.zeros(kinds.shape)
        left = whole
        for level in reversed(range(len(self.orders))):
            discounts[level] = np.array(self.discounts[level])[kinds[level]]
            strengths = np.array(self.strengths[level])[kinds[level]]
            worth, below = divide_at_level(
                left, total[level], different[level], discounts[level], strengths
            )
            is_known = total[level] > 0
            count_worth[level] = np.where(is_known, worth, 0.0)
            left = np.where(is_known, below, left)
        return Division(count_worth, discounts, left)


def fit(orders: Sequence[int], documents: Counted, limit: int | None = None) -> PitmanYor:
    """The process that makes the first tokens of documents most likely.

    Two weak pulls keep parameters near what is plausible. Each level is fitted first, as if all of
    its contexts were of one kind, with a pull towards START. Then each kind is fitted, with a pull
    towards its level: a kind that these documents do not have is like its level.

    Args:
        orders: rising.
        documents: bits (n,) of the tokens of each under P_0, and what was counted, of validation
            documents.
        limit: tokens that are looked at; TUNING_TOKENS if None.
    """
    room = TUNING_TOKENS if limit is None else limit
    chances = list[np.ndarray]()
    beginnings = list[ContextCounts]()
    for bits, counts in documents:
        end = min(len(bits), room)  # the end mark of a document that is cut short is left out
        chances.append(probabilities_of(bits[:end]))
        beginnings.append(counts.cut(slice(end)))
        room -= end
    base = np.concatenate(chances)
    counted = joined(beginnings)
    discount, strength = START
    start = np.array([np.log(discount / (1 - discount)), np.log(strength)])
    start_of_levels = np.repeat(start[:, None], len(orders), axis=1)
    kinds = context_kind(counted.total, counted.different)
    of_one_kind = known_contexts(counted, np.zeros_like(kinds))
    of_many_kinds = known_contexts(counted, kinds)
    of_levels = likeliest_parameters(base, of_one_kind, start_of_levels, 1)
    of_kinds = likeliest_parameters(base, of_many_kinds, of_levels[:, :, 0], CONTEXT_KINDS)
    discounts, strengths = _discounts_and_strengths(of_kinds)
    return PitmanYor(
        orders=tuple(orders),
        discounts=tuple(map(tuple, discounts.tolist())),
        strengths=tuple(map(tuple, strengths.tolist())),
    )


class KnownContexts(NamedTuple):
    """The tokens whose context a level knows, m of n, and what it has counted there.

    Attributes:
        places: (m,) integers, which tokens.
        kind: (m,) integers, of the context.
        same, total, different: (m,) float64, as in :class:`ContextCounts`.
        came: (m,) float64, 1 where the token has been counted in this context, else 0.
    """

    places: np.ndarray
    kind: np.ndarray
    same: np.ndarray
    total: np.ndarray
    different: np.ndarray
    came: np.ndarray


def known_contexts(counts: ContextCounts, kinds: np.ndarray) -> list[KnownContexts]:
    """Those of each level; ``kinds`` (orders, n)."""
    levels = list[KnownContexts]()
    for level, kind in enumerate(kinds):
        same, total, different = counts.of_level(level)
        (places,) = np.nonzero(total)
        levels.append(
            KnownContexts(
                places=places,
                kind=kind[places],
                same=same[places].astype(np.float64),
                total=total[places].astype(np.float64),
                different=different[places].astype(np.float64),
                came=(same[places] > 0).astype(np.float64),
            )
        )
    return levels


def likeliest_parameters(
    base: np.ndarray, levels: Sequence[KnownContexts], near: np.ndarray, number: int
) -> np.ndarray:
    """The parameters of each kind of context by which tokens are likeliest, but for a pull towards
    those of their level: (2, orders, number), log-odds of d, and ln θ.

    Args:
        base: (n,) P_0 of the tokens.
        levels: what each has counted.
        near: (2, orders), the parameters of the levels.
        number: of kinds.
    """
    shape = (*near.shape, number)  # of the parameters
    start = np.broadcast_to(near[:, :, None], shape).ravel()

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        nats, slope = _nats(flat.reshape(shape), base, levels)
        away = flat - start
        return nats + PRIOR_WEIGHT * float(away @ away), slope + 2 * PRIOR_WEIGHT * away

    limits = np.broadcast_to(np.array(LIMITS)[:, None, None, :], (*shape, 2)).reshape(-1, 2)
    options = {"ftol": FIT_TOLERANCE}
    best = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=limits, options=options).x
    return best.reshape(shape)


def _discounts_and_strengths(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """d and θ, (orders, kinds) each, from their log-odds and logarithms."""
    log_odds, log_strengths = parameters
    return 1 / (1 + np.exp(-log_odds)), np.exp(log_strengths)


def _nats(
    parameters: np.ndarray, base: np.ndarray, levels: Sequence[KnownContexts]
) -> tuple[float, np.ndarray]:
    """−ln P of all tokens, and its slope in every parameter, as many numbers as these are.

    With s = (θ + d t) / (n + θ), the share that a level leaves to the one below,

        ∂P_j / ∂ log-odds of d = d (1 − d) (t P_{j−1} − [n(x) > 0]) / (n + θ)
        ∂P_j / ∂ ln θ          = θ (P_{j−1} − P_j) / (n + θ)
        ∂P_j / ∂P_{j−1}        = s

    Where a level does not know the context, P_j = P_{j−1}.
    """
    discounts, strengths = _discounts_and_strengths(parameters)
    probabilities = base.copy()  # P_j, from the lowest level up
    slopes_of_levels = list[tuple[np.ndarray, ...]]()
    for level, known in enumerate(levels):
        d = discounts[level][known.kind]
        strength = strengths[level][known.kind]
        below = probabilities[known.places]  # P_{j−1}
        divisor = known.total + strength
        share = (strength + d * known.different) / divisor
        here = np.maximum(known.same - d, 0.0) / divisor + share * below
        by_odds = d * (1 - d) * (known.different * below - known.came) / divisor
        by_log = strength * (below - here) / divisor
        probabilities[known.places] = here
        slopes_of_levels.append((share, by_odds, by_log))
    number = parameters.shape[-1]  # of kinds
    slopes = list[list[np.ndarray]]()  # (2, kinds) of each level, the highest first
    by_level = -1 / probabilities  # ∂(−ln P) / ∂P_j, from the highest level down
    for known, (share, *parts) in zip(reversed(levels), reversed(slopes_of_levels), strict=True):
        by_known = by_level[known.places]
        slopes.append([np.bincount(known.kind, by_known * part, number) for part in parts])
        by_level[known.places] = by_known * share
    slopes.reverse()  # the lowest level first
    slope = np.array(slopes).transpose(1, 0, 2)
    return -float(np.log(probabilities).sum()), slope.ravel()
