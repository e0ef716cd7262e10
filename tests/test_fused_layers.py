from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from textgen.models.recurrent import UnrolledGRU, UnrolledLSTM

pytestmark = pytest.mark.xla
SHAPE = (5, 13, 7)
UNITS = 11
LSTM = (UnrolledLSTM, keras.layers.LSTM)
KINDS = pytest.mark.parametrize("kinds", [LSTM, (UnrolledGRU, keras.layers.GRU)])


def both(kinds=LSTM):
    inputs = tf.random.stateless_normal(SHAPE, [1, 2])
    states = [tf.random.stateless_normal((SHAPE[0], UNITS), [3, i]) for i in range(2)]
    made = []
    for kind in kinds:
        given = {"return_sequences": True, "return_state": True}
        layer = kind(UNITS, **(given if kind in (keras.layers.LSTM, keras.layers.GRU) else {}))
        layer.build(SHAPE)
        made.append(layer)
    weights = made[1].get_weights()  # a bias of zero would hide where it belongs
    made[1].set_weights([w + np.random.default_rng(4).normal(0, 0.1, w.shape) for w in weights])
    made[0].set_weights(made[1].get_weights())
    return made, inputs, states if kinds is LSTM else states[:1]


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
@pytest.mark.parametrize("compiled", [False, True])
def test_results_and_gradients_are_those_of_keras(kinds, compiled):
    (fused, plain), inputs, states = both(kinds)
    results, found = gradients(fused, inputs, states, compiled)
    expected_results, expected = gradients(plain, inputs, states, False)
    for a, b in zip(results, expected_results, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    assert len(found) == 4 + len(states)
    for a, b in zip(found, expected, strict=True):
        assert float(tf.reduce_max(tf.abs(b))) > 1e-4
        np.testing.assert_allclose(a, b, atol=2e-6)


@KINDS
def test_one_step_is_the_first_of_many(kinds):
    (fused, _), inputs, states = both(kinds)
    whole, *_ = fused(inputs, initial_state=states)
    one, h, *_ = fused(inputs[:, :1], initial_state=states)
    np.testing.assert_allclose(one[:, 0], whole[:, 0], atol=1e-6)
    np.testing.assert_allclose(h, whole[:, 0], atol=1e-6)


def test_what_an_lstm_computes_while_training_is_what_keras_computes():
    (fused, plain), inputs, states = both()
    results, found = gradients(fused, inputs, states, False, training=True)
    expected_results, expected = gradients(plain, inputs, states, False)
    for a, b in zip([*results, *found], [*expected_results, *expected], strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
