"""How many times the compute one network needs for what another has reached.

A lead at one budget says which network got further. The factor says how much faster one learns, and
it changes along the way, so it names the compute of the slower network, C.

*Curves* are of single trainings, each looked at again and again. They show a bound, and only that:
what the faster network had reached after c, from where on it stayed at least MARGIN below the end
of the slower one, the slower one did not reach with C. It needed more than C / c times the compute.
How much it would have needed, or what the faster one needs for the slower one's end, no curve says:
before its end a network has not been cooled. A slower training that had stopped, or whose end is
not its best point, would have needed no more compute but something else: then there is no factor.

*Budgets* are trainings of their own, each to its end, on the same test documents. The factor at the
compute C of the slower arm is the set of all r for which the slower arm at C and the faster one at
C / r cannot be told apart: for which the 95% interval of their difference contains 0. Between two
budgets the bits of each document run straight in the logarithm of compute. Learning curves are
convex there, so that the chord lies above the curve, and factors come out too small, never too
large. A set that reaches the first or the last budget of the faster arm is open at that end.

Intervals of the logarithm of a factor, by contrast, as a t of its values in folds, covered 73 to
91% in simulations: a small difference of nearly flat curves is a large factor.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from textgen.evaluation.significance import (
    FEWEST,
    LEVEL,
    MARGIN,
    Difference,
    Verdict,
    compare_arms,
    verdict,
)

# Factors that are tested one after another where no set is asked for.
STEPS = (3, 9, 27)
# By how much a budget may be larger than the step of another says, as updates are whole numbers.
BUDGET_TOLERANCE = 0.01
# Factors below are said with one decimal.
WHOLE_FROM = 3
# Differences in bits per character that count as none.
ROUNDING = 1e-12
# Places of a set's ends are looked for among so many parts of the way between two budgets, then
# within one of them down to a relative error.
PARTS_OF_CHORD = 4
RELATIVE_ERROR = 1e-4


@dataclass(frozen=True)
class Learning:
    """What an arm scored after ever more compute: points of a curve, or budgets.

    Attributes:
        computes: (P,) float64, rising.
        bits: (P, S, D) float64, total bits of each document under each seed.
        stopped: whether training ended before its budget did.
    """

    computes: np.ndarray
    bits: np.ndarray
    stopped: bool = False

    def levels(self, units: np.ndarray) -> np.ndarray:
        """(P,) float64: bits per unit of text, mean over seeds.

        Args:
            units: (D,) of each document.
        """
        return np.asarray(self.bits.mean(axis=1).sum(axis=1) / units.sum())

    def at(self, compute: float) -> np.ndarray:
        """(S, D) float64: bits after so much compute, on the chord between two points."""
        computes = np.log(self.computes)
        place = float(np.interp(math.log(compute), computes, np.arange(len(computes))))
        before = min(int(place), len(computes) - 1)
        after = min(before + 1, len(computes) - 1)
        share = place - before
        return np.asarray((1 - share) * self.bits[before] + share * self.bits[after])


class Passed(NamedTuple):
    """What two curves say about the arm that ended worse, the slower one.

    Attributes:
        first_is_slower: whether that is the first of the two.
        lead: of the other at the end, bits per character.
        compute: of the whole training of the slower one.
        after: compute after which the other stayed at least MARGIN below its end; None if it never
            did.
        times: the slower one needed more than so many times the compute for what the other had
            reached then, rounded down; None where there is no such bound.
        stopped: whether there is none because the slower one no longer gained.
        tested: the difference of the other then and the slower one at its end; None of too few
            documents.
    """

    first_is_slower: bool
    lead: float
    compute: float
    after: float | None = None
    times: float | None = None
    stopped: bool = False
    tested: Difference | None = None

    @property
    def is_significant(self) -> bool:
        """Whether it holds for other such documents: else, for these trainings alone."""
        return self.tested is not None and self.tested.p < LEVEL and self.tested.high < 0


def compare_curves(
    first: Learning, second: Learning, units: np.ndarray, folds: np.ndarray | None = None
) -> Passed:
    """How much more compute one of two arms needs at least, by their curves.

    Args:
        first, second: points of two curves, on the same documents. The last is the end.
        units: (D,) characters of each document.
        folds: (D,) number of the fold that each document is of; None where there is one.
    """
    first_is_slower = bool(first.levels(units)[-1] > second.levels(units)[-1])
    slower, faster = (first, second) if first_is_slower else (second, first)
    slower_levels = slower.levels(units)
    faster_levels = faster.levels(units)
    end = slower_levels[-1]
    passed = Passed(
        first_is_slower=first_is_slower,
        lead=float(end - faster_levels[-1]),
        compute=float(slower.computes[-1]),
    )
    is_above = faster_levels > end - MARGIN + ROUNDING
    if is_above[-1]:
        return passed
    number = 0  # of the first point from which none is above
    if is_above.any():
        number = int(np.flatnonzero(is_above)[-1]) + 1
    after = float(faster.computes[number])
    passed = passed._replace(after=after)
    if slower.stopped or end > slower_levels.min():
        return passed._replace(stopped=True)
    tested = None
    if len(units) >= FEWEST:
        tested = compare_arms(faster.bits[number], slower.bits[-1], units, folds)
    return passed._replace(times=rounded_down(passed.compute / after), tested=tested)


def rounded_down(times: float) -> float:
    """A factor as it is said: a whole number, or one decimal below WHOLE_FROM."""
    times = round(times, 9)  # 3, not 2.9999999999999996
    if times >= WHOLE_FROM:
        return float(math.floor(times))
    return math.floor(times * 10) / 10


@dataclass(frozen=True)
class Factor:
    """How many times the compute of the faster arm the slower one needs, at one of its budgets.

    Attributes:
        compute: of the slower arm.
        value: where the faster arm begins to stay below the slower one; None where that is outside
            its budgets.
        low, high: 95% set; 0 or inf where it is open.
        gains: whether the slower arm still gained from its last step of compute: else a factor says
            how flat its curve is, and only the lead that is left should be told.
    """

    compute: float
    value: float | None
    low: float
    high: float
    gains: bool


def factor(
    slower: Learning,
    faster: Learning,
    budget: int,
    units: np.ndarray,
    folds: np.ndarray | None = None,
) -> Factor:
    """The factor at a budget of the slower arm; below 1, the faster arm is the slower one.

    Args:
        slower, faster: budgets of two arms, on the same test documents; each of them was fixed
            before its training, and is not the best of several.
        budget: the number of one of the slower arm's.
        units: (D,) characters + 1 of each document.
        folds: as for :func:`textgen.evaluation.significance.compare_arms`.

    Simulated 400 times a case (``tests/factor_coverage.py``), on the tales with two or three seeds
    or 40 documents in three or five folds, with plateaus and with factors outside the budgets: sets
    held the factor of the chords 96 to 100% of the time. Closed ones, of deviations of 0.02 bits
    per character between documents, went over a ratio of 1.3 to 1.8; on a plateau nearly all are
    open.
    """
    compute = float(slower.computes[budget])
    level = slower.levels(units)[budget]
    faster = _at_one_compute_once(faster)
    reached = _reached(faster, level, units)
    low, high = _set(slower.bits[budget], faster, reached, units, folds)
    return Factor(
        compute=compute,
        value=None if reached is None else compute / reached,
        low=compute / high,
        high=math.inf if low == 0 else compute / low,
        gains=still_gains(slower, budget, units, folds),
    )


def _at_one_compute_once(arm: Learning) -> Learning:
    """An arm without the budgets that cost as much as the next one, which counts in their place."""
    is_last = np.append(np.diff(arm.computes) > 0, True)
    return replace(arm, computes=arm.computes[is_last], bits=arm.bits[is_last])


def _reached(faster: Learning, level: float, units: np.ndarray) -> float | None:
    """The compute from which on the chords of an arm lie at a level or below; None where that is
    before its first budget, or after its last."""
    levels = faster.levels(units)
    is_above = levels > level + ROUNDING
    if is_above[-1]:
        return None
    if not is_above.any():
        is_there = abs(levels[0] - level) <= ROUNDING
        return float(faster.computes[0]) if is_there else None
    last_above = int(np.flatnonzero(is_above)[-1])
    before, after = np.log(faster.computes[last_above : last_above + 2])
    fall = levels[last_above] - levels[last_above + 1]
    share = (levels[last_above] - level) / fall
    return math.exp(before + share * (after - before))


def _set(
    bits: np.ndarray,
    faster: Learning,
    reached: float | None,
    units: np.ndarray,
    folds: np.ndarray | None,
) -> tuple[float, float]:
    """The smallest and the largest compute at which an arm cannot be told from bits (S, D); 0 or
    inf where that may lie before its first budget, or after its last."""

    def is_in_set(place: float) -> bool:
        found = compare_arms(faster.at(math.exp(place)), bits, units, folds)
        return found.low <= 0 <= found.high

    budgets = np.log(faster.computes)
    places = [float(budgets[0])]
    for before, after in pairwise(budgets):
        places += np.linspace(before, after, PARTS_OF_CHORD + 1)[1:].tolist()
    if reached is not None:
        places = sorted({*places, math.log(reached)})
    inside = [place for place in places if is_in_set(place)]
    if not inside:
        is_below = faster.levels(units)[0] < bits.mean(axis=0).sum() / units.sum()
        if is_below:
            return 0.0, float(faster.computes[0])
        return float(faster.computes[-1]), math.inf
    low = 0.0
    if inside[0] > places[0]:
        outside = places[places.index(inside[0]) - 1]
        low = math.exp(_edge(is_in_set, inside[0], outside))
    high = math.inf
    if inside[-1] < places[-1]:
        outside = places[places.index(inside[-1]) + 1]
        high = math.exp(_edge(is_in_set, inside[-1], outside))
    return low, high


def _edge(is_in_set: Callable[[float], bool], inside: float, outside: float) -> float:
    """The end of a set between a place in it and one that is not, rather too far out."""
    while abs(outside - inside) > RELATIVE_ERROR:
        middle = (inside + outside) / 2
        if is_in_set(middle):
            inside = middle
        else:
            outside = middle
    return outside


def still_gains(
    arm: Learning, budget: int, units: np.ndarray, folds: np.ndarray | None = None
) -> bool:
    """Whether an arm is better at a budget than at the one before it; not known of the first."""
    if budget == 0:
        return False
    gain = compare_arms(arm.bits[budget], arm.bits[budget - 1], units, folds)
    return verdict(gain, gain.p) is Verdict.BETTER


def at_least(
    slower: Learning,
    faster: Learning,
    budget: int,
    units: np.ndarray,
    folds: np.ndarray | None = None,
) -> dict[int, Difference]:
    """Which of :data:`STEPS` the factor exceeds, from budgets alone, without chords.

    They are tested in turn, each only if all before it hold, so that no correction is needed
    (Maurer, Hothorn & Lehmacher 1995). Where texts are counted, the differences of a step on all of
    them belong into :func:`textgen.evaluation.significance.tested`.

    Args:
        slower, faster, budget, units, folds: as for :func:`factor`.

    Returns:
        Step → the faster arm at its largest budget of at most C / step, minus the slower one at C:
        of each step that holds, in their order.
    """
    compute = slower.computes[budget]
    held = dict[int, Difference]()
    for step in STEPS:
        is_small = faster.computes <= (1 + BUDGET_TOLERANCE) * compute / step
        if not is_small.any():
            break
        number = int(np.flatnonzero(is_small)[-1])
        found = compare_arms(faster.bits[number], slower.bits[budget], units, folds)
        if verdict(found, found.p) is not Verdict.BETTER:
            break
        held[step] = found
    return held
