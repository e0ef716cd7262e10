"""Subwords: the same from run to run, with readable names, and any sequence of them is text."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import made_up

from textgen.core.errors import TextgenError
from textgen.core.settings import build
from textgen.tokenizers.subwords import Subwords

TEXT = made_up(80, 0) + " Ærø, naïve: 日本語! \t\r\n\0"
FITTED = [Subwords(model, 300).fit([TEXT]) for model in ("bpe", "unigram")]
each_model = pytest.mark.parametrize("tokenizer", FITTED, ids=["bpe", "unigram"])


def test_another_process_learns_the_same():
    """Hash tables differ between processes more than within one."""
    program = (
        "import sys; from textgen.tokenizers.subwords import Subwords as S;"
        "text = sys.stdin.buffer.read().decode();"
        "print([hash(S(m, 300).fit([text], seed=1).tokenizer) for m in ('bpe', 'unigram')])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=TEXT.encode(),
            env={**os.environ, "PYTHONHASHSEED": "0", "TOKENIZERS_PARALLELISM": parallel},
            capture_output=True,
            check=True,
        ).stdout
        for parallel in ("false", "true")
    }
    assert len(outputs) == 1


@each_model
def test_pieces_are_longer_than_characters_and_have_readable_names(tokenizer):
    assert tokenizer.size == len(tokenizer.names)
    assert tokenizer.encode(TEXT).tokens.dtype == np.uint16
    assert tokenizer.characters_per_token == len(TEXT) / tokenizer.encode(TEXT).pieces > 1.2
    assert tokenizer.names[:2] == ("<boundary>", "<escape>")
    assert len(set(tokenizer.names)) == tokenizer.size
    assert {" ", "e", "<æ>"} < set(tokenizer.names)  # the byte E6 is no æ
    assert any(name[0] == " " and name[1:].isalpha() for name in tokenizer.names)
    assert "".join(tokenizer.names[s] for s in tokenizer.encode("Our bell!").tokens) == "Our bell!"


@each_model
def test_generated_bytes_that_are_no_text_do_not_fail(tokenizer):
    tokenizer.render(np.random.default_rng(0).integers(0, tokenizer.size, 3000))
    first, *_ = tokenizer.encode("日").tokens  # a piece of a character
    end = tokenizer.encode(" the").tokens
    assert tokenizer.render(np.array([0, 1, first, *end])).text == "\ufffd the"
    assert tokenizer.render(end, before="Our ☃").text == " the"
    assert tokenizer.render(np.array([], dtype=np.int64), before="Our").text == ""


@pytest.mark.parametrize(("name", "value"), [("size", 256), ("model", "wordpiece")])
def test_the_settings_are_checked(name, value):
    with pytest.raises(TextgenError, match=f"tokenizer: {name}: Input should be .*{value}"):
        build(Subwords, {name: value}, "tokenizer")
