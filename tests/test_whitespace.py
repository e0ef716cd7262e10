"""Pre-tokenised text: counted as benchmarks count it, and given back to the last space."""

import random

import numpy as np
import pytest

from textgen.testing import check_plugin
from textgen.tokenizers.whitespace import SPACING, SPELLED, Whitespace

# every line begins and ends with a space
PTB = "".join(f" {line} \n" for line in ["the <unk> fell N points", "no one knew why", "the tide"])


@pytest.fixture(scope="module")
def fitted():
    return Whitespace().fit([PTB])


def test_tokens_are_words_and_line_ends_and_nothing_else(fitted):
    check_plugin("tokenizer", Whitespace())
    text = " the tide fell \n no one knew <unk> \n"
    encoded = fitted.encode(text)
    names = [fitted.names[token] for token in encoded.tokens]
    assert names == ["the", "tide", "fell", "\n", "no", "one", "knew", "<unk>", "\n"]
    assert (encoded.pieces, encoded.replaced, encoded.surfaces) == (9, 0, ())
    assert sorted(fitted.names[4:]) == sorted({"\n", *PTB.split()})
    assert fitted.closed_vocabulary


@pytest.mark.parametrize("outer", ["", " "])
@pytest.mark.parametrize("empty", ["\n", " \n"])
def test_white_space_that_is_always_the_same_has_no_token(outer, empty):
    """As in PTB (a space at both ends of a line) and in WikiText (which has empty lines, too)."""
    draw = random.Random(0)
    some = (draw.choices(["a", "b", "<unk>", "="], k=draw.randint(1, 9)) for _ in range(18))
    lines = [" ".join(words) for words in some]
    text = "".join(f"{outer}{line}{outer}\n" if line[0] != "=" else empty for line in lines)
    tokenizer = Whitespace().fit([text])
    tokens = tokenizer.encode(text).tokens
    assert len(tokens) == len(text.split()) + text.count("\n")
    assert SPACING not in tokens
    assert SPACING in tokenizer.unwritable
    assert tokenizer.render(tokens).text == text


def test_other_white_space_is_a_token_and_is_charged(fitted):
    plain = fitted.encode(" the tide \n")
    for text in (" the  tide \n", "the tide \n", " the tide\n", " the\ttide \n", " the tide \n "):
        encoded = fitted.encode(text)
        assert encoded.tokens.tolist().count(SPACING) == encoded.replaced == 1
        assert encoded.spelling_bits[0] > 0
        assert len(encoded.tokens) == len(plain.tokens) + 1
        assert fitted.decode(encoded) == text


def test_unusual_white_space_of_the_training_text_is_cheaper_and_is_written_again():
    code = "if a :\n    b\n        c\n    d\n" * 30
    tokenizer = Whitespace().fit([code], ["if b :\n        c\n"])
    known, new = (tokenizer.encode(f"{space}c\n") for space in (" " * 8, "   "))
    assert tokenizer.encode("    c\n").surfaces == ()  # the usual one
    assert known.spelling_bits[0] < 2 < 5 < new.spelling_bits[0]
    assert SPACING not in tokenizer.unwritable
    tokens = np.array([SPACING, known.tokens[1]])
    drawn, pooled = (
        {tokenizer.render(tokens, fill=fill, seed=seed).text for seed in range(20)}
        for fill in ("scored", "pool")
    )
    assert pooled == {"c", " " * 8 + "c"} <= drawn
    assert set("".join(drawn)) == {" ", "c"}


def test_generated_tokens_continue_a_prompt(fitted):
    tokens = fitted.encode(" the tide \n no").tokens
    for before in (" the", " the "):
        assert fitted.render(tokens[1:], before=before).text == " tide \n no"
    assert fitted.render(tokens, before="why \n").text == " the tide \n no"
    word = np.array([SPELLED])
    made = fitted.render(word, before=" the", seed=3)
    assert made.text[0] == " "
    assert [made.text[a:b] for a, b, _ in made.filled] == [made.text[1:]]
    assert made.text[1:] not in fitted.names
    assert fitted.render(word, before=" the", fill="mark").text == " <spelled>"


def test_a_word_outside_the_vocabulary_is_spelled_and_cheaper_where_it_stood_before(fitted):
    encoded = fitted.encode(" the walrus fell \n the walrus  fell \n the  walrus fell \n")
    assert encoded.tokens.tolist()[1] == SPELLED
    assert encoded.spelling_bits[0] > fitted.encode(" the wal fell \n").spelling_bits[0] > 5
    for surface, number in (("walrus", 3), ("  ", 2)):
        places = [i for i, each in enumerate(encoded.surfaces) if each == surface]
        ratios = (encoded.remembered_bits / encoded.spelling_bits)[places]
        assert ratios[0] == pytest.approx(1)
        assert len(ratios) == number
        assert max(ratios[1:]) < 1
    before, word = " the thistle fell \n" * 30, np.array([SPELLED])
    for cached in (True, False):
        drawn = [fitted.render(word, before=before, seed=s, cached=cached).text for s in range(40)]
        assert (drawn.count(" thistle") > 8) == cached
