"""A likelihood is claimed only if these hold, for every objective."""

from __future__ import annotations

import itertools
import math

import constriction
import numpy as np
import pytest
from conftest import made_up, tiny_model

from textgen.corpora.base import Document
from textgen.likelihood import Stepper, by_position, score, summarise, symbol_bits
from textgen.objectives.encoder_decoder import EncoderDecoder
from textgen.objectives.stepwise import NextToken, Shifted
from textgen.tokenizers.base import CHARACTER_BITS
from textgen.tokenizers.characters import Characters

OBJECTIVES = [
    NextToken(window=2),
    NextToken(window=7),
    Shifted(window=3, shift=1),
    Shifted(window=3, shift=2),
    Shifted(window=3, shift=3),
    EncoderDecoder(read=3, write=2),
    EncoderDecoder(read=2, write=3, feedback=False),
]
each_objective = pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)


@each_objective
def test_probabilities_of_all_short_documents_sum_to_one(objective):
    """Σ P(document shorter than n) + Σ P(the first n symbols of longer ones) = 1."""
    size, n = 4, 4
    network, backbone = tiny_model(objective, size)
    documents = [
        np.array(symbols, dtype=np.uint8)
        for length in range(n + 1)
        for symbols in itertools.product(range(1, size), repeat=length)
    ]
    bits = symbol_bits(objective, network, backbone, documents)
    mass = sum(
        2.0 ** -float(b.sum() if len(d) < n else b[:n].sum())
        for d, b in zip(documents, bits, strict=True)
    )
    assert mass == pytest.approx(1.0, abs=1e-5)


@each_objective
def test_later_symbols_do_not_change_earlier_probabilities(objective):
    network, backbone = tiny_model(objective, 9)
    random = np.random.default_rng(0)
    first = random.integers(1, 9, 40).astype(np.uint8)
    for place in (1, 2, 5, 6, 7, 20, 39):
        second = first.copy()
        second[place:] = random.integers(1, 9, 40 - place)
        a, b = symbol_bits(objective, network, backbone, [first, second])
        np.testing.assert_allclose(a[:place], b[:place], atol=1e-5)


@each_objective
def test_a_uniform_model_costs_log2_of_the_vocabulary(objective):
    size = 11
    network, backbone = tiny_model(objective, size, scale=0.0)
    symbols = np.random.default_rng(1).integers(1, size, 101).astype(np.uint8)
    (bits,) = symbol_bits(objective, network, backbone, [symbols])
    assert len(bits) == 102
    np.testing.assert_allclose(bits, math.log2(size), rtol=1e-6)


@each_objective
def test_documents_are_scored_independently_of_each_other(objective):
    network, backbone = tiny_model(objective, 9)
    random = np.random.default_rng(2)
    documents = [random.integers(1, 9, n).astype(np.uint8) for n in (1, 30, 7, 64, 2, 15)]
    together = symbol_bits(objective, network, backbone, documents)
    for document, bits in zip(documents, together, strict=True):
        (alone,) = symbol_bits(objective, network, backbone, [document])
        np.testing.assert_allclose(alone, bits, atol=1e-5)


@pytest.mark.parametrize("objective", [OBJECTIVES[i] for i in (1, 3, 5, 6)], ids=repr)
def test_an_arithmetic_coder_reaches_the_claimed_size_and_decodes(objective):
    text = made_up(60, 3)[:2000]
    codec = Characters().fit([made_up(100, 4)])
    assert not codec.unknown(text)
    network, backbone = tiny_model(objective, codec.size, scale=1.5)
    symbols = codec.encode(text).symbols
    (bits,) = symbol_bits(objective, network, backbone, [symbols])
    message = [*symbols.tolist(), 0]

    encoder, stepper = constriction.stream.queue.RangeEncoder(), Stepper(
        objective, network, backbone
    )  # fmt: skip
    for symbol in message:
        encoder.encode(symbol, _categorical(stepper))
        stepper.append(symbol)
    compressed = encoder.get_compressed()
    assert 32 * len(compressed) == pytest.approx(float(bits.sum()), rel=0.01)

    decoder, stepper = constriction.stream.queue.RangeDecoder(compressed), Stepper(
        objective, network, backbone
    )  # fmt: skip
    decoded = []
    for _ in message:
        decoded.append(decoder.decode(_categorical(stepper)))
        stepper.append(decoded[-1])
    assert codec.render(decoded[:-1]) == text
    assert decoded[-1] == 0


def _categorical(stepper):
    return constriction.stream.model.Categorical(stepper.probabilities(), perfect=False)


def test_an_unseen_character_costs_the_escape_and_its_code_point():
    objective = NextToken(window=4)
    codec = Characters().fit(["abba"])
    network, backbone = tiny_model(objective, codec.size)
    (seen,) = score(objective, network, backbone, codec, [Document("d", "abab")])
    (unseen,) = score(objective, network, backbone, codec, [Document("d", "ab☃b")])
    assert (seen.spelling_bits, seen.hidden) == (0.0, 0)
    assert unseen.spelling_bits == pytest.approx(math.log2(0x110000)) == CHARACTER_BITS
    figures = summarise([unseen])["bits_per_character"]
    assert figures["total"] == figures["model"] + figures["spelling"]
    assert figures["total"] == pytest.approx((unseen.model + CHARACTER_BITS) / 5)


def test_the_headline_is_the_micro_average_with_an_end_mark_a_document():
    objective = NextToken(window=4)
    codec = Characters().fit(["ab"])
    network, backbone = tiny_model(objective, codec.size)
    scored = score(
        objective, network, backbone, codec, [Document("x", "a"), Document("y", "abababab")]
    )
    figures = summarise(scored)
    bits = [float(d.model_bits.sum()) for d in scored]
    assert [len(d.model_bits) for d in scored] == [2, 9]
    assert figures["bits_per_character"]["total"] == pytest.approx(sum(bits) / 11)
    assert figures["mean_over_documents"] == pytest.approx((bits[0] / 2 + bits[1] / 9) / 2)
    assert (figures["documents"], figures["characters"]) == (2, 9)


def test_bits_by_output_position_are_the_same_bits():
    objective = Shifted(window=5, shift=5)
    network, backbone = tiny_model(objective, 6)
    codec = Characters().fit(["abcd"])
    (scored,) = score(objective, network, backbone, codec, [Document("d", "abcdabcdabcdab")])
    by = by_position([scored], 5)
    assert by == pytest.approx(scored.model_bits.reshape(3, 5).mean(axis=0).tolist(), rel=1e-5)
