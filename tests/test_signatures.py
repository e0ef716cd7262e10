"""Rare words by case and ending, each spelled backwards behind the beginning that its class is."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest
from conftest import made_up
from test_spelling import mass, strings

from textgen.tokenizers.base import DocumentCounts
from textgen.tokenizers.signatures import SIGNS, Backwards, Signature, common_beginnings
from textgen.tokenizers.spelling import Speller
from textgen.tokenizers.words import Words

BEGINNINGS = ["\ue000", "\ue000b", "\ue000ba", "\ue000abb", "\ue001", "\ue002"]  # … b ab bba Aa AA
CLASSES = dict(zip(["…", "…b", "…ab", "…bba", "Aa…", "AA…"], BEGINNINGS, strict=True))
WORDS = Counter({"ab": 2, "abb": 1, "ba": 1, "bba": 4, "Ab": 2, "abba": 1, "AB": 1, "B": 1, "aB": 1})
VOCABULARY = ("aa", "aab", "b", "Aa")


def class_of(word):
    spelling = Backwards(CLASSES).spelling(word)
    return max((n for n, b in CLASSES.items() if spelling.startswith(b)), key=lambda n: len(CLASSES[n]))


def speller(classes=CLASSES, **options):
    examples = {name: Counter() for name in classes}
    for word, count in WORDS.items():
        examples[class_of(word) if "…" in classes else "all"][word] = count
    return Speller(
        examples, "abAB", lambda: VOCABULARY, **{"order": 3, "form": Backwards(classes), **options}
    )


def bits(model, words, name):
    return np.array(model.document_bits([(word, name) for word in words])[0])


@pytest.mark.parametrize("word", ["", "a", "A", "Ab", "AB", "aB", "abAB", "ÉA", "ß", "\ue001a", "1st"])
def test_a_spelling_is_read_as_its_word(word):
    form = Backwards(CLASSES)
    assert form.word(form.spelling(word)) == word
    assert form.spelling("Dunwich") == SIGNS[1] + "hciwnud"
    assert form.spelling("CTHULHU") == SIGNS[2] + "uhluhtc"
    assert form.spelling("McDonald") == SIGNS[0] + "dlanoDcM"


def test_no_letter_is_paid_for_twice():
    """P(class) P(word | class) is P(word) without classes, where all comes from the same n-grams
    and the class costs what they say."""
    shared = {"pooled": False, "related": WORDS, "weights": {"": (0, 0, 1)}}
    whole, parts = speller({"all": ""}, **shared), speller(**shared)
    shares = {}
    for name in CLASSES:
        words = [w for w in strings("abAB", 5) if w not in VOCABULARY and class_of(w) == name]
        differences = bits(whole, words, "all") - bits(parts, words, name)
        np.testing.assert_allclose(differences, differences[0], atol=1e-9)
        shares[name] = 2.0 ** -differences[0]
    assert 0.9 < sum(shares.values()) <= 1 + 1e-9  # the rest begins with no sign
    assert min(shares.values()) < 0.1


@pytest.mark.parametrize("before", [None, [], ["ab", "bab", "ab", "a☃", "Ab", "bba"]])
@pytest.mark.parametrize("name", CLASSES)
def test_all_spellings_of_a_class_sum_to_one_and_each_step_is_charged(name, before):
    model = speller(memory=(0.6, 2.0), related=VOCABULARY)
    earlier = None if before is None else DocumentCounts()
    for word in before or ():
        model.remember(word, class_of(word), earlier)
    words = [w for w in strings("abAB☃", 5) if w not in VOCABULARY and class_of(w) == name]
    document = [(each, class_of(each)) for each in before or ()]
    for word in [*words[:20], "Abba" * 20] if name == "Aa…" else words[:20]:
        cost = 0.0
        spelling = model.form.spelling(word)
        for i, letter in enumerate([*spelling, ""]):
            options, chances = model.following(spelling[:i], name, earlier)
            assert chances.sum() == pytest.approx(1)
            cost -= math.log2(chances[options.index("\ufffd" if letter == "☃" else letter)])
        charged = model.document_bits([*document, (word, name)])[before is not None][-1]
        assert mass([word], [charged]) == pytest.approx(2.0**-cost)


@pytest.mark.parametrize("name", ["…", "…ab", "Aa…"])
def test_words_are_drawn_with_the_probability_that_is_charged(name):
    model, draw, number = speller(related=VOCABULARY), random.Random(1), 600
    drawn = Counter(model.draw(name, draw) for _ in range(number))
    assert {class_of(word) for word in drawn} == {name}
    assert not set(VOCABULARY) & set(drawn)
    words = [w for w in strings("abAB", 6) if w not in VOCABULARY and class_of(w) == name]
    known = (2.0 ** -bits(model, words, name)).sum()
    frequent = [word for word, count in drawn.most_common(6) if count > 9]
    expected = 2.0 ** -bits(model, frequent, name) * number / known
    observed = np.array([drawn[word] for word in frequent])
    assert ((observed - expected) ** 2 / expected).sum() < 40


def test_the_class_is_a_function_of_the_word():
    training = made_up(150, 4) + " Dunwich dunwiching puffins Puffins PUFFINS 17th"
    policy = Words(Signature(signatures=9), minimum_count=30).fit([training], [made_up(60, 5)]).policy
    assert len(policy.classes) == len(set(policy.classes)) == 9
    for word in ("Dunwich", "dunwiching", "", "x", "É", "ÉÉ", "aB", "\ue001", "17th"):
        name = policy.class_of(word)
        first, others = policy.speller.form.beginnings(name)
        spelling = policy.speller.form.spelling(word)
        assert spelling.startswith(first)
        assert not spelling.startswith(tuple(others))


def test_classes_are_the_endings_that_tell_most():
    words = {"gnik": 40, "gnis": 40, "sdog": 30, "tac": 5, "A": 1}
    spellings = {("\ue001" if word == "A" else "\ue000") + word.lower(): n for word, n in words.items()}
    assert common_beginnings(spellings, 3) == list(SIGNS)
    assert common_beginnings(spellings, 6)[3:] == ["\ue000g", "\ue000s", "\ue000gnis"]
