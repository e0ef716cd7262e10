from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from textgen.models.layers import HashedDropout, dropout_key
from textgen.models.recurrent import UnrolledLSTM

pytestmark = pytest.mark.xla


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


@pytest.mark.parametrize("locked", [False, True])
def test_a_shard_of_a_batch_has_its_rows_of_the_mask(locked):
    layer = HashedDropout(0.4, locked, seed=7)
    whole = mask(layer, (9, 4, 5), update=3)
    np.testing.assert_array_equal(mask(layer, (4, 4, 5), update=3, first_row=5), whole[5:])


def test_the_gradient_flows_through_what_is_kept_and_nothing_is_dropped_outside_training():
    layer, x = HashedDropout(0.5, seed=2), tf.ones((30, 30))
    with tf.GradientTape() as tape, dropout_key(0):
        tape.watch(x)
        y = layer(x, training=True)
    np.testing.assert_array_equal(tape.gradient(y, x), np.where(y.numpy() > 0, 2.0, 0.0))
    np.testing.assert_array_equal(layer(x), x)


def test_a_locked_mask_is_the_same_for_all_positions():
    out = mask(HashedDropout(0.5, locked=True, seed=2), (20, 7, 30))
    np.testing.assert_array_equal(out, np.repeat(out[:, :1], 7, axis=1))
    assert (out[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.06)
    assert (out[0] != out[1]).any()


def test_dropped_recurrent_weights_are_others_every_time_and_none_outside_training():
    layer, x = UnrolledLSTM(30, weight_drop=0.5), tf.random.stateless_normal((2, 5, 3), (1, 2))
    plain = layer(x)[0]
    np.testing.assert_array_equal(layer(x)[0], plain)

    def dropped(update):
        with dropout_key(update):
            return layer(x, training=True)[0]

    first, second = dropped(0), dropped(1)
    np.testing.assert_allclose(first[:, 0], plain[:, 0], atol=1e-6)  # the state before it is empty
    for other in (plain, second):
        assert (first[:, 1] != other[:, 1]).numpy().all()
    many = tf.reduce_mean([dropped(update)[:, 1] for update in range(300)], axis=0)
    np.testing.assert_allclose(many, plain[:, 1], atol=0.03)
