"""Rare words by case and ending, each spelled backwards behind the beginning that its class is."""

import math
import random
from collections import Counter

import numpy as np
import pytest
from test_spelling import assert_charged, drawn_as_charged, strings

from textgen.tokenizers.rare_words import completed
from textgen.tokenizers.signatures import (
    OTHERS,
    SIGNS,
    STRENGTH,
    Backwards,
    Signature,
    bits_told,
    telling_beginnings,
)
from textgen.tokenizers.spelling import Speller
from textgen.tokenizers.words import Words

BEGINNINGS = ["\ue000", "\ue000b", "\ue000ba", "\ue000abb", "\ue001", "\ue002"]  # … b ab bba Aa AA
CLASSES = dict(zip(["…", "…b", "…ab", "…bba", "Aa…", "AA…"], BEGINNINGS, strict=True))
WORDS = Counter(
    {"ab": 2, "abb": 1, "ba": 1, "bba": 4, "Ab": 2, "abba": 1, "AB": 1, "B": 1, "aB": 1}
)
VOCABULARY = ("aa", "aab", "b", "Aa")


def class_of(word):
    spelling = Backwards(CLASSES).spelling(word)
    return max((b, name) for name, b in CLASSES.items() if spelling.startswith(b))[1]


def speller(classes=CLASSES, **options):
    examples = {name: Counter() for name in classes}
    for word, count in WORDS.items():
        examples[class_of(word) if "…" in classes else "all"][word] = count
    return Speller(
        examples,
        "abAB" + "".join(SIGNS),
        lambda: VOCABULARY,
        **{"order": 3, "form": Backwards(classes), **options},
    )


def bits(model, words, name):
    return np.array(model.document_bits([(word, name) for word in words])[0])


@pytest.mark.parametrize(
    "word", ["", "a", "A", "Ab", "AB", "aB", "abAB", "ÉA", "ß", "\ue001a", "1st"]
)
def test_a_spelling_is_read_as_its_word(word):
    form = Backwards(CLASSES)
    assert form.word(form.spelling(word)) == word
    assert form.spelling("Dunwich") == SIGNS[1] + "hciwnud"
    assert form.spelling("CTHULHU") == SIGNS[2] + "uhluhtc"


def test_no_letter_is_paid_for_twice():
    """P(class) P(word | class) is P(word) without classes, where all comes from the same n-grams
    and the class costs what they say."""
    shared = {"pooled": False, "related": WORDS, "weights": {"": (0, 0, 1)}}
    whole, parts = speller({"all": ""}, **shared), speller(**shared)
    shares = {}
    for name in CLASSES:
        words = [w for w in strings("abAB", 5, VOCABULARY) if class_of(w) == name]
        differences = bits(whole, words, "all") - bits(parts, words, name)
        np.testing.assert_allclose(differences, differences[0], atol=1e-9)
        shares[name] = 2.0 ** -differences[0]
    options, chances = whole.following("", "all")
    signs = sum(chances[options.index(sign)] for sign in SIGNS)
    assert sum(shares.values()) == pytest.approx(signs)
    assert min(shares.values()) < 0.1


@pytest.mark.parametrize("before", [None, [], ["ab", "bab", "ab", "a☃", "Ab", "bba"]])
@pytest.mark.parametrize("name", CLASSES)
def test_character_by_character_costs_what_is_charged(name, before):
    model = speller(memory=(0.6, 2.0), related=VOCABULARY)
    words = [w for w in strings("abAB☃", 5, VOCABULARY) if class_of(w) == name]
    long = ["B" + "ab" * 40, *(end * 40 for end in ("BA", "ba", "ab", "bba", "bb"))]
    document = None if before is None else [(each, class_of(each)) for each in before]
    for word in [*words[:20], *(w for w in long if class_of(w) == name)]:
        assert_charged(model, word, name, document)


@pytest.mark.parametrize("name", ["…", "…ab", "Aa…"])
def test_words_are_drawn_with_the_probability_that_is_charged(name):
    words = [w for w in strings("abAB", 6, VOCABULARY) if class_of(w) == name]
    drawn = drawn_as_charged(speller(related=VOCABULARY), name, words, 600)
    assert {class_of(word) for word in drawn} == {name}
    assert not drawn & {*VOCABULARY}


def test_the_class_is_a_function_of_the_word():
    policy, form = completed(Signature(), learnt=CLASSES), Backwards(CLASSES)
    names = {"Bab": "Aa…", "crab": "…ab", "baa": "…", "cobba": "…bba", "b": "…b", "AB": "AA…"}
    assert {word: policy.class_of(word) for word in names} == names
    for word in (*names, "", "x", "É", "ÉÉ", "aB", "\ue001", "17th"):
        first, *others = form.beginnings(policy.class_of(word))
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
    found = telling_beginnings(spellings, [np.array(beside)], 30)
    assert found[:3] == list(SIGNS)
    assert sorted(found[3:]) == sorted(sign + end for sign in SIGNS[:2] for end in ("gn", "d"))
    assert telling_beginnings(spellings, [np.zeros(600, int)], 30) == list(SIGNS)
    assert telling_beginnings([], [np.zeros(0, int)], 30) == list(SIGNS)
    beside = np.repeat([1, OTHERS], 300)
    for letters, short in (("abc", True), ("abcd", False)):
        spellings = [SIGNS[0] + letters + "xy"[int(context > 1)] for context in beside]
        assert (len(telling_beginnings(spellings, [beside], 30)) > 3) == short


@pytest.mark.parametrize("pattern", ["{0} {1} .", ". {1} {0}"], ids=["before", "behind"])
def test_a_policy_looks_at_the_words_on_both_sides(pattern):
    draw, sentences = random.Random(1), list[str]()
    for _ in range(200):
        stem, beside = "".join(draw.choices("bcdfgklm", k=6)), draw.choice(["the", "to"])
        sentences.append(pattern.format(beside, stem + {"the": "ox", "to": "ix"}[beside]))
    tokenizer = Words(minimum_count=5, rare_words=Signature()).fit([" ".join(sentences)], [], 1)
    assert {"…ox", "…ix"} & set(tokenizer.policy.classes)


def test_bits_told_are_those_of_each_word_given_the_others():
    part, whole, strength = np.array([3, 0, 1]), np.array([5, 4, 1]), STRENGTH
    expected = 0.0
    for context, of in ((0, [3, 2]), (1, [0, 4]), (2, [1, 0])):
        for number, share in zip(of, (0.4, 0.6), strict=True):
            others = (number - 1 + strength * share) / (whole[context] - 1 + strength)
            expected += number * math.log2(others / share) if number else 0.0
    assert bits_told(part, whole) == pytest.approx(expected)
    assert bits_told(whole, whole) == 0
