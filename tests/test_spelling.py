"""P(word | token) is a distribution over the words that are not known."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from textgen.tokenizers.tokens import CHARACTER_BITS, DocumentCounts
from textgen.tokenizers.words import spelling
from textgen.tokenizers.words.spelling import (
    MEMORY,
    OutOfVocabulary,
    Pool,
    Speller,
    WordMemory,
    as_arrays,
    fit_characters,
    mixture_weights,
    tuned_word_memory,
)

EXAMPLES = {"A": Counter({"ab": 2, "abb": 1, "ba": 1}), "B": Counter({"bbb": 3, "a": 1})}
VOCABULARY = ("aa", "aab", "b")


def speller(**options):
    return Speller(EXAMPLES, "ab", lambda: VOCABULARY, **options)


def strings(alphabet, longest):
    return (
        "".join(letters)
        for length in range(longest + 1)
        for letters in itertools.product(alphabet, repeat=length)
    )


@pytest.mark.parametrize("name", ["A", "B", "not seen in training"])
@pytest.mark.parametrize("pooled", [True, False])
def test_all_words_outside_the_vocabulary_sum_to_one(name, pooled):
    model = speller(pooled=pooled, order=3)
    never = "☃"  # its class of characters is summed over through the escape
    total = 0.0
    for word in strings("ab" + never, 8):
        if word not in VOCABULARY:
            total += 2 ** -(model.bits(word, name) - CHARACTER_BITS * word.count(never))
    assert total <= 1 + 1e-9
    assert total > 0.97  # longer words have the rest


@pytest.mark.parametrize("name", ["A", "B", "other"])
def test_character_by_character_costs_what_is_charged(name):
    model = speller(order=4)
    for word in ("ab", "ba", "abab", "bbb", "", "a☃b", "ab" * 20):
        bits = 0.0
        for i in range(len(word) + 1):
            options, chances = model.following(word[:i], name)
            assert chances.sum() == pytest.approx(1)
            at = word[i : i + 1]
            index = 0 if not at else options.index(at, 2) if at in "ab" else 1
            bits -= math.log2(chances[index])
        assert bits + CHARACTER_BITS * word.count("☃") == pytest.approx(model.bits(word, name))


def test_words_of_the_vocabulary_get_nothing_letter_by_letter():
    model = speller(order=3)
    _, chances = model.following("aab", "A")
    assert chances[0] == pytest.approx(0, abs=1e-12)


def test_words_are_repeated_by_seed_and_never_known_ones():
    model = speller(order=3)
    drawn = [model.pick("A", random.Random(seed), new=True) for seed in range(200)]
    assert drawn == [model.pick("A", random.Random(seed), new=True) for seed in range(200)]
    assert not set(drawn) & set(VOCABULARY)
    assert len(set(drawn)) > 5


def test_tuning_chooses_by_the_likelihood_of_validation_words():
    repeated, new = speller(), speller()
    repeated.tune([[(word, "A") for word in ["ab", "abb", "ab", "ba"] * 20]])
    new.tune([[(word, "A") for word in ["babab", "aaab", "bbab", "abaa"] * 20]])
    assert repeated.weights["A"][0] > 0.9
    assert new.weights["A"][0] < 0.1
    assert repeated.bits("ab", "A") < new.bits("ab", "A")


def test_mixture_weights_are_the_most_likely_under_their_prior():
    """Expectation-maximisation against a general optimiser of what it should maximise."""
    draw = np.random.default_rng(4)
    masses = draw.random((40, 3)) ** 3
    masses[:5] = 0  # words that nothing explains say nothing
    prior, strength = np.array([0.5, 0.3, 0.2]), 8.0

    def cost(free):
        weights = softmax([*free, 0.0])
        return -np.log(masses[5:] @ weights).sum() - strength * prior @ np.log(weights)

    expected = softmax([*minimize(cost, [0.0, 0.0], tol=1e-10).x, 0.0])
    found = mixture_weights(masses, tuple(prior), strength)
    assert found == pytest.approx(expected, abs=1e-3)
    assert abs(found[0] - prior[0]) > 0.01


def test_character_n_grams_by_hand():
    """Words ab, ac, order 2; codes a = 2, b = 3, c = 4, the end 0, one never seen 1. Pairs: begin–a
    twice, a–b, a–c, b–end and c–end once. Below, different characters before a, b, c: 1, before the
    end: 2; below that 1/5 for each code. All discounts are 0.5 for a count of 1, 1 for one of 2."""
    model = fit_characters(["\2\3", "\2\4"], 2, 5)
    below = (1 - 0.5) / 5 + (3 * 0.5 + 1) / 5 * 1 / 5
    expected = (1 - 0.5) / 2 + 2 * 0.5 / 2 * below
    assert model.distribution([2])[3] == pytest.approx(expected)
    assert model.distribution([2]).sum() == pytest.approx(1)


def test_saved_and_read_back_it_charges_the_same():
    model = speller()
    model.tune([[("ab", "A"), ("bab", "A"), ("ab", "A"), ("bbb", "B")]])
    state = model.state()
    again = Speller(alphabet="ab", vocabulary=lambda: VOCABULARY, **state)
    earlier = after(model, ["ab", "b☃"])
    for word in ("ab", "bbb", "abba", "☃"):
        assert again.bits(word, "A") == model.bits(word, "A")
        assert again.bits(word, "A", earlier) == model.bits(word, "A", earlier)


def test_a_document_at_once_costs_what_its_words_cost_one_after_another():
    words = [("ab", "A"), ("bbb", "B"), ("a☃", "A"), ("ab", "A"), ("ab", "B"), ("ab", "A")]
    alone, remembered = speller(order=3, memory=(0.5, 2.0)).document_bits(words)
    model, earlier = speller(order=3, memory=(0.5, 2.0)), DocumentCounts()
    for (word, name), bits, with_memory in zip(words, alone, remembered, strict=True):
        assert model.bits(word, name) == pytest.approx(bits)
        assert model.bits(word, name, earlier) == pytest.approx(with_memory)
        model.remember(word, name, earlier)
    assert alone[3] == alone[0]
    assert remembered[3] < remembered[0]


def after(model, words, name="A"):
    earlier = DocumentCounts()
    for word in words:
        model.remember(word, name, earlier)
    return earlier


@pytest.mark.parametrize("before", [[], ["ab"], ["ab", "bab", "ab", "a☃", "a☃"]])
def test_whatever_came_earlier_the_words_sum_to_one(before):
    model = speller(order=3, memory=(0.6, 2.0))
    earlier, total = after(model, before), 0.0
    for word in strings("ab☃", 8):
        if word not in VOCABULARY:
            bits = model.bits(word, "A", earlier) - CHARACTER_BITS * word.count("☃")
            total += 2**-bits
    assert 0.97 < total <= 1 + 1e-9


def test_the_cache_by_hand():
    """Of 4 earlier words 3 were "bab" and 1 "abb": d = 0.5, θ = 2, t = 2."""
    model, plain = speller(order=3, memory=(0.5, 2.0)), speller(order=3)
    earlier = after(model, ["bab", "abb", "bab", "bab"])
    new = (2 + 0.5 * 2) / (4 + 2)
    for word, held in (("bab", 2.5 / 6), ("abb", 0.5 / 6), ("ba", 0.0)):
        expected = held + new * 2 ** -plain.bits(word, "A")
        assert model.bits(word, "A", earlier) == pytest.approx(-math.log2(expected))
    assert model.bits("bab", "B", earlier) == plain.bits("bab", "B")  # another class


def test_with_a_cache_character_by_character_costs_what_is_charged():
    model = speller(order=4, memory=(0.5, 2.0))
    earlier = after(model, ["abab", "bab", "abab", "a☃b"])
    for word in ("ab", "abab", "babb", "", "a☃b"):
        bits = 0.0
        for i in range(len(word) + 1):
            options, chances = model.following(word[:i], "A", earlier=earlier)
            assert chances.sum() == pytest.approx(1)
            at = word[i : i + 1]
            index = 0 if not at else options.index(at, 2) if at in "ab" else 1
            bits -= math.log2(chances[index])
        charged = model.bits(word, "A", earlier)
        assert bits + CHARACTER_BITS * word.count("☃") == pytest.approx(charged)


def test_the_cache_is_tuned_on_whole_documents():
    again, never = speller(order=3), speller(order=3)
    again.tune([[("babab", "A")] * 20, [("abba", "A"), ("baab", "A")] * 10])
    never.tune([[(word, "A") for word in strings("ab", 5) if word not in VOCABULARY]])
    assert again.memory[1] < never.memory[1]

    def second(model):
        return model.bits("baba", "A", after(model, ["baba"]))

    assert second(again) < 3 < second(never)


def test_validation_documents_in_which_nothing_comes_again_tell_little():
    model = speller(order=3)
    for documents in ([], [[("abab", "A")]] * 50):  # one rare word each: nothing could come again
        model.tune(documents)
        assert model.memory == MEMORY
    model.tune([[("abab", "A"), ("abab", "A")], *[[("bab", "A")]] * 50])
    assert MEMORY[1] > model.memory[1] > 1


@pytest.mark.parametrize("before", [None, [], ["bab", "ab", "bab", "bab"]])
def test_words_are_drawn_with_the_probability_that_is_charged(before):
    model = speller(order=3, memory=(0.2, 1.0))
    earlier = None if before is None else after(model, before)
    draw, number = random.Random(1), 4000
    drawn = Counter(model.draw("A", draw, earlier) for _ in range(number))
    frequent = [word for word, _ in drawn.most_common(9)]
    words = [word for word in strings("ab", 12) if word not in VOCABULARY]
    masses = {word: 2 ** -model.bits(word, "A", earlier) for word in words}
    expected = np.array([masses[word] for word in frequent]) * number / sum(masses.values())
    found = np.array([drawn[word] for word in frequent])
    assert expected.min() > 5
    assert ((found - expected) ** 2 / expected).sum() < 40  # chi-square, 12 degrees: p < 1e-4


def test_very_long_words_are_charged_in_full():
    model = speller(order=4)
    short, long = model.bits("ab" * 500, "A"), model.bits("ab" * 5000, "A")
    assert long == pytest.approx(10 * short, rel=0.05)
    assert short > 300
    _, chances = model.following("ab" * 2000, "A")
    assert chances.sum() == pytest.approx(1)


def test_known_words_with_a_letter_never_seen_take_nothing_from_other_words():
    """The capital of a known é may never have occurred: as a code it is any unseen character."""
    model = Speller(EXAMPLES, "abé", lambda: ("é", "É", "aé", "Aé"), order=3)
    total = 0.0
    for word in strings("abé☃", 6):
        if word not in ("é", "aé"):
            total += 2 ** -(model.bits(word, "A") - CHARACTER_BITS * word.count("☃"))
    assert 0.9 < total <= 1 + 1e-9
    options, chances = model.following("☃", "A")
    assert chances[0] > 0
    assert "É" not in options


def test_new_words_are_new():
    model = speller(order=4)
    drawn = [model.pick("A", random.Random(seed), new=True) for seed in range(200)]
    assert sum(word in model.known for word in drawn) < 10  # it gives up after some tries


def test_settings_before_anything_is_tuned():
    model = speller()
    third = 1 / 3
    assert model.weights == model.memory_weights == {"": (third, third, third)}
    assert (tuple(model.memory), model.order, model.pooled) == ((0.8, 32.0), 5, True)
    assert (spelling.OWN_WORDS, spelling.WEIGHTS_PRIOR, spelling.MEMORY_PRIOR) == (200, 20.0, 0.25)


def test_a_pool_by_hand():
    """Codes a = 2, b = 3; of four words a, ab twice and b."""
    pool = Pool({"\2": 1, "\2\3": 2, "\3": 1}, 4)
    assert np.exp(pool.log_masses(["\2", "\2\3", "\3\3"])).tolist() == [0.25, 0.5, 0.0]
    for prefix, mass, following in (
        ("", 1.0, [0, 0, 0.75, 0.25]),
        ("\2", 0.75, [0.25, 0, 0, 0.5]),
        ("\2\3", 0.5, [0.5, 0, 0, 0]),
        ("\3", 0.25, [0.25, 0, 0, 0]),
        ("\3\3", 0.0, [0, 0, 0, 0]),
        ("\2\3\2", 0.0, [0, 0, 0, 0]),
    ):
        expected = -math.inf if mass == 0 else math.log(mass)
        assert pool.log_prefix_mass(prefix) == pytest.approx(expected)
        for _ in range(2):  # the second time it may be known
            assert pool.continuations(prefix, 0.0).tolist() == pytest.approx(following)
    assert pool.continuations("\2", math.log(4)).tolist() == [0.0625, 0, 0, 0.125]
    assert pool.continuations("\3\3", -5000.0).tolist() == [0, 0, 0, 0]


def test_words_outside_a_vocabulary_by_hand():
    """What known words would have is taken away, and the rest divided by what is left."""
    model = fit_characters(["\2", "\2\3", "\3\3\2"], 3, 4)
    known = ["\2", "\2\2\3", "\3\2"]
    made, masses = OutOfVocabulary(model, known), np.exp(model.log_masses(as_arrays(known)))
    left = 1 - masses.sum()
    found = made.log_masses(["\3", "\2\3"])
    assert found == pytest.approx(model.log_masses(as_arrays(["\3", "\2\3"])) - math.log(left))
    for prefix, begins in (("", 1.0), ("\2", None), ("\2\2", None), ("\2\2\3", None)):
        codes = [ord(c) for c in prefix]
        steps = [model.distribution(codes[:i])[code] for i, code in enumerate(codes)]
        whole = math.prod(steps) if begins is None else begins
        assert made.log_prefix_mass(prefix) == pytest.approx(math.log(whole / left))
        expected = whole * model.distribution(codes) / left
        for word, mass in zip(known, masses, strict=True):
            if word.startswith(prefix):
                expected[ord(word[len(prefix)]) if len(word) > len(prefix) else 0] -= mass / left
        for _ in range(2):
            assert made.continuations(prefix, 0.0) == pytest.approx(np.maximum(expected, 0))
        halved = made.continuations(prefix, math.log(2))
        assert halved == pytest.approx(np.maximum(expected, 0) / 2)


def test_mixture_weights_after_fifty_steps():
    """Where it is slow to get anywhere, step by step."""
    masses = np.array([[0.30, 0.29], [0.30, 0.31], [0.2, 0.21], [0.0, 0.0]])
    weights = np.array([0.9, 0.1])
    for _ in range(50):
        shares = masses[:3] * weights
        shares /= shares.sum(axis=1)[:, None]
        weights = (shares.sum(axis=0) + 0.01 * np.array([0.9, 0.1])) / 3.01
    assert mixture_weights(masses, (0.9, 0.1), 0.01) == pytest.approx(weights, abs=1e-12)


@pytest.mark.parametrize("number", [199, 200, 201])
def test_a_class_of_200_words_has_n_grams_of_its_own(number):
    words = Counter(["".join(letters) for letters in itertools.product("ab", repeat=8)][:number])
    model = Speller({"A": words, "B": {"b": 1}}, "ab", lambda: (), weights={"": (0, 1, 0)}, order=3)
    own = fit_characters(sorted(model._encode(w) for w in words), 3, 4)
    everything = fit_characters(sorted(model._encode(w) for w in [*words, "b"]), 3, 4)
    used = own if number >= 200 else everything
    bits = -used.log_masses(as_arrays(["\2\3\2"]))[0] / math.log(2)
    assert model.bits("aba", "A") == pytest.approx(bits)


@pytest.mark.parametrize("best", [4, 5, 6, 7])
def test_the_order_is_the_likeliest(best, monkeypatch):
    """Of the four that are tried; each class's weights are drawn to those of all."""
    asked = {}

    def fitted(words, order, size):
        asked[order] = fit_characters(words, 1 if order == best else 3, size)
        return asked[order]

    monkeypatch.setattr(spelling, "fit_characters", fitted)
    model = speller()
    model.tune([[("abab", "A"), ("baba", "A")], [("abab", "B")], []])
    assert model.order == best
    assert {4, 5, 6, 7} <= asked.keys() <= {4, 5, 6, 7}


def test_weights_of_a_class_are_those_of_all_but_for_what_its_words_say():
    model, words = speller(order=3), {"A": ["ab", "bab"], "B": ["bbb", "aba", "abbb"]}
    model.tune([[(word, name) for name, each in words.items() for word in each]])
    rows = {}
    for name, each in words.items():
        codes = [model._encode(word) for word in each]
        parts = model._components(name)
        rows[name] = np.stack(
            [np.exp(p.log_masses(codes)) if p else np.zeros(len(each)) for p in parts], axis=1
        )
    common = mixture_weights(np.concatenate([rows["A"], rows["B"]]), (1 / 3,) * 3, 0.5)
    assert model.weights[""] == pytest.approx(common)
    for name, masses in rows.items():
        assert model.weights[name] == pytest.approx(mixture_weights(masses, common, 20.0))
    assert model.memory_weights == model.weights


@pytest.mark.parametrize("seed", range(4))
def test_the_memory_of_words_is_the_likeliest_of_all_that_are_tried(seed):
    """By the probabilities that it charges, document by document, and how far it is from the usual
    one."""
    draw = random.Random(seed)
    documents = [
        [(draw.choice("abcde"[: 2 + seed]), draw.choice("AB"), draw.random()) for _ in range(30)]
        for _ in range(3)
    ]

    def nats(memory):
        total = 0.0
        for document in documents:
            earlier = DocumentCounts()
            for word, name, new in document:
                mass = memory.share_of(word, name, earlier)
                total -= math.log(mass + memory.share_of_new(name, earlier) * new)
                earlier.add(word, name)
        odds = math.log(memory.discount / (1 - memory.discount)) - math.log(4)
        return total + 0.25 * (odds**2 + math.log(memory.strength / 32) ** 2)

    every = itertools.product([i / 20 for i in range(1, 20)], [2.0**i for i in range(-2, 11)])
    assert tuned_word_memory(documents) == min(itertools.starmap(WordMemory, every), key=nats)


def test_extreme_documents_take_the_first_and_last_strength_that_is_tried():
    again = [[("a", "A", 1e-9)] * 400] * 50
    never = [[(str(i), "A", 1e-9) for i in range(400)]] * 50
    assert tuned_word_memory(again) == (0.05, 0.25)
    assert tuned_word_memory(never) == (0.95, 1024.0)


def test_what_words_of_a_document_have_by_hand():
    earlier, memory = DocumentCounts(), WordMemory(0.5, 2.0)
    assert memory.share_of_new("A", earlier) == 1.0
    for word in ("a", "a", "b"):
        earlier.add(word, "A")
    assert memory.share_of("a", "A", earlier) == 1.5 / 5
    assert memory.share_of("b", "A", earlier) == 0.5 / 5
    assert memory.share_of("c", "A", earlier) == memory.share_of("a", "B", earlier) == 0.0
    assert memory.share_of_new("A", earlier) == 3 / 5
    assert earlier.counts == {"A": {"a": 2, "b": 1}}
    assert earlier.totals == {"A": 3}


@pytest.mark.parametrize("before", [None, [], ["bab", "abab"]])
def test_weights_behind_a_memory_are_used_with_it_alone(before):
    """Character by character and at once, for two sets of weights that have little in common."""
    weights, others = {"": (0.9, 0.0, 0.1)}, {"": (0.05, 0.0, 0.95)}
    model = speller(order=3, weights=weights, memory_weights=others, memory=(0.5, 2.0))
    earlier = None if before is None else after(model, before)
    pool = {"ab": 2 / 4, "abb": 1 / 4, "ba": 1 / 4}
    for word in ("ab", "babb", "abab"):
        shared = 2 ** -speller(order=3, weights={"": (0, 0, 1)}).bits(word, "A")
        used = (weights if before is None else others)[""]
        mass = used[0] * pool.get(word, 0) + used[2] * shared
        if before:
            mass = (2 + 0.5 * 2) / 4 * mass + before.count(word) * 0.5 / 4
        bits = 0.0
        for i in range(len(word) + 1):
            options, chances = model.following(word[:i], "A", earlier=earlier)
            bits -= math.log2(chances[options.index(word[i : i + 1]) if i < len(word) else 0])
        assert bits == pytest.approx(-math.log2(mass))
        assert model.bits(word, "A", earlier) == pytest.approx(-math.log2(mass))


def test_where_no_word_begins_so_it_ends():
    model = speller(order=3, weights={"": (1, 0, 0)})
    options, chances = model.following("bb", "A")
    assert options == ["", "\ufffd", "a", "b"]
    assert chances.tolist() == [1, 0, 0, 0]
    assert model.following("a", "A")[1].tolist() == [0, 0, 0, 1]
