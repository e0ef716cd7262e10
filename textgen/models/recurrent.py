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
            return h, outputs, [h, c]
        projected, nothing = _projected(sequences, kernel, bias), tf.zeros_like(bias)
        outputs, state = _over_time(_LSTMCell, projected, recurrent, nothing, [h, c])
        return state[0], outputs, state


class FusedGRU(keras.layers.GRU):
    """``keras.layers.GRU`` with the same weights and results."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(units, return_sequences=True, return_state=True, **options)

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        if tf.config.list_logical_devices("GPU"):
            return super().inner_loop(sequences, initial_state, mask, training)
        cell = self.cell
        kernel, recurrent = map(tf.convert_to_tensor, (cell.kernel, cell.recurrent_kernel))
        bias, inner_bias = tf.unstack(tf.convert_to_tensor(cell.bias))
        projected = _projected(sequences, kernel, bias)
        outputs, state = _over_time(_GRUCell, projected, recurrent, inner_bias, [*initial_state])
        return state[0], outputs, state


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


class _LSTMCell:
    """One step of a loop, and its gradient."""

    @staticmethod
    def step(projected: Any, inner: Any, state: Any) -> tuple[list[Any], Any]:
        """What the input and the output before bring to the gates, and the state → the state after
        it, and what the gradient needs."""
        i, f, g, o = tf.split(projected + inner, 4, axis=-1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        c = f * state[1] + i * g
        squashed = tf.tanh(c)
        return [o * squashed, c], tf.concat([i, f, g, o, squashed], axis=-1)

    @staticmethod
    def gradient(kept: Any, before: list[Any], d_state: list[Any]) -> tuple[Any, Any, list[Any]]:
        """Gradients of the state after the step → of ``projected``, of ``inner``, and of the state
        before, without its way through ``inner``."""
        i, f, g, o, squashed = tf.split(kept, 5, axis=-1)
        d_h, d_c = d_state
        d_c += d_h * o * (1 - squashed * squashed)
        d = tf.concat(
            [
                d_c * g * i * (1 - i),
                d_c * before[1] * f * (1 - f),
                d_c * i * (1 - g * g),
                d_h * squashed * o * (1 - o),
            ],
            axis=-1,
        )
        return d, d, [tf.zeros_like(d_h), d_c * f]


class _GRUCell:
    """As :class:`_LSTMCell`."""

    @staticmethod
    def step(projected: Any, inner: Any, state: Any) -> tuple[list[Any], Any]:
        x_z, x_r, x_h = tf.split(projected, 3, axis=-1)
        h_z, h_r, h_h = tf.split(inner, 3, axis=-1)
        z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
        candidate = tf.tanh(x_h + r * h_h)
        return [z * state[0] + (1 - z) * candidate], tf.concat([z, r, candidate, h_h], axis=-1)

    @staticmethod
    def gradient(kept: Any, before: list[Any], d_state: list[Any]) -> tuple[Any, Any, list[Any]]:
        z, r, candidate, h_h = tf.split(kept, 4, axis=-1)
        d_h = d_state[0]
        d_z = d_h * (before[0] - candidate) * z * (1 - z)
        d_candidate = d_h * (1 - z) * (1 - candidate * candidate)
        d_r = d_candidate * h_h * r * (1 - r)
        d_inner = tf.concat([d_z, d_r, d_candidate * r], axis=-1)
        return tf.concat([d_z, d_r, d_candidate], axis=-1), d_inner, [d_h * z]


def _over_time(
    cell: Any, projected: Any, recurrent: Any, bias: Any, state: list[Any]
) -> tuple[Any, list[Any]]:
    """A cell over a window.

    Args:
        cell: the step and its gradient.
        projected: (T, B, m), what the inputs bring.
        recurrent, bias: (u, m), (m,), of the output before.
        state: before the window, (B, u) each.

    Returns:
        Outputs (B, T, u), and the state after the window.
    """
    if projected.shape[0] == 1:
        state, _ = cell.step(projected[0], tf.matmul(state[0], recurrent) + bias, state)
        return state[0][:, None], state
    history, *state = _loop(cell)(projected, recurrent, bias, *state)
    return tf.transpose(history, [1, 0, 2]), state


def _loop(cell: Any) -> Any:
    """The loop of :func:`_over_time`: outputs (T, B, u), and the state after it. The gradient of
    the recurrent weights is one product over all steps."""

    @tf.custom_gradient
    def loop(projected: Any, recurrent: Any, bias: Any, *initial: Any) -> Any:
        steps = tf.shape(projected)[0]

        def arrays(number: int) -> list[Any]:
            return [tf.TensorArray(projected.dtype, steps) for _ in range(number)]

        def write(to: Any, t: Any, values: Any) -> list[Any]:
            return [array.write(t, value) for array, value in zip(to, values, strict=True)]

        def forward(t: Any, state: Any, written: Any) -> Any:
            inner = tf.matmul(state[0], recurrent) + bias
            state, kept = cell.step(projected[t], inner, state)
            return t + 1, state, write(written, t, [*state, kept])

        _, state, written = tf.while_loop(
            lambda t, *_: t < steps, forward, (0, [*initial], arrays(len(initial) + 1)),
            maximum_iterations=steps,
        )  # fmt: skip
        *history, kept = (array.stack() for array in written)

        def gradient(d_outputs: Any, *d_state: Any) -> Any:
            pairs = zip(initial, history, strict=True)
            before = [tf.concat([first[None], each[:-1]], axis=0) for first, each in pairs]

            def backward(t: Any, d_state: Any, written: Any) -> Any:
                d_state = [d_state[0] + d_outputs[t], *d_state[1:]]
                given = kept[t], [each[t] for each in before], d_state
                d_projected, d_inner, d_state = cell.gradient(*given)
                d_h = d_state[0] + tf.matmul(d_inner, recurrent, transpose_b=True)
                return t - 1, [d_h, *d_state[1:]], write(written, t, [d_projected, d_inner])

            _, d_state, written = tf.while_loop(
                lambda t, *_: t >= 0, backward, (steps - 1, [*d_state], arrays(2)),
                maximum_iterations=steps,
            )  # fmt: skip
            d_projected, d_inner = (array.stack() for array in written)
            flat = tf.reshape(d_inner, [-1, recurrent.shape[1]])
            outputs = tf.reshape(before[0], [-1, recurrent.shape[0]])
            d_recurrent = tf.matmul(outputs, flat, transpose_a=True)
            return d_projected, d_recurrent, tf.reduce_sum(flat, axis=0), *d_state

        return (history[0], *state), gradient

    return loop


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
