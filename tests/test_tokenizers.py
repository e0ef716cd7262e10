"""What holds of every tokenizer: nothing of a text is lost, and what is hidden is charged."""

from __future__ import annotations

import json
import re
from functools import cache

import numpy as np
import pytest
from conftest import POLICIES, made_up
from hypothesis import given, settings
from hypothesis import strategies as st

from textgen.tokenizers.base import CHARACTER_BITS, ESCAPE
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.rare_words import Pos, Unk
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.whitespace import Whitespace
from textgen.tokenizers.words import Words

TEXT = (
    "The cat sat on the mat. The cat's mat -- a red one -- is Old. <NN> I said: 'no!'\n\n"
    "The dog sat on the old mat; the dog is red. Ærø, naïve: 日本語! \t\r\n\0"
)
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
anything = st.text(st.characters())  # surrogates included
wordy = st.text(st.sampled_from("abAB é1'’-–.,\n\t <>☃_ß"), max_size=40)
texts = st.one_of(anything, wordy, st.sampled_from([TEXT.upper(), TEXT.title(), TEXT, ""]))


@cache
def fitted(number):
    """A tokenizer, and what is loaded from its state."""
    config, training = CONFIGS[number], [TEXT, made_up(8, 1)]
    tokenizer = config.fit(training, training[:1], 1)
    return tokenizer, config.load(json.loads(json.dumps(tokenizer.state())))


@pytest.mark.parametrize("number", range(len(CONFIGS)), ids=list(map(repr, CONFIGS)))
@settings(max_examples=25, deadline=None)
@given(text=texts)
def test_every_text_comes_back_and_what_is_hidden_is_charged(number, text):
    tokenizer, loaded = fitted(number)
    encoded, again = tokenizer.encode(text), loaded.encode(text)
    assert tokenizer.decode(encoded) == text
    training = tokenizer.encode(text, training=True)
    assert (tokenizer.decode(training), len(training.spelling_bits)) == (text, 0)
    assert encoded.characters == len(text)
    assert encoded.tokens.max(initial=0) < tokenizer.size == len(tokenizer.names)
    for bits in (encoded.spelling_bits, encoded.spelling_bits_with_memory):
        assert len(bits) == len(encoded.surfaces) == len(encoded.places)
        assert (bits >= 0).all()
    assert len(encoded.ends) == len(encoded.tokens)
    assert (np.diff(encoded.ends, prepend=0, append=len(text)) >= 0).all()
    assert (np.diff(encoded.places, prepend=0, append=len(encoded.tokens)) >= 0).all()
    np.testing.assert_array_equal(again.tokens, encoded.tokens)
    np.testing.assert_allclose(again.spelling_bits, encoded.spelling_bits)


@pytest.mark.parametrize("config", [Characters(), Subwords("bpe", 300), Subwords("unigram", 300)])
def test_a_character_never_seen_costs_the_same_in_every_arm(config):
    tokenizer = config.fit([TEXT])
    encoded = tokenizer.encode("the ☃ and \ud800☃ mat")
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


@each_config
def test_later_text_leaves_the_tokens_before_it_as_they_are(config):
    """All of them where a space follows between words, and of characters anywhere; elsewhere the
    last word is open. But for tags: a tagger may look ahead, since the tag itself is sent."""
    if isinstance(getattr(config, "rare_words", None), Pos):
        return
    tokenizer, _ = fitted(CONFIGS.index(config))
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


def test_tokens_are_stored_narrow():
    assert Characters().fit(["abc"]).encode("abc").tokens.itemsize == 1
    assert Subwords(size=300).fit(["abc"]).encode("abc").tokens.itemsize == 2
    many = "".join(chr(0x4E00 + i) for i in range(400))
    assert Characters().fit([many]).encode(many).tokens.itemsize == 2
