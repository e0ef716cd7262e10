"""Words: which have a token of their own, which are shown as rare, and how they are written."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import made_up

from textgen.core.errors import TextgenError
from textgen.tokenizers.pieces import CAPITAL, FIRST_OWN, JOIN, UPPER
from textgen.tokenizers.rare_words import Unk
from textgen.tokenizers.words import Words


def fitted(text, **options):
    return Words(Unk(), **options).fit([text], [text], 1)


def test_modifiers_stand_before_words_known_in_another_form():
    tokenizer = fitted("x the the mat mat.")
    names = list(tokenizer.names)
    the, mat = names.index(" the"), names.index(" mat")
    assert tokenizer.encode(" the The THE").tokens.tolist() == [the, CAPITAL, the, UPPER, the]
    assert tokenizer.encode("mat").tokens.tolist() == [JOIN, mat]
    assert tokenizer.encode("Mat").tokens.tolist() == [JOIN, CAPITAL, mat]


def test_rare_words_are_those_below_the_minimum_count():
    text = "aa bb bb cc cc cc."
    for minimum, expected in ((2, {" bb", " cc"}), (3, {" cc"})):
        names = fitted(text, minimum_count=minimum).names
        assert {n for n in names if n.startswith(" ")} == expected
    with pytest.raises(TextgenError, match="minimum_count"):
        fitted(text, minimum_count=50)


def test_with_every_word_known_some_are_shown_as_rare_all_the_same():
    words = " ".join("once" + chr(97 + i) + chr(97 + j) for i in range(8) for j in range(8))
    tokenizer = fitted(words, minimum_count=1)
    assert tokenizer.encode(words).replaced == 0
    shown = tokenizer.encode(words, training=True)
    assert 16 < shown.replaced < 48
    assert (shown.tokens == FIRST_OWN).sum() == shown.replaced


def test_tokens_are_sorted_by_frequency_behind_the_policys_own():
    tokenizer = fitted(made_up(200, 3))
    counts = tokenizer.vocabulary.counts
    assert list(counts) == sorted(counts, reverse=True)
    assert tokenizer.names[FIRST_OWN] == "<unk>"
    assert tokenizer.names[FIRST_OWN + 1] == tokenizer.vocabulary.words[0]


def test_rare_words_of_the_prompt_come_back_in_what_is_written():
    """And the space that ends a prompt is no rare word of it."""
    texts = ["the man saw the dog . " * 5 + "Akeley saw Wilmarth ."] * 3
    tuning = ["the man saw Zadok . Zadok saw the dog . Zadok saw Zadok . " * 5]
    tokenizer = Words(Unk(), minimum_count=4).fit(texts, tuning)
    tokens = np.full(40, tokenizer.names.index("<unk>"))

    def drawn(before, memory=True):
        return tokenizer.render(tokens, before=before, seed=3, memory=memory).text

    before = "the man saw Wildogak ."
    assert "Wildogak" in drawn(before)
    assert "Wildogak" not in drawn(before, memory=False)
    assert drawn(before + " ") == drawn(before) != drawn("dog")
    assert drawn(" ") == drawn("")
