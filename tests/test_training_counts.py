"""Counts of the training text are a part of the model: scored, sampled and stored like the rest."""

from collections import Counter

import numpy as np
import pytest
from conftest import COUNTED, made_up_trust, tiny_model

import textgen as package
from textgen.evaluation.counts import TrainingCounts, context_kind
from textgen.evaluation.likelihood import token_bits
from textgen.evaluation.sampler import Sampler, Stepper
from textgen.models.objectives import NextToken, Shifted
from textgen.runs.finished import score_part

SIZE = 5
ORDERS = (0, 1, 2, 4)
RANDOM = np.random.default_rng(1)
TRAINING = [RANDOM.integers(1, SIZE - 1, n).astype(np.uint8) for n in (40, 1, 25)]  # 4 never occurs
COUNTS = TrainingCounts(ORDERS, TRAINING, SIZE, made_up_trust(*ORDERS))
PROCESSES, WEIGHTS = COUNTS.trust


def slow_mixture(text, network):
    """P(next token | text) as the formulas have it, over counters of contexts."""
    tables = {order: {} for order in ORDERS}
    for document in TRAINING:
        whole = [0] * max(ORDERS) + [*document.tolist(), 0]
        for place in range(max(ORDERS), len(whole)):
            for order in reversed(ORDERS):
                context = tuple(whole[place - order : place])
                counter = tables[order].setdefault(context, Counter())
                counter[whole[place]] += 1
                if counter[whole[place]] > 1:
                    break
    before, known = [0] * max(ORDERS) + list(text), 0
    on_network, alone = network, np.full(SIZE, 1 / SIZE)
    for level, order in enumerate(ORDERS):
        counter = tables[order].get(tuple(before[len(before) - order :]), Counter())
        kind = int(context_kind(counter.total(), len(counter)))
        if counter:
            known += 1
            trusts = ((p.discounts[level][kind], p.strengths[level][kind]) for p in PROCESSES)
            on_network, alone = (
                after_level(counter, base, *trust)
                for base, trust in zip((on_network, alone), trusts, strict=True)
            )
    return np.array(WEIGHTS[known]) @ [network, on_network, alone]


def after_level(counter, base, d, theta):
    own = np.array([max(counter[x] - d, 0) for x in range(SIZE)])
    return (own + (theta + d * len(counter)) * base) / (counter.total() + theta)


def test_texts_are_scored_by_the_process_over_counts_of_the_training_text():
    network_alone = np.array([0.1, 0.2, 0.3, 0.15, 0.25])
    for text in ([], [1], TRAINING[0][:9].tolist(), [4, 1, 2, 4], TRAINING[2].tolist()):
        bits = COUNTS.bits(np.array(text, np.uint8), -np.log2(network_alone[[*text, 0]]))
        contexts = COUNTS.start(2)
        for place, token in enumerate([*text, 0]):
            expected = slow_mixture(text[:place], network_alone)
            mixed = COUNTS.mixed(contexts, np.array([network_alone] * 2))
            np.testing.assert_allclose(mixed, [expected] * 2, rtol=1e-9)
            np.testing.assert_allclose(mixed.sum(axis=1), 1, rtol=1e-9)
            assert 2.0 ** -float(bits[place]) == pytest.approx(expected[token], rel=1e-5)
            contexts = COUNTS.after(contexts, np.full(2, token))


@pytest.mark.parametrize("objective", [NextToken(window=4), Shifted(window=3, shift=2)], ids=str)
def test_what_is_scored_is_what_is_read_and_drawn(objective):
    network = tiny_model(objective, SIZE)
    network.training_counts = COUNTS
    text = [3, 1, 4, 1, 2]
    (bits,) = token_bits(objective, network, [np.array(text, dtype=np.uint8)])
    stepper = Stepper(objective, network)
    for token, cost in zip([*text, 0], bits, strict=True):
        assert -np.log2(stepper.copy().probabilities()[token]) == pytest.approx(cost, rel=1e-4)
        stepper.append(token)
    rows = 4000
    stepper, drawn = Stepper(objective, network), Sampler(objective, network, unwritable=())
    for token in (3, 1):
        stepper.append(token)
    stream = drawn.write([np.array([3, 1])] * rows, range(rows))
    for _ in range(2):
        next(stream)
    shares = np.bincount(next(stream), minlength=SIZE) / rows
    np.testing.assert_allclose(shares, stepper.probabilities(), atol=0.03)


def test_of_a_long_text_the_beginning_is_counted_and_of_any_vocabulary(monkeypatch):
    for most, counted in ((41, TRAINING[:2]), (7, [TRAINING[0][:7]])):
        monkeypatch.setattr("textgen.evaluation.counts.MAX_TOKENS", most)
        np.testing.assert_equal(TrainingCounts((1,), TRAINING, SIZE).documents, counted)
    few, many = (TrainingCounts((1,), TRAINING, size).counts(TRAINING[0]) for size in (SIZE, 2**58))
    np.testing.assert_equal(few, many)


def test_fitted_counts_help_where_they_know_more_than_the_network():
    cycle = [np.tile(np.arange(1, 4), 30)] * 3
    counts = TrainingCounts((1, 2), cycle, SIZE)
    bits = np.full(91, np.log2(SIZE))
    (fitted,) = counts.fit([(cycle[0], bits)])
    np.testing.assert_array_equal(fitted, counts.bits(cycle[0], bits))
    assert fitted.mean() < 0.2
    random = RANDOM.integers(1, SIZE, 90)
    counts.fit([(random, bits)])
    assert counts.bits(random, bits).mean() < np.log2(SIZE) + 0.05


def test_a_run_keeps_its_counts(finished_run):
    folder = finished_run("char", COUNTED)
    run, alone = package.load_run(folder), package.load_run(finished_run("char"))
    total = run.metrics.test.bits_per_character.total
    assert total < alone.metrics.test.bits_per_character.total
    again = score_part(folder, "test")["bits_per_character"]["total"]
    assert again == pytest.approx(total, rel=1e-4)
    assert package.audit_model(folder, "a passage of no document").failed == []
