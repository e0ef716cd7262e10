"""LSTM, GRU and minGRU compute what Keras, or a step at a time, computes; so do their gradients."""

from __future__ import annotations

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from textgen.models.recurrent import (
    UnrolledGRU,
    UnrolledLSTM,
    gradients_wanted,
    linear_recurrence,
)

pytestmark = pytest.mark.xla
SHAPE = (5, 13, 7)
UNITS = 11
LSTM = (UnrolledLSTM, keras.layers.LSTM)
KINDS = pytest.mark.parametrize("kinds", [LSTM, (UnrolledGRU, keras.layers.GRU)])


def both(kinds=LSTM):
    inputs = tf.random.stateless_normal(SHAPE, [1, 2])
    states = [tf.random.stateless_normal((SHAPE[0], UNITS), [3, i]) for i in range(2)]
    options = {"return_sequences": True, "return_state": True}
    layers = [kinds[0](UNITS), kinds[1](UNITS, **options)]
    for layer in layers:
        layer.build(SHAPE)
    weights = layers[1].get_weights()  # a bias of zero would hide where it belongs
    layers[1].set_weights([w + np.random.default_rng(4).normal(0, 0.1, w.shape) for w in weights])
    layers[0].set_weights(layers[1].get_weights())
    return layers, inputs, states if kinds is LSTM else states[:1]


def gradients(layer, inputs, states, compiled, training=False):
    @tf.function(jit_compile=compiled)
    def compute():
        with tf.GradientTape() as tape:
            tape.watch([inputs, *states])
            outputs, h, *c = layer(inputs, initial_state=states, training=training)
            last = c[0] if c else h
            loss = tf.reduce_mean(outputs**2) + tf.reduce_mean(h * last) + tf.reduce_mean(last)
        found = tape.gradient(loss, [*layer.trainable_weights, inputs, *states])
        return (outputs, h, *c), found

    return compute()


@KINDS
@pytest.mark.parametrize("how", ["compiled", "unrolled", "training"])
def test_results_and_gradients_are_those_of_keras(kinds, how):
    (ours, plain), inputs, states = both(kinds)
    with gradients_wanted() if how == "unrolled" else contextlib.nullcontext():
        results, found = gradients(ours, inputs, states, "compiled" in how, how == "training")
    expected_results, expected = gradients(plain, inputs, states, False)
    assert len(found) == 4 + len(states)
    for a, b in zip([*results, *found], [*expected_results, *expected], strict=True):
        assert float(tf.reduce_max(tf.abs(b))) > 1e-4
        np.testing.assert_allclose(a, b, atol=2e-6)


@KINDS
def test_one_step_is_the_first_of_many(kinds):
    (ours, _), inputs, states = both(kinds)
    whole, *_ = ours(inputs, initial_state=states)
    first, h, *_ = ours(inputs[:, :1], initial_state=states)
    for step in (first[:, 0], h):
        np.testing.assert_allclose(step, whole[:, 0], atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 7, 64])
def test_a_linear_recurrence_at_once_is_that_step_by_step(steps):
    random = np.random.default_rng(steps)
    decay, added = random.uniform(0, 1, (2, 3, steps, 4)).astype(np.float32)
    state = initial = random.normal(size=(3, 4)).astype(np.float32)
    found = linear_recurrence(decay, added, initial)
    assert found.shape == (3, steps, 4)
    for t in range(steps):
        state = decay[:, t] * state + added[:, t]
        np.testing.assert_allclose(found[:, t], state, atol=1e-5)
