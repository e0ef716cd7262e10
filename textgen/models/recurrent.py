"""Recurrent layers that train faster on a CPU than Keras' own and compute the same.

One matrix product brings in all inputs, the loop over time holds only the recurrent product, and
the gradients of training are written out by hand. Gates are in Keras' order. LSTM: Hochreiter &
Schmidhuber (1997) with the forget gate of Gers et al. (2000); input, forget, candidate, output.
GRU: Cho et al. (2014) with the reset gate behind the recurrent product, as cuDNN and Keras have it;
update, reset, candidate. Masks and dropout inside the cell are not handled. Where a GPU is visible,
Keras' cuDNN kernels are used.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from textgen.models.dropout import drop, new_seed

ops = tf.raw_ops


class FusedLSTM(keras.layers.LSTM):
    """``keras.layers.LSTM`` with the same weights and results. While training, a window of a known
    length is unrolled; everything else runs a loop that XLA can compile.

    Args:
        units: of the state.
        weight_drop: share of the recurrent weights that an update goes without, others every time
            (DropConnect of the hidden-to-hidden matrix, Merity, Keskar & Socher 2018).
    """

    def __init__(self, units: int, weight_drop: float = 0.0, **options: Any) -> None:
        super().__init__(units, return_sequences=True, return_state=True, **options)
        self.weight_drop, self.seed = weight_drop, new_seed() if weight_drop else 0

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        dropping, gpu = training and self.weight_drop, tf.config.list_logical_devices("GPU")
        if gpu and not dropping:
            return super().inner_loop(sequences, initial_state, mask, training)
        cell, (h, c) = self.cell, initial_state
        weights = cell.kernel, cell.recurrent_kernel, cell.bias
        kernel, recurrent, bias = map(tf.convert_to_tensor, weights)
        if dropping:
            recurrent = drop(recurrent, self.seed, self.weight_drop, by_row=False)
        if training and not gpu and None not in sequences.shape:
            outputs, h, c = unrolled_lstm(sequences, kernel, recurrent, bias, h, c)
        else:
            outputs, h, c = _lstm_loop(_projected(sequences, kernel, bias), recurrent, h, c)
        return h, outputs, [h, c]


class FusedGRU(keras.layers.GRU):
    """``keras.layers.GRU`` with the same weights and results."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(units, return_sequences=True, return_state=True, **options)

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        if tf.config.list_logical_devices("GPU"):
            return super().inner_loop(sequences, initial_state, mask, training)
        (h,), cell = initial_state, self.cell
        kernel, recurrent = map(tf.convert_to_tensor, (cell.kernel, cell.recurrent_kernel))
        bias, inner_bias = tf.unstack(tf.convert_to_tensor(cell.bias))
        projected = _projected(sequences, kernel, bias)
        if sequences.shape[1] == 1:
            h, _ = _gru_step(projected[0], tf.matmul(h, recurrent) + inner_bias, h)
            return h, h[:, None], [h]
        outputs, h = _gru_loop(projected, recurrent, inner_bias, h)
        return h, tf.transpose(outputs, [1, 0, 2]), [h]


class MinGRULayer(keras.layers.Layer):
    """A recurrent layer without products of its state: (B, T, n), [(B, units)] → (B, T, units),
    (B, units).

    Args:
        units: of the state.
        name: of the layer.
    """

    def __init__(self, units: int, name: str) -> None:
        super().__init__(name=name)
        self.units = units
        self.gate_candidate = keras.layers.Dense(2 * units, name="gate_candidate")

    def build(self, shape: Any) -> None:
        self.gate_candidate.build(shape)
        self.built = True

    def call(self, x: Any, initial_state: Any, training: bool = False) -> Any:
        gate, candidate = tf.split(self.gate_candidate(x), 2, axis=-1)
        update = tf.sigmoid(gate)
        states = linear_recurrence(1 - update, update * candidate, initial_state[0])
        return states, states[:, -1]


def linear_recurrence(decay: Any, added: Any, initial: Any) -> Any:
    """h[t] = decay[t] · h[t−1] + added[t] for all t at once: (B, T, n) twice, (B, n) → (B, T, n).

    Stretches twice as long are joined in every round (Hillis & Steele 1986): of two neighbours,
    (d₁, a₁) and (d₂, a₂), the joined one is (d₁ d₂, d₂ a₁ + a₂).
    """
    first = added[:, :1] + decay[:, :1] * initial[:, None]
    added, steps, reach = tf.concat([first, added[:, 1:]], axis=1), added.shape[1], 1
    while reach < steps:
        earlier = [[0, 0], [reach, 0], [0, 0]]
        added += decay * tf.pad(added[:, :-reach], earlier)
        decay *= tf.pad(decay[:, :-reach], earlier, constant_values=1.0)
        reach *= 2
    return added


def _projected(sequences: Any, kernel: Any, bias: Any) -> Any:
    """What the inputs bring to the gates: (B, T, n), (n, m), (m,) → (T, B, m)."""
    by_time = tf.transpose(sequences, [1, 0, 2])  # narrower here than after the projection
    flat = tf.reshape(by_time, [-1, by_time.shape[-1]])  # one product, not one a step
    shape = tf.concat([tf.shape(by_time)[:2], [kernel.shape[1]]], axis=0)
    return tf.reshape(tf.matmul(flat, kernel) + bias, shape)


def _lstm_loop(projected: Any, recurrent: Any, h: Any, c: Any) -> Any:
    """projected (T, B, 4u), recurrent (u, 4u), h and c (B, u) → (B, T, u), h, c."""
    steps = projected.shape[0] or tf.shape(projected)[0]

    def step(at_step: Any, h: Any, c: Any) -> tuple[Any, Any]:
        i, f, g, o = tf.split(at_step + tf.matmul(h, recurrent), 4, axis=-1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        return tf.sigmoid(o) * tf.tanh(c), c

    if projected.shape[0] == 1:
        h, c = step(projected[0], h, c)
        return h[:, None], h, c
    inputs = tf.TensorArray(projected.dtype, steps).unstack(projected)

    def body(t: Any, h: Any, c: Any, outputs: Any) -> Any:
        h, c = step(inputs.read(t), h, c)
        return t + 1, h, c, outputs.write(t, h)

    outputs = tf.TensorArray(projected.dtype, steps)
    _, h, c, outputs = tf.while_loop(
        lambda t, *_: t < steps, body, (0, h, c, outputs), maximum_iterations=steps
    )
    return tf.transpose(outputs.stack(), [1, 0, 2]), h, c


def unrolled_lstm(inputs: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
    """An LSTM over a window as one straight line of operations, with its gradient written out.

    A loop costs a CPU more than the small products in it: here every step is laid out in the graph
    once, and one thread goes through it in order. Inside, gates stand in the order input, forget,
    output, candidate.

    Args:
        inputs: (B, T, E) float32, all three static.
        kernel, recurrent, bias: (E, 4u), (u, 4u), (4u,) float32, gates in Keras' order.
        h, c: (B, u) float32.

    Returns:
        Outputs (B, T, u), the last h and the last c (B, u), all float32.
    """
    return _unrolled(inputs, *map(_reorder, (kernel, recurrent, bias)), h, c)


def _reorder(weights: Any) -> Any:
    i, f, g, o = tf.split(weights, 4, axis=-1)
    return tf.concat([i, f, o, g], axis=-1)


def _unrolled_step(z: Any, c: Any, units: int) -> tuple[Any, ...]:
    """Pre-activations of the gates and a cell → (sigmoid gates, candidate, new cell, its tanh),
    and the output."""
    sigmoids, candidate = tf.split(z, [3 * units, units], axis=1)
    s, g = tf.sigmoid(sigmoids), tf.tanh(candidate)
    i, f, o = tf.split(s, 3, axis=1)
    c = f * c + i * g
    squashed = tf.tanh(c)
    return (s, g, c, squashed), o * squashed


def _unrolled_step_gradient(
    step: tuple[Any, ...], before: Any, d_h: Any, d_c: Any
) -> tuple[Any, Any]:
    """Gradients of a step's output and cell → of its pre-activations, and of the cell before."""
    s, g, _, squashed = step
    i, f, o = tf.split(s, 3, axis=1)
    d_c = ops.TanhGrad(y=squashed, dy=d_h * o) + d_c
    d_gates = tf.concat([d_c * g, d_c * before, d_h * squashed], axis=1)
    parts = [ops.SigmoidGrad(y=s, dy=d_gates), ops.TanhGrad(y=g, dy=d_c * i)]
    return tf.concat(parts, axis=1), d_c * f


@tf.custom_gradient
def _unrolled(inputs: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
    forward, backward = _unrolled_graphs(*inputs.shape, recurrent.shape[0])
    by_time = tf.transpose(inputs, [1, 0, 2])
    outputs, h_last, c_last, *kept = _run_in_order(forward, by_time, kernel, recurrent, bias, h, c)

    def gradient(d_outputs: Any, d_h: Any, d_c: Any) -> Any:
        back = tf.transpose(kernel), tf.transpose(recurrent)
        # what comes from above may have lost its shape on the way
        d_by_time = tf.transpose(
            tf.ensure_shape(d_outputs, [*inputs.shape[:2], *h.shape[1:]]), [1, 0, 2]
        )
        d_inputs, *rest = _run_in_order(backward, by_time, *back, d_by_time, d_h, d_c, h, c, *kept)
        return tf.transpose(d_inputs, [1, 0, 2]), *rest

    return (tf.transpose(outputs, [1, 0, 2]), h_last, c_last), gradient


@functools.cache
def _unrolled_graphs(rows: int, steps: int, width: int, units: int) -> tuple[Any, Any]:
    def forward(by_time: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        projected = tf.matmul(tf.reshape(by_time, [steps * rows, width]), kernel) + bias
        outputs, kept = [], []
        for at_step in tf.unstack(tf.reshape(projected, [steps, rows, 4 * units])):
            step, h = _unrolled_step(tf.matmul(h, recurrent) + at_step, c, units)
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
            d, d_c = _unrolled_step_gradient(step, cell, d_h + from_above[t], d_c)
            d_z.append(d)
            d_h = tf.matmul(d, recurrent)
        flat = tf.concat(d_z[::-1], axis=0)
        d_inputs = tf.reshape(tf.matmul(flat, kernel), [steps, rows, width])
        inputs = tf.reshape(by_time, [steps * rows, width])
        d_kernel = tf.matmul(inputs, flat, transpose_a=True)
        d_recurrent = tf.matmul(tf.concat(before, axis=0), flat, transpose_a=True)
        return [d_inputs, d_kernel, d_recurrent, tf.reduce_sum(flat, axis=0), d_h, d_c]

    return _not_inlined(forward), _not_inlined(backward)


def _not_inlined(function: Callable[..., Any]) -> Any:
    # not inlined: the executor below would be lost, and with it most of the speed
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


def _run_in_order(function: Any, *arguments: Any) -> Any:
    """Call a graph with an executor that has no queues and no locks: one thread, in order."""
    shapes = [tf.TensorSpec(each.shape, each.dtype) for each in arguments]
    graph = function.get_concrete_function(*shapes)
    return ops.PartitionedCall(
        args=arguments,
        Tout=[output.dtype for output in graph.outputs],
        f=graph,
        executor_type="SINGLE_THREADED_EXECUTOR",
    )


def _gru_step(projected: Any, inner: Any, h: Any) -> tuple[Any, tuple[Any, Any, Any]]:
    """Inputs and state after their products (B, 3u) → the new state, and its gates."""
    x_z, x_r, x_h = tf.split(projected, 3, axis=-1)
    h_z, h_r, h_h = tf.split(inner, 3, axis=-1)
    z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
    candidate = tf.tanh(x_h + r * h_h)
    return z * h + (1 - z) * candidate, (z, r, candidate)


@tf.custom_gradient
def _gru_loop(projected: Any, recurrent: Any, inner_bias: Any, h0: Any) -> Any:
    """Run over time. projected (T, B, 3u), recurrent (u, 3u), inner_bias (3u,), h0 (B, u) →
    (T, B, u), (B, u)."""
    steps = tf.shape(projected)[0]

    def array() -> Any:
        return tf.TensorArray(projected.dtype, steps)

    def forward(t: Any, h: Any, kept: Any, outputs: Any) -> Any:
        inner = tf.matmul(h, recurrent) + inner_bias
        h, gates = _gru_step(projected[t], inner, h)
        kept = kept.write(t, tf.concat([*gates, tf.split(inner, 3, axis=-1)[2]], axis=-1))
        return t + 1, h, kept, outputs.write(t, h)

    _, h, kept, outputs = tf.while_loop(
        lambda t, *_: t < steps, forward, (0, h0, array(), array()), maximum_iterations=steps
    )
    kept, outputs = kept.stack(), outputs.stack()

    def gradient(d_outputs: Any, d_h: Any) -> Any:
        before = tf.concat([h0[None], outputs[:-1]], axis=0)

        def backward(t: Any, d_h: Any, d_pre: Any, d_inner: Any) -> Any:
            z, r, candidate, h_h = tf.split(kept[t], 4, axis=-1)
            d_h = d_h + d_outputs[t]
            d_z = d_h * (before[t] - candidate) * z * (1 - z)
            d_candidate = d_h * (1 - z) * (1 - candidate * candidate)
            d_r = d_candidate * h_h * r * (1 - r)
            inner = tf.concat([d_z, d_r, d_candidate * r], axis=-1)
            d_pre = d_pre.write(t, tf.concat([d_z, d_r, d_candidate], axis=-1))
            d_h = d_h * z + tf.matmul(inner, recurrent, transpose_b=True)
            return t - 1, d_h, d_pre, d_inner.write(t, inner)

        _, d_h, d_pre, d_inner = tf.while_loop(
            lambda t, *_: t >= 0, backward, (steps - 1, d_h, array(), array()),
            maximum_iterations=steps,
        )  # fmt: skip
        units = tf.shape(recurrent)[0]
        flat = tf.reshape(d_inner.stack(), [-1, 3 * units])
        d_recurrent = tf.matmul(tf.reshape(before, [-1, units]), flat, transpose_a=True)
        return d_pre.stack(), d_recurrent, tf.reduce_sum(flat, axis=0), d_h

    return (outputs, h), gradient
