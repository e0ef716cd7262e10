"""Vectors of the last few tokens: looked up in a table, and trained row by row."""

import keras
import numpy as np
import tensorflow as tf

from textgen.models.backbones import NGrams
from textgen.models.layers import NGramEmbedding
from textgen.training.step import RowAdagrad


def looked_up(orders, tokens, before=None):
    """Vectors, and the tokens before the next one."""
    keras.utils.set_random_seed(1)
    layer = NGramEmbedding(NGrams(orders, 10_000), 3)
    layer.table.assign(np.random.default_rng(2).normal(size=(10_000, 3)))
    start = np.zeros((len(tokens), layer.context), np.float32) if before is None else before
    return tuple(map(np.array, layer(tokens, start)))


def test_a_vector_is_that_of_the_last_tokens_and_of_no_others():
    text = np.random.default_rng(0).integers(0, 5, (1, 400))
    vectors, _ = looked_up((3,), text)
    seen = {}
    for place, vector in enumerate(vectors[0]):
        last = tuple(np.append([0, 0], text[0])[place : place + 3].tolist())
        np.testing.assert_array_equal(seen.setdefault(last, vector), vector)
    assert len(seen) > 100
    assert len(np.unique(np.array(list(seen.values())), axis=0)) == len(seen)


def test_the_vectors_of_all_orders_are_added_up_and_a_text_may_be_cut_anywhere():
    text = np.random.default_rng(0).integers(0, 5, (2, 30))
    together, after = looked_up((2, 4), text)
    apart = [looked_up((order,), text)[0] for order in (2, 4)]
    np.testing.assert_allclose(together, sum(apart), atol=1e-6)
    np.testing.assert_array_equal(after, text[:, -3:])
    for cut in (1, 2, 7, 29):
        first, between = looked_up((2, 4), text[:, :cut])
        second, last = looked_up((2, 4), text[:, cut:], between)
        np.testing.assert_array_equal(together, np.concatenate([first, second], axis=1))
        np.testing.assert_array_equal(last, after)


def test_rows_are_updated_as_the_equation_says_and_others_are_left_alone():
    random = np.random.default_rng(0)
    table, squares = random.normal(size=(20, 4)).astype(np.float32), np.zeros(20, np.float32)
    variable = keras.Variable(table.copy())
    rows = RowAdagrad(variable)
    for _ in range(3):
        places, gradients = random.integers(0, 12, 9), random.normal(size=(9, 4))
        rows.apply(tf.constant(places, tf.int32), tf.constant(gradients, tf.float32), 0.3)
        for row in np.unique(places):
            total = gradients[places == row].sum(axis=0)
            squares[row] += (total**2).mean()
            table[row] -= 0.3 * total / np.sqrt(squares[row])
    np.testing.assert_allclose(variable, table, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rows.squares, squares, rtol=1e-4)
    assert not squares[12:].any()
