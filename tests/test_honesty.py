"""A likelihood is claimed only if these hold, for every objective, tokenizer and policy."""

from __future__ import annotations

import math

import constriction
import numpy as np
import pytest
from coding import there_and_back
from conftest import POLICIES, in_turn, made_up, made_up_memory, tiny_model

from textgen.data.documents import Document
from textgen.evaluation.likelihood import score_documents, summarise, token_bits
from textgen.evaluation.sampler import Stepper
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.testing import every_sequence
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.rare_words import Drop, Spell, Unk
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.whitespace import Whitespace
from textgen.tokenizers.words import Words

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
each_objective_and_normalisation = in_turn(
    objective=OBJECTIVES, normalisation=["none", "layer", "batch"]
)


@each_objective_and_normalisation
def test_probabilities_of_all_short_documents_sum_to_one(objective, normalisation):
    """Σ P(document shorter than n) + Σ P(the first n tokens of longer ones) = 1."""
    size, n = 4, 4
    network = tiny_model(objective, size, normalisation=normalisation)
    documents = [np.array(d, np.uint8) for d in every_sequence(range(1, size), n)]
    bits = token_bits(objective, network, documents)
    mass = sum(2.0 ** -float(document_bits[:n].sum()) for document_bits in bits)
    assert mass == pytest.approx(1.0, abs=1e-5)


@each_objective_and_normalisation
def test_later_tokens_do_not_change_earlier_probabilities(objective, normalisation):
    network = tiny_model(objective, 9, normalisation=normalisation)
    random = np.random.default_rng(0)
    first = random.integers(1, 9, 40).astype(np.uint8)
    for place in (1, 2, 5, 6, 7, 20, 39):
        second = first.copy()
        second[place:] = random.integers(1, 9, 40 - place)
        a, b = token_bits(objective, network, [first, second])
        np.testing.assert_allclose(a[:place], b[:place], atol=1e-5)


@each_objective
def test_documents_are_scored_independently_of_each_other(objective):
    network = tiny_model(objective, 9)
    random = np.random.default_rng(2)
    documents = [random.integers(1, 9, n).astype(np.uint8) for n in (1, 30, 7, 64, 2, 15)]
    together = token_bits(objective, network, documents)
    for document, bits in zip(documents, together, strict=True):
        (alone,) = token_bits(objective, network, [document])
        np.testing.assert_allclose(alone, bits, atol=1e-5)


@pytest.mark.xla
@pytest.mark.parametrize("objective", [OBJECTIVES[i] for i in (1, 3, 5, 6)], ids=repr)
def test_an_arithmetic_coder_reaches_the_claimed_size_and_decodes(objective):
    """Of another library than the project's own coder, token by token."""
    text, tokenizer = made_up(60, 3)[:800], Characters().fit([made_up(100, 4)])
    network = tiny_model(objective, tokenizer.size, scale=1.5)
    tokens = tokenizer.encode(text).tokens
    (bits,) = token_bits(objective, network, [tokens])

    def code(choose):
        stepper = Stepper(objective, network)
        for token in (*tokens.tolist(), 0):
            chances = stepper.probabilities()
            model = constriction.stream.model.Categorical(chances, perfect=False)
            stepper.append(chosen := choose(token, model))
            yield chosen

    encoder = constriction.stream.queue.RangeEncoder()
    list(code(lambda token, model: encoder.encode(token, model) or token))
    compressed = encoder.get_compressed()
    assert -16 < 32 * len(compressed) - bits.sum() <= 64  # k bits less by chance: 2^-k
    decoder = constriction.stream.queue.RangeDecoder(compressed)
    *decoded, end = code(lambda token, model: decoder.decode(model))
    assert (tokenizer.render(np.array(decoded)).text, end) == (text, 0)


TOKENIZERS = [
    Characters(),
    Subwords(size=260),
    *(Words(policy) for policy in POLICIES),
    Words(Unk(), minimum_count=1),
    Whitespace(),
]
CACHE = made_up_memory(0, 1, 3)


@in_turn(config=TOKENIZERS, objective=[OBJECTIVES[i] for i in (0, 4, 5)])
def test_probabilities_of_all_short_texts_sum_to_at_most_one(config, objective):
    """Of texts, not of tokens: whatever a token hides has been paid for."""
    tokenizer = config.fit(["a ab  b abb a ab b bab a a ab", "ab a b"], ["a ba ab aab"], 1)
    network = tiny_model(objective, tokenizer.size, scale=0.3)
    favour_short(network)
    documents = [Document("d", "".join(letters)) for letters in every_sequence("ab ", 5)]
    scored = score_documents(objective, network, tokenizer, documents)
    total = sum(2.0 ** -(d.model + d.spelling_bits) for d in scored)
    unpaid = sum(2.0**-d.model for d in scored)
    assert 0.2 < total <= 1 + 1e-6
    if isinstance(tokenizer, Words) and not isinstance(tokenizer.rare_words, Spell):
        assert unpaid > total
    if isinstance(tokenizer, Words) and isinstance(tokenizer.rare_words, (Unk, Drop)):
        assert unpaid > 1  # so this test can fail
    both = score_documents(objective, network, tokenizer, documents, CACHE)
    assert [d.model for d in both] == [d.model for d in scored]
    total = sum(2.0 ** -(d.with_memory.model + d.with_memory.spelling_bits) for d in both)
    assert 0.1 < total <= 1 + 1e-6
    assert any(abs(d.with_memory.model - d.model) > 0.1 for d in both)


def favour_short(network):
    """The end mark comes every second time: short documents hold most of the mass."""
    dense = network.output_layer.dense
    kernel, bias = dense.get_weights()
    bias[0] = math.log(len(bias) - 1)
    dense.set_weights([kernel, bias])


@in_turn(config=TOKENIZERS, objective=[OBJECTIVES[i] for i in (1, 3, 5)])
def test_an_arithmetic_coder_carries_a_text_under_every_tokenizer(config, objective):
    training = made_up(150, 4)
    tokenizer = config.fit([training], [made_up(60, 5).replace("gull", "puffin")], 1)
    text = made_up(70, 3).replace("lantern", "candle").replace("left", "abandoned")[:800]
    text = text.replace("e", "é", 1)
    network = tiny_model(objective, tokenizer.size, scale=1.5)
    (scored,) = score_documents(objective, network, tokenizer, [Document("d", text)], CACHE)
    for memory, claimed in ((None, scored), (CACHE, scored.with_memory)):
        sent, exact, received = there_and_back(tokenizer, objective, network, text, memory)
        assert received == text
        assert exact == pytest.approx(claimed.model + claimed.spelling_bits, rel=1e-5)
        # whole words of 32 bits, and one more; k bits less come about with a probability of 2^-k
        assert -16 < sent - exact <= 64
    assert scored.spelling_bits > 0
    assert scored.with_memory.model != scored.model


@in_turn(config=TOKENIZERS, objective=OBJECTIVES)
def test_a_uniform_model_costs_log2_of_the_vocabulary(config, objective):
    tokenizer = config.fit([made_up(40, 4)], [made_up(10, 5)], 1)
    network = tiny_model(objective, tokenizer.size, scale=0.0)
    (scored,) = score_documents(objective, network, tokenizer, [Document("d", made_up(9, 6))])
    np.testing.assert_allclose(scored.model_bits, math.log2(tokenizer.size), rtol=1e-5)


def test_what_is_not_charged_for_has_no_figure():
    objective = NextToken(window=7)
    tokenizer = Words(Drop(charged=False)).fit([made_up(40, 4)], [made_up(10, 5)], 1)
    network = tiny_model(objective, tokenizer.size)
    scored = score_documents(objective, network, tokenizer, [Document("d", made_up(9, 6))])
    figures = summarise(scored, tokenizer.charged)
    assert figures["bits_per_character"] is None
    assert figures["mean_over_documents"] is None
    assert figures["with_memory"] is None
