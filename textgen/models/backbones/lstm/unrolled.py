"""An LSTM over a window as one straight line of operations, with its gradient written out by hand.

A loop costs a CPU more than the small products in it: here every step is laid out in the graph
once, and one thread goes through it in order. One product brings in all inputs of a window.

Equations: see :mod:`textgen.models.backbones.lstm.layer`. Gates stand in the order input, forget,
output, candidate.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

ops = tf.raw_ops


def sequence(inputs: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
    """An LSTM layer over a window.

    Args:
        inputs: (B, T, E) float32, all three static.
        kernel, recurrent, bias: (E, 4u), (u, 4u), (4u,) float32, gates in Keras' order.
        h, c: (B, u) float32.

    Returns:
        Outputs (B, T, u), the last h and the last c (B, u), all float32.
    """
    return _rows(inputs, *map(_reorder, (kernel, recurrent, bias)), h, c)


def _reorder(weights: Any) -> Any:
    i, f, g, o = tf.split(weights, 4, axis=-1)
    return tf.concat([i, f, o, g], axis=-1)


def _advance(z: Any, c: Any, units: int) -> tuple[Any, ...]:
    """Pre-activations of the gates and a cell → (sigmoid gates, candidate, new cell, its tanh),
    and the output."""
    sigmoids, candidate = tf.split(z, [3 * units, units], axis=1)
    s, g = tf.sigmoid(sigmoids), tf.tanh(candidate)
    i, f, o = tf.split(s, 3, axis=1)
    c = f * c + i * g
    squashed = tf.tanh(c)
    return (s, g, c, squashed), o * squashed


def _retreat(step: tuple[Any, ...], before: Any, d_h: Any, d_c: Any) -> tuple[Any, Any]:
    """Gradients of a step's output and cell → of its pre-activations, and of the cell before."""
    s, g, _, squashed = step
    i, f, o = tf.split(s, 3, axis=1)
    d_c = ops.TanhGrad(y=squashed, dy=d_h * o) + d_c
    d_gates = tf.concat([d_c * g, d_c * before, d_h * squashed], axis=1)
    parts = [ops.SigmoidGrad(y=s, dy=d_gates), ops.TanhGrad(y=g, dy=d_c * i)]
    return tf.concat(parts, axis=1), d_c * f


@tf.custom_gradient
def _rows(inputs: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
    forward, backward = _row_lines(*inputs.shape, recurrent.shape[0])
    by_time = tf.transpose(inputs, [1, 0, 2])
    outputs, h_last, c_last, *kept = _line(forward, by_time, kernel, recurrent, bias, h, c)

    def gradient(d_outputs: Any, d_h: Any, d_c: Any) -> Any:
        back = tf.transpose(kernel), tf.transpose(recurrent)
        # what comes from above may have lost its shape on the way
        d_by_time = tf.transpose(
            tf.ensure_shape(d_outputs, [*inputs.shape[:2], *h.shape[1:]]), [1, 0, 2]
        )
        d_inputs, *rest = _line(backward, by_time, *back, d_by_time, d_h, d_c, h, c, *kept)
        return tf.transpose(d_inputs, [1, 0, 2]), *rest

    return (tf.transpose(outputs, [1, 0, 2]), h_last, c_last), gradient


@functools.cache
def _row_lines(rows: int, steps: int, width: int, units: int) -> tuple[Any, Any]:
    def forward(by_time: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        projected = tf.matmul(tf.reshape(by_time, [steps * rows, width]), kernel) + bias
        outputs, kept = [], []
        for at_step in tf.unstack(tf.reshape(projected, [steps, rows, 4 * units])):
            step, h = _advance(tf.matmul(h, recurrent) + at_step, c, units)
            c = step[2]
            outputs.append(h)
            kept += step
        return [tf.stack(outputs), h, c, *outputs, *kept]

    def backward(
        by_time: Any, kernel: Any, recurrent: Any, d_outputs: Any, d_h: Any, d_c: Any, h: Any,
        c: Any, *kept: Any,
    ) -> Any:  # fmt: skip
        before, states = [h, *kept[: steps - 1]], kept[steps:]
        from_above, d_z = tf.unstack(d_outputs), []
        for t in reversed(range(steps)):
            step = states[4 * t : 4 * t + 4]
            cell = states[4 * t - 2] if t else c
            d, d_c = _retreat(step, cell, d_h + from_above[t], d_c)
            d_z.append(d)
            d_h = tf.matmul(d, recurrent)
        flat = tf.concat(d_z[::-1], axis=0)
        d_inputs = tf.reshape(tf.matmul(flat, kernel), [steps, rows, width])
        inputs = tf.reshape(by_time, [steps * rows, width])
        d_kernel = tf.matmul(inputs, flat, transpose_a=True)
        d_recurrent = tf.matmul(tf.concat(before, axis=0), flat, transpose_a=True)
        return [d_inputs, d_kernel, d_recurrent, tf.reduce_sum(flat, axis=0), d_h, d_c]

    return _compiled(forward), _compiled(backward)


def _compiled(line: Callable[..., Any]) -> Any:
    # not inlined: the executor below would be lost, and with it most of the speed
    return tf.function(line, autograph=False, experimental_attributes={"_noinline": True})


def _line(function: Any, *arguments: Any) -> Any:
    """Call a graph with an executor that has no queues and no locks: one thread, in order."""
    shapes = [tf.TensorSpec(each.shape, each.dtype) for each in arguments]
    graph = function.get_concrete_function(*shapes)
    return ops.PartitionedCall(
        args=arguments,
        Tout=[output.dtype for output in graph.outputs],
        f=graph,
        executor_type="SINGLE_THREADED_EXECUTOR",
    )
