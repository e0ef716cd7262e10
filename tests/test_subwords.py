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
MODELS = ("bpe", "unigram")
FITTED = {model: Subwords(model, 300).fit([TEXT]) for model in MODELS}

models = pytest.mark.parametrize("model", MODELS)


@models
def test_the_same_text_gives_the_same_codec(model):
    assert Subwords(model, 300).fit([TEXT], seed=1) == FITTED[model]


def test_so_does_another_process():
    """Hash tables differ between processes more than within one."""
    program = (
        "import sys; from textgen.tokenizers.subwords import Subwords as S;"
        "print(hash(S('unigram', 300).fit([sys.stdin.buffer.read().decode()]).tokenizer))"
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


@models
def test_pieces_are_longer_than_characters_and_have_readable_names(model):
    tokenizer = FITTED[model]
    assert tokenizer.size == len(tokenizer.names)
    assert tokenizer.encode(TEXT).tokens.dtype == np.uint16
    assert tokenizer.characters_per_token == len(TEXT) / tokenizer.encode(TEXT).pieces > 1.2
    assert tokenizer.names[:2] == ("<boundary>", "<escape>")
    assert len(set(tokenizer.names)) == tokenizer.size
    assert {" ", "e", "<æ>"} < set(tokenizer.names)  # the byte E6 is no æ
    assert any(name[0] == " " and name[1:].isalpha() for name in tokenizer.names)
    assert "".join(tokenizer.names[s] for s in tokenizer.encode("Our bell!").tokens) == "Our bell!"


@models
def test_generated_bytes_that_are_no_text_do_not_fail(model):
    tokenizer = FITTED[model]
    rng = np.random.default_rng(0)
    tokenizer.render(rng.integers(0, tokenizer.size, 3000))
    first, *_ = tokenizer.encode("日").tokens  # a piece of a character
    end = tokenizer.encode(" the").tokens
    assert tokenizer.render(np.array([0, 1, first, *end])).text == "\ufffd the"
    assert tokenizer.render(end, before="Our ☃").text == " the"
    assert tokenizer.render(np.array([], dtype=np.int64), before="Our").text == ""


def test_the_settings_are_checked():
    with pytest.raises(TextgenError, match="size: Input should be greater than 256"):
        build(Subwords, {"size": 256}, "tokenizer")
    with pytest.raises(TextgenError, match="tokenizer: model"):
        build(Subwords, {"model": "wordpiece"}, "tokenizer")


def test_the_library_is_loaded_only_when_it_is_used():
    program = "import sys, textgen.tokenizers.subwords; sys.exit('tokenizers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
