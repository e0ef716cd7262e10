from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textgen.tokenizers.characters import Characters
from textgen.tokenizers.tokens import ESCAPE

anything = st.text(st.characters())  # surrogates included


@given(anything, anything)
def test_decoding_gives_back_any_text(training, text):
    tokenizer = Characters().fit([training])
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(anything, anything)
def test_what_is_hidden_travels_beside_the_tokens(training, text):
    encoded = Characters().fit([training]).encode(text)
    assert encoded.surfaces == tuple(c for c in text if c not in training)
    assert len(encoded.spelling_bits) == (encoded.tokens == ESCAPE).sum()
    assert encoded.characters == len(text) == len(encoded.tokens)


@given(anything)
def test_a_saved_codec_is_the_same(training):
    tokenizer = Characters().fit([training])
    state = json.loads(json.dumps(tokenizer.state()))
    assert Characters().load(state) == tokenizer


def test_tokens_are_stored_narrow():
    assert Characters().fit(["abc"]).encode("abc").tokens.itemsize == 1
    many = "".join(chr(0x4E00 + i) for i in range(400))
    assert Characters().fit([many]).encode(many).tokens.itemsize == 2


def test_rendering_leaves_out_what_is_no_text_and_unknown_names_it():
    tokenizer = Characters().fit(["ab"])
    assert tokenizer.render(np.array([0, 2, 1, 3])).text == "ab"
    assert tokenizer.unknown("abcb☃") == ["c", "☃"]
