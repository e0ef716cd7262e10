"""Output layers: one distribution, however it is computed, that of an ensemble too."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from conftest import tiny_model

from textgen.core.errors import TextgenError
from textgen.core.settings import Training
from textgen.evaluation.likelihood import rows_at_once, scoring_step, token_bits
from textgen.models.backbones import LSTM
from textgen.models.network import set_output_bias
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.models.settings import Adaptive
from textgen.training.step import Step, check_trainable

pytestmark = pytest.mark.long

SIZE, HEAD, BATCH = 23, 6, 5
ADAPTIVE = {"adaptive_softmax": Adaptive(HEAD, 4)}
EMBEDDED = {"input": "embedding", "embedding_size": 7, "dropout": 0.25}
TIED = {**EMBEDDED, "tied_output": True}
BOTH = {**ADAPTIVE, **TIED}
EACH = pytest.mark.parametrize(
    ("objective", "model"),
    [
        pytest.param(NextToken(window=6), ADAPTIVE, marks=pytest.mark.xla),
        (NextToken(window=6), BOTH),
        (Shifted(window=5, shift=3), {**ADAPTIVE, **EMBEDDED}),
        (Shifted(window=5, shift=3), BOTH),
        pytest.param(EncoderDecoder(read=4, write=6), BOTH, marks=pytest.mark.xla),
        (EncoderDecoder(read=4, write=6, feedback=False), ADAPTIVE),
    ],
    ids=repr,
)


def spans_of(objective, seed=0, lowest=-1):
    """A batch with targets in head and tail, some of them missing: they cost nothing."""
    shape = (BATCH, objective.before + objective.length)
    return np.random.default_rng(seed).integers(lowest, SIZE, shape).astype(np.int32)


def full_nats(objective, network, spans, states):
    features, states = objective.features(network, spans, states, training=False)
    logits = network.output_layer(features)
    targets = spans[:, objective.before :]
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(targets, 0), logits)
    return nats * tf.cast(targets >= 0, tf.float32), states


@EACH
def test_two_levels_are_one_distribution_and_targets_cost_what_it_says(objective, model):
    network = tiny_model(objective, SIZE, scale=2.0, units=(9, 8), **model)
    spans, fresh = spans_of(objective), np.arange(BATCH) % 2 == 0
    empty = network.initial_state(BATCH)
    states = tf.nest.map_structure(lambda s: tf.random.normal(s.shape), empty)
    features, _ = objective.features(network, spans, states, training=False)
    logits = network.output_layer(features)
    np.testing.assert_allclose(np.exp(logits.numpy()).sum(axis=-1), 1.0, atol=1e-6)
    begin = tf.nest.map_structure(lambda s: tf.where(fresh[:, None], 0.0, s), states)
    nats, after = full_nats(objective, network, spans, begin)
    bits, states = scoring_step(objective, network)(spans, fresh, states)
    np.testing.assert_allclose(bits, nats / np.log(2), atol=1e-5)
    for a, b in zip(*map(tf.nest.flatten, (states, after)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@EACH
def test_the_gradient_is_that_of_the_full_logits(objective, model):
    network = tiny_model(objective, SIZE, scale=1.5, **{**model, "dropout": 0.0})
    spans, states = spans_of(objective, lowest=0), network.initial_state(BATCH)
    labels, variables = spans[:, objective.before :], network.trainable_variables

    @tf.function
    def cheap():
        with tf.GradientTape() as tape:
            features, _ = objective.features(network, spans, states, training=True)
            nats = network.output_layer.loss(features, labels, 1.0)
        return nats, tape.gradient(nats, variables)

    nats, gradients = cheap()
    with tf.GradientTape() as tape:
        expected, _ = full_nats(objective, network, spans, states)
    np.testing.assert_allclose(nats, expected, atol=1e-5)
    for a, b in zip(gradients, tape.gradient(expected, variables), strict=True):
        np.testing.assert_allclose(*map(tf.convert_to_tensor, (a, b)), atol=1e-4)


def test_more_targets_in_the_tail_than_are_kept_are_estimated_without_bias():
    objective = NextToken(window=12)
    network = tiny_model(objective, SIZE, scale=2.0, **ADAPTIVE)
    output, states = network.output_layer, network.initial_state(BATCH)

    @tf.function
    def both(spans):
        features, _ = objective.features(network, spans, states, training=False)
        estimate = output.loss(features, spans[:, 1:], tail_share=0.0)  # 16 places for about 44
        return tf.reduce_sum(estimate), tf.reduce_sum(output.nats(features, spans[:, 1:]))

    sums = [both(tf.constant(spans_of(objective, seed, lowest=0))) for seed in range(300)]
    error = np.subtract(*np.array(sums).T)
    assert not np.allclose(error, 0)
    assert abs(error.mean()) < 3 * error.std() / np.sqrt(len(error))


def test_a_binary_loss_needs_one_softmax():
    for model in (ADAPTIVE, {"members": 2}):
        with pytest.raises(TextgenError, match=r"training\.loss.*members"):
            check_trainable(tiny_model(NextToken(4), SIZE, **model), "binary")
    # of a vocabulary that fits in the head it is one
    check_trainable(tiny_model(NextToken(4), HEAD + 1, **ADAPTIVE), "binary")


@pytest.mark.parametrize("settings", [{}, ADAPTIVE], ids=["softmax", "adaptive"])
def test_rows_are_fewer_where_logits_are_large(monkeypatch, settings):
    objective = NextToken(window=6)
    network = tiny_model(objective, SIZE, **settings)
    documents = [np.random.default_rng(i).integers(1, SIZE, 9 + i) for i in range(6)]
    expected = token_bits(objective, network, documents)
    large = SimpleNamespace(output_layer=SimpleNamespace(size=2**20, width=0))
    assert [rows_at_once(each, 4, 32) for each in (network, large)] == [32, 8]
    monkeypatch.setattr("textgen.evaluation.likelihood.MAX_LOGITS", 1)
    assert rows_at_once(network, 6, 32) == 1
    for a, b in zip(token_bits(objective, network, documents), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("model", [{}, TIED, ADAPTIVE, BOTH, {"members": 2}], ids=repr)
def test_an_output_starts_at_the_frequencies_of_the_tokens_or_level(model):
    network, level = (
        NextToken(6).build(LSTM(units=(7,), frequency_bias=known, **model), SIZE)
        for known in (True, False)
    )
    counts = np.random.default_rng(0).integers(0, 1000, SIZE) * np.arange(SIZE)
    before, layer = level.get_weights(), network.output_layer
    for each in (network, level):
        set_output_bias(each, counts)
    np.testing.assert_equal(before, level.get_weights())
    expected = np.log((counts + 0.5) / (counts + 0.5).sum())
    nothing = np.zeros((1, SIZE, 7 * len(network.parts())), dtype=np.float32)
    logits = tf.nn.log_softmax(layer(nothing))
    np.testing.assert_allclose(logits[0], np.tile(expected, (SIZE, 1)), atol=1e-5)
    labels = np.arange(SIZE, dtype=np.int32)[None]
    for nats in (layer.nats(nothing, labels), layer.loss(nothing, labels, 1.0)):
        np.testing.assert_allclose(nats[0], -expected, atol=1e-5)


def gradients(network, objective):
    spans = np.random.default_rng(1).integers(1, SIZE, (6, 5)).astype(np.int32)
    step = Step(network, objective, Training(updates=1, batch=6), tail_share=0.9)
    states = tf.nest.flatten(network.initial_state(6))
    counted = tf.constant(0), tf.constant(24.0), tf.constant(0)
    result = step.gradients(*counted, spans, np.ones(6, bool), states)
    return [gradient.numpy() for gradient in result.gradients]


@pytest.mark.parametrize(("members", "model"), [(3, EMBEDDED), (2, TIED), (2, ADAPTIVE)])
def test_the_mean_is_charged_and_each_member_learns_as_it_would_alone(members, model):
    objective = NextToken(4)
    network = tiny_model(objective, SIZE, **model | {"dropout": 0.0, "members": members})
    document = np.random.default_rng(0).integers(1, SIZE, 11)
    (bits,) = token_bits(objective, network, [document])
    alone = [token_bits(objective, member, [document])[0] for member in network.members]
    assert np.abs(alone[0] - alone[1]).max() > 0.1
    np.testing.assert_allclose(2.0**-bits, np.mean(2.0 ** -np.array(alone), axis=0), rtol=1e-4)
    assert network.output_layer.head_size == network.members[0].output_layer.head_size
    together = gradients(network, objective)
    apart = [gradient for member in network.members for gradient in gradients(member, objective)]
    for a, b in zip(together, apart, strict=True):
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b / len(network.members), atol=1e-6)
