"""Multiplications of an update, as its graph has them."""

import math

import pytest
import tensorflow as tf
from conftest import new_model

from textgen.core.settings import Training
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.models.settings import Adaptive, NGrams
from textgen.training.multiplications import multiplications
from textgen.training.step import Step
from textgen.training.stream import Stage

pytestmark = pytest.mark.long

SIZE = 30  # of the vocabulary
NEXT = NextToken(3)
EMBEDDED = {"input": "embedding", "embedding_size": 6}


def counted(network, objective=NEXT, rows=4, threads=1):
    step = Step(network, objective, Training(updates=1, batch=rows), threads=threads)
    return step.multiplications_per_update(Stage(1.0, rows, objective.length))


def matrix_sizes(network):
    """How many weights the matrices of a network have. A table that is only looked up is none, nor
    are the two biases of a GRU."""
    left_out = ("embedding", "table", "bias")
    sizes = [
        math.prod(weight.shape)
        for weight in network.weights
        if len(weight.shape) == 2 and not any(name in weight.path for name in left_out)
    ]
    return sum(sizes)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("lstm", {"units": (7, 9)}),
        ("lstm", {"units": (7,), **EMBEDDED, "projection": 5}),
        ("lstm", {"units": (7,), **EMBEDDED, "members": 2}),
        ("lstm", {"units": (7,), **EMBEDDED, "dropout": 0.3, "ngrams": NGrams((2, 3), 20)}),
        ("lstm", {"units": (7,), **EMBEDDED, "output_ngrams": NGrams((2,), 20)}),
        ("gru", {"units": (7, 9), "normalisation": "layer"}),
        ("mingru", {"units": (7, 9), "normalisation": "batch", **EMBEDDED}),
    ],
    ids=repr,
)
def test_every_weight_of_a_matrix_multiplies_three_times_a_position(kind, settings):
    """Once forward, twice backward: half of the six operations a weight of Kaplan et al. (2020)."""
    network = new_model(NEXT, SIZE, kind, **settings)
    assert counted(network) == 3 * 4 * 3 * matrix_sizes(network)


def test_a_tied_output_multiplies_the_vectors_that_the_input_looks_up():
    network = new_model(NEXT, SIZE, units=(6,), tied_output=True, **EMBEDDED)
    assert counted(network) == 3 * 4 * 3 * (matrix_sizes(network) + SIZE * 6)


def test_attention_multiplies_every_query_by_all_places_in_reach_and_mixes_as_many_values():
    settings = {"units": (8, 12), "head_size": 4, "context": 5, **EMBEDDED}
    network = new_model(NEXT, SIZE, "transformer", **settings)
    places = (5 - 1) + 3
    heads = 2 + 3
    attention = 4 * heads * 3 * places * 4 * 2
    assert counted(network) == 3 * (4 * 3 * matrix_sizes(network) + attention)


def test_the_tail_of_an_adaptive_softmax_is_counted_for_the_targets_that_it_is_computed_for():
    objective = NextToken(8)
    network = new_model(objective, SIZE, units=(7,), adaptive_softmax=Adaptive(9, 4))
    layer = SIZE * 4 * 7 + 7 * 4 * 7
    head = 7 * (9 + 1)
    tail = 7 * 4 + 4 * (SIZE - 9)
    # a quarter of 128 targets, four standard deviations and sixteen more, in sixteens
    computed = 80
    expected = 3 * (128 * (layer + head) + computed * tail)
    assert counted(network, objective, rows=16) == expected


@pytest.mark.parametrize("feedback", [True, False])
def test_an_encoder_multiplies_what_it_reads_and_a_decoder_what_it_writes(feedback):
    objective = EncoderDecoder(4, 6, feedback)
    network = new_model(objective, SIZE, units=(7,), **EMBEDDED)
    read = 4 * matrix_sizes(network.encoder)
    written = 6 * matrix_sizes(network.decoder)
    assert counted(network, objective) == 3 * 4 * (read + written)


def test_rows_and_targets_multiply_and_threads_do_not():
    def of(objective, rows, threads=1):
        network = new_model(objective, SIZE, units=(7,))
        return counted(network, objective, rows, threads)

    one = of(NextToken(3), 8)
    assert of(NextToken(3), 16) == of(NextToken(6), 8) == 2 * one
    assert of(Shifted(3, 2), 8) == of(NextToken(3), 8, threads=2) == one


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_graph_for_a_gpu_has_as_many(monkeypatch, kind):
    network = new_model(NEXT, SIZE, kind, units=(7, 9), **EMBEDDED)
    on_processor = counted(network)
    devices = tf.config.list_logical_devices

    def with_gpu(kind=None):
        return ["a GPU"] if kind == "GPU" else devices(kind)

    monkeypatch.setattr(tf.config, "list_logical_devices", with_gpu)
    assert counted(network) == on_processor


FIRST = tf.TensorSpec([2, 3], tf.float32)
SECOND = tf.TensorSpec([3, 5], tf.float32)
ANY_ROWS = tf.TensorSpec([None, 3], tf.float32)


def of_function(function, *shapes):
    return multiplications(
        tf.function(function, autograph=False).get_concrete_function(*shapes).graph
    )


def test_products_of_functions_count_as_often_as_they_are_called():
    product = tf.function(tf.matmul, autograph=False)
    assert of_function(lambda x, y: product(x, y) + product(x + 1, y), FIRST, SECOND) == 2 * 30


def test_products_count_their_numbers_transposed_or_not_and_nothing_else_counts():
    def transposed(x, y):
        return tf.matmul(y, x, transpose_a=True, transpose_b=True)

    assert of_function(transposed, FIRST, SECOND) == 30
    stacked = [tf.TensorSpec([7, *shape], tf.float32) for shape in ([2, 3], [3, 5])]
    assert of_function(tf.matmul, *stacked) == 7 * 30
    assert of_function(lambda x: tf.reduce_sum(x * x), FIRST) == 0


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: tf.einsum("ij,jk->ik", x, y),
        lambda x, y: tf.while_loop(lambda z: tf.reduce_sum(z) < 9, lambda z: z + x, [x]),
        lambda x, y: tf.cond(tf.reduce_sum(x) > 0, lambda: tf.matmul(x, y), lambda: x @ y + 1),
    ],
)
def test_what_a_graph_does_not_say_is_not_known(function):
    assert of_function(function, FIRST, SECOND) is None


def test_products_of_any_shape_are_not_known():
    assert of_function(tf.matmul, ANY_ROWS, SECOND) is None
