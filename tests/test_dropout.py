from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from textgen.dropout import HashedDropout


def mask(layer, shape=(200, 300), jit=True):
    run = tf.function(lambda x: layer(x, training=True), jit_compile=jit)
    return run(tf.ones(shape)).numpy()


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


def test_neighbours_and_successive_masks_have_nothing_to_do_with_each_other():
    layer = HashedDropout(0.5, seed=1)
    first, second = mask(layer) > 0, mask(layer) > 0
    assert (first == second).mean() == pytest.approx(0.5, abs=0.01)
    assert (first[:, 1:] == first[:, :-1]).mean() == pytest.approx(0.5, abs=0.01)
    assert (first[1:] == first[:-1]).mean() == pytest.approx(0.5, abs=0.01)


def test_a_seed_repeats_its_masks_compiled_or_not():
    masks = [mask(HashedDropout(0.4, seed=7), jit=jit) for jit in (True, False)]
    np.testing.assert_array_equal(*masks)
    assert (masks[0] != mask(HashedDropout(0.4, seed=8))).any()


def test_nothing_is_dropped_outside_training():
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    np.testing.assert_array_equal(HashedDropout(0.5)(x), x)


def test_the_gradient_flows_through_what_is_kept():
    layer, x = HashedDropout(0.5, seed=2), tf.ones((30, 30))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    np.testing.assert_array_equal(tape.gradient(y, x), np.where(y.numpy() > 0, 2.0, 0.0))
