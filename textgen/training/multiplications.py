"""How many multiplications an update takes, whatever machine it runs on.

Counted are the products of matrices in the graph of an update, forward and backward, as their
shapes say: (m, k) times (k, n) are m · k · n multiplications. A table that is looked up has none,
and what is done element by element is left out. Each multiplication comes with an addition, so that
floating-point operations are twice as many: the 6 N a token of Kaplan et al. (2020,
arXiv:2001.08361, section 2.1) are 3 N multiplications, N of them forward. The matrix of an output
layer counts as any other, as in Hoffmann et al. (2022, arXiv:2203.15556, appendix F).

One count varies with the number of threads, by a little: that of the tail of an adaptive softmax,
which is computed for some more targets than are expected in it, in the rows of each thread.
"""

import math
import re

import tensorflow as tf

from textgen.models.types import Tensor

CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
PRODUCTS = {"MatMul", "BatchMatMul", "BatchMatMulV2"}
# of cuDNN: how often as many multiplications as forward
RECURRENT_LAYERS = {"CudnnRNNV3": 1, "CudnnRNNBackpropV3": 2}
GATES = {b"lstm": 4, b"gru": 3}
# Operations that multiply matrices in other ways, or whose rounds a graph does not say.
UNCOUNTED = re.compile(r"MatMul|Einsum|Conv[123]D|Conv2d|Dot|RNN|LSTM|GRU|While|If$|Case$|^For$")


def multiplications(graph: tf.Graph) -> int | None:
    """Those of all products of matrices in a graph, and in the functions that it calls.

    Args:
        graph: with static shapes.

    Returns:
        None where it has a loop, a branch, a shape that varies or a product of another kind: what
        these multiply is not known.
    """
    by_function = dict[str, int | None]()

    def of_function(name: str) -> int | None:
        if name not in by_function:
            # nothing public leads from a call to the graph that it calls
            by_function[name] = of_graph(graph._get_function(name).graph)
        return by_function[name]

    def of_graph(some: tf.Graph) -> int | None:
        total = 0
        for operation in some.get_operations():
            if operation.type in CALLS:
                found = of_function(operation.get_attr("f").name)
            else:
                found = _of_operation(operation)
            if found is None:
                return None
            total += found
        return total

    return of_graph(graph)


def _of_operation(operation: tf.Operation) -> int | None:
    """Of an operation that calls no function."""
    kind = operation.type
    if kind in PRODUCTS:
        return _of_product(operation)
    if kind in RECURRENT_LAYERS:
        return RECURRENT_LAYERS[kind] * _of_recurrent_layer(operation)
    return None if UNCOUNTED.search(kind) else 0


def _of_product(operation: tf.Operation) -> int | None:
    """(…, m, k) times (…, k, n), either of them transposed or not."""
    first = operation.inputs[0].shape
    product = operation.outputs[0].shape
    if not (first.is_fully_defined() and product.is_fully_defined()):
        return None
    is_transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
    return math.prod(product) * first[-2 if is_transposed else -1]


def _of_recurrent_layer(operation: tf.Operation) -> int:
    """Forward, of a layer of cuDNN over a window."""
    inputs: Tensor = operation.inputs[0]  # (T, B, n)
    state: Tensor = operation.inputs[1]  # (1, B, u)
    steps, rows, width = inputs.shape
    units = state.shape[-1]
    gates = GATES[operation.get_attr("rnn_mode")]
    return steps * rows * gates * units * (width + units)
