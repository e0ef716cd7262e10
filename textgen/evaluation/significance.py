"""Is the difference between two arms real, or due to the choice of documents and seeds?

All arms score the same D documents, each arm under S seeds of its own. The figure of an arm is the
micro average, the mean over seeds of Σ bits / Σ units, so a document counts by its length: the two
longest of the 11 test tales hold 70% of the text, as if there were 3.7 equal ones. Drawn with
replacement, so few give intervals that are far too narrow. Therefore:

*Documents* are resampled by subsets, each document in one with probability ½: all 2^D where they
are few. This is the sign-flip test turned into an interval: flipping the signs of a subset in
Σ (bits_d − θ units_d) lowers that sum just where θ is below the subset's own micro average. It
covers θ as often as stated, however few and uneven the documents, if each one's difference is
symmetric about the same value (Hartigan, "Using subsample values as typical values", Journal of
the American Statistical Association 64, 1969). Below 6 documents no 95% interval exists.

*Seeds* move all documents together, which no resampling of documents shows. The hierarchical
bootstrap adds to every resample what other seeds might have changed: a standard error times a draw
of Student's t, as two to five seeds are too few to draw from. The error leaves out what is each
document's own noise, which the documents show already (Owen, "The pigeonhole bootstrap", Annals of
Applied Statistics 1, 2007, counts it three times). Degrees of freedom: Welch (Biometrika 34, 1947)
for seeds of unequal variance, more where documents vary too (Satterthwaite, Biometrics Bulletin 2,
1946).

*Folds* of a cross-validation test every document once, each fold by networks of its own, with seeds
of their own, which move its documents together. What the leads of F folds vary beyond their
documents takes the place of seeds, whose chance it contains: a standard error times Student's t,
F − 1 degrees of freedom. A share of 1 / (F − 1) of what they vary always counts: by chance few
folds look alike. Their networks share training text, so that they vary less than networks of other
texts would: the variance counts 1 + F / (F − 1) times (Nadeau & Bengio, "Inference for the
generalization error", Machine Learning 52, 2003, whose correlation of two folds is 1 / F).

A difference is claimed where the sign-flip test and the hierarchical bootstrap both claim it: p is
the larger one (intersection–union test; Berger, Technometrics 24, 1982).

Does not handle: seeds that the two arms share.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from textgen.core.numbers import ceil_div

# Bits per character: less counts as no difference.
MARGIN = 0.01
# Accepted rate of false claims; intervals cover with the complementary probability.
LEVEL = 0.05
RESAMPLES = 2**14  # unless all 2^D subsets are fewer
# Documents that a 95% interval needs: 2^(1 − 6) is below 0.05.
FEWEST = 6
# Numbers in the largest array of random subsets: 17 MB.
MAX_SUBSET_NUMBERS = 2**21
# How often the variance of seeds counts in Satterthwaite's formula. Estimated from two seeds it is
# often much too small; counted once, intervals from two seeds covered only 89% in places.
SEED_VARIANCE_WEIGHT = 4.0

# How probable an answer is to be with as many documents or seeds as are named.
POWER = 0.8
# Times as many documents, or seeds, as there are, up to which more of one alone are advised,
MAX_TIMES = 100
# and more of both are looked for.
MAX_TIMES_BOTH = 10_000
# Folds below which an interval is wide for their number alone: Student's t of 2 degrees is 4.3.
ENOUGH_FOLDS = 5


class Verdict(StrEnum):
    """What can be said of the first of two arms."""

    BETTER = "better"
    WORSE = "worse"
    EQUAL = "equal"
    TOO_CLOSE = "too close to call"


class Needed(NamedTuple):
    """What would settle a difference that is too close to call.

    Attributes:
        what: of which more are needed. Where that is not documents, no number of documents would
            do alone.
        number: how many of them in all.
        seeds_besides: whether more seeds or folds are needed, too: ``networks`` of them, or where
            each arm had one seed, at least two.
        networks: seeds of each arm, or folds; not besides but in place of the documents, unless
            ``seeds_besides``. 0 where no number of them would do.
    """

    what: Literal["documents", "folds", "seeds"]
    number: int
    seeds_besides: bool = False
    networks: int = 0


@dataclass(frozen=True)
class Difference:
    """The first arm's bits per character minus the second's: below 0 the first is better.

    Attributes:
        difference: of the two micro averages.
        low, high: 95% interval, for this contrast alone; infinite below 6 documents.
        p: two-sided, of no difference, for this contrast alone.
        documents: how many.
        seeds: how many of each arm.
        folds: in how many they were tested.
        documents_error: standard error that the choice of documents makes.
        networks_error: what seeds or folds add to it; 0 where one training shows nothing of it.
    """

    difference: float
    low: float
    high: float
    p: float
    documents: int
    seeds: tuple[int, int]
    folds: int = 1
    documents_error: float = 0.0
    networks_error: float = 0.0


def bootstrap_interval(
    bits: np.ndarray, units: np.ndarray, folds: np.ndarray | None = None
) -> tuple[float, float]:
    """Bounds on an arm's own bits per character, for other such documents and other seeds.

    Two arms' intervals may overlap although they differ: documents vary more than differences do.

    Args:
        bits: (S, D) float64, total bits of each document under each seed. One seed: of this run.
        units: (D,) characters + 1.
        folds: (D,) number of the fold in which each document was tested; None where there is one.

    Returns:
        Lower and upper bound of 95%, infinite where there are fewer than 6 documents.
    """
    found = _resample([bits], [1], units, folds)
    return found.low, found.high


def compare_arms(
    first: np.ndarray, second: np.ndarray, units: np.ndarray, folds: np.ndarray | None = None
) -> Difference:
    """The difference of two arms on the same documents, with its interval and p.

    Args:
        first: (S1, D) float64, total bits of each document under each seed. An arm without chance,
            such as n-grams, is its one row given twice.
        second: (S2, D), of the other arm; row s has nothing to do with row s of ``first``.
        units, folds: as for :func:`bootstrap_interval`.

    Simulated 4,000 times a case, 11 and 30 documents as uneven as the tales, standard deviations of
    0.003 to 0.03 bits per character between documents and of 0.003 to 0.006 between seeds: with as
    many seeds in both arms, varying alike, 94 to 97.5% of intervals covered the difference and at
    most 6% of arms without one were called different. Wider, up to 98.4%, where nothing varies
    but each document by itself from seed to seed. Narrower, with false claims in the rest: 91 to
    95% with two seeds an arm if one arm's vary three times as much or more, 94% with three; two
    seeds against five, 93% where seeds dominate and 88 to 95% if the two vary three times as much
    or more; 89 to 92% with one seed if the difference grows with the length of a document or is
    skewed among documents. ``experiments/research/log/2026-11-29-the-map.md`` has the coverage of
    folds.
    """
    found = _resample([first, second], [1, -1], units, folds)
    seeds = (len(first), len(second))
    number = 1 if folds is None else len(np.unique(folds))
    return Difference(
        difference=found.value,
        low=found.low,
        high=found.high,
        p=found.p,
        documents=len(units),
        seeds=seeds,
        folds=number,
        documents_error=found.documents_error,
        networks_error=found.networks_error,
    )


@dataclass(frozen=True)
class ByDocument:
    """How a difference is spread over documents.

    Attributes:
        mean_over_documents: bits per character, each document counting alike.
        without_one: the smallest and the largest when one document is left out; None if one is all.
        agreeing: documents whose own difference has the sign of the whole.
        equal_documents: documents of one length that would say as much (Kish, Survey Sampling,
            1965, 8.2).
    """

    mean_over_documents: float
    without_one: tuple[float, float] | None
    agreeing: int
    equal_documents: float


def by_document(first: np.ndarray, second: np.ndarray, units: np.ndarray) -> ByDocument:
    """Whether a difference hangs on a few documents; arguments as for :func:`compare_arms`."""
    bits = first.mean(axis=0) - second.mean(axis=0)
    whole = bits.sum()
    left = (whole - bits) / np.maximum(units.sum() - units, 1)
    without_one = None
    if len(units) > 1:
        without_one = (float(left.min()), float(left.max()))
    agreeing = 0  # with no difference in all no document agrees, not even one without a difference
    if whole != 0:
        agreeing = int(np.sum(np.sign(bits) == np.sign(whole)))
    return ByDocument(
        mean_over_documents=float(np.mean(bits / units)),
        without_one=without_one,
        agreeing=agreeing,
        equal_documents=float(units.sum() ** 2 / np.sum(units**2)),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted so that one false claim among all has at most the stated probability.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979): the i-th smallest of m times m − i + 1, none below the one before it.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(np.argsort(p_values)):
        largest = max(largest, p_values[place] * (len(p_values) - rank))
        adjusted[place] = min(largest, 1.0)
    return adjusted


def verdict(difference: Difference, adjusted_p: float, *, margin: float = MARGIN) -> Verdict:
    """What can be said of the first arm.

    "equal" where the whole interval lies within ± ``margin``, even where the difference is
    significant: it is then real but too small to matter (Schuirmann, Journal of Pharmacokinetics
    and Biopharmaceutics 15, 1987; not adjusted for the number of contrasts).
    "better" or "worse" where the adjusted p is below 0.05 and the interval leaves out 0.
    """
    if -margin <= difference.low and difference.high <= margin:
        return Verdict.EQUAL
    if adjusted_p < LEVEL and difference.high < 0:
        return Verdict.BETTER
    if adjusted_p < LEVEL and difference.low > 0:
        return Verdict.WORSE
    return Verdict.TOO_CLOSE


Key = TypeVar("Key")


class Lead(NamedTuple):
    """A difference, its p as Holm corrects it, and what can be said of the first arm."""

    found: Difference
    p_adjusted: float
    verdict: Verdict


def tested(found: Mapping[Key, Difference], questions: int) -> dict[Key, Lead]:
    """Differences with Holm's correction over so many questions: those that have no answer, such as
    one whose run failed, make no other p smaller."""
    p_values = [difference.p for difference in found.values()]
    unanswered = [1.0] * (questions - len(found))
    adjusted = holm(p_values + unanswered)[: len(found)]
    leads = dict[Key, Lead]()
    for (key, difference), p in zip(found.items(), adjusted, strict=True):
        leads[key] = Lead(difference, p, verdict(difference, p))
    return leads


class _Resampled(NamedTuple):
    """Σ sign · micro average over arms, its bounds, p of its being 0, and its standard errors."""

    value: float
    low: float
    high: float
    p: float
    documents_error: float
    networks_error: float


class _Chance(NamedTuple):
    """A standard error that documents do not show, and its degrees of freedom."""

    error: float
    freedom: float


def _resample(
    arms: Sequence[np.ndarray], signs: Sequence[int], units: np.ndarray, folds: np.ndarray | None
) -> _Resampled:
    units = np.asarray(units, dtype=np.float64)
    total = sum(sign * bits.mean(axis=0) for sign, bits in zip(signs, arms, strict=True))
    order = np.lexsort((np.abs(total), units))  # resampling must not depend on their order
    arms = [bits[:, order] for bits in arms]
    total = total[order]
    units = units[order]
    chance = None
    if folds is not None and len(np.unique(folds)) > 1:
        chance = _other_folds(total, units, folds[order])
    elif all(len(bits) > 1 for bits in arms):
        chance = _other_seeds(arms, total, units)

    rng = np.random.default_rng(0)
    sums = _subset_sums(np.stack([total, units], axis=1), rng)
    filled = sums[:, 1] > 0
    draws = sums[filled, 0] / sums[filled, 1]
    empty = len(sums) - len(draws)
    if chance is not None:
        repeats = ceil_div(RESAMPLES, len(sums))
        shifts = chance.error * rng.standard_t(chance.freedom, repeats * len(draws))
        repeated = np.tile(draws, repeats)
        draws = np.concatenate([repeated + shifts, repeated - shifts])
        empty = 2 * repeats * empty
    low, high, p = _bounds(draws, empty)
    value = float(total.sum() / units.sum())
    documents_error = float(np.sqrt(np.sum((total - units * value) ** 2)) / units.sum())
    networks_error = chance.error if chance else 0.0
    p = max(p, _sign_flip(total, sums[:, 0]))
    return _Resampled(value, low, high, p, documents_error, networks_error)


def _sign_flip(total: np.ndarray, subset_sums: np.ndarray) -> float:
    """p of the sign-flip test: how often the sum over documents is as far from 0 as it is, or
    farther, when the signs of a subset are flipped."""
    rounding = 1e-12 * np.abs(total).sum()
    flipped = np.abs(total.sum() - 2 * subset_sums)
    return float(np.mean(flipped >= np.abs(total.sum()) - rounding))


def _bounds(draws: np.ndarray, empty: int) -> tuple[float, float, float]:
    """Percentile interval and two-sided p of 0.

    ``empty`` draws, of the empty subset, have no value: they count against every claim.
    """
    count = len(draws) + empty
    p = 2 * (min(np.sum(draws <= 0), np.sum(draws >= 0)) + empty) / count
    rank = int(LEVEL / 2 * count) - empty
    if rank < 0:
        return -np.inf, np.inf, float(min(p, 1))
    rising = np.sort(draws)
    low = rising[rank]
    high = rising[len(draws) - 1 - rank]
    return float(low), float(high), float(min(p, 1))


def _subset_sums(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sums of the rows of ``values`` (D, k) in subsets of them: (n, k), the empty subset first.

    All 2^D subsets, or RESAMPLES if these are fewer. The empty one, which flips no sign, is
    among them, so p is never 0 (Phipson & Smyth, Statistical Applications in Genetics and
    Molecular Biology 9, 2010).
    """
    if 2 ** len(values) <= RESAMPLES:
        sums = np.zeros((1, values.shape[1]))
        for row in values:  # each subset of the rows before, without this one and with it
            sums = np.concatenate([sums, sums + row])
        return sums
    sums = np.zeros((RESAMPLES, values.shape[1]))
    rows = max(1, MAX_SUBSET_NUMBERS // len(values))
    for start in range(1, RESAMPLES, rows):
        end = min(start + rows, RESAMPLES)
        chosen = rng.integers(0, 2, (end - start, len(values)), dtype=np.int8)
        sums[start:end] = chosen.astype(np.float64) @ values
    return sums


def _other_seeds(arms: Sequence[np.ndarray], total: np.ndarray, units: np.ndarray) -> _Chance:
    """What the choice of seeds adds to the error of Σ total / Σ units, and degrees of freedom."""
    share = units / units.sum()
    seed_variances = list[float]()  # of each arm, the noise of its documents included
    noise_variance = 0.0
    for bits in arms:
        parts = (bits - bits.mean(axis=0)) / units.sum()
        shifts = parts.sum(axis=1)
        number = len(bits) * (len(bits) - 1)
        seed_variances.append(float(np.sum(shifts**2) / number))
        noise_variance += float(np.sum((parts - shifts[:, None] * share) ** 2) / number)
    between_seeds = sum(seed_variances) - noise_variance
    if between_seeds <= 0:
        return _Chance(0.0, 1.0)
    pairs = zip(seed_variances, arms, strict=True)
    squares = sum(variance**2 / (len(bits) - 1) for variance, bits in pairs)
    welch = sum(seed_variances) ** 2 / squares
    errors = total / units.sum() - share * total.sum() / units.sum()  # of the documents
    documents_variance = float(np.sum(errors**2))
    # documents of one length that would say as much (Kish)
    equal_documents = 1 / float(np.sum(share**2))
    weighted_variance = SEED_VARIANCE_WEIGHT * between_seeds
    documents_freedom = max(equal_documents - 1, 1.0)
    satterthwaite = (weighted_variance + documents_variance) ** 2
    satterthwaite /= weighted_variance**2 / welch + documents_variance**2 / documents_freedom
    return _Chance(float(np.sqrt(between_seeds)), max(welch, satterthwaite))


def _other_folds(total: np.ndarray, units: np.ndarray, folds: np.ndarray) -> _Chance:
    """What the networks of folds add to the error of Σ total / Σ units beyond what their documents
    vary, by a jackknife over folds, and degrees of freedom."""
    errors = (total - units * total.sum() / units.sum()) / units.sum()
    names = np.unique(folds)
    between_folds = 0.0
    documents_variance = 0.0
    for name in names:
        there = folds == name
        error = errors[there]
        part = units[there]
        between_folds += float((error.sum() / (1 - part.sum() / units.sum())) ** 2)
        documents_variance += float(np.sum((error - part * error.sum() / part.sum()) ** 2))
    freedom = len(names) - 1
    between_folds *= freedom / len(names)
    networks_variance = max(between_folds - documents_variance, between_folds / freedom)
    return _Chance(math.sqrt(networks_variance * (1 + len(names) / freedom)), float(freedom))


def what_would_tell(difference: Difference, contrasts: int = 1) -> Needed:
    """What to do about a difference that is too close to call.

    Documents make one part of the error, seeds or folds another; each falls with the root of its
    number (Miller, arXiv 2411.00640, for documents). The interval has to leave out 0, by
    more where several contrasts are declared (Bonferroni's factor, the first of Holm's), if the
    difference is what it looks like; or, if that is less than the margin, to come to lie within it:
    with a probability of 0.8. And of n documents that all agree p is still 2^(1 − n), times the
    number of contrasts.

    ``tests/power_coverage.py`` simulates how often the number is right.
    """
    if not np.isfinite(difference.high - difference.low):
        return Needed("documents", FEWEST)
    if 1 < difference.folds < ENOUGH_FOLDS:
        return Needed("folds", ENOUGH_FOLDS)
    in_folds = difference.folds > 1
    trained = difference.folds if in_folds else min(difference.seeds)
    least = max(fewest_documents(contrasts), difference.documents + 1)
    trained_once = trained == 1

    def is_settled(documents: int, networks: int) -> bool:
        return _is_settled(difference, contrasts, documents, networks)

    more_documents = range(least, MAX_TIMES * least)
    documents = _first(more_documents, lambda number: is_settled(number, trained))
    networks = 0
    can_do = not trained_once and difference.documents >= fewest_documents(contrasts)
    # else what seeds add is too small to be known well
    is_weighty = difference.networks_error >= difference.documents_error
    if can_do and (is_weighty or not documents):
        more_networks = range(trained + 1, MAX_TIMES * trained)
        networks = _first(more_networks, lambda number: is_settled(difference.documents, number))
    if documents:
        return Needed("documents", documents, trained_once, networks)
    if networks:
        return Needed("folds" if in_folds else "seeds", networks)

    def in_proportion(number: int) -> int:
        return math.ceil(trained * number / difference.documents)

    far_more = range(least, MAX_TIMES_BOTH * least)
    number = _first(far_more, lambda documents: is_settled(documents, in_proportion(documents)))
    if number == 0:
        number = far_more.stop
    networks = 0 if trained_once else in_proportion(number)
    return Needed("documents", number, seeds_besides=True, networks=networks)


def _first(numbers: range, is_enough: Callable[[int], bool]) -> int:
    """The first number that is enough; 0 if none is. Not all after it have to be: more documents
    leave a larger part of the error to few networks, which are known less well. So numbers are
    tried in steps of a tenth, and only within the first step that is enough by bisection."""
    begin = numbers.start
    while begin < numbers.stop:
        end = min(numbers.stop - 1, begin + begin // 10)
        if is_enough(end):
            step = range(begin, end + 1)
            return step[bisect_left(step, True, key=is_enough)]
        begin = end + 1
    return 0


def _is_settled(difference: Difference, contrasts: int, documents: int, networks: int) -> bool:
    """Whether a difference as large as this one, and as uncertain, would probably be settled by so
    many documents, and so many seeds of each arm, or folds."""
    if difference.folds > 1:
        times_networks = networks / difference.folds
        networks_freedom = networks - 1
    else:
        times_networks = networks / min(difference.seeds)
        networks_freedom = max(1, 2 * (networks - 1))
    documents_variance = difference.documents_error**2 * difference.documents / documents
    networks_variance = difference.networks_error**2 / times_networks
    variance = documents_variance + networks_variance
    if variance == 0:
        return True
    freedom = variance**2 / (
        documents_variance**2 / (documents - 1) + networks_variance**2 / networks_freedom
    )
    size = abs(difference.difference)
    if size >= MARGIN:  # the interval is to leave out 0
        level = LEVEL / contrasts
        room = size
    else:  # it is to lie within the margin
        level = LEVEL
        room = MARGIN - size
    quantiles = student_quantile(1 - level / 2, freedom) + NormalDist().inv_cdf(POWER)
    return math.sqrt(variance) * quantiles <= room


def student_quantile(probability: float, freedom: float) -> float:
    """A quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def fewest_documents(contrasts: int = 1) -> int:
    """Documents that can answer so many questions, if all of them agree: of n of one sign, p is
    2^(1 − n), and :func:`holm` may multiply it by the number of questions."""
    return math.ceil(1 + math.log2(contrasts / LEVEL))
