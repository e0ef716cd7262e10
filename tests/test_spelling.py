"""P(word | token) is a distribution over the words that are not known, however it is spelled."""

import gc
import math
import random
import sys
from collections import Counter
from functools import partial
from itertools import product, starmap

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from textgen.ngrams.mixture import WEIGHTS_PRIOR, mixture_weights
from textgen.testing import every_sequence
from textgen.tokenizers import signatures, spelling
from textgen.tokenizers.codes import as_arrays, fit_characters
from textgen.tokenizers.encoded import CHARACTER_BITS
from textgen.tokenizers.filling import Filling, draw_word, log_sum_of_powers, score_examples
from textgen.tokenizers.signatures import SIGNS, Backwards, Endings, Signature
from textgen.tokenizers.spelling import Speller, load_speller, tuned_speller
from textgen.tokenizers.steps import Choice
from textgen.tokenizers.word_cache import (
    USUAL_CACHE,
    DocumentCounts,
    WordCache,
    tuned_word_cache,
)
from textgen.tokenizers.words import Words

pytestmark = [pytest.mark.fast, pytest.mark.long]

EXAMPLES = {"A": Counter({"ab": 2, "abb": 1, "ba": 1}), "B": Counter({"bbb": 3, "a": 1})}
VOCABULARY = ("aa", "aab", "b")
# rare words of the document so far; None without a cache
BEFORE = [None, [], ["ab"], ["ab", "bab", "ab", "a☃", "a☃"]]


def speller(**options):
    return Speller(EXAMPLES, "ab", lambda: VOCABULARY, **{"order": 3, **options})


def bits(model, word, name="A", before=None):
    """What a word costs, with a cache of the words ``before`` it if they are given."""
    document = [*((each, name) for each in before or ()), (word, name)]
    return model.document_bits(document)[before is not None][-1]


def after(model, words, name="A"):
    earlier = DocumentCounts()
    for word in words:
        model.remember(word, name, earlier)
    return earlier


def strings(alphabet, longest, without=VOCABULARY):
    return [word for word in map("".join, every_sequence(alphabet, longest)) if word not in without]


def test_a_temperature_is_about_words_not_about_their_class():
    model, words = speller(), [*EXAMPLES["A"].elements()]
    for temperature in (0.5, 0.8):
        powers = [2 ** (-bits(model, word) * (1 / temperature - 1)) for word in words]
        found = math.exp(log_sum_of_powers(score_examples(model, "A"), temperature))
        assert found == pytest.approx(sum(powers) / len(words))


def test_a_temperature_is_about_the_model_as_it_was_tuned():
    def log_sum(model):
        return log_sum_of_powers(score_examples(model, "A"), 0.5)

    model = speller()
    before = log_sum(model)
    tuned = tuned_speller(model, [[(word, "A") for word in ["babab", "aaab", "bbab", "abaa"] * 20]])
    again = load_speller(tuned.state(), alphabet="ab", vocabulary=lambda: VOCABULARY)
    assert log_sum(tuned) == log_sum(again) != before
    assert log_sum(model) == before


def test_a_temperature_of_zero_takes_the_likeliest():
    coldest = Filling("scored", random.Random(1), temperature=0)
    assert coldest.draw(Choice(lambda: np.array([0.3, 0.4, 0.3]), None)) == 1
    assert len({draw_word(speller(), "A", coldest) for _ in range(5)}) == 1


@pytest.mark.parametrize(
    ("name", "pooled", "before"),
    [*product(["A"], [True], BEFORE), ("A", False, None), ("not seen in training", True, None)],
)
def test_all_words_outside_the_vocabulary_sum_to_one(name, pooled, before):
    model = speller(pooled=pooled, cache=WordCache(0.6, 2.0))
    words = strings("ab☃", 6)
    costs = [bits(model, word, name, before) for word in words]
    assert 0.92 < mass(words, costs) <= 1 + 1e-9  # longer words have the rest
    short, long = (bits(model, "ab" * number, name, before) for number in (500, 5000))
    assert long == pytest.approx(10 * short, rel=0.05)
    assert model.next_letter_chances("ab" * 2000, name).sum() == pytest.approx(1)


def mass(words, costs):
    """Σ P(word), all characters never seen being one."""
    unseen = [CHARACTER_BITS * word.count("☃") for word in words]
    return sum(2.0 ** -(cost - extra) for cost, extra in zip(costs, unseen, strict=True))


def assert_charged(model, word, name, document=None):
    """Every character is drawn from a distribution, and all of them cost what is charged."""
    earlier = None if document is None else DocumentCounts()
    for each in document or ():
        model.remember(*each, earlier)
    spelling, cost = model.form.spelling(word), CHARACTER_BITS * word.count("☃")
    for i, letter in enumerate([*spelling, ""]):
        chances = model.next_letter_chances(spelling[:i], name, earlier)
        assert chances.sum() == pytest.approx(1)
        cost -= math.log2(chances[model.letters.index("\ufffd" if letter == "☃" else letter)])
    costs = model.document_bits([*(document or ()), (word, name)])
    assert cost == pytest.approx(costs[document is not None][-1])


@pytest.mark.parametrize("name", ["A", "B", "other"])
@pytest.mark.parametrize("before", BEFORE)
def test_character_by_character_costs_what_is_charged(name, before):
    model = speller(order=4, cache=WordCache(0.5, 2.0), new_word_weights={"": (0.2, 0.3, 0.5)})
    document = None if before is None else [(each, name) for each in before]
    for word in ("ab", "ba", "abab", "bbb", "bab", "", "a☃b", "ab" * 20):
        assert_charged(model, word, name, document)


def drawn_as_charged(model, name, words, number, before=None, temperature=1.0):
    """Words that a model draws, the frequent ones as often as it charges for them."""

    def chance(word):
        return 2 ** -(bits(model, word, name, before) / temperature)

    earlier = None if before is None else after(model, before)
    filling = Filling("scored", random.Random(1), earlier, temperature)
    drawn = Counter(draw_word(model, name, filling) for _ in range(number))
    frequent = [word for word, count in drawn.most_common(9) if count > 9]
    expected = np.array([*map(chance, frequent)]) * number / sum(map(chance, words))
    observed = np.array([drawn[word] for word in frequent])
    assert ((observed - expected) ** 2 / expected).sum() < 40  # chi-square, 12 degrees: p < 1e-4
    return {*drawn}


@pytest.mark.parametrize("temperature", [1.0, 0.8, 0.5])
@pytest.mark.parametrize("before", [None, [], ["bab", "ab", "bab", "bab"]])
def test_words_are_drawn_with_the_probability_that_is_charged(before, temperature):
    model = speller(cache=WordCache(0.2, 1.0))
    drawn_as_charged(model, "A", strings("ab", 8), 3000, before, temperature)
    for cold in (1e-6, 0.1):  # only the likeliest
        fillings = (Filling("scored", random.Random(i), None, cold) for i in range(5))
        assert len({draw_word(speller(), "A", filling) for filling in fillings}) == 1


def test_the_vocabulary_gets_nothing_and_impossible_beginnings_end():
    chances = speller().next_letter_chances("aab", "A")
    assert chances[0] == pytest.approx(0, abs=1e-12)
    model = speller(weights={"": (1, 0, 0)})
    assert model.letters == ["", "\ufffd", "a", "b"]
    assert model.next_letter_chances("bb", "A").tolist() == [1, 0, 0, 0]
    assert model.next_letter_chances("a", "A").tolist() == [0, 0, 0, 1]


def test_tuning_chooses_by_the_likelihood_of_validation_words():
    repeated, new = speller(), speller()
    repeated = tuned_speller(repeated, [[(word, "A") for word in ["ab", "abb", "ab", "ba"] * 20]])
    new = tuned_speller(new, [[(word, "A") for word in ["babab", "aaab", "bbab", "abaa"] * 20]])
    assert repeated.weights["A"][0] > 0.9
    assert new.weights["A"][0] < 0.1
    assert bits(repeated, "ab") < bits(new, "ab")
    again = load_speller(repeated.state(), alphabet="ab", vocabulary=lambda: VOCABULARY)
    words = [("ab", "A"), ("bbb", "B"), ("abba", "A"), ("ab", "A"), ("☃", "A")]
    np.testing.assert_array_equal(again.document_bits(words), repeated.document_bits(words))


def test_the_cache_is_tuned_on_whole_documents():
    again, never, usual = speller(), speller(), speller()
    again = tuned_speller(again, [[("babab", "A")] * 20, [("abba", "A"), ("baab", "A")] * 10])
    never = tuned_speller(never, [[(word, "A") for word in strings("ab", 5)]])
    assert bits(again, "baba", "A", ["baba"]) < 3 < bits(never, "baba", "A", ["baba"])
    for documents in ([], [[("abab", "A")]] * 50):  # one rare word each: nothing could come again
        assert tuned_speller(usual, documents).cache == USUAL_CACHE


def test_the_cache_by_hand():
    """Of 4 earlier words 3 were "bab" and 1 "abb": d = 0.5, θ = 2, t = 2."""
    model, before = speller(cache=WordCache(0.5, 2.0)), ["bab", "abb", "bab", "bab"]
    for word, held in (("bab", 2.5 / 6), ("abb", 0.5 / 6), ("ba", 0.0)):
        expected = held + (2 + 0.5 * 2) / (4 + 2) * 2 ** -bits(model, word)
        assert bits(model, word, "A", before) == pytest.approx(-math.log2(expected))
    costs = model.document_bits([("bab", "A"), ("bab", "B")])
    assert costs[1] == pytest.approx(costs[0])  # another class


def lines_run(function):
    """How many lines of Python a function runs."""
    number, before = 0, sys.gettrace()
    gc.disable()  # a collection may run lines of others

    def trace(frame, event, argument):
        nonlocal number
        if event == "line":
            number += 1
        return trace

    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
        gc.enable()
    return number


def test_a_word_is_as_much_work_behind_many_rare_words_as_behind_few():
    """Letter by letter, with a cache: reading and auditing take time that grows with the text."""
    model, draw = speller(), random.Random(1)
    words = ["".join(draw.choices("ab", k=12)) for _ in range(160)]

    def spell(number):
        earlier = after(model, words[:number])
        for place in range(len(words[0])):
            model.next_letter_chances(words[0][:place], "A", earlier)

    def remember(number):
        after(model, words[:number])

    spell(0)  # fills what is cached for all documents
    few, many = (lines_run(partial(spell, n)) - lines_run(partial(remember, n)) for n in (40, 160))
    assert many < 1.1 * few


def test_mixture_weights_are_the_most_likely_under_their_prior():
    """Expectation-maximisation against a general optimiser of what it should maximise."""
    masses = np.random.default_rng(4).random((40, 3)) ** 3
    masses[:5] = 0  # words that nothing explains say nothing
    prior, strength = np.array([0.5, 0.3, 0.2]), WEIGHTS_PRIOR

    def cost(free):
        weights = softmax([*free, 0.0])
        return -np.log(masses[5:] @ weights).sum() - strength * prior @ np.log(weights)

    expected = softmax([*minimize(cost, [0.0, 0.0], tol=1e-10).x, 0.0])
    weights = mixture_weights(masses, tuple(prior))
    assert weights == pytest.approx(expected, abs=1e-3)
    assert abs(weights[0] - prior[0]) > 0.01


def test_known_words_with_a_letter_never_seen_take_nothing_from_other_words():
    """The capital of a known é may never have occurred: as a code it is any unseen character."""
    model = Speller(EXAMPLES, "abé", lambda: ("é", "É", "aé", "Aé"), order=3)
    words = strings("abé☃", 6, without=("é", "aé"))
    costs, _ = model.document_bits([(word, "A") for word in words])
    assert 0.9 < mass(words, costs) <= 1 + 1e-9
    assert model.next_letter_chances("☃", "A")[0] > 0
    assert "É" not in model.letters


def test_a_class_of_many_words_has_n_grams_of_its_own():
    words = Counter(map("".join, product("ab", repeat=8)))
    model = Speller({"A": words, "B": {"b": 1}}, "ab", lambda: (), weights={"": (0, 1, 0)}, order=3)
    own = sorted(word.translate(str.maketrans("ab", "\2\3")) for word in words)
    nats = -fit_characters(own, 3, 4).log_masses(as_arrays(["\2\3\2"]))[0]
    assert bits(model, "aba") == pytest.approx(nats / math.log(2))


@pytest.mark.parametrize("best", [4, 7])
def test_the_order_is_the_likeliest(best, monkeypatch):
    def fitted(words, order, size):
        return fit_characters(words, 1 if order == best else 3, size)

    monkeypatch.setattr(spelling, "fit_characters", fitted)
    model = speller()
    model = tuned_speller(model, [[("abab", "A"), ("baba", "A")], [("abab", "B")], []])
    assert model.order == best


def test_the_cache_of_words_is_the_likeliest_of_all_that_are_tried():
    """By the probabilities that it charges and how far it is from the usual one."""
    draw = random.Random(1)
    words = [(draw.choice("abc"), draw.choice("AB"), draw.random()) for _ in range(90)]
    documents = [words[:30], words[30:60], words[60:]]

    def nats(cache):
        total = 0.0
        for document in documents:
            earlier = list[tuple[str, str]]()
            for word, name, new in document:
                same_class = [pair for pair in earlier if pair[1] == name]
                count, types = earlier.count((word, name)), len({*same_class})
                held = max(count - cache.discount, 0)
                left = cache.strength + cache.discount * types
                total -= math.log((held + left * new) / (len(same_class) + cache.strength))
                earlier.append((word, name))
        odds = math.log(cache.discount / (1 - cache.discount)) - math.log(4)
        return total + 0.25 * (odds**2 + math.log(cache.strength / 32) ** 2)

    every = product([i / 20 for i in range(1, 20)], [2.0**i for i in range(-2, 11)])
    coded = [[(word, name) for word, name, _ in document] for document in documents]
    masses = np.array([new for _, _, new in words])
    assert tuned_word_cache(coded, masses) == min(starmap(WordCache, every), key=nats)
    again = [[("a", "A")] * 400] * 50
    never = [[(str(i), "A") for i in range(400)]] * 50
    for extreme, expected in ((again, (0.05, 0.25)), (never, (0.95, 1024.0))):
        assert tuned_word_cache(extreme, np.full(20_000, 1e-9)) == expected


BEGINNINGS = ["\ue000", "\ue000b", "\ue000ba", "\ue000abb", "\ue001", "\ue002"]  # … b ab bba Aa AA
CLASSES = dict(zip(["…", "…b", "…ab", "…bba", "Aa…", "AA…"], BEGINNINGS, strict=True))
COUNTED = Counter(ab=2, abb=1, ba=1, bba=4, Ab=2, abba=1, AB=1, B=1, aB=1)
KNOWN = ("aa", "aab", "b", "Aa")


def class_of(word):
    spelling = Backwards(CLASSES).spelling(word)
    return max((b, name) for name, b in CLASSES.items() if spelling.startswith(b))[1]


def backwards(classes=CLASSES, **options):
    examples = {name: Counter() for name in classes}
    for word, count in COUNTED.items():
        examples[class_of(word) if "…" in classes else "all"][word] = count
    options = {"order": 3, "form": Backwards(classes)} | options
    return Speller(examples, "abAB" + "".join(SIGNS), lambda: KNOWN, **options)


def class_bits(model, words, name):
    return np.array(model.document_bits([(word, name) for word in words])[0])


@pytest.mark.parametrize("word", ["", *"a A Ab AB aB abAB ÉA ß \ue001a 1st".split()])
def test_a_spelling_is_read_as_its_word(word):
    form = Backwards(CLASSES)
    assert form.word(form.spelling(word)) == word
    assert form.spelling("Dunwich") == SIGNS[1] + "hciwnud"
    assert form.spelling("CTHULHU") == SIGNS[2] + "uhluhtc"


def test_no_letter_is_paid_for_twice():
    """P(class) P(word | class) is P(word) without classes, if all comes from the same n-grams."""
    shared = {"pooled": False, "related": COUNTED, "weights": {"": (0, 0, 1)}}
    whole, parts = backwards({"all": ""}, **shared), backwards(**shared)
    shares = {}
    for name in CLASSES:
        words = [w for w in strings("abAB", 5, KNOWN) if class_of(w) == name]
        differences = class_bits(whole, words, "all") - class_bits(parts, words, name)
        np.testing.assert_allclose(differences, differences[0], atol=1e-9)
        shares[name] = 2.0 ** -differences[0]
    chances = whole.next_letter_chances("", "all")
    signs = sum(chances[whole.letters.index(sign)] for sign in SIGNS)
    assert sum(shares.values()) == pytest.approx(signs)
    assert min(shares.values()) < 0.1


@pytest.mark.parametrize("before", [None, [], ["ab", "bab", "ab", "a☃", "Ab", "bba"]])
@pytest.mark.parametrize("name", CLASSES)
def test_a_class_costs_character_by_character_what_is_charged(name, before):
    model = backwards(cache=WordCache(0.6, 2.0), related=KNOWN)
    words = [w for w in strings("abAB☃", 5, KNOWN) if class_of(w) == name]
    long = ["B" + "ab" * 40, *(end * 40 for end in ("BA", "ba", "ab", "bba", "bb"))]
    document = None if before is None else [(each, class_of(each)) for each in before]
    for word in [*words[:20], *(w for w in long if class_of(w) == name)]:
        assert_charged(model, word, name, document)


@pytest.mark.parametrize("name", ["…", "…ab", "Aa…"])
def test_words_of_a_class_are_drawn_with_the_probability_that_is_charged(name):
    words = [w for w in strings("abAB", 6, KNOWN) if class_of(w) == name]
    drawn = drawn_as_charged(backwards(related=KNOWN), name, words, 600)
    assert {class_of(word) for word in drawn} == {name}
    assert not drawn & {*KNOWN}


def test_the_class_is_a_function_of_the_word():
    endings, form = Endings(CLASSES), Backwards(CLASSES)
    names = {"Bab": "Aa…", "crab": "…ab", "baa": "…", "cobba": "…bba", "b": "…b", "AB": "AA…"}
    assert {word: endings.class_of(word) for word in names} == names
    for word in (*names, "", "x", "É", "ÉÉ", "aB", "\ue001", "17th"):
        first, others = form.beginnings(endings.class_of(word))
        assert form.spelling(word).startswith(first)
        assert not form.spelling(word).startswith(tuple(others))


def test_classes_are_what_neighbours_tell_most_about():
    """Endings that say nothing of what stands beside the word are no classes, however common, nor
    are those of more than four letters."""
    draw, spellings, beside = random.Random(1), list[str](), list[int]()
    for _ in range(600):
        verb, capital = draw.random() < 0.4, draw.random() < 0.3
        ending = draw.choice(["ing", "ed"]) if verb else draw.choice(["dog", "cat", "ment"])
        spellings.append(SIGNS[capital] + ending[::-1] + "x")
        beside.append(7 + verb + 2 * (ending == "ing"))
    found = signatures.telling_beginnings(spellings, [np.array(beside)], 30)
    assert found[:3] == list(SIGNS)
    assert sorted(found[3:]) == sorted(sign + end for sign in SIGNS[:2] for end in ("gn", "d"))
    assert signatures.telling_beginnings(spellings, [np.zeros(600, int)], 30) == list(SIGNS)
    assert signatures.telling_beginnings([], [np.zeros(0, int)], 30) == list(SIGNS)
    beside = np.repeat([1, signatures.OTHERS], 300)
    for letters, short in (("abc", True), ("abcd", False)):
        spellings = [SIGNS[0] + letters + "xy"[int(context > 1)] for context in beside]
        assert (len(signatures.telling_beginnings(spellings, [beside], 30)) > 3) == short


@pytest.mark.parametrize("pattern", ["{0} {1} .", ". {1} {0}"], ids=["before", "behind"])
def test_a_policy_looks_at_the_words_on_both_sides(pattern):
    draw, sentences = random.Random(1), list[str]()
    for _ in range(200):
        stem, beside = "".join(draw.choices("bcdfgklm", k=6)), draw.choice(["the", "to"])
        sentences.append(pattern.format(beside, stem + {"the": "ox", "to": "ix"}[beside]))
    tokenizer = Words(minimum_count=5, rare_words=Signature()).fit([" ".join(sentences)], [], 1)
    assert {"…ox", "…ix"} & set(tokenizer.policy.classifier.classes)


def test_bits_told_are_those_of_each_word_given_the_others():
    part, whole, strength = np.array([3, 0, 1]), np.array([5, 4, 1]), signatures.STRENGTH
    expected = 0.0
    for context, of in ((0, [3, 2]), (1, [0, 4]), (2, [1, 0])):
        for number, share in zip(of, (0.4, 0.6), strict=True):
            others = (number - 1 + strength * share) / (whole[context] - 1 + strength)
            expected += number * math.log2(others / share) if number else 0.0
    assert signatures.information_gain(part, whole) == pytest.approx(expected)
    assert signatures.information_gain(whole, whole) == 0
