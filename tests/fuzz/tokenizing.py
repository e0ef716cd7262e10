"""Every tokenizer and policy that needs no tagger."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
from conftest import made_up
from fuzz.common import EXPERIMENT, LEARNT, text_in

from textgen.core.experiment import resolve_experiment

POLICIES: tuple[dict[str, Any], ...] = (
    {"kind": "unk"},
    {"kind": "drop"},
    {"kind": "spell"},
    {"kind": "cluster", "clusters": 3, "epochs": 1},
    {"kind": "neighbour", "epochs": 1},
)
TOKENIZERS: tuple[dict[str, Any], ...] = (
    {"kind": "characters"},
    {"kind": "whitespace"},
    {"kind": "subwords", "size": 300},
    {"kind": "subwords", "size": 300, "model": "unigram"},
    *({"kind": "words", "rare_words": policy} for policy in POLICIES),
)
TOLD = made_up(10, 2) + " Zadok Zadok 99 unfathomable."


@cache
def fitted(number: int) -> Any:
    """A tokenizer as a run has it: read from what was saved."""
    config = resolve_experiment({**EXPERIMENT, "tokenizer": TOKENIZERS[number]}).tokenizer
    made = config.fit([LEARNT, made_up(20, 3)], [TOLD], 1)
    return config.load(json.loads(json.dumps(made.state())))


def tokenizer(data: bytes) -> None:
    """Nothing is lost, every span lies in the text, bits are bits, and what may stand for a
    placeholder sums to one at most. The first byte chooses the tokenizer."""
    tokenizer, text = fitted(data[0] % len(TOKENIZERS) if data else 0), text_in(data[1:])
    encoded = tokenizer.encode(text)
    assert tokenizer.decode(encoded) == text
    tokens, bits = encoded.tokens, encoded.spelling_bits
    number = len(tokens)
    assert encoded.characters == len(text)
    assert not number or 0 < tokens.min() <= tokens.max() < tokenizer.size
    for each in (bits, encoded.spelling_bits_with_memory):
        assert each.shape == (len(encoded.surfaces),)
        assert np.isfinite(each).all()
        assert (each >= 0).all()
    learnt = tokenizer.encode(text, training=True)
    assert not len(learnt.tokens) or 0 < learnt.tokens.min() <= learnt.tokens.max() < tokenizer.size
    assert encoded.ends.shape == (number,)
    assert (np.diff(encoded.ends, prepend=0, append=len(text)) >= 0).all()
    assert encoded.places.shape == bits.shape
    assert (np.diff(encoded.places, prepend=0, append=number) >= 0).all()
    if encoded.starts is not None:
        assert (encoded.starts >= np.append(0, encoded.ends[:-1])[:number]).all()
        assert (encoded.starts <= encoded.ends).all()
    rendered = tokenizer.render(tokens[:40], before=text[:20], seed=len(text))
    places = [place for start, end, _ in rendered.filled for place in (start, end)]
    assert places == sorted(places)
    assert all(0 <= place <= len(rendered.text) for place in places)


def tokenizer_seeds() -> list[bytes]:
    text = " The keeper met Zadok,\n\n17 owls — Zadok's “é”. UNFATHOMABLE\t\r\n\U0001f419!".encode()
    return [bytes([number]) + text for number in range(len(TOKENIZERS))]
