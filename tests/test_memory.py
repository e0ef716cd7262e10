"""A memory of the document is a distribution, reads nothing ahead, and pays where text repeats."""

from __future__ import annotations

import itertools
from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import numpy as np
import pytest
from coding import there_and_back
from conftest import made_up, made_up_memory, tiny_model
from hypothesis import given
from hypothesis import strategies as st

from textgen.core import experiment as config
from textgen.core.errors import TextgenError
from textgen.core.settings import MemorySettings
from textgen.data.documents import Document
from textgen.evaluation import memory
from textgen.evaluation.likelihood import score_documents
from textgen.evaluation.memory import CONTEXTS, Counts, Memory, MemoryState, counts, kind, tuned
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.tokenizers.characters import Characters

CACHES = [
    Memory((0,), ((0.5, 0.1, 0.02, 0.7, 0.8, 0.9),), ((4.0, 1.0, 0.1, 9.0, 20.0, 70.0),)),
    Memory.load({"orders": [1], "discounts": [0.9], "strengths": [0.02]}),
    Memory.load({"orders": [2, 3], "discounts": [0.2, 0.95], "strengths": [100.0, 0.5]}),
    made_up_memory(0, 1, 2, 5),
]
each_cache = pytest.mark.parametrize("memory", CACHES, ids=lambda memory: str(memory.orders))
SIZE = 4


def chances_after(tokens):
    """Some network's distribution over SIZE tokens, by the last token and the place."""
    seed = (len(tokens), tokens[-1] if tokens else 0)
    values = np.random.default_rng(seed).random(SIZE) + 0.01
    return values / values.sum()


def network_bits(tokens):
    whole = [*tokens, 0]
    return np.array([-np.log2(chances_after(whole[:i])[x]) for i, x in enumerate(whole)])


def one_by_one(memory, tokens):
    read, bits = MemoryState(memory), []
    for place, token in enumerate([*tokens, 0]):
        bits.append(-np.log2(read.mixed(chances_after(tokens[:place]))[token]))
        read.add(token)
    return bits


@each_cache
@given(tokens=st.lists(st.integers(1, SIZE - 1), max_size=40))
def test_all_at_once_is_the_same_as_token_by_token(memory, tokens):
    found = memory.bits(np.array(tokens, dtype=np.uint8), network_bits(tokens))
    np.testing.assert_allclose(found, one_by_one(memory, tokens), rtol=1e-5)


def test_counts_by_hand():
    # a b a b a, end: "a" is followed by b, b, end; "b" by a, a
    found = counts(np.array([1, 2, 1, 2, 1]), (1,))
    assert found.same.tolist() == [[0, 0, 0, 1, 1, 0]]
    assert found.all.tolist() == [[0, 0, 0, 1, 1, 2]]
    assert found.kinds.tolist() == [[0, 0, 0, 1, 1, 1]]
    # without context only what was new behind "a" and "b" is counted: a, b, a
    lower = counts(np.array([1, 2, 1, 2, 1]), (0, 1))
    assert lower.all[0].tolist() == [0, 1, 2, 3, 3, 3]
    assert lower.same[0].tolist() == [0, 0, 1, 1, 2, 0]
    assert lower.kinds[0].tolist() == [0, 1, 2, 2, 2, 2]


@each_cache
def test_probabilities_of_all_short_documents_sum_to_one(memory):
    """Σ P(document shorter than n) + Σ P(the first n tokens of longer ones) = 1."""
    n, mass = 6, 0.0
    for length in range(n + 1):
        for tokens in itertools.product(range(1, SIZE), repeat=length):
            bits = memory.bits(np.array(tokens, dtype=np.uint8), network_bits(tokens))
            mass += 2.0 ** -float(bits.sum() if length < n else bits[:n].sum())
    assert mass == pytest.approx(1.0, abs=1e-5)


@each_cache
def test_every_next_distribution_sums_to_one(memory):
    read = MemoryState(memory)
    tokens = np.random.default_rng(1).integers(1, SIZE, 200).tolist()
    for place, token in enumerate(tokens):
        mixed = read.mixed(chances_after(tokens[:place]))
        assert (mixed > 0).all()
        assert mixed.sum() == pytest.approx(1.0, abs=1e-12)
        read.add(token)


@each_cache
def test_later_tokens_do_not_change_earlier_bits(memory):
    random = np.random.default_rng(0)
    first = random.integers(1, 9, 60)
    bits = random.random(61) * 5
    for place in (0, 1, 5, 33, 59):
        second = first.copy()
        second[place:] = random.integers(1, 9, 60 - place)
        np.testing.assert_array_equal(
            memory.bits(first, bits)[:place], memory.bits(second, bits)[:place]
        )


def test_a_document_begins_with_an_empty_cache():
    document, memory = np.array([1, 2, 3, 1, 2, 3]), CACHES[3]
    again = memory.bits(document, np.full(7, 3.0))
    np.testing.assert_array_equal(again, memory.bits(document, np.full(7, 3.0)))
    assert again[0] == 3.0  # nothing is known before the first token
    assert again[-2] < 2.0 < again[2]


def test_what_repeats_is_cheap_and_what_does_not_stays_as_it_was():
    random = np.random.default_rng(3)
    phrase = random.integers(1, 200, 50)
    repeating = [(np.tile(phrase, 8), np.full(401, 6.0)) for _ in range(3)]
    fresh = [(random.permutation(5000)[:400] + 1, np.full(401, 6.0)) for _ in range(3)]
    for documents, low, high in ((repeating, 0.5, 2.0), (fresh, 5.99, 6.01)):
        memory = tuned((0, 1, 2), documents)
        mean = np.mean([memory.bits(s, b).mean() for s, b in documents])
        assert low < mean < high


def test_tuning_finds_what_makes_documents_most_likely():
    text = [np.frombuffer(made_up(40, seed).encode(), dtype=np.uint8) for seed in range(4)]
    documents = [(tokens, np.full(len(tokens) + 1, 4.0)) for tokens in text]
    best = tuned((1, 3, 5), documents)
    assert tuned((1, 3, 5), documents) == best

    def cost(memory):
        return sum(float(memory.bits(s, b).sum()) for s, b in documents)

    same = {"orders": [1, 3, 5], "discounts": [0.8] * 3, "strengths": [8.0] * 3}
    assert cost(best) < 0.98 * cost(Memory.load(same))
    for level, which in itertools.product(range(3), range(CONTEXTS)):
        for factor in (0.7, 1.4):
            strengths, discounts = (np.array(v) for v in (best.strengths, best.discounts))
            strengths[level, which] *= factor
            assert cost(best) < cost(Memory.load(best.state() | {"strengths": strengths})) + 2.0
            discounts[level, which] **= factor
            assert cost(best) < cost(Memory.load(best.state() | {"discounts": discounts})) + 2.0


def test_tuning_reads_no_more_than_it_needs(monkeypatch):
    """The first tokens of a document, without an end mark that is not there."""
    tokens = np.random.default_rng(7).integers(1, 4, 200)
    bits = np.random.default_rng(8).random(201) * 3
    monkeypatch.setattr(memory, "TUNED", 150)
    few = tuned((0, 1), [(tokens, bits), (tokens[::-1], bits)])
    assert few == tuned((0, 1), [(tokens, bits)])
    assert few != tuned((0, 1), [(tokens[:149], bits[:150])])
    monkeypatch.setattr(memory, "TUNED", 500)
    assert few != tuned((0, 1), [(tokens, bits)])


def test_how_long_a_memory_takes_grows_with_the_text():
    documents = [np.random.default_rng(i).integers(1, SIZE, 2000) for i in range(2)]
    memory.memory_seconds((1, 2), documents)  # what is imported for it takes long once
    few, many = (memory.memory_seconds((1, 2), documents * n) for n in (1, 200))
    for little, much in zip(few, many, strict=True):
        assert 0 < little < 5
        assert much > 5 * little


@pytest.mark.parametrize(
    ("sizes", "most", "read", "shares"),
    [
        ((10, 4), 500, 10, (16 / 11, 16 / 11)),  # none is long: the longest
        ((10, 4, 7, 6), 500, 6, (31 / 7, 31 / 7)),  # the shortest of those that are long
        ((10, 4, 7, 6), 20, 6, (20 / 7, 31 / 7)),  # tuning reads no more than that
    ],
)
def test_the_time_is_that_of_one_document_times_all_others(monkeypatch, sizes, most, read, shares):
    clock, asked = iter([1.0, 3.0, 6.0]), []
    monkeypatch.setattr(memory, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(memory, "TUNED", most)
    monkeypatch.setattr(memory, "TIMED", 6 if len(sizes) > 2 else 11)

    def told(orders, documents):
        asked.extend(documents)
        return CACHES[1]

    monkeypatch.setattr(memory, "tuned", told)
    found = memory.memory_seconds((1,), [np.ones(size, dtype=np.int64) for size in sizes])
    assert found == pytest.approx((2 * shares[0], 3 * shares[1]))
    ((tokens, bits),) = asked
    assert (len(tokens), bits.tolist()) == (read, [2.0] * (read + 1))


def test_the_slope_that_tuning_follows_is_that_of_the_likelihood():
    tokens = np.random.default_rng(5).integers(1, 6, 300)
    chances, counted = np.random.default_rng(6).random(301), counts(tokens, (0, 2))
    which = kind(counted.all, counted.kinds)
    assert set(which.ravel()) == set(range(CONTEXTS))
    setting = np.random.default_rng(7).normal(size=2 * 2 * CONTEXTS)
    nats, slope = memory._nats(setting, chances, counted, which)
    discounts, strengths = memory._settings(setting)
    made = Memory.load({"orders": [0, 2], "discounts": discounts, "strengths": strengths})
    assert nats == pytest.approx(-np.log(made.mixed(chances, counted)).sum(), rel=1e-12)
    for i, found in enumerate(slope):
        step = 1e-5 * (np.arange(len(slope)) == i)
        high, low = (memory._nats(setting + s, chances, counted, which)[0] for s in (step, -step))
        assert found == pytest.approx((high - low) / 2e-5, rel=1e-4, abs=1e-6)


def test_what_is_fitted_is_the_likeliest_under_its_prior():
    """Every slope of −ln P plus a quarter of the squared distance from 0.8 and 8 is none."""
    draw = np.random.default_rng(5)
    tokens, bits = draw.integers(1, 5, 400), draw.random(401) * 4
    made = tuned((0, 2), [(tokens, bits)])
    counted, chances = counts(tokens, (0, 2)), np.exp2(-bits)
    odds = np.log(np.array(made.discounts) / (1 - np.array(made.discounts)))
    setting = np.concatenate([odds.ravel(), np.log(made.strengths).ravel()])

    def cost(setting):
        odds, logs = setting.reshape(2, 2, CONTEXTS)
        changed = Memory.load(
            {"orders": [0, 2], "discounts": 1 / (1 + np.exp(-odds)), "strengths": np.exp(logs)}
        )
        far = ((odds - np.log(4)) ** 2).sum() + ((logs - np.log(8)) ** 2).sum()
        return -np.log(changed.mixed(chances, counted)).sum() + 0.25 * far

    away = np.abs(setting - np.repeat([np.log(4), np.log(8)], 2 * CONTEXTS))
    assert away.max() > 0.3  # the text says something
    for i in range(len(setting)):
        step = 1e-4 * (np.arange(len(setting)) == i)
        slope = (cost(setting + step) - cost(setting - step)) / 2e-4
        assert slope == pytest.approx(0, abs=5e-3)


def test_fitted_numbers_stay_within_their_limits():
    """One token for ever, and never one again."""
    same, fresh = np.ones(20_000, dtype=np.int64), np.arange(1, 20_001)
    for tokens in (same, fresh):
        made = tuned((0,), [(tokens, np.full(20_001, 30.0))])
        assert 1 / (1 + np.exp(4.0)) - 1e-12 <= np.min(made.discounts)
        assert np.max(made.discounts) <= 1 / (1 + np.exp(-6.0)) + 1e-12
        assert np.exp(-4.0) - 1e-12 <= np.min(made.strengths)
        assert np.max(made.strengths) <= np.exp(16.0) * (1 + 1e-12)
    assert memory.LIMITS == ((-4.0, 6.0), (-4.0, 16.0))
    assert (memory.START, memory.PRIOR, memory.TUNED) == ((0.8, 8.0), 0.25, 500_000)


def test_bits_by_hand():
    """Of tokens 1 1 2 1 and the end, orders 0 and 1, by the formula in the module."""
    made = Memory.load({"orders": [0, 1], "discounts": [0.5, 0.25], "strengths": [2.0, 1.0]})
    chances = [0.5, 0.25, 0.125, 0.5, 0.25]
    # level 0 counts what was new behind its context: ^1, 11, 12, 21; level 1 counts all
    lower = [  # n(x), n, t before each token
        (0, 0, 0), (1, 1, 1), (0, 2, 1), (2, 3, 2), (0, 4, 2),
    ]  # fmt: skip
    upper = [(0, 0, 0), (0, 0, 0), (0, 1, 1), (0, 0, 0), (0, 2, 2)]
    expected = []
    for chance, below, above in zip(chances, lower, upper, strict=True):
        for (same, number, kinds), d, strength in ((below, 0.5, 2.0), (above, 0.25, 1.0)):
            chance = (max(same - d, 0) + (strength + d * kinds) * chance) / (number + strength)
        expected.append(-np.log2(chance))
    found = made.bits(np.array([1, 1, 2, 1]), -np.log2(chances))
    assert found == pytest.approx(expected, rel=1e-6)
    assert found.dtype == np.float32


def test_a_saved_memory_is_read_again():
    learning = {"rates": [0.5, 1], "scales": [2, 0.25]}
    made = Memory.load(CACHES[3].state() | {"learning": learning})
    assert (made.learning.rates, made.learning.scales) == ((0.5, 1.0), (2.0, 0.25))
    assert Memory.load(made.state()) == made
    assert Memory.load(CACHES[0].state()) == CACHES[0]
    assert CACHES[0].learning is None
    with pytest.raises(FrozenInstanceError):
        made.orders = ()


def test_kinds_of_context():
    """By hand: how many tokens were counted, and how many different ones."""
    seen = {(1, 1): 0, (2, 1): 1, (3, 1): 2, (90, 1): 2, (2, 2): 3, (9, 2): 3, (3, 3): 4, (4, 4): 5}
    seen |= {(500, 30): 5}
    total, kinds = np.array(list(seen)).T
    assert kind(total, kinds).tolist() == list(seen.values())
    assert [int(kind(*each)) for each in seen] == list(seen.values())
    assert 0 <= int(kind(0, 0)) < CONTEXTS  # nothing depends on it


def test_a_context_of_another_kind_is_trusted_differently():
    """One token twice, or two tokens once: the same count, another chance of something new."""
    documents = [np.tile([1, 2], 30), np.array([1, 2, 1, 3, 1, 4, 1, 5] * 5)]
    memory = tuned((1,), [(d, np.full(len(d) + 1, 3.0)) for d in documents])
    one = Counts(np.array([[0]]), np.array([[2]]), np.array([[1]]))
    two = Counts(np.array([[0]]), np.array([[2]]), np.array([[2]]))
    new = [float(memory.mixed(np.array([0.1]), counted)[0]) for counted in (one, two)]
    assert new[0] < 0.7 * new[1]


@pytest.mark.parametrize(
    "wrong", [{"discounts": [0.5]}, {"strengths": [[1.0] * 2] * 2}, {"discounts": [[0.5] * 7] * 2}]
)
def test_numbers_for_other_levels_or_contexts_are_refused(wrong):
    state = {"orders": [1, 2], "discounts": [0.5, 0.5], "strengths": [1.0, 1.0]}
    assert Memory.load(state).discounts == ((0.5,) * CONTEXTS,) * 2
    with pytest.raises(ValueError, match="shape"):
        Memory.load(state | wrong)


def test_a_network_that_is_certain_and_wrong_costs_no_infinity():
    tokens, bits = np.array([1, 2, 1, 2, 3]), np.array([3.0, 5000.0, 1.0, 5000.0, 2.0, 5000.0])
    for made in (CACHES[3], tuned((0, 1), [(tokens, bits)])):
        found = made.bits(tokens, bits)
        assert np.isfinite(found).all()
        assert found[1] > 999  # nothing has been seen that would make it cheaper


def test_nothing_to_tune_on_leaves_the_start():
    empty = (np.array([], dtype=np.uint8), np.array([3.0]))
    memory = tuned((0, 2), [empty])
    assert np.ravel(memory.discounts) == pytest.approx(0.8)
    assert np.ravel(memory.strengths) == pytest.approx(8.0)
    assert memory.bits(*empty).tolist() == [3.0]


@pytest.mark.parametrize(
    "objective", [NextToken(window=7), Shifted(window=6, shift=3), EncoderDecoder(read=3, write=2)],
    ids=repr,
)  # fmt: skip
def test_an_arithmetic_coder_reaches_the_claimed_size_and_decodes(objective):
    text = made_up(60, 3)[:600]
    tokenizer = Characters().fit([made_up(100, 4)])
    network = tiny_model(objective, tokenizer.size)
    memory = made_up_memory(1, 3, 5)
    (plain,) = score_documents(objective, network, tokenizer, [Document("d", text)])
    (both,) = score_documents(objective, network, tokenizer, [Document("d", text)], memory)
    cached = both.with_memory
    assert cached.model < 0.6 * plain.model == 0.6 * both.model
    sent, exact, received = there_and_back(tokenizer, objective, network, text, memory)
    assert received == text
    assert exact == pytest.approx(cached.model, rel=1e-5)
    assert -16 < sent - exact <= 64  # k bits less come about with a probability of 2^-k


@pytest.mark.parametrize("orders", [(2, 1), (1, 1), (-1,), (65,)])
def test_orders_that_make_no_sense_are_refused(orders, experiment_file):
    with pytest.raises(TextgenError, match=r"memory"):
        config.load_experiment(experiment_file, [f"memory.orders={list(orders)}"])


def test_no_cache_unless_it_is_asked_for():
    assert MemorySettings().orders == ()
