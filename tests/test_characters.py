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
    codec = Characters().fit([training])
    assert codec.decode(codec.encode(text)) == text


@given(anything, anything)
def test_what_is_hidden_travels_beside_the_symbols(training, text):
    encoded = Characters().fit([training]).encode(text)
    assert encoded.surfaces == tuple(c for c in text if c not in training)
    assert len(encoded.spelling_bits) == (encoded.symbols == ESCAPE).sum()
    assert encoded.characters == len(text) == len(encoded.symbols)


@given(anything)
def test_a_saved_codec_is_the_same(training):
    codec = Characters().fit([training])
    state = json.loads(json.dumps(codec.state()))
    assert Characters().load(state) == codec


def test_symbols_are_stored_narrow():
    assert Characters().fit(["abc"]).encode("abc").symbols.itemsize == 1
    many = "".join(chr(0x4E00 + i) for i in range(400))
    assert Characters().fit([many]).encode(many).symbols.itemsize == 2


def test_rendering_leaves_out_what_is_no_text_and_unknown_names_it():
    codec = Characters().fit(["ab"])
    assert codec.render(np.array([0, 2, 1, 3])).text == "ab"
    assert codec.unknown("abcb☃") == ["c", "☃"]
