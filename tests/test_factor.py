"""A factor of compute obeys its laws, and its sets hold it as often as they should."""

import math
from dataclasses import replace

import factor_coverage
import numpy as np
import pytest
from factor_coverage import COMPUTES, SCENARIOS, Scenario

from textgen.evaluation import significance
from textgen.evaluation.factor import (
    Learning,
    at_least,
    compare_curves,
    factor,
    rounded_down,
)
from textgen.evaluation.significance import compare_arms

pytestmark = pytest.mark.fast

LAST = len(COMPUTES) - 1
CLOSE = 1e-3  # relative error of the ends of a set


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(significance, "RESAMPLES", 2**11)


def drawn(seed=0, scenario=SCENARIOS[1]):
    return scenario.draw(np.random.default_rng(seed))


def ends(found):
    return [found.value, found.low, found.high]


def straight(start, slope, units, spread):
    """Budgets of an arm that falls straight in the logarithm of compute, in all documents alike."""
    levels = start - slope * np.log(COMPUTES / COMPUTES[0])
    bits = units * (levels[:, None, None] + spread)
    return Learning(COMPUTES, bits)


def moved(arm, units, by):
    return replace(arm, bits=arm.bits + by * units)


# ---- a grid


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("folds", [False, True])
def test_swapping_two_arms_at_one_level_inverts_value_and_set(seed, folds):
    """One that is a step of budgets ahead: at 180 s, and the other's 60 s."""
    rng = np.random.default_rng(seed)
    units = np.array(factor_coverage.TALES)
    of_fold = np.arange(len(units)) % 3 if folds else None
    spread = [0.02 * rng.normal(size=(3, len(units))) for _ in range(2)]
    spread = [each - (each @ units / units.sum())[:, None] for each in spread]
    slower = straight(3.0, 0.2, units, spread[0])
    faster = straight(3.0 - 0.2 * math.log(3), 0.2, units, spread[1])
    found = factor(slower, faster, 2, units, of_fold)
    swapped = factor(faster, slower, 1, units, of_fold)
    assert found.value == pytest.approx(3)
    assert 0 < found.low < 3 < found.high < math.inf
    inverted = [1 / swapped.value, 1 / swapped.high, 1 / swapped.low]
    assert ends(found) == pytest.approx(inverted, rel=0.02)


def test_without_overlap_there_is_a_bound_and_swapping_inverts_it():
    slower, faster, units, _ = drawn(scenario=Scenario("far", ahead=0.6, faster=3.0))
    found = factor(slower, faster, LAST, units)
    assert ends(found) == [None, pytest.approx(27), math.inf]
    swapped = factor(faster, slower, 0, units)
    assert ends(swapped) == [None, 0, pytest.approx(1 / 27)]


def test_an_arm_against_itself_is_1():
    arm, _, units, _ = drawn()
    for budget, compute in enumerate(COMPUTES):
        found = factor(arm, arm, budget, units)
        assert (found.value, found.compute) == (pytest.approx(1), compute)
        assert found.low <= 1 <= found.high


@pytest.mark.parametrize("scenario", SCENARIOS[:6], ids=lambda scenario: scenario.name)
def test_the_clock_of_one_arm_divides_a_factor_and_a_constant_changes_nothing(scenario):
    slower, faster, units, folds = drawn(scenario=scenario)
    found = factor(slower, faster, LAST, units, folds)
    dearer = factor(slower, replace(faster, computes=5 * COMPUTES), LAST, units, folds)
    assert dearer.value == (pytest.approx(found.value / 5) if found.value else None)
    assert ends(dearer)[1:] == pytest.approx([found.low / 5, found.high / 5], rel=CLOSE)
    raised = factor(moved(slower, units, 1), moved(faster, units, 1), LAST, units, folds)
    assert raised.value == (pytest.approx(found.value) if found.value else None)
    assert ends(raised)[1:] == pytest.approx(ends(found)[1:], rel=CLOSE)


@pytest.mark.parametrize("seed", range(3))
def test_a_budget_on_the_chord_changes_nothing(seed):
    slower, faster, units, _ = drawn(seed)
    found = factor(slower, faster, LAST, units)
    for compute in (30.0, 100.0, 539.0):
        place = int(np.searchsorted(COMPUTES, compute))
        more = Learning(
            np.insert(COMPUTES, place, compute),
            np.insert(faster.bits, place, faster.at(compute), axis=0),
        )
        again = factor(slower, more, LAST, units)
        assert ends(again) == pytest.approx(ends(found), rel=CLOSE)


@pytest.mark.parametrize("seed", range(3))
def test_a_better_arm_never_lowers_a_factor(seed):
    """Also where its curve goes up and down."""
    rng = np.random.default_rng(seed)
    slower, faster, units, _ = drawn(seed)
    jagged = 0.1 * rng.normal(size=(len(COMPUTES), 1, 1)) * units
    faster = replace(faster, bits=faster.bits + jagged)
    before = [0.0, 0.0, 0.0]
    for better in np.arange(0, 0.6, 0.05):
        found = factor(slower, moved(faster, units, -better), LAST, units)
        value = found.value
        if value is None:  # before the first budget of the faster arm, or after its last
            value = math.inf if found.high == math.inf else 0.0
        now = [value, found.low, found.high]
        assert all(a >= b * (1 - CLOSE) for a, b in zip(now, before, strict=True))
        before = now


@pytest.mark.parametrize("planted", [1.5, 2, 3, 5, 9, 20])
@pytest.mark.parametrize("exponent", [0.2, 0.35, 0.5])
def test_a_planted_power_law_comes_back_within_a_tenth_and_never_above(planted, exponent):
    scenario = Scenario(
        "", ahead=0, faster=planted, exponent=exponent, slopes=0, documents=0, networks=0
    )
    slower, faster, units, _ = drawn(scenario=scenario)
    found = factor(slower, faster, LAST, units)
    assert 0.9 * planted <= found.value <= planted * (1 + 1e-9)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_sets_hold_the_factor(scenario):
    """Often enough: by the interval at the factor, which a set that holds it has to contain."""
    rng = np.random.default_rng(0)
    truth = scenario.truth()
    held = 0
    times = 100
    for number in range(times):
        slower, faster, units, folds = scenario.draw(rng)
        place = min(max(COMPUTES[-1] / max(truth, 1e-9), COMPUTES[0]), COMPUTES[-1])
        found = compare_arms(faster.at(place), slower.bits[LAST], units, folds)
        is_held = found.low <= 0 <= found.high
        if truth == math.inf:
            is_held |= found.high < 0
        if truth == 0:
            is_held |= found.low > 0
        held += is_held
        if number < 3:
            whole = factor(slower, faster, LAST, units, folds)
            assert factor_coverage.holds(whole, truth) or not is_held
    assert held >= 0.9 * times


def test_a_factor_is_given_where_the_slower_arm_still_gains():
    slower, faster, units, folds = drawn()
    assert factor(slower, faster, LAST, units, folds).gains
    assert not factor(slower, faster, 0, units, folds).gains  # not known
    flat = replace(slower, bits=slower.bits[[0, 1, 2, 2]])
    assert not factor(flat, faster, LAST, units, folds).gains


def test_at_least_n_times_is_said_of_budgets_alone_in_steps():
    scenario = Scenario("", ahead=0.12, faster=3.5)
    slower, faster, units, _ = drawn(scenario=scenario)
    assert 9 < scenario.truth() < 27
    held = at_least(slower, faster, LAST, units)
    assert [*held] == [3, 9]
    assert held[3].difference < held[9].difference < 0
    assert [*at_least(slower, faster, 1, units)] == [3]  # there is no ninth of 60 s
    assert not at_least(faster, slower, LAST, units)
    whole_updates = replace(faster, computes=COMPUTES * [1.003, 0.998, 1.002, 1])
    assert [*at_least(slower, whole_updates, LAST, units)] == [3, 9]


# ---- two curves

UNITS = np.array([500, 480, 490, 500, 495])
STEPS = 2.0 ** np.arange(8)


def curve(levels, computes=STEPS, units=UNITS, stopped=False):
    levels = np.array(levels, dtype=float)
    return Learning(np.array(computes[-len(levels) :]), levels[:, None, None] * units, stopped)


SLOW = curve([4.0, 3.6, 3.2, 3.0, 2.8, 2.6, 2.4, 2.2])
FAST = curve([3.5, 3.0, 2.5, 2.1, 1.9, 1.8, 1.7, 1.6])  # below 2.2 from 8 s on


def test_two_curves_bound_what_the_slower_needs():
    found = compare_curves(SLOW, FAST, UNITS)
    assert (found.first_is_slower, found.compute, found.after, found.times) == (True, 128, 8, 16)
    assert found.lead == pytest.approx(0.6)
    assert found.tested is None
    assert not found.is_significant
    swapped = compare_curves(FAST, SLOW, UNITS)
    assert swapped == found._replace(first_is_slower=False)


def test_a_curve_has_to_stay_a_hundredth_below():
    levels = [3.5, 3.0, 2.1, 2.3, 2.195, 2.19, 1.7, 1.6]  # below, above, not enough, enough
    assert compare_curves(SLOW, curve(levels), UNITS).after == 32
    none = compare_curves(SLOW, curve([3.5, 2.1, 2.195]), UNITS)
    assert (none.after, none.times, none.lead) == (None, None, pytest.approx(0.005))


def test_the_first_point_counts_from_its_own_compute():
    found = compare_curves(SLOW, curve([2.0, 1.9, 1.8], computes=[30.0, 60.0, 128.0]), UNITS)
    assert (found.after, found.times) == (30, 4)
    late = compare_curves(SLOW, curve([2.0, 1.9], computes=[100.0, 128.0]), UNITS)
    assert (late.after, late.times) == (100, 1.2)


def test_a_slower_training_that_no_longer_gained_has_no_factor():
    for slower in (
        replace(SLOW, stopped=True),
        curve([4.0, 3.6, 3.2, 3.0, 2.8, 2.4, 2.1, 2.2]),
    ):
        found = compare_curves(slower, FAST, UNITS)
        assert (found.times, found.stopped) == (None, True)
        assert found.lead == pytest.approx(0.6)
    assert compare_curves(SLOW, replace(FAST, stopped=True), UNITS).times == 16


def test_a_constant_changes_nothing_and_a_better_arm_never_lowers_it():
    found = compare_curves(SLOW, FAST, UNITS)
    raised = compare_curves(moved(SLOW, UNITS, 0.7), moved(FAST, UNITS, 0.7), UNITS)
    assert (raised.times, raised.after) == (found.times, found.after)
    before = 0.0
    for better in np.arange(0, 2, 0.1):
        times = compare_curves(SLOW, moved(FAST, UNITS, -better), UNITS).times
        assert times >= before
        before = times


def test_with_documents_enough_the_difference_is_tested():
    rng = np.random.default_rng(0)
    units = rng.integers(400, 500, 12)
    noise = 0.05 * rng.normal(size=(8, 1, 12)) * units
    slow = curve(SLOW.bits[:, 0, 0] / UNITS[0], units=units)
    fast = curve(FAST.bits[:, 0, 0] / UNITS[0], units=units)
    fast = replace(fast, bits=fast.bits + noise)
    found = compare_curves(slow, fast, units)
    assert found.tested.documents == 12
    assert found.is_significant
    wild = replace(fast, bits=fast.bits + 20 * noise)
    found = compare_curves(slow, wild, units)
    if found.tested:
        assert not found.is_significant


def test_a_factor_is_rounded_down():
    times = [1.0, 1.19, 2.0, 2.99, 3.0, 3.97, 8.999999999999, 26.9, 0.74]
    assert [rounded_down(each) for each in times] == [1, 1.1, 2, 2.9, 3, 3, 9, 26, 0.7]
