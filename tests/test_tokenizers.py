"""What holds of every tokenizer: nothing of a text is lost, and what is hidden is charged."""

import re

import numpy as np
import pytest
from conftest import POLICIES, fitted, made_up
from fuzz.targets import encode, loaded
from hypothesis import given, settings
from hypothesis import strategies as st

from textgen.core.errors import TextgenError
from textgen.tokenizers.base import CHARACTER_BITS, ESCAPE
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.pieces import CAPITAL, FIRST_OWN, JOIN, UPPER
from textgen.tokenizers.rare_words import Drop, Spell, Unk
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.whitespace import Whitespace
from textgen.tokenizers.words import Words

TEXT = (
    "The cat sat on the mat. The cat's mat -- a red one -- is Old. <NN> I said: 'no!'\n\n"
    "The dog sat on the old mat; the dog is red. Ærø, naïve: 日本語! \t\r\n\0"
)
TEXTS = TEXT + made_up(8, 1), TEXT
CONFIGS = [
    Characters(),
    Subwords("bpe", 300),
    Subwords("unigram", 300),
    Whitespace(),
    *map(Words, POLICIES),
    *(Words(policy, minimum_count=1) for policy in POLICIES),
    Words(Unk(), minimum_count=4),
]
each_config = pytest.mark.parametrize("config", CONFIGS, ids=repr)
wordy = st.text(st.sampled_from("abAB é1'’-–.,\n\t <>☃_ß"), max_size=40)
texts = st.text(st.characters()) | wordy | st.sampled_from([TEXT.upper(), TEXT.title(), TEXT, ""])


@each_config
@settings(max_examples=25, deadline=None)
@given(text=texts)
def test_every_text_comes_back_and_what_is_hidden_is_charged(config, text):
    encoded = encode(fitted(config, *TEXTS), text)
    again = loaded(config, *TEXTS).encode(text)
    np.testing.assert_array_equal(again.tokens, encoded.tokens)
    np.testing.assert_allclose(again.spelling_bits, encoded.spelling_bits)
    ends, policy = [0, *encoded.ends, len(text)], getattr(config, "rare_words", None)
    assert ends[-2] == len(text) or isinstance(policy, Drop)
    for surface, place in zip(encoded.surfaces, encoded.places, strict=True):
        within = text[ends[place] : ends[place + 1]]
        assert "".join(surface) in within or isinstance(policy, Spell)


@pytest.mark.parametrize("config", [Characters(), Subwords("bpe", 300), Subwords("unigram", 300)])
def test_a_character_never_seen_costs_the_same_in_every_arm(config):
    tokenizer = config.fit([TEXT])
    encoded = tokenizer.encode("the ☃ and \ud800☃ mat")
    assert encoded.tokens.itemsize == (1 if tokenizer.size <= 256 else 2)  # stored narrow
    assert encoded.surfaces == ("☃", "\ud800", "☃")
    assert encoded.spelling_bits.tolist() == [CHARACTER_BITS] * 3
    assert encoded.replaced == (encoded.tokens == ESCAPE).sum() == 3
    assert tokenizer.unknown("the ☃z☃") == sorted({"☃", "z"})
    reserved = [0, *tokenizer.encode("the mat").tokens, 1]
    assert tokenizer.render(np.array(reserved)).text == "the mat"


@pytest.mark.parametrize("config", [*CONFIGS[:4], Words(Unk()), Words(POLICIES[-1])], ids=repr)
def test_any_training_text_will_do(config):
    for training in ([], [""], ["so so so so"], ["日本 日本 \ud800 x x"]):
        if isinstance(config, Words) and not "".join(training):
            continue  # there is no vocabulary without a word
        tokenizer = config.fit(training, training)
        assert tokenizer.decode(tokenizer.encode("so never, \ud800")) == "so never, \ud800"


@pytest.mark.parametrize("config", [c for c in CONFIGS if "Pos(" not in repr(c)], ids=repr)
def test_later_text_leaves_the_tokens_before_it_as_they_are(config):
    """All of them where a space follows between words, and of characters anywhere; elsewhere the
    last word is open. But for tags: a tagger may look ahead, since the tag itself is sent."""
    tokenizer = fitted(config, *TEXTS)
    text = TEXT + " The dog sat, unfathomably, on one old mat -- a cat's mat. I said no."
    whole = tokenizer.encode(text).tokens
    between = {match.start() + 1 for match in re.finditer(r"\w (?=\w)", text)}
    assert len(between) > 20
    for place in sorted(between.union(range(0, len(text), 5))):
        before = tokenizer.encode(text[:place])
        settled = len(before.tokens)
        if place not in between and not isinstance(config, Characters):
            settled = sum(before.ends < text.rfind(" ", 0, place))
        np.testing.assert_array_equal(before.tokens[:settled], whole[:settled])


LONG = made_up(80, 0) + TEXT[-22:]


@pytest.mark.parametrize("config", CONFIGS[1:3], ids=repr)
def test_subwords_are_longer_than_characters_and_have_readable_names(config):
    tokenizer = fitted(config, LONG, "")
    assert tokenizer.characters_per_token == len(LONG) / tokenizer.encode(LONG).pieces > 1.2
    assert tokenizer.names[:2] == ("<boundary>", "<escape>")
    assert len(set(tokenizer.names)) == len(tokenizer.names) == tokenizer.size
    assert {" ", "e", "<æ>"} < set(tokenizer.names)  # the byte E6 is no æ
    assert any(name[0] == " " and name[1:].isalpha() for name in tokenizer.names)
    assert "".join(tokenizer.names[s] for s in tokenizer.encode("Our bell!").tokens) == "Our bell!"
    # generated bytes that are no text do not fail
    tokenizer.render(np.random.default_rng(0).integers(0, tokenizer.size, 3000))
    first, *_ = tokenizer.encode("日").tokens  # a piece of a character
    end = tokenizer.encode(" the").tokens
    assert tokenizer.render(np.array([0, 1, first, *end])).text == "\ufffd the"
    assert tokenizer.render(end, before="Our ☃").text == " the"
    assert tokenizer.render(np.array([], dtype=np.int64), before="Our").text == ""


def in_words(text, **options):
    return fitted(Words(Unk(), **options), text, text)


def test_modifiers_stand_before_words_known_in_another_form():
    tokenizer = in_words("x the the mat mat.")
    the, mat = map(tokenizer.names.index, (" the", " mat"))
    assert tokenizer.encode(" the The THE").tokens.tolist() == [the, CAPITAL, the, UPPER, the]
    assert tokenizer.encode("mat").tokens.tolist() == [JOIN, mat]
    assert tokenizer.encode("Mat").tokens.tolist() == [JOIN, CAPITAL, mat]


def test_rare_words_are_those_below_the_minimum_count_and_others_come_by_frequency():
    text = "aa bb bb cc cc cc."
    for minimum, expected in ((2, [" cc", " bb"]), (3, [" cc"])):
        names = in_words(text, minimum_count=minimum).names
        assert names[FIRST_OWN] == "<unk>"
        assert [n for n in names if n.startswith(" ")] == expected
    with pytest.raises(TextgenError, match="minimum_count"):
        in_words(text, minimum_count=50)


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@pytest.mark.parametrize("minimum", [1, 2])
def test_whatever_a_text_holds_of_the_training_text_was_trained(policy, minimum):
    """No word has a token that training never met; some are rare even if one time is enough."""
    once = " ".join("once" + chr(97 + i) + chr(97 + j) for i in range(8) for j in range(8))
    text = made_up(20, 3) * 2 + " " + once
    tokenizer = fitted(Words(policy, minimum_count=minimum), text, text)
    trained, encoded = (tokenizer.encode(text, training=t) for t in (True, False))
    np.testing.assert_array_equal(encoded.tokens, trained.tokens)
    assert encoded.replaced == (32 if minimum == 1 else 64)


def test_rare_words_of_the_prompt_come_back_in_what_is_written():
    texts = ["the man saw the dog . " * 5 + "Akeley saw Wilmarth ."] * 3
    tuning = ["the man saw Zadok . Zadok saw the dog . Zadok saw Zadok . " * 5]
    tokenizer = Words(Unk(), minimum_count=4).fit(texts, tuning)
    tokens = np.full(40, tokenizer.names.index("<unk>"))

    def drawn(before, cached=True):
        return tokenizer.render(tokens, before=before, seed=3, cached=cached).text

    before = "the man saw Wildogak ."
    assert "Wildogak" in drawn(before)
    assert "Wildogak" not in drawn(before, cached=False)
    assert drawn(before + " ") == drawn(before) != drawn("dog")
    assert drawn(" ") == drawn("")
