"""Recurrent layers and their gradients as Keras, or a step at a time, has them; hashed dropout."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from textgen.models import recurrent
from textgen.models.layers import HashedDropout, dropout_key
from textgen.models.recurrent import UnrolledGRU, UnrolledLSTM, gradients_wanted, linear_recurrence

pytestmark = pytest.mark.xla
SHAPE = (5, 13, 7)
UNITS = 11
LSTM = (UnrolledLSTM, keras.layers.LSTM)


def both(kinds):
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
        return (outputs, h, *c), tape.gradient(loss, [*layer.trainable_weights, inputs, *states])

    return compute()


@pytest.mark.parametrize("kinds", [LSTM, (UnrolledGRU, keras.layers.GRU)])
@pytest.mark.parametrize("how", ["compiled", "unrolled", "training"])
def test_results_and_gradients_are_those_of_keras(kinds, how):
    (ours, plain), inputs, states = both(kinds)
    with gradients_wanted() if how == "unrolled" else contextlib.nullcontext():
        results, found = gradients(ours, inputs, states, "compiled" in how, how == "training")
    expected_results, expected = gradients(plain, inputs, states, False)
    for a, b in zip([*results, *found], [*expected_results, *expected], strict=True):
        assert float(tf.reduce_max(tf.abs(b))) > 1e-4
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("kinds", [LSTM, (UnrolledGRU, keras.layers.GRU)])
def test_a_window_of_several_graphs_is_one_window(kinds, monkeypatch):
    monkeypatch.setattr(recurrent, "MAX_STEPS", 6)  # 13 steps are 4 + 4 + 5
    (ours, plain), inputs, states = both(kinds)
    results, found = gradients(ours, inputs, states, False, training=True)
    expected_results, expected = gradients(plain, inputs, states, False)
    for a, b in zip([*results, *found], [*expected_results, *expected], strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("steps", [1, 2, 7, 64])
def test_a_linear_recurrence_at_once_is_that_step_by_step(steps):
    random = np.random.default_rng(steps)
    decay, added = random.uniform(0, 1, (2, 3, steps, 4)).astype(np.float32)
    state = initial = random.normal(size=(3, 4)).astype(np.float32)
    found = linear_recurrence(decay, added, initial)
    for t in range(steps):
        state = decay[:, t] * state + added[:, t]
        np.testing.assert_allclose(found[:, t], state, atol=1e-5)


def mask(layer, shape=(200, 300), jit=True, update=0, first_row=0):
    def run(x):
        with dropout_key(update, first_row):
            return layer(x, training=True)

    return tf.function(run, jit_compile=jit)(tf.ones(shape)).numpy()


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.9])
def test_as_many_elements_are_kept_as_the_rate_says_and_scaled(rate):
    out = mask(HashedDropout(rate, seed=3))
    kept = out > 0
    assert kept.mean() == pytest.approx(1 - rate, abs=0.01)
    np.testing.assert_allclose(out[kept], 1 / (1 - rate), rtol=1e-6)
    for axis in (0, 1):  # no row or column is favoured: the shares spread as a coin's would
        shares = kept.mean(axis=axis)
        expected = (rate * (1 - rate) / kept.shape[axis]) ** 0.5
        assert shares.std() == pytest.approx(expected, rel=0.25)


def test_masks_of_neighbours_updates_and_seeds_have_nothing_to_do_with_each_other():
    layer = HashedDropout(0.5, seed=1)
    first, later = mask(layer) > 0, mask(layer, update=1) > 0
    other = mask(HashedDropout(0.5, seed=2)) > 0
    pairs = [(first, later), (first, other), (first[:, 1:], first[:, :-1]), (first[1:], first[:-1])]
    for a, b in pairs:
        assert (a == b).mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(first, mask(layer, jit=False) > 0)  # compiled or not


def test_a_shard_of_a_batch_has_its_rows_and_the_gradient_flows_through_what_is_kept():
    layer = HashedDropout(0.4, seed=7)
    whole = mask(layer, (9, 4, 5), update=3)
    np.testing.assert_array_equal(mask(layer, (4, 4, 5), update=3, first_row=5), whole[5:])
    layer, x = HashedDropout(0.5, seed=2), tf.ones((30, 30))
    with tf.GradientTape() as tape, dropout_key(0):
        tape.watch(x)
        y = layer(x, training=True)
    np.testing.assert_array_equal(tape.gradient(y, x), np.where(y.numpy() > 0, 2.0, 0.0))
    np.testing.assert_array_equal(layer(x), x)
