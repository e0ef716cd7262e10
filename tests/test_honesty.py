"""A likelihood is claimed only if these hold, for every objective, tokenizer and policy."""

import math
from collections import Counter
from random import Random

import constriction
import numpy as np
import pytest
from conftest import POLICIES, fitted, in_turn, made_up, made_up_counts, made_up_memory, tiny_model
from scipy.stats import chisquare

from textgen.data.documents import Document
from textgen.evaluation.likelihood import score_documents, token_bits
from textgen.evaluation.sampler import Sampler, Stepper
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.testing import every_sequence
from textgen.tokenizers.base import BOUNDARY, ESCAPE, Filling, drawn, surface_bits
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.pieces import pretokenize
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
ORDERS = (0, 1, 3)  # of counts of the training text
COUNTED = {"counts": ORDERS}
MODELS = [COUNTED, {"normalisation": "layer"}, {"normalisation": "batch", **COUNTED}, {}]
each_objective_and_model = in_turn(objective=OBJECTIVES, model=MODELS)


@each_objective_and_model
def test_probabilities_of_all_short_documents_sum_to_one(objective, model):
    """Σ P(document shorter than n) + Σ P(the first n tokens of longer ones) = 1."""
    size, n = 4, 4
    network = tiny_model(objective, size, **model)
    documents = [np.array(d, np.uint8) for d in every_sequence(range(1, size), n)]
    bits = token_bits(objective, network, documents)
    mass = sum(2.0 ** -float(document_bits[:n].sum()) for document_bits in bits)
    assert mass == pytest.approx(1.0, abs=1e-5)


@each_objective_and_model
def test_later_tokens_do_not_change_earlier_probabilities(objective, model):
    network = tiny_model(objective, 9, **model)
    random = np.random.default_rng(0)
    first = random.integers(1, 9, 40).astype(np.uint8)
    for place in (1, 2, 5, 6, 7, 20, 39):
        second = first.copy()
        second[place:] = random.integers(1, 9, 40 - place)
        a, b = token_bits(objective, network, [first, second])
        np.testing.assert_allclose(a[:place], b[:place], atol=1e-5)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_documents_are_scored_independently_of_each_other(objective):
    network = tiny_model(objective, 9, counts=ORDERS)
    random = np.random.default_rng(2)
    documents = [random.integers(1, 9, n).astype(np.uint8) for n in (1, 30, 7, 64, 2, 15)]
    together = token_bits(objective, network, documents)
    for document, bits in zip(documents, together, strict=True):
        (alone,) = token_bits(objective, network, [document])
        np.testing.assert_allclose(alone, bits, atol=1e-5)


@pytest.mark.xla
@pytest.mark.parametrize(
    ("objective", "counts"),
    zip([OBJECTIVES[i] for i in (1, 3, 5, 6)], [ORDERS, ()] * 2, strict=True),
    ids=repr,
)
def test_an_arithmetic_coder_reaches_the_claimed_size_and_decodes(objective, counts):
    text, tokenizer = made_up(60, 3)[:800], Characters().fit([made_up(100, 4)])
    network = tiny_model(objective, tokenizer.size, scale=1.5, counts=counts)
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


@in_turn(config=TOKENIZERS, objective=[OBJECTIVES[i] for i in (0, 4, 5)])
def test_probabilities_of_all_short_texts_sum_to_at_most_one(config, objective):
    """Of texts, not of tokens: whatever a token hides has been paid for. The end mark comes every
    second time: short documents hold most of the mass."""
    tokenizer = config.fit(["a ab  b abb a ab b bab a a ab", "ab a b"], ["a ba ab aab"], 1)
    network = tiny_model(objective, tokenizer.size, scale=0.3)
    kernel, bias = network.output_layer.dense.get_weights()
    bias[0] = math.log(len(bias) - 1)
    network.output_layer.dense.set_weights([kernel, bias])
    documents = [Document("d", "".join(letters)) for letters in every_sequence("ab ", 5)]
    scored = score_documents(objective, network, tokenizer, documents)
    total = sum(2.0 ** -(d.model + d.spelling_bits) for d in scored)
    unpaid = sum(2.0**-d.model for d in scored)
    assert 0.2 < total <= 1 + 1e-6
    policy = getattr(config, "rare_words", None)
    if policy and not isinstance(policy, Spell):
        assert unpaid > total
    if isinstance(policy, (Unk, Drop)):
        assert unpaid > 1  # so this test can fail
    both = score_documents(objective, network, tokenizer, documents, made_up_memory(0, 1, 3))
    assert [d.model for d in both] == [d.model for d in scored]
    total = sum(2.0 ** -(d.with_memory.model + d.with_memory.spelling_bits) for d in both)
    assert 0.1 < total <= 1 + 1e-6
    assert any(abs(d.with_memory.model - d.model) > 0.1 for d in both)
    network.training_counts = made_up_counts(tokenizer.size, *ORDERS)
    counted = score_documents(objective, network, tokenizer, documents, made_up_memory(0, 1, 3))
    for each in (counted, [d.with_memory for d in counted]):
        assert 0.1 < sum(2.0 ** -(d.model + d.spelling_bits) for d in each) <= 1 + 1e-6
    assert any(abs(a.model - b.model) > 0.1 for a, b in zip(counted, both, strict=True))


@in_turn(config=TOKENIZERS, objective=OBJECTIVES)
def test_a_uniform_model_costs_log2_of_the_vocabulary(config, objective):
    tokenizer = fitted(config)
    network = tiny_model(objective, tokenizer.size, scale=0.0)
    (scored,) = score_documents(objective, network, tokenizer, [Document("d", made_up(9, 6))])
    np.testing.assert_allclose(scored.model_bits, math.log2(tokenizer.size), rtol=1e-5)


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_what_is_drawn_is_what_is_scored(policy):
    """The first token of a text, with what it hides; boundary and escape are never drawn."""
    tokenizer, number = fitted(Words(policy, minimum_count=25)), 20_000
    network = tiny_model(NextToken(window=2), tokenizer.size, scale=1.0)
    sampler = Sampler(NextToken(window=2), network, tokenizer.unwritable)
    tokens = next(sampler.write([np.zeros(0, int)] * number, range(number))).tolist()
    found, filling = Counter[tuple[int, str | None]](), Filling("scored", Random(3))
    for token in tokens:
        steps_of = tokenizer.surface_steps([token])
        found[token, steps_of and drawn(steps_of(None), filling)] += 1
    chances = Stepper(NextToken(window=2), network).probabilities()
    chances /= 1 - chances[[BOUNDARY, ESCAPE]].sum()
    expected = dict[tuple[int, str | None], float]()
    for token, surface in found:
        expected[token, surface] = number * chances[token]
        if surface is not None:
            known = tuple(pretokenize(surface)) if tokenizer.gaps else surface
            (bits,), _ = surface_bits([tokenizer.surface_steps([token])(known)])
            expected[token, surface] *= 2.0**-bits
    frequent = [(n, expected[key]) for key, n in found.items() if expected[key] >= 5]
    rest = number + 1 - np.sum(frequent, axis=0)  # 1: there may be none
    assert chisquare(*zip(*frequent, rest, strict=True)).pvalue > 1e-4
