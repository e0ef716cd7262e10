"""An LSTM over a window as one straight line of operations, with its gradient written out by hand.

A loop costs a CPU more than the small products in it: here every step is laid out in the graph
once, and one thread goes through it in order. Products of matrices go to oneDNN, which has
instructions for bfloat16 where the processor has them.

There are two layouts, each the faster one for its precision. In float32 a state is (rows, units),
and one product brings in all inputs of a window. In bfloat16 a state is (units, rows): the weights
are then the operand that tile instructions read as it lies, and inputs join the state in the
recurrent product. States, gates and what is added up in a product are float32 in both.

Equations: see :mod:`textgen.models.backbones.lstm.layer`. Gates stand in the order input, forget,
output, candidate.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

TILE = 32
"""Inputs are padded to whole tiles of so many bfloat16 numbers."""
ops = tf.raw_ops


def sequence(inputs: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, c: Any, low: bool) -> Any:
    """An LSTM layer over a window.

    Args:
        inputs: (B, T, E) float32, all three static.
        kernel, recurrent, bias: (E, 4u), (u, 4u), (4u,) float32, gates in Keras' order.
        h, c: (B, u) float32.
        low: products in bfloat16.

    Returns:
        Outputs (B, T, u), the last h and the last c (B, u), all float32.
    """
    run = _columns if low else _rows
    return run(inputs, *map(_reorder, (kernel, recurrent, bias)), h, c)


def _reorder(weights: Any) -> Any:
    i, f, g, o = tf.split(weights, 4, axis=-1)
    return tf.concat([i, f, o, g], axis=-1)


def _advance(z: Any, c: Any, units: int, axis: int) -> tuple[Any, ...]:
    """Pre-activations of the gates and a cell → (sigmoid gates, candidate, new cell, its tanh),
    and the output."""
    low, high = tf.split(z, [3 * units, units], axis=axis)
    s, g = tf.sigmoid(low), tf.tanh(high)
    i, f, o = tf.split(s, 3, axis=axis)
    c = f * c + i * g
    squashed = tf.tanh(c)
    return (s, g, c, squashed), o * squashed


def _retreat(step: tuple[Any, ...], before: Any, d_h: Any, d_c: Any, axis: int) -> tuple[Any, Any]:
    """Gradients of a step's output and cell → of its pre-activations, and of the cell before."""
    s, g, _, squashed = step
    i, f, o = tf.split(s, 3, axis=axis)
    d_c = ops.TanhGrad(y=squashed, dy=d_h * o) + d_c
    d_gates = tf.concat([d_c * g, d_c * before, d_h * squashed], axis=axis)
    parts = [ops.SigmoidGrad(y=s, dy=d_gates), ops.TanhGrad(y=g, dy=d_c * i)]
    return tf.concat(parts, axis=axis), d_c * f


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
            step, h = _advance(tf.matmul(h, recurrent) + at_step, c, units, 1)
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
            d, d_c = _retreat(step, cell, d_h + from_above[t], d_c, 1)
            d_z.append(d)
            d_h = tf.matmul(d, recurrent)
        flat = tf.concat(d_z[::-1], axis=0)
        d_inputs = tf.reshape(tf.matmul(flat, kernel), [steps, rows, width])
        inputs = tf.reshape(by_time, [steps * rows, width])
        d_kernel = tf.matmul(inputs, flat, transpose_a=True)
        d_recurrent = tf.matmul(tf.concat(before, axis=0), flat, transpose_a=True)
        return [d_inputs, d_kernel, d_recurrent, tf.reduce_sum(flat, axis=0), d_h, d_c]

    return _compiled(forward), _compiled(backward)


@tf.custom_gradient
def _columns(inputs: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
    _, _, width = inputs.shape
    units = recurrent.shape[0]
    forward, backward = _column_lines(*inputs.shape, units)
    down, up = _all_weights(kernel, recurrent, bias)
    outputs, h_last, c_last, *kept = _line(forward, _enter(inputs), up, h, c)

    def gradient(d_outputs: Any, d_h: Any, d_c: Any) -> Any:
        by_time = _to_columns(tf.ensure_shape(d_outputs, [*inputs.shape[:2], units]))
        d_inputs, d_all, d_h, d_c = _line(backward, down, by_time, d_h, d_c, c, *kept)
        sizes = [width, 1, _padding(width), units]
        d_kernel, d_bias, _, d_recurrent = tf.split(d_all, sizes)
        return _leave(d_inputs), d_kernel, d_recurrent, tf.reshape(d_bias, [-1]), d_h, d_c

    return (_leave(outputs), h_last, c_last), gradient


@functools.cache
def _column_lines(rows: int, steps: int, width: int, units: int) -> tuple[Any, Any]:
    low = tf.bfloat16

    def forward(by_time: Any, weights: Any, h: Any, c: Any) -> Any:
        h, c = tf.cast(tf.transpose(h), low), tf.transpose(c)
        outputs, read, kept = [], [], []
        for at_step in tf.unstack(by_time):
            read.append(tf.concat([at_step, h], axis=0))
            z = tf.cast(tf.matmul(weights, read[-1]), tf.float32)
            step, h = _advance(z, c, units, 0)
            c, h = step[2], tf.cast(h, low)
            outputs.append(h)
            kept += step
        last = tf.cast(tf.transpose(h), tf.float32), tf.transpose(c)
        return [tf.stack(outputs), *last, *read, *kept]

    def backward(weights: Any, d_outputs: Any, d_h: Any, d_c: Any, c: Any, *kept: Any) -> Any:
        read, states = kept[:steps], kept[steps:]
        from_above, d_z, d_inputs = tf.unstack(d_outputs), [], []
        d_h, d_c, c = tf.transpose(d_h), tf.transpose(d_c), tf.transpose(c)
        for t in reversed(range(steps)):
            step = states[4 * t : 4 * t + 4]
            cell = states[4 * t - 2] if t else c
            d, d_c = _retreat(step, cell, d_h + from_above[t], d_c, 0)
            d_z.append(tf.cast(d, low))
            sizes = [width, 1 + _padding(width), units]
            d_input, _, d_h = tf.split(tf.matmul(weights, d_z[-1]), sizes)
            d_inputs.append(d_input)
            d_h = tf.cast(d_h, tf.float32)
        flat = tf.concat(read, axis=1), tf.concat(d_z[::-1], axis=1)
        d_all = tf.cast(tf.matmul(*flat, transpose_b=True), tf.float32)
        return [tf.stack(d_inputs[::-1]), d_all, tf.transpose(d_h), tf.transpose(d_c)]

    return _compiled(forward), _compiled(backward)


def _padding(width: int) -> int:
    return -(width + 1) % TILE


@tf.function(autograph=False, jit_compile=True)
def _enter(inputs: Any) -> Any:
    """(B, T, E) float32 → (T, E + 1 + padding, B) bfloat16; the 1 multiplies the bias."""
    rows, steps, width = inputs.shape
    one = tf.ones([steps, 1, rows], tf.bfloat16)
    padding = tf.zeros([steps, _padding(width), rows], tf.bfloat16)
    return tf.concat([tf.cast(_to_columns(inputs), tf.bfloat16), one, padding], axis=1)


@tf.function(autograph=False, jit_compile=True)
def _to_columns(inputs: Any) -> Any:
    """(B, T, n) → (T, n, B)."""
    return tf.transpose(inputs, [1, 2, 0])


@tf.function(autograph=False, jit_compile=True)
def _leave(columns: Any) -> Any:
    """(T, n, B) bfloat16 → (B, T, n) float32."""
    return tf.cast(tf.transpose(columns, [2, 0, 1]), tf.float32)


@tf.function(autograph=False, jit_compile=True)
def _all_weights(kernel: Any, recurrent: Any, bias: Any) -> Any:
    """All weights as one bfloat16 matrix (E + 1 + padding + u, 4u), and its transpose."""
    padding = tf.zeros([_padding(kernel.shape[0]), kernel.shape[1]])
    down = tf.cast(tf.concat([kernel, bias[None], padding, recurrent], axis=0), tf.bfloat16)
    return down, tf.transpose(down)


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
