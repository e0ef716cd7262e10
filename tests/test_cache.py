"""A document cache and counts of the training text are distributions, and read nothing ahead."""

from collections import Counter

import numpy as np
import pytest
from conftest import made_up_cache, trusted_counts
from hypothesis import given
from hypothesis import strategies as st

from textgen.evaluation.counts import CacheState, DocumentCache, TrainingCounts, count
from textgen.ngrams.pitman_yor import (
    CONTEXT_KINDS,
    context_kind,
    fit,
    known_contexts,
    likeliest_parameters,
)
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.encoded import EncodedDocument
from textgen.training import preparation

pytestmark = pytest.mark.fast


def alike(orders, discounts, strengths):
    """A cache with the same discount and strength for all kinds of context of a level."""
    rows = ([[value] * CONTEXT_KINDS for value in values] for values in (discounts, strengths))
    return DocumentCache(orders, *rows)


CACHES = [
    made_up_cache(0), alike([1], [0.9], [0.02]), alike([2, 3], [0.2, 0.95], [100.0, 0.5]),
    made_up_cache(0, 1, 2, 5),
]  # fmt: skip
SIZE = 4


def tuned(orders, documents):
    return fit(orders, [(bits, count(tokens, orders)) for tokens, bits in documents])


def costs(cache, tokens, bits):
    return cache.mixed_bits(bits, count(tokens, cache.orders))


def chances_after(tokens):
    """Some network's distribution over SIZE tokens, by the last token and the place."""
    seed = (len(tokens), tokens[-1] if tokens else 0)
    values = np.random.default_rng(seed).random(SIZE) + 0.01
    return values / values.sum()


@pytest.mark.parametrize("cache", CACHES, ids=lambda cache: str(cache.orders))
@given(tokens=st.lists(st.integers(1, SIZE - 1), max_size=40))
def test_all_at_once_is_a_distribution_of_the_next_token_after_those_before_it(cache, tokens):
    read, network, mixture = CacheState(cache), [], []
    for place, token in enumerate([*tokens, 0]):
        chances = chances_after(tokens[:place])
        mixed = read.mixed(chances)
        assert (mixed > 0).all()
        assert mixed.sum() == pytest.approx(1.0, abs=1e-12)
        network.append(-np.log2(chances[token]))
        mixture.append(-np.log2(mixed[token]))
        read.add(token)
    found = costs(cache, np.array(tokens, dtype=np.uint8), np.array(network))
    np.testing.assert_allclose(found, mixture, rtol=1e-5)


def test_what_repeats_is_cheap_and_what_does_not_stays_as_it_was():
    random = np.random.default_rng(3)
    phrase = random.integers(1, 200, 50)
    repeating = [(np.tile(phrase, 8), np.full(401, 6.0)) for _ in range(3)]
    fresh = [(random.permutation(5000)[:400] + 1, np.full(401, 6.0)) for _ in range(3)]
    for documents, low, high in ((repeating, 0.5, 2.0), (fresh, 5.99, 6.01)):
        cache = tuned((0, 1, 2), documents)
        assert low < np.mean([costs(cache, s, b).mean() for s, b in documents]) < high


def test_tuning_reads_no_more_than_it_needs(monkeypatch):
    draw = np.random.default_rng(7)
    tokens, bits = draw.integers(1, 4, 200), draw.random(201) * 3
    monkeypatch.setattr("textgen.ngrams.pitman_yor.TUNING_TOKENS", 150)
    few = tuned((0, 1), [(tokens, bits), (tokens[::-1], bits)])
    assert few == tuned((0, 1), [(tokens, bits)])
    assert few != tuned((0, 1), [(tokens[:149], bits[:150])])


def test_what_is_tuned_is_the_likeliest_under_its_prior():
    """The slope of −ln P plus a quarter of the squared distance from those of the level is zero."""
    draw = np.random.default_rng(5)
    tokens, chances = draw.integers(1, 5, 400), np.exp2(-draw.random(401) * 4)
    counts = count(tokens, (0, 2))
    kinds, near = context_kind(counts.total, counts.different), np.array([[1.0, 0.5], [2.0, 1.0]])
    start, number = np.repeat(near, CONTEXT_KINDS), CONTEXT_KINDS
    levels = known_contexts(counts, kinds)
    setting = likeliest_parameters(chances, levels, near, number).ravel()

    def cost(setting):
        odds, logs = setting.reshape(2, 2, CONTEXT_KINDS)
        mixed = DocumentCache((0, 2), 1 / (1 + np.exp(-odds)), np.exp(logs)).mixed(chances, counts)
        return -np.log(mixed).sum() + 0.25 * ((setting - start) ** 2).sum()

    assert np.abs(setting - start).max() > 0.3  # the text says something
    for i in range(len(setting)):
        step = 1e-4 * (np.arange(len(setting)) == i)
        slope = (cost(setting + step) - cost(setting - step)) / 2e-4
        assert slope == pytest.approx(0, abs=5e-3)


def test_a_kind_of_context_that_was_not_tuned_is_like_the_rest_of_its_level():
    """Short documents say that counts are worth nothing; a long one has kinds that they lack."""
    draw = np.random.default_rng(6)
    short = [(draw.integers(1, 200, 900), np.full(901, 3.0)) for _ in range(4)]
    long = draw.integers(1, 200, 6000), np.full(6001, 3.0)
    assert costs(tuned((0,), short), *long).mean() < 3.5  # by START it would be 7


def test_tuned_numbers_stay_within_their_limits_and_without_text_where_they_start():
    for tokens in (np.ones(20_000, dtype=np.int64), np.arange(1, 20_001)):
        found = tuned((0,), [(tokens, np.full(20_001, 30.0))])
        discounts, strengths = np.array(found.discounts), np.array(found.strengths)
        odds, logs = np.log(discounts / (1 - discounts)), np.log(strengths)
        assert min(odds.min(), logs.min()) >= -4 - 1e-9
        assert (odds.max(), logs.max()) <= (6 + 1e-9, 16 + 1e-9)
    empty = (np.array([], dtype=np.uint8), np.array([3.0]))
    found = tuned((0, 2), [empty])
    assert np.ravel(found.discounts) == pytest.approx(0.8)
    assert np.ravel(found.strengths) == pytest.approx(8.0)
    assert costs(found, *empty).tolist() == [3.0]


def test_bits_by_hand():
    """Of tokens 1 1 2 1 and the end, orders 0 and 1, by the formula in the module."""
    by_hand = alike([0, 1], [0.5, 0.25], [2.0, 1.0])
    chances = [0.5, 0.25, 0.125, 0.5, 0.25]
    # level 0 counts what was new after its context: ^1, 11, 12, 21; level 1 counts all
    lower = [(0, 0, 0), (1, 1, 1), (0, 2, 1), (2, 3, 2), (0, 4, 2)]  # n(x), n, t before each token
    upper = [(0, 0, 0), (0, 0, 0), (0, 1, 1), (0, 0, 0), (0, 2, 2)]
    expected = []
    for chance, below, above in zip(chances, lower, upper, strict=True):
        for (same, number, kinds), d, strength in ((below, 0.5, 2.0), (above, 0.25, 1.0)):
            chance = (max(same - d, 0) + (strength + d * kinds) * chance) / (number + strength)
        expected.append(-np.log2(chance))
    bits = costs(by_hand, np.array([1, 1, 2, 1]), -np.log2(chances))
    assert bits == pytest.approx(expected, rel=1e-6)


def test_kinds_of_context():
    """By hand: how many tokens were counted, and how many different ones."""
    kinds = {(1, 1): 0, (2, 1): 1, (3, 1): 2, (20, 1): 3, (21, 1): 4, (2, 2): 5, (5, 2): 7}
    kinds |= {(3, 3): 10, (8, 4): 11, (5, 5): 15, (11, 11): 20, (900, 30): 24}
    assert context_kind(*np.array(list(kinds)).T).tolist() == list(kinds.values())
    assert [int(context_kind(*counted)) for counted in kinds] == list(kinds.values())


def test_a_network_that_is_certain_and_wrong_costs_no_infinity():
    tokens, bits = np.array([1, 2, 1, 2, 3]), np.array([3.0, 5000.0, 1.0, 5000.0, 2.0, 5000.0])
    for each in (CACHES[3], tuned((0, 1), [(tokens, bits)])):
        cost = costs(each, tokens, bits)
        assert np.isfinite(cost).all()
        assert cost[1] > 999  # nothing has been seen that would make it cheaper


TOKENS = 5
ORDERS = (0, 1, 2, 4)
RANDOM = np.random.default_rng(1)
TRAINING = [RANDOM.integers(1, TOKENS - 1, n).astype(np.uint8) for n in (40, 1, 25)]  # no 4
COUNTS = trusted_counts(TRAINING, TOKENS, *ORDERS)
PROCESSES, WEIGHTS = COUNTS.processes, COUNTS.weights


def slow_mixture(text, network):
    """P(next token | text) as the formulas have it, over counters of contexts."""
    tables = {order: {} for order in ORDERS}
    for document in TRAINING:
        whole = [0] * max(ORDERS) + [*document.tolist(), 0]
        for place in range(max(ORDERS), len(whole)):
            for order in reversed(ORDERS):
                counter = tables[order].setdefault(tuple(whole[place - order : place]), Counter())
                counter[whole[place]] += 1
                if counter[whole[place]] > 1:
                    break
    before, known = [0] * max(ORDERS) + list(text), 0
    on_network, alone = network, np.full(TOKENS, 1 / TOKENS)
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
    own = np.array([max(counter[x] - d, 0) for x in range(TOKENS)])
    return (own + (theta + d * len(counter)) * base) / (counter.total() + theta)


def test_texts_are_scored_by_the_process_over_counts_of_the_training_text():
    network_alone = np.array([0.1, 0.2, 0.3, 0.15, 0.25])
    for text in ([], [1], TRAINING[0][:9].tolist(), [4, 1, 2, 4], TRAINING[2].tolist()):
        counted = COUNTS.count_along(np.array(text, np.uint8))
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


def test_counts_of_a_text_of_three_tokens_by_hand():
    """The example at the top of :mod:`textgen.evaluation.counts`."""
    end, a, b = 0, 1, 2
    counts = TrainingCounts((0, 1), [np.array([a, b, a])], False, 3)
    counts.processes = [alike((0, 1), [0.5, 0.5], [1.0, 1.0])] * 2
    after_a = counts.after(counts.start(1), np.array([a]))
    (chances,) = counts.mixed(after_a, None)
    np.testing.assert_allclose(chances[[end, a, b]], [31 / 90, 28 / 90, 31 / 90])
    _, sums = counts.sums(after_a, None, np.eye(3))
    np.testing.assert_allclose(sums[0], chances)


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
        ends = TrainingCounts((0,), documents, cut, 9).count_along(np.array([], np.uint8)).same
        assert ends.tolist() == [[len(counted) - cut]]


def test_fitted_counts_help_where_they_know_more_than_the_network():
    sized = (TrainingCounts((1,), TRAINING, False, size) for size in (TOKENS, 2**58))
    np.testing.assert_equal(*(each.count_along(TRAINING[0]) for each in sized))
    cycle, bits = np.tile(np.arange(1, 4), 30), np.full(91, np.log2(TOKENS))
    counts = TrainingCounts((1, 2), [cycle] * 3, False, TOKENS)
    assert (
        counts.fitted([(bits, counts.count_along(cycle))])
        .bits(bits, counts.count_along(cycle))
        .mean()
        < 1
    )
    random = counts.count_along(RANDOM.integers(1, TOKENS, 90))
    assert counts.fitted([(bits, random)]).bits(bits, random)[0].mean() < np.log2(TOKENS) + 0.05
    assert not hasattr(counts, "weights")


def test_sums_over_tokens_are_those_of_their_probabilities():
    draw = np.random.default_rng(4)
    network, weights = draw.dirichlet(np.ones(TOKENS), 3), draw.random((TOKENS, 2))
    contexts = COUNTS.contexts(TRAINING[0][:2])
    with_counts, alone = COUNTS.sums(contexts, network @ weights, weights)
    np.testing.assert_allclose(with_counts, COUNTS.mixed(contexts, network) @ weights)
    np.testing.assert_allclose(alone, COUNTS.mixed(contexts, None) @ weights)
    assert (COUNTS.sums(contexts, None, weights)[1] == alone).all()
    state = CacheState(made_up_cache(0, 1, 3))
    for token in (1, 2, 1, 1, 2, 3, 1):
        state.add(token)
    chances, column = network[0], weights[:, 0]
    found = state.mixture().sum(float(chances @ column), column)
    assert found == pytest.approx(float(state.mixed(chances) @ column))


def test_neither_a_copy_nor_what_might_have_come_changes_a_document():
    chances, cache = np.full(TOKENS, 1 / TOKENS), made_up_cache(0, 1, 3)

    def read(*tokens):
        state = CacheState(cache)
        for token in tokens:
            state.add(token)
        return state

    text = (1, 2, 1, 1, 2, 3, 1)
    state = read(*text)
    other = state.copy()
    other.add(2)
    with state.going_on((2, 4)):
        expected = read(*text, 2, 4).mixed(chances)
        np.testing.assert_array_equal(state.mixed(chances), expected)
    state.add(3)
    np.testing.assert_array_equal(state.mixed(chances), read(*text, 3).mixed(chances))
    np.testing.assert_array_equal(other.mixed(chances), read(*text, 2).mixed(chances))


def test_a_document_that_has_hardly_begun_is_as_it_was_after_what_might_have_come():
    chances = np.full(TOKENS, 1 / TOKENS)
    for cache in (made_up_cache(0, 1), made_up_cache(0), made_up_cache(0, 2, 3)):
        for text in ((), (2,), (2, 2, 3)):
            state = CacheState(cache)
            for token in text:
                state.add(token)
            before = state.mixed(chances)
            for tokens in ((2, 3), (3, 3, 3), (2,)):
                with state.going_on(tokens):
                    pass
                np.testing.assert_array_equal(state.mixed(chances), before)
            with pytest.raises(KeyError), state.going_on((3, 2)):
                raise KeyError
            np.testing.assert_array_equal(state.mixed(chances), before)
