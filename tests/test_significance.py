"""A difference is claimed as often as it should be: simulated runs, 10 seconds of one core."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from textgen.evaluation import significance
from textgen.evaluation.significance import Difference, Needed, compare_arms, holm, verdict

pytestmark = pytest.mark.fast

by_document, what_would_tell = significance.by_document, significance.what_would_tell
TALES = [1924, 3815, 9199, 12257, 13320, 14143, 14153, 15585, 20609, 90509, 150819]
FEW = 2**11  # resamples: all subsets of the tales


def lengths(rng, documents):
    """Those of the tales, or log-normal ones just as uneven."""
    if documents == len(TALES):
        return np.array(TALES)
    return np.exp(rng.normal(9.6, 1.0, documents)).astype(int) + 1


def runs(rng, units, seeds, spread, luck, noise, difference=0.0):
    """Bits of two arms, (S, D) each, in bits per character of standard deviation:

    ``spread`` of what documents make of the difference, ``luck`` of a seed on all documents,
    ``noise`` of a seed on one document; spread and noise are larger for short documents.
    """
    uneven = (units.mean() / units) ** 0.25
    plain = rng.normal(1.9, 0.12, len(units))
    effect, arms = difference + spread * uneven * rng.normal(size=len(units)), []
    for n, share in zip(seeds, (0.5, -0.5), strict=True):
        by_seed = luck * rng.normal(size=(n, 1))
        by_seed = by_seed + noise * uneven * rng.normal(size=(n, len(units)))
        arms.append(units * (plain + share * effect + by_seed))
    return arms


def example(documents=11, seeds=(3, 3), difference=0.0, seed=0):
    rng = np.random.default_rng(seed)
    units = lengths(rng, documents)
    return *runs(rng, units, seeds, 0.02, 0.004, 0.004, difference), units


@pytest.mark.parametrize(
    ("documents", "seeds", "spread", "luck", "noise"),
    [
        (11, (1, 1), 0.02, 0.0, 0.004),  # of these runs: their luck is part of the truth
        (11, (2, 2), 0.003, 0.006, 0.003), (11, (3, 5), 0.003, 0.006, 0.003),
        (11, (5, 5), 0.03, 0.003, 0.003), (30, (2, 2), 0.02, 0.004, 0.004),
        (30, (3, 3), 0.003, 0.006, 0.003),
    ],
)  # fmt: skip
def test_false_claims_and_intervals_are_honest(monkeypatch, documents, seeds, spread, luck, noise):
    monkeypatch.setattr(significance, "RESAMPLES", FEW)
    rng = np.random.default_rng(20240)
    covered = claimed = 0
    for _ in range(1000):
        units = lengths(rng, documents)
        first, second = runs(rng, units, seeds, spread, luck, noise)
        found = compare_arms(first, second, units)
        covered += found.low <= 0 <= found.high
        claimed += verdict(found, found.p, margin=0) in ("better", "worse")
    assert claimed <= 60
    assert 930 <= covered <= 970


@pytest.mark.parametrize(("luck", "folds"), [(0.0, 5), (0.012, 5), (0.012, 3), (0.004, 5)])
def test_intervals_over_folds_hold_the_luck_of_networks(monkeypatch, luck, folds):
    """Two folds' networks are correlated by 1 / folds (Nadeau & Bengio 2003)."""
    monkeypatch.setattr(significance, "RESAMPLES", FEW // 8)
    rng, fold_of, times = np.random.default_rng(3), np.arange(40) % folds, 1000
    held = {"all": 0, "each": 0}
    for _ in range(times):
        units = lengths(rng, 40)
        shared, own = rng.normal(0.0, luck), rng.normal(0.0, luck, folds)[fold_of]
        leads = rng.normal(0.0, 0.01, 40) + shared / folds**0.5 + own * (1 - 1 / folds) ** 0.5
        bits = (units * leads)[np.newaxis]
        for name, given in (("all", None), ("each", fold_of)):
            found = compare_arms(bits, 0 * bits, units, given)
            held[name] += found.low <= 0 <= found.high
    assert held["each"] / times >= 0.93
    assert (held["all"] / times < 0.9) == bool(luck)  # seeds alone know nothing of it


def test_an_arms_own_interval_covers_its_figure(monkeypatch):
    monkeypatch.setattr(significance, "RESAMPLES", FEW)
    rng = np.random.default_rng(2)
    units, covered = np.array(TALES), 0
    for _ in range(1000):
        first, _ = runs(rng, units, (3, 3), 0.0, 0.004, 0.004)
        low, high = significance.bootstrap_interval(first, units)
        covered += low <= 1.9 <= high
    assert 930 <= covered <= 970


def test_a_difference_of_a_twentieth_of_a_bit_is_found():
    found = []
    for seed in range(100):
        difference = compare_arms(*example(seeds=(5, 5), difference=0.05, seed=seed))
        found.append(verdict(difference, holm([difference.p] * 9)[0]))
    assert found.count("worse") >= 90
    assert "better" not in found


def brute_force(difference):
    """p of the sign-flip test, one sign vector after another."""
    signs = itertools.product((1, -1), repeat=len(difference))
    sums = [abs(np.dot(s, difference)) for s in signs]
    return np.mean(np.array(sums) >= abs(difference.sum()) * (1 - 1e-9))


@pytest.mark.parametrize("seed", range(4))
def test_one_seed_gives_p_and_interval_of_flipping_every_sign(monkeypatch, seed):
    first, second, units = example(9, (1, 1), 0.01, seed)
    found, difference = compare_arms(first, second, units), (first - second)[0]
    assert found.p == pytest.approx(brute_force(difference), abs=1e-12)
    for bound, outward in ((found.low, -1e-7), (found.high, 1e-7)):
        assert brute_force(difference - (bound + outward) * units) <= 0.05
        assert brute_force(difference - (bound - outward) * units) > 0.05
    first, second, units = example(12, (1, 1), 0.01, seed)
    monkeypatch.setattr(significance, "RESAMPLES", 4000)
    some = compare_arms(first, second, units)
    assert some.p == pytest.approx(brute_force((first - second)[0]), abs=0.03)


@pytest.mark.parametrize(("documents", "seeds"), [(11, (1, 1)), (30, (2, 5))])
def test_swapped_arms_mirror_and_the_order_of_documents_does_not_matter(documents, seeds):
    first, second, units = example(documents, seeds, 0.01)
    found, swapped = compare_arms(first, second, units), compare_arms(second, first, units)
    assert found.difference == pytest.approx((first.mean(0) - second.mean(0)).sum() / units.sum())
    assert (swapped.low, swapped.high, swapped.p) == (-found.high, -found.low, found.p)
    order = np.random.default_rng(0).permutation(documents)
    assert compare_arms(first[:, order], second[:, order], units[order]) == found
    for bits in (first[:1], np.repeat(first[:1], 3, axis=0)):
        same = compare_arms(bits, bits, units)
        figures = same.difference, same.low, same.high, same.p
        assert figures == pytest.approx((0, 0, 0, 1), abs=1e-12)


def test_what_one_document_does_is_what_leaving_it_out_does():
    first, second, units = arrays = example(9, (2, 3), 0.01)
    others = ([np.delete(array, d, axis=-1) for array in arrays] for d in range(9))
    rest = [compare_arms(*other).difference for other in others]
    found = by_document(*arrays)
    alike = by_document(first / units, second / units, np.ones(9))
    assert found.without_one == pytest.approx((min(rest), max(rest)))
    assert alike.equal_documents == 9 > found.equal_documents


def test_documents_that_agree_are_those_on_the_side_of_the_whole():
    """Of four documents the first arm needs fewer bits on one, more on two, as many on one."""
    second, units = np.array([[100.0, 200, 300, 400]]), np.array([50.0, 100, 100, 200])
    first = second + np.array([[-2.0, 10, 25, 0]])
    found, swapped = by_document(first, second, units), by_document(second, first, units)
    assert (found.agreeing, swapped.agreeing) == (2, 2)
    assert found.mean_over_documents == pytest.approx((-2 / 50 + 10 / 100 + 25 / 100) / 4)
    assert swapped.mean_over_documents == -found.mean_over_documents


@pytest.mark.parametrize(("documents", "seeds"), [(1, (1, 1)), (5, (1, 3)), (5, (3, 3))])
def test_too_few_documents_for_an_interval_say_so(documents, seeds):
    first, second, units = example(documents, seeds, difference=0.5)
    found = compare_arms(first, second, units)
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert found.p >= 2 ** (1 - documents)
    assert verdict(found, found.p) == "too close to call"
    assert what_would_tell(found) == Needed("documents", 6)
    assert significance.bootstrap_interval(first, units) == (-np.inf, np.inf)
    assert np.isfinite(compare_arms(*example(6, seeds)).low)


def close(documents_error, networks_error, *, documents=10, seeds=(3, 3), folds=1, lead=0.02):
    errors = {"documents_error": documents_error, "networks_error": networks_error}
    return Difference(-lead, -lead - 0.03, -lead + 0.03, 0.1, documents, seeds, folds, **errors)


def test_what_would_settle_a_question_is_what_the_error_comes_from():
    by_documents = what_would_tell(close(0.02, 0.0))
    assert by_documents.what == "documents"
    assert by_documents.number > 60
    assert not by_documents.networks  # which no more seeds would settle
    by_seeds = what_would_tell(close(0.0, 0.02))
    assert by_seeds.what == "seeds"  # which no more documents would settle
    assert by_seeds.number > 12
    either = what_would_tell(close(0.005, 0.005))
    assert either.what == "documents"
    assert either.number > 10
    assert either.networks > 3
    assert not either.seeds_besides
    both = what_would_tell(close(0.02, 0.02))
    assert both.seeds_besides
    assert both.number > by_documents.number
    assert both.networks > by_seeds.number
    assert what_would_tell(close(0.0, 0.02, seeds=(1, 1), folds=5)).what == "folds"
    once = what_would_tell(close(0.02, 0.0, seeds=(1, 2)))
    assert (once.seeds_besides, once.networks) == (True, 0)
    for documents_error, networks_error in ((0.02, 0.004), (0.004, 0.02)):
        found = close(documents_error, networks_error)
        needed = what_would_tell(found)
        assert what_would_tell(found, 6)[1] > needed.number  # the more questions are declared
        assert what_would_tell(replace(found, folds=3)) == Needed("folds", 5)
    assert what_would_tell(close(0.001, 0.001, documents=6), 6).number == 8
    smaller = what_would_tell(close(0.02, 0.0, lead=0.012))
    assert smaller.number > by_documents.number
    # 37 documents are enough; of 606 the error is mostly that of two seeds, of which less is known
    few = what_would_tell(close(0.01, 0.005, documents=11, seeds=(2, 2), lead=0.023))
    assert (few.what, few.seeds_besides) == ("documents", False)
    assert 30 < few.number < 50
    equal = what_would_tell(close(0.02, 0.0, lead=0.002))
    assert equal.number > what_would_tell(close(0.02, 0.0, lead=0.001)).number


def test_an_error_is_told_apart_into_documents_and_seeds():
    """Of 40 documents and 4 seeds an arm, of known deviations, on average over drawings."""
    rng = np.random.default_rng(5)
    units = np.full(40, 1000)
    errors = list[tuple[float, float]]()
    for _ in range(200):
        found = compare_arms(*runs(rng, units, (4, 4), 0.02, 0.01, 0.002), units)
        errors.append((found.documents_error, found.networks_error))
    documents, seeds = np.sqrt(np.mean(np.square(errors), axis=0))
    assert documents == pytest.approx(0.02 / 40**0.5, rel=0.05)
    assert seeds == pytest.approx(0.01 / 2**0.5, rel=0.1)
    once = compare_arms(*runs(rng, units, (1, 1), 0.02, 0.01, 0.002), units)
    assert once.networks_error == 0


@pytest.mark.parametrize(("freedom", "expected"), [(2, 4.303), (4, 2.776), (10, 2.228)])
def test_quantiles_of_students_t(freedom, expected):
    assert significance.student_quantile(0.975, freedom) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("difference", "wanted"), [(0.015, "worse"), (0.001, "equal")])
def test_as_many_documents_as_are_named_mostly_tell(difference, wanted):
    rng = np.random.default_rng(1)

    def found(documents):
        bits = rng.normal(difference, 0.03, (2, documents)).mean(axis=0, keepdims=True)
        both = np.repeat(bits, 2, axis=0)  # of two runs that agree
        return compare_arms(1000 * both, np.zeros_like(both), np.full(documents, 1000.0))

    few = close(0.03 / 2**0.5 / 7**0.5, 0.0, documents=7, lead=-difference)
    needed = what_would_tell(few).number
    times = [verdict(each, each.p) for each in (found(needed) for _ in range(100))]
    assert 60 <= times.count(wanted) <= 97
    assert [verdict(each, each.p) for each in (found(7) for _ in range(100))].count(wanted) < 60


UNITS = np.array([100.0, 250, 400, 90, 700, 310, 55, 120])
PLAIN = np.array([190.0, 480, 770, 160, 1400, 640, 100, 230])
FIRST = np.stack([PLAIN, 1.02 * PLAIN + 5 * (UNITS == 90), 0.99 * PLAIN])
SECOND = np.outer([1, 1.03], 1.03 * PLAIN + np.array([3.0, -4, 12, 0, -9, 6, 2, -2]))


@pytest.mark.parametrize(
    ("number", "low", "high", "p"),
    [(6, -0.38548585, 0.21524327, 0.16894531), (8, -0.26137260, 0.10018552, 0.15136719)],
)
def test_documents_and_seeds_together_give_what_they_gave(monkeypatch, number, low, high, p):
    """As recorded on 2026-11-29: whoever changes them means to."""
    first, second, units = FIRST[:, :number], SECOND[:, :number], UNITS[:number]
    monkeypatch.setattr(significance, "RESAMPLES", 1000)
    found = compare_arms(first, second, units)
    whole = (first.mean(axis=0) - second.mean(axis=0)).sum() / units.sum()
    assert found.difference == pytest.approx(whole)
    assert (found.low, found.high, found.p) == pytest.approx((low, high, p), rel=1e-6)


def test_a_block_of_subsets_is_as_good_as_all_at_once(monkeypatch):
    first, second, units = example(30, (1, 1), 0.01)
    whole = compare_arms(first, second, units)
    monkeypatch.setattr(significance, "MAX_SUBSET_NUMBERS", 3000)
    parts = compare_arms(first, second, units)
    assert parts.p == pytest.approx(whole.p, abs=0.01)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), abs=1e-3)


@pytest.mark.parametrize("contrasts", [1, 2, 3, 6, 7])
def test_so_many_documents_that_agree_can_answer_all_questions_and_no_fewer(contrasts):
    fewest = significance.fewest_documents(contrasts)
    for documents in (fewest - 1, fewest):
        better, other = np.full((2, documents), 100.0), np.full((2, documents), 150.0)
        found = compare_arms(better, other, np.full(documents, 50.0))
        assert (max(holm([found.p] * contrasts)) < significance.LEVEL) == (documents == fewest)


def test_limits_of_a_verdict_and_holms_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    for low, high, p, expected in (
        (-0.01, 0.01, 0.9, "equal"), (-0.01, -0.01, 0.01, "equal"),
        (-0.02, 0.01, 0.01, "too close to call"), (-0.01, 0.02, 0.01, "too close to call"),
        (0.02, 0.05, 0.05, "too close to call"), (0.02, 0.05, 0.0499, "worse"),
        (-0.05, -0.02, 0.0499, "better"),
    ):  # fmt: skip
        assert verdict(Difference((low + high) / 2, low, high, 0.01, 11, (5, 5)), p) == expected
