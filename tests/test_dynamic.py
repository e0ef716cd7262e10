"""A network that goes on learning as it reads: still a distribution, and what is scored is what
is written."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import in_turn, made_up_cache, tiny_model, toy_model
from test_honesty import OBJECTIVES

from textgen.evaluation.counts import count
from textgen.evaluation.dynamic import (
    AdaptingNetwork,
    DynamicEvaluation,
    dynamic_bits,
    measure_gradients,
)
from textgen.evaluation.likelihood import token_bits
from textgen.evaluation.sampler import Stepper
from textgen.models.backbones import Adaptive, NGrams
from textgen.models.objectives import NextToken
from textgen.testing import every_sequence
from textgen.tokenizers.characters import Characters

EMBEDDED = {"input": "embedding", "embedding_size": 6}
EVERY = [
    {},
    {**EMBEDDED, "ngrams": NGrams((2, 3), 40)},
    {**EMBEDDED, "tied_output": True},
    {"adaptive_softmax": Adaptive(2, 3), "normalisation": "batch"},
    {**EMBEDDED, "tied_output": True, "adaptive_softmax": Adaptive(2)},
]
COMPILED = pytest.param(EVERY[1], marks=pytest.mark.xla)


def follows(objective, size, **model):
    """A network, and how it learns: in large steps."""
    network = tiny_model(objective, size, scale=2.0, **model)
    number = len(network.trainable_variables)
    return network, DynamicEvaluation((0.1,) * number, (0.3,) * number)


@in_turn(objective=OBJECTIVES, model=EVERY[:2])
def test_probabilities_of_all_short_documents_sum_to_one(objective, model):
    size, n = 3, 4
    network, learning = follows(objective, size, **model)
    documents = [np.array(d, np.uint8) for d in every_sequence(range(1, size), n)]
    bits = dynamic_bits(objective, network, documents, learning)
    mass = sum(2.0 ** -float(document_bits[:n].sum()) for document_bits in bits)
    assert mass == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("model", [EVERY[0], COMPILED, *EVERY[2:]])
def test_nothing_is_read_ahead_and_the_weights_are_put_back(model):
    objective = NextToken(4)
    network, learning = follows(objective, 9, **model)
    before = network.get_weights()
    random = np.random.default_rng(0)
    first = random.integers(1, 9, 30).astype(np.uint8)
    whole = dynamic_bits(objective, network, [first], learning)[0]
    plain = token_bits(objective, network, [first])[0]
    np.testing.assert_allclose(whole[:4], plain[:4], atol=1e-5)
    assert np.abs(whole[4:] - plain[4:]).max() > 0.05
    for place in (1, 4, 5, 17):
        second = first.copy()
        second[place:] = random.integers(1, 9, 30 - place)
        found = dynamic_bits(objective, network, [second, first], learning)
        np.testing.assert_allclose(found[0][:place], whole[:place], atol=1e-5)
        np.testing.assert_allclose(found[1], whole, atol=1e-5)
    for a, b in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("model", EVERY)
def test_it_learns_what_a_document_repeats(model):
    objective = NextToken(8)
    network = tiny_model(objective, 9, scale=1.0, **model)
    training = [Characters().fit(["abcdefgh"]).encode("abc" * 20 + "h" * k) for k in range(9)]
    learning = measure_gradients(objective, network, training, 0.01, 3.0)
    document = np.tile(np.random.default_rng(1).integers(1, 9, 12), 30).astype(np.uint8)
    (learnt,) = dynamic_bits(objective, network, [document], learning)
    (plain,) = token_bits(objective, network, [document])
    assert learnt[-100:-1].mean() < 0.8 * plain[-100:-1].mean()


def test_scales_are_root_mean_squares_and_tables_learn_faster():
    objective = NextToken(8)
    network = tiny_model(objective, 9, scale=1.0, **EMBEDDED, ngrams=NGrams((2,), 50))
    training = [Characters().fit(["abcdefgh"]).encode("abcabdabc")]
    model = objective, network, training
    once, faster = (measure_gradients(*model, 0.1, rate) for rate in (1.0, 10.0))
    paths = [w.path for w in network.trainable_variables]
    assert len(once.scales) == len(paths)
    assert once.scales == faster.scales
    for path, a, b in zip(paths, once.rates, faster.rates, strict=True):
        assert b / a == pytest.approx(10.0 if "ngrams" in path else 1.0)
    start = network.get_weights()
    AdaptingNetwork(objective, network, once).append(1)  # no window is full
    for a, b in zip(start, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@in_turn(objective=[OBJECTIVES[i] for i in (1, 3, 5, 6)], model=EVERY)
def test_what_is_written_token_by_token_is_what_is_scored(objective, model):
    if "tied_output" in model and not getattr(objective, "feedback", True):
        model = EVERY[0]
    network, learning = follows(objective, 9, **model)
    cache = replace(made_up_cache(1, 2), dynamic=learning)
    document = np.random.default_rng(5).integers(1, 9, 23).astype(np.uint8)
    (below,) = dynamic_bits(objective, network, [document], learning)
    bits = cache.mixed_bits(below, count(document, cache.orders))
    stepper, found = Stepper(toy_model(objective, network, 9, cache=cache)), []
    for token in [*document.tolist(), 0]:
        found.append(-np.log2(stepper.probabilities()[token]))
        stepper.append(token)
    stepper.close()
    np.testing.assert_allclose(found, bits, atol=1e-3)
    (again,) = dynamic_bits(objective, network, [document], learning)
    np.testing.assert_allclose(again, below, atol=1e-5)


@pytest.mark.slow
def test_a_run_with_it_is_scored_and_writes_as_it_says(finished_run, textgen):
    frozen = 'embedding={kind="word2vec",epochs=1,frozen=true}'
    frozen = "backbone.input=embedding", "backbone.embedding_size=8", frozen
    folder = finished_run("char", "cache.learning_rate=0.003", "sampling.part=with_cache", *frozen)
    metrics = json.loads((folder / "metrics.json").read_text())
    total = metrics["test"]["parts"]["with_cache"]["bits_per_character"]["total"]
    assert f"{total:.4f}" in textgen("score", folder, "--split", "test").out
    (written, *_) = json.loads((folder / "samples.json").read_text())
    given = "--part=with_cache", "--length=40", f"--seed={written['seed']}", "--json"
    again = textgen("generate", folder, *given).out.splitlines()[0]
    assert json.loads(again)["text"] == written["text"]
