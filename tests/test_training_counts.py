"""Counts of the training text, beside a network and alone: scored, sampled and stored."""

from collections import Counter

import numpy as np
import pytest
from conftest import COUNTED, made_up_cache, made_up_trust, tiny_model, toy_model

import textgen as package
from textgen.evaluation.counts import TrainingCounts
from textgen.evaluation.pitman_yor import context_kind
from textgen.evaluation.sampler import Stepper, write_tokens
from textgen.models.objectives import NextToken, Shifted
from textgen.runs.finished import score_split
from textgen.tokenizers.base import EncodedDocument
from textgen.tokenizers.characters import Characters
from textgen.training import preparation

SIZE = 5
ORDERS = (0, 1, 2, 4)
RANDOM = np.random.default_rng(1)
TRAINING = [RANDOM.integers(1, SIZE - 1, n).astype(np.uint8) for n in (40, 1, 25)]  # 4 never occurs
COUNTS = TrainingCounts(ORDERS, TRAINING, False, SIZE, made_up_trust(*ORDERS))
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
    return np.array(WEIGHTS[known]) @ [network, on_network, alone], alone


def after_level(counter, base, d, theta):
    own = np.array([max(counter[x] - d, 0) for x in range(SIZE)])
    return (own + (theta + d * len(counter)) * base) / (counter.total() + theta)


def test_texts_are_scored_by_the_process_over_counts_of_the_training_text():
    network_alone = np.array([0.1, 0.2, 0.3, 0.15, 0.25])
    for text in ([], [1], TRAINING[0][:9].tolist(), [4, 1, 2, 4], TRAINING[2].tolist()):
        counted = COUNTS.counts(np.array(text, np.uint8))
        costs = COUNTS.bits(-np.log2(network_alone[[*text, 0]]), counted)
        contexts = COUNTS.start(2)
        for place, token in enumerate([*text, 0]):
            both = slow_mixture(text[:place], network_alone)
            for bits, expected, base in zip(costs, both, ([network_alone] * 2, None), strict=True):
                mixed = COUNTS.mixed(contexts, base and np.array(base))
                np.testing.assert_allclose(mixed, [expected] * 2, rtol=1e-9)
                np.testing.assert_allclose(mixed.sum(axis=1), 1, rtol=1e-9)
                assert 2.0 ** -float(bits[place]) == pytest.approx(expected[token], rel=1e-5)
            contexts = COUNTS.after(contexts, np.full(2, token))


@pytest.mark.parametrize("objective", [NextToken(window=4), Shifted(window=3, shift=2)], ids=str)
@pytest.mark.parametrize("part", ["network", "with_counts", "with_cache", "counts"])
def test_what_a_part_charges_is_what_it_predicts_and_draws(objective, part):
    network, cache = tiny_model(objective, SIZE), made_up_cache(1, 2)
    whole = toy_model(objective, network, SIZE, counts=COUNTS, cache=cache)
    text, model = [3, 1, 4, 1, 2], whole.part(part)
    (observed,) = whole.observe([EncodedDocument(np.array(text, dtype=np.uint8))])
    bits = whole.mixed(observed)[part]
    stepper = Stepper(model)
    for token, cost in zip([*text, 0], bits, strict=True):
        assert -np.log2(stepper.copy().probabilities()[token]) == pytest.approx(cost, rel=1e-4)
        stepper.append(token)
    rows = 4000
    stepper = Stepper(model)
    for token in (3, 1):
        stepper.append(token)
    stream = write_tokens(model, [np.array([3, 1])] * rows, range(rows))
    for _ in range(2):
        next(stream)
    shares = np.bincount(next(stream), minlength=SIZE) / rows
    np.testing.assert_allclose(shares, stepper.probabilities(), atol=0.03)


def test_of_a_long_text_every_tokenizer_counts_the_same_characters(monkeypatch):
    """A text that is cut short has no end."""
    texts = ["a bab", "bb a", "abba"]
    tokenizer = Characters().fit(texts)
    tokens = [tokenizer.encode(text).tokens for text in texts]
    for most, counted in ((4, ["a ba"]), (5, texts[:1]), (7, ["a bab", "bb"]), (99, texts)):
        monkeypatch.setattr(preparation, "MAX_CHARACTERS", most)
        documents, cut = preparation.counted(tokenizer, texts, tokens)
        assert [tokenizer.decode(EncodedDocument(document)) for document in documents] == counted
        assert cut == (most in (4, 7))
        ends = TrainingCounts((0,), documents, cut, 9).counts(np.array([], np.uint8)).same
        assert ends.tolist() == [[len(counted) - cut]]


def test_a_vocabulary_may_be_of_any_size():
    few, many = (
        TrainingCounts((1,), TRAINING, False, size).counts(TRAINING[0]) for size in (SIZE, 2**58)
    )
    np.testing.assert_equal(few, many)


def test_fitted_counts_help_where_they_know_more_than_the_network():
    cycle, bits = np.tile(np.arange(1, 4), 30), np.full(91, np.log2(SIZE))
    counts = TrainingCounts((1, 2), [cycle] * 3, False, SIZE)
    assert counts.fitted([(bits, counts.counts(cycle))]).bits(bits, counts.counts(cycle)).mean() < 1
    random = counts.counts(RANDOM.integers(1, SIZE, 90))
    fitted = counts.fitted([(bits, random)])
    assert fitted.bits(bits, random)[0].mean() < np.log2(SIZE) + 0.05
    assert counts.trust is None


def test_a_run_keeps_its_counts(finished_run):
    folder = finished_run("char", COUNTED)
    run, alone = package.load_run(folder), package.load_run(finished_run("char"))
    totals = {part: own.bits_per_character.total for part, own in run.metrics.test.parts.items()}
    assert totals["with_counts"] < totals["network"] == alone.bits()
    for part, own in score_split(folder, "test")["parts"].items():
        assert own["bits_per_character"]["total"] == pytest.approx(totals[part], rel=1e-4)
    audit = package.audit_model(folder, "a passage of no document", part="with_counts")
    assert audit.failed == [], str(audit)
