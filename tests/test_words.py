"""Words and rare words: reversible whatever the policy, the vocabulary and the text."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import POLICIES, made_up
from hypothesis import strategies as st

from textgen.core.errors import TextgenError
from textgen.tokenizers.pieces import CAPITAL, FIRST_OWN, JOIN, UPPER, pretokenize
from textgen.tokenizers.rare_words import Unk
from textgen.tokenizers.words import Words

anything = st.text(st.characters())  # surrogates included
wordy = st.text(st.sampled_from("abAB é1'’-–.,\n <>☃_ß"), max_size=40)
each_policy = pytest.mark.parametrize("policy", POLICIES, ids=repr)
TEXT = (
    "The cat sat on the mat. The cat's mat -- a red one -- is Old. <NN> I said: 'no!'\n\n"
    "The dog sat on the old mat; the dog is red.\n"
)


def fitted(policy, texts, **options):
    return Words(policy, **options).fit(texts, texts[:1], 1)


def test_a_token_keeps_its_space_and_its_apostrophe():
    found = pretokenize("Don't go--the  o'clock\n\nI 'said' 12th _x")
    expected = "Don't| go|--|the| | o'clock|\n\n|I| '|said|'| 12th| _|x"
    assert found == expected.split("|")


def test_modifiers_stand_before_words_known_in_another_form():
    tokenizer = fitted(Unk(), ["x the the mat mat."])
    names = list(tokenizer.names)
    the, mat = names.index(" the"), names.index(" mat")
    assert tokenizer.encode(" the The THE").tokens.tolist() == [the, CAPITAL, the, UPPER, the]
    assert tokenizer.encode("mat").tokens.tolist() == [JOIN, mat]
    assert tokenizer.encode("Mat").tokens.tolist() == [JOIN, CAPITAL, mat]


def test_rare_words_are_those_below_the_minimum_count():
    text = "aa bb bb cc cc cc."
    for minimum, expected in ((2, {" bb", " cc"}), (3, {" cc"})):
        names = fitted(Unk(), [text], minimum_count=minimum).names
        assert {n for n in names if n.startswith(" ")} == expected


def test_with_every_word_known_some_are_shown_as_rare_all_the_same():
    words = " ".join("once" + chr(97 + i) + chr(97 + j) for i in range(8) for j in range(8))
    tokenizer = fitted(Unk(), [words], minimum_count=1)
    assert tokenizer.encode(words).replaced == 0
    shown = tokenizer.encode(words, training=True)
    assert 16 < shown.replaced < 48
    assert (shown.tokens == FIRST_OWN).sum() == shown.replaced


def test_a_vocabulary_without_words_is_refused():
    with pytest.raises(TextgenError, match="minimum_count"):
        fitted(Unk(), ["a b c"], minimum_count=50)


def test_tokens_are_sorted_by_frequency_behind_the_policys_own():
    tokenizer = fitted(Unk(), [made_up(200, 3)])
    counts = tokenizer.vocabulary.counts
    assert list(counts) == sorted(counts, reverse=True)
    assert tokenizer.names[FIRST_OWN] == "<unk>"
    assert tokenizer.names[FIRST_OWN + 1] == tokenizer.vocabulary.words[0]


def test_rare_words_of_the_prompt_come_back_in_what_is_written():
    texts = ["the man saw the dog . " * 5 + "Akeley saw Wilmarth ."] * 3
    tuning = ["the man saw Zadok . Zadok saw the dog . Zadok saw Zadok . " * 5]
    tokenizer = Words(Unk(), minimum_count=4).fit(texts, tuning)
    tokens, before = np.full(40, tokenizer.names.index("<unk>")), "the man saw Wildogak ."
    for memory in (True, False):
        text = tokenizer.render(tokens, before=before, seed=3, memory=memory).text
        assert ("Wildogak" in text) == memory


def test_the_space_that_ends_a_prompt_is_no_rare_word_of_it():
    tokenizer = Words(Unk()).fit([TEXT], [TEXT])
    tokens = np.full(40, tokenizer.names.index("<unk>"))

    def drawn(before):
        return tokenizer.render(tokens, before=before, seed=3, memory=True).text

    assert drawn("dog Nyarlathotep ") == drawn("dog Nyarlathotep") != drawn("dog")
    assert drawn(" ") == drawn("")
