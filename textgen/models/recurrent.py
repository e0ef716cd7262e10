"""Recurrent layers that train faster on a CPU than Keras' own and compute the same.

A loop costs a CPU more than the small products in it. So where gradients are taken, a window is one
straight line of operations that one thread goes through in order, with its gradient written out by
hand. Everywhere else, and on a GPU, Keras' own kernels are used. LSTM: Hochreiter & Schmidhuber
(1997) with the forget gate of Gers et al. (2000). GRU: Cho et al. (2014) with the reset gate behind
the recurrent product, as cuDNN and Keras have it. Masks are not handled.
"""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from textgen.core.context import temporarily
from textgen.models.output import dense_layer
from textgen.models.types import Tensor, Tensors

Graph: TypeAlias = "tf.types.experimental.PolymorphicFunction"
ops = tf.raw_ops
_gradients_wanted = ContextVar("gradients_wanted", default=False)


def gradients_wanted() -> AbstractContextManager[None]:
    """Within the block, layers unroll their windows as they do in training."""
    return temporarily(_gradients_wanted, True)


class LSTMCell:
    """One step and its gradient; gates in the order input, forget, output, candidate.

    All tensors are float32, of (B, units) or, for the gates, of several times as many units.
    """

    def reordered(self, weights: Tensor) -> Tensor:
        """Weights (…, 4 · units) whose gates come in Keras' order."""
        i, f, g, o = tf.split(weights, 4, axis=-1)
        return tf.concat([i, f, o, g], axis=-1)

    def step(self, projected: Tensor, inner: Tensor, state: Tensors) -> Tensors:
        """What the input and the output before bring to the gates, and the state → the state after
        the step, followed by what its gradient needs besides. A state may be followed by more."""
        units = state[0].shape[1]
        sigmoids, candidate = tf.split(inner + projected, [3 * units, units], axis=1)
        s, g = tf.sigmoid(sigmoids), tf.tanh(candidate)
        i, f, o = tf.split(s, 3, axis=1)
        c = f * state[1] + i * g
        squashed = tf.tanh(c)
        return o * squashed, c, s, g, squashed

    def gradient(self, step: Tensors, prior: Tensors, d_state: Tensors, weights: Tensor) -> Tensors:
        """Gradients of the state after a step → of ``projected``, of ``inner``, and of the state
        prior to it, from which recurrent weights, here transposed, lead to ``inner``."""
        (_, _, s, g, squashed), (d_h, d_c) = step, d_state
        i, f, o = tf.split(s, 3, axis=1)
        d_c = ops.TanhGrad(y=squashed, dy=d_h * o) + d_c
        d_gates = tf.concat([d_c * g, d_c * prior[1], d_h * squashed], axis=1)
        d = tf.concat([ops.SigmoidGrad(y=s, dy=d_gates), ops.TanhGrad(y=g, dy=d_c * i)], axis=1)
        return d, d, tf.matmul(d, weights), d_c * f


class GRUCell:
    """As :class:`LSTMCell`, with gates in Keras' order: update, reset, candidate."""

    def reordered(self, weights: Tensor) -> Tensor:
        return weights

    def step(self, projected: Tensor, inner: Tensor, state: Tensors) -> Tensors:
        units = state[0].shape[1]
        x_s, x_g = tf.split(projected, [2 * units, units], axis=1)
        h_s, h_g = tf.split(inner, [2 * units, units], axis=1)
        s = tf.sigmoid(x_s + h_s)
        z, r = tf.split(s, 2, axis=1)
        g = tf.tanh(x_g + r * h_g)
        return z * state[0] + (1 - z) * g, s, g, h_g

    def gradient(self, step: Tensors, prior: Tensors, d_state: Tensors, weights: Tensor) -> Tensors:
        (_, s, g, h_g), (d_h,) = step, d_state
        z, r = tf.split(s, 2, axis=1)
        d_g = ops.TanhGrad(y=g, dy=d_h * (1 - z))
        d_s = ops.SigmoidGrad(y=s, dy=tf.concat([d_h * (prior[0] - g), d_g * h_g], axis=1))
        d_inner = tf.concat([d_s, d_g * r], axis=1)
        return tf.concat([d_s, d_g], axis=1), d_inner, d_h * z + tf.matmul(d_inner, weights)


Cell: TypeAlias = LSTMCell | GRUCell


class _Unrolled(keras.layers.RNN):
    """Chooses the kernel of a layer of Keras'."""

    kind: Cell

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(units, return_sequences=True, return_state=True, **options)

    def inner_loop(
        self, sequences: Tensor, initial_state: Tensors, mask: None, training: bool = False
    ) -> tuple[Tensor, Tensor, Tensors]:
        """(B, T, n) float32, (B, units) each → the last output (B, units), all of them (B, T,
        units), and the state after."""
        gpu = tf.config.list_logical_devices("GPU")
        if not gpu and (training or _gradients_wanted.get()):
            weights = [*map(tf.convert_to_tensor, self.cell.weights)]  # kernel, recurrent, bias
            outputs, *state = unroll(self.kind, sequences, weights, initial_state)
        elif sequences.shape[1] == 1 and not gpu:
            output, state = self.cell(sequences[:, 0], initial_state)
            outputs = output[:, None]
        else:
            return super().inner_loop(sequences, initial_state, mask, training)
        return state[0], outputs, state


class UnrolledLSTM(_Unrolled, keras.layers.LSTM):
    """``keras.layers.LSTM`` with the same weights and results."""

    kind = LSTMCell()


class UnrolledGRU(_Unrolled, keras.layers.GRU):
    """``keras.layers.GRU`` with the same weights and results."""

    kind = GRUCell()


def unroll(cell: Cell, inputs: Tensor, weights: Tensors, state: Tensors) -> Tensors:
    """A cell over a window.

    Args:
        cell: one step and its gradient.
        inputs: (B, T, E) float32, all three static.
        weights: kernel (E, m), recurrent kernel (u, m) and bias, float32, gates in Keras' order.
            The bias is (m,), or (2, m) for that of inputs and that of the output before.
        state: before the window, (B, u) float32 each.

    Returns:
        Outputs (B, T, u) float32, and the state after the window.
    """
    forward, backward = _graphs(cell, *inputs.shape, len(state))

    @tf.custom_gradient
    def run(inputs: Tensor, *arguments: Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
        kernel, recurrent, bias, *first = arguments
        by_time = tf.transpose(inputs, [1, 0, 2])
        outputs, *rest = _run_in_order(forward, by_time, *arguments)

        def gradient(d_outputs: Tensor, *d_state: Tensor) -> Tensors:
            # what comes from above may have lost its shape on the way
            d_outputs = tf.ensure_shape(d_outputs, [*inputs.shape[:2], recurrent.shape[0]])
            d_outputs = tf.transpose(d_outputs, [1, 0, 2])
            weights = tf.transpose(kernel), tf.transpose(recurrent), bias
            known = (*weights, d_outputs, *d_state, *first, *rest[len(first) :])
            d_inputs, *d_rest = _run_in_order(backward, by_time, *known)
            return tf.transpose(d_inputs, [1, 0, 2]), *d_rest

        return (tf.transpose(outputs, [1, 0, 2]), *rest[: len(first)]), gradient

    return run(inputs, *map(cell.reordered, weights), *state)


@functools.cache
def _graphs(cell: Cell, rows: int, steps: int, width: int, states: int) -> tuple[Graph, Graph]:
    """A window forward and backward, time being the first axis."""

    def forward(by_time: Tensor, *arguments: Tensor) -> Tensors:
        kernel, recurrent, bias, *step = arguments
        bias, *inner_bias = tf.unstack(tf.reshape(bias, [-1, kernel.shape[1]]))
        projected = tf.matmul(tf.reshape(by_time, [steps * rows, width]), kernel) + bias
        outputs, stored = [], []
        for at_step in tf.unstack(tf.reshape(projected, [steps, rows, -1])):
            inner = tf.matmul(step[0], recurrent)
            if inner_bias:
                inner += inner_bias[0]
            step = [*cell.step(at_step, inner, step)]
            outputs.append(step[0])
            stored += step
        return [tf.stack(outputs), *step[:states], *stored]

    def backward(by_time: Tensor, *arguments: Tensor) -> Tensors:
        kernel, recurrent, bias, d_outputs, *rest = arguments
        d_state, stored = rest[:states], rest[2 * states :]
        number = len(stored) // steps
        history = [stored[start : start + number] for start in range(0, len(stored), number)]
        before = [rest[states : 2 * states], *history[:-1]]
        d_projected, d_inner = [], []
        for t, from_above in reversed([*enumerate(tf.unstack(d_outputs))]):
            d_state[0] += from_above
            d, d_recurrent, *d_state = cell.gradient(history[t], before[t], d_state, recurrent)
            d_projected.append(d)
            d_inner.append(d_recurrent)
        flat = flat_inner = tf.concat(d_projected[::-1], axis=0)
        if d_inner[0] is not d_projected[0]:
            flat_inner = tf.concat(d_inner[::-1], axis=0)
        d_bias = [tf.reduce_sum(d, axis=0) for d in (flat, flat_inner)]
        outputs = tf.concat([state[0] for state in before], axis=0)
        return [
            tf.reshape(tf.matmul(flat, kernel), [steps, rows, width]),
            tf.matmul(tf.reshape(by_time, [steps * rows, width]), flat, transpose_a=True),
            tf.matmul(outputs, flat_inner, transpose_a=True),
            tf.stack(d_bias) if bias.shape.rank == 2 else d_bias[0],
            *d_state,
        ]

    # not inlined: the executor below would be lost, and with it most of the speed
    options = {"autograph": False, "experimental_attributes": {"_noinline": True}}
    return tf.function(forward, **options), tf.function(backward, **options)


def _run_in_order(function: Graph, *arguments: Tensor) -> Tensors:
    """Call a graph with an executor that has no queues and no locks: one thread, in order."""
    graph = function.get_concrete_function(*arguments)
    types = [output.dtype for output in graph.outputs]
    executor = "SINGLE_THREADED_EXECUTOR"
    return ops.PartitionedCall(args=arguments, Tout=types, f=graph, executor_type=executor)


class MinGRULayer(keras.layers.Layer):
    """A recurrent layer without products of its state: (B, T, n), [(B, units)] → (B, T, units),
    (B, units), float32.

    Args:
        units: of the state.
        name: of the layer.
    """

    def __init__(self, units: int, name: str) -> None:
        super().__init__(name=name)
        self.units = units

    def build(self, shape: tuple[None, None, int]) -> None:
        self.gate_candidate = dense_layer(2 * self.units, shape[-1], "gate_candidate")
        self.built = True

    def get_initial_state(self, batch: int) -> Tensors:
        return [tf.zeros((batch, self.units))]

    def call(self, x: Tensor, initial_state: Tensors, training: bool = False) -> Tensors:
        gate, candidate = tf.split(self.gate_candidate(x), 2, axis=-1)
        update = tf.sigmoid(gate)
        states = linear_recurrence(1 - update, update * candidate, initial_state[0])
        return states, states[:, -1]


def linear_recurrence(decay: Tensor, added: Tensor, initial: Tensor) -> Tensor:
    """h[t] = decay[t] · h[t−1] + added[t] for all t at once: (B, T, n) twice, (B, n) → (B, T,
    n), float32.

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
