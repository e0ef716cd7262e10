"""The two-level output gives the same numbers as its own full table of log-probabilities."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from conftest import tiny_model

from textgen.core.errors import TextgenError
from textgen.core.settings import Training
from textgen.evaluation.mixture import Stepper
from textgen.evaluation.scorer import rows_at_once, scorer, token_bits
from textgen.models.backbones import LSTM, Adaptive
from textgen.models.batches import Windows
from textgen.models.network import set_output_bias
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.training.step import Step

SIZE, HEAD, BATCH = 23, 6, 5
ADAPTIVE = {"adaptive_softmax": Adaptive(HEAD, 4)}
TIED = {"input": "embedding", "embedding_size": 7, "tied_output": True, **ADAPTIVE}
each_output = pytest.mark.parametrize("output", [ADAPTIVE, TIED], ids=["own", "tied"])
EMBEDDED = {"input": "embedding", "embedding_size": 7, "dropout": 0.25}
each_objective = pytest.mark.parametrize(
    "objective",
    [
        pytest.param(NextToken(window=6), marks=pytest.mark.xla),
        Shifted(window=5, shift=3),
        pytest.param(EncoderDecoder(read=4, write=6), marks=pytest.mark.xla),
        EncoderDecoder(read=4, write=6, feedback=False),
    ],
    ids=repr,
)


def refused(objective, model):
    """An output that is not fed back has no embedding that it could be tied to."""
    if not model.get("tied_output") or getattr(objective, "feedback", True):
        return False
    with pytest.raises(TextgenError, match="one-shot"):
        tiny_model(objective, SIZE, **model)
    return True


def spans_of(objective, seed=0, lowest=-1):
    """A batch with targets in head and tail, some of them missing."""
    shape = (BATCH, objective.before + objective.length)
    return np.random.default_rng(seed).integers(lowest, SIZE, shape).astype(np.int32)


def full_nats(objective, network, spans, states, training=False):
    features, states = objective.features(network, spans, states, training=training)
    logits = network.output_layer(features)
    targets = spans[:, objective.before :]
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(targets, 0), logits)
    return nats * tf.cast(targets >= 0, tf.float32), states


@each_output
@each_objective
def test_the_logits_are_log_probabilities_of_a_distribution(objective, output):
    if refused(objective, output):
        return
    network = tiny_model(objective, SIZE, **output)
    states = network.initial_state(BATCH)
    features, _ = objective.features(network, spans_of(objective), states, training=False)
    logits = network.output_layer(features)
    assert logits.shape == (BATCH, objective.length, SIZE)
    np.testing.assert_allclose(np.exp(logits.numpy()).sum(axis=-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(tf.nn.log_softmax(logits), logits, atol=2e-5)
    assert Stepper(objective, network).probabilities().shape == (SIZE,)


@each_objective
@pytest.mark.parametrize(
    "model",
    [
        ADAPTIVE,
        {**ADAPTIVE, **EMBEDDED},
        TIED,
        {**TIED, "embedding_size": 8},
        {**TIED, "frequency_bias": False},
    ],
    ids=["one_hot", "embedding", "tied", "tied_unprojected", "tied_without_bias"],
)
def test_bits_of_the_targets_alone_are_those_of_the_full_logits(objective, model):
    if refused(objective, model):
        return
    network = tiny_model(objective, SIZE, scale=2.0, units=(9, 8), **model)
    spans, fresh = spans_of(objective), np.arange(BATCH) % 2 == 0
    states = tf.nest.map_structure(
        lambda s: tf.random.normal(s.shape), network.initial_state(BATCH)
    )
    begin = tf.nest.map_structure(lambda s: tf.where(fresh[:, None], 0.0, s), states)
    nats, after = full_nats(objective, network, spans, begin)
    bits, states = scorer(objective, network).bits(spans, fresh, states)
    np.testing.assert_allclose(bits, nats / np.log(2), atol=1e-5)
    for a, b in zip(*map(tf.nest.flatten, (states, after)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_batch_without_a_token_of_the_tail_is_scored_too():
    objective = NextToken(window=6)
    network = tiny_model(objective, SIZE, **ADAPTIVE)
    spans = np.ones((BATCH, 7), np.int32)
    states = network.initial_state(BATCH)
    bits, _ = scorer(objective, network).bits(spans, np.ones(BATCH, bool), states)
    nats, _ = full_nats(objective, network, spans, states)
    np.testing.assert_allclose(bits, nats / np.log(2), atol=1e-5)


@each_output
@each_objective
def test_the_gradient_is_that_of_the_full_logits(objective, output):
    if refused(objective, output):
        return
    network = tiny_model(objective, SIZE, scale=1.5, **output)
    step = Step(network, objective, Training(updates=1, batch=BATCH), tail_share=1.0)
    spans, states = spans_of(objective, lowest=0), network.initial_state(BATCH)
    labels = spans[:, objective.before :]

    @tf.function(jit_compile=True)
    def cheap():
        with tf.GradientTape() as tape:
            nats = step._target_losses(spans, labels, states)[0]
        return nats, tape.gradient(nats, network.trainable_variables)

    nats, gradients = cheap()
    with tf.GradientTape() as tape:
        expected, _ = full_nats(objective, network, spans, states)
    np.testing.assert_allclose(nats, expected, atol=1e-5)
    variables = network.trainable_variables
    for a, b in zip(gradients, tape.gradient(expected, variables), strict=True):
        np.testing.assert_allclose(*map(tf.convert_to_tensor, (a, b)), atol=1e-4)


def test_more_targets_in_the_tail_than_are_kept_are_estimated_without_bias():
    objective = NextToken(window=6)
    network = tiny_model(objective, SIZE, scale=2.0, **ADAPTIVE)
    output, states = network.output_layer, network.initial_state(BATCH)
    estimates, exact = [], []

    @tf.function
    def both(spans):
        features, _ = objective.features(network, spans, states, training=False)
        nats = output.nats(features, spans[:, 1:], capacity=8)
        whole, _ = full_nats(objective, network, spans, states)
        return tf.reduce_sum(nats), tf.reduce_sum(whole)

    for seed in range(300):
        found = both(tf.constant(spans_of(objective, seed, lowest=0)))
        estimates.append(float(found[0]))
        exact.append(float(found[1]))
    assert not np.allclose(estimates, exact)
    error = np.array(estimates) - exact
    assert abs(error.mean()) < 3 * error.std() / np.sqrt(len(error))


def test_the_capacity_covers_the_expected_targets_and_never_exceeds_the_batch():
    network = tiny_model(NextToken(4), SIZE, **ADAPTIVE)
    output = network.output_layer
    assert output.capacity(512, 0.26) in range(512 * 26 // 100 + 40, 224)
    assert output.capacity(8, 0.5) == output.capacity(8, 1.0) == 8
    assert output.capacity(512, 0.0) == 16


def test_a_vocabulary_that_fits_in_the_head_has_the_plain_softmax():
    network = tiny_model(NextToken(4), HEAD + 1, **ADAPTIVE)
    assert not network.output_layer.adaptive
    assert network.output_layer.dense.units == HEAD + 1
    network = tiny_model(NextToken(4), HEAD + 2, **ADAPTIVE)
    output = network.output_layer
    assert output.tail_logits(np.zeros((1, output.head.kernel.shape[0]), "f")).shape == (1, 2)


def test_combinations_that_make_no_sense_are_refused():
    network = tiny_model(NextToken(4), SIZE, **ADAPTIVE)
    with pytest.raises(TextgenError, match=r"training\.loss"):
        Step(network, NextToken(4), Training(updates=1, loss="binary"))


@pytest.mark.parametrize("settings", [{}, ADAPTIVE], ids=["softmax", "adaptive"])
def test_rows_are_fewer_where_logits_are_large(monkeypatch, settings):
    objective = NextToken(window=6)
    network = tiny_model(objective, SIZE, **settings)
    documents = [np.random.default_rng(i).integers(1, SIZE, 20 + i) for i in range(7)]
    assert rows_at_once(network, 6, 32) == 32
    large = SimpleNamespace(output_layer=SimpleNamespace(size=2**20, adaptive=False))
    assert rows_at_once(large, 4, 32) == 8  # logits of 134 MB
    divided = {"size": 2**20, "adaptive": True, "head_size": 2**18, "tail_size": 2**20}
    large.output_layer = SimpleNamespace(**divided)
    assert rows_at_once(large, 4, 32) == 15  # the head, one more for the tail, a quarter of it
    expected = token_bits(objective, network, documents)
    monkeypatch.setattr("textgen.evaluation.scorer.MAX_LOGITS", 2 * 6 * SIZE)
    assert rows_at_once(network, 6, 32) in (2, 4)
    for a, b in zip(token_bits(objective, network, documents), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    monkeypatch.setattr("textgen.evaluation.scorer.MAX_LOGITS", 1)
    assert rows_at_once(network, 6, 32) == 1


@pytest.mark.parametrize("settings", [{}, ADAPTIVE], ids=["softmax", "adaptive"])
def test_what_is_no_target_costs_nothing(settings):
    """Validation adds up whole batches, whose rows end where their documents do."""
    objective = NextToken(window=6)
    network = tiny_model(objective, SIZE, **settings)
    documents = [np.random.default_rng(i).integers(1, SIZE, 9 + i) for i in range(5)]
    step, state, total = scorer(objective, network).bits, network.initial_state(3), 0.0
    for batch, fresh, _, _ in Windows(documents, objective).scoring(3):
        bits, state = step(batch, fresh, state)
        missing = np.asarray(batch)[:, objective.before :] < 0
        assert not bits.numpy()[missing].any()
        assert (bits.numpy()[~missing] > 0).all()
        total += float(tf.reduce_sum(bits))
    expected = token_bits(objective, network, documents)
    assert total == pytest.approx(sum(float(each.sum()) for each in expected), rel=1e-5)


def test_the_tail_is_scored_in_few_shapes_for_each_is_compiled_anew():
    objective, network, sizes = NextToken(6), tiny_model(NextToken(6), SIZE, **ADAPTIVE), set()
    layer = network.output_layer
    cross_entropy, draw = layer.tail_nats, np.random.default_rng(0)

    def recorded(features, labels):
        seen = tf.numpy_function(
            lambda n: sizes.add(int(n)) or n, [tf.shape(features)[0]], tf.int32
        )
        with tf.control_dependencies([seen]):
            return cross_entropy(features, labels)

    object.__setattr__(layer, "tail_nats", recorded)
    rare = [draw.random(90) < i / 9 for i in range(9)]
    token_bits(objective, network, [np.where(each, HEAD, 1) for each in rare])
    assert len(sizes) <= 2


@pytest.mark.parametrize(
    "model",
    [{}, EMBEDDED, {**TIED, "adaptive_softmax": False}, ADAPTIVE, TIED],
    ids=["full", "embedding", "tied", "two levels", "two levels, tied"],
)
@pytest.mark.parametrize("objective", [NextToken(window=6), EncoderDecoder(read=4, write=6)])
def test_an_output_can_start_at_the_frequencies_of_the_tokens(objective, model):
    network = objective.build(LSTM(units=(7,), **model), SIZE)
    counts = np.random.default_rng(0).integers(0, 1000, SIZE) * np.arange(SIZE)
    set_output_bias(network, counts)
    layer, expected = network.output_layer, np.log((counts + 0.5) / (counts + 0.5).sum())
    nothing = np.zeros((SIZE, 7), dtype=np.float32)
    logits = tf.nn.log_softmax(layer(nothing))
    np.testing.assert_allclose(logits, np.tile(expected, (SIZE, 1)), atol=1e-5)
    if layer.adaptive:
        nats = layer.nats(nothing[None], np.arange(SIZE, dtype=np.int32)[None], SIZE)
        np.testing.assert_allclose(nats[0], -expected, atol=1e-5)


def test_an_output_that_is_told_nothing_starts_level():
    network = NextToken(window=6).build(LSTM(units=(7,), frequency_bias=False, **ADAPTIVE), SIZE)
    before = network.get_weights()
    set_output_bias(network, np.arange(SIZE))
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
