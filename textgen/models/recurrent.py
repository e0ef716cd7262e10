"""Recurrent layers that train faster on a CPU than Keras' own and compute the same.

A loop costs a CPU more than the small products in it. So where gradients are taken, a window is one
straight line of operations that one thread goes through in order, with its gradient written out by
hand. Everywhere else, and on a GPU, Keras' own kernels are used. LSTM: Hochreiter & Schmidhuber
(1997) with the forget gate of Gers et al. (2000). GRU: Cho et al. (2014) with the reset gate behind
the recurrent product, as cuDNN and Keras have it. Masks are not handled.
"""

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from textgen.core.context import temporarily
from textgen.core.numbers import ceil_div, even_parts
from textgen.models.output import dense_layer
from textgen.models.types import Config, Tensor, Tensors

Graph: TypeAlias = "tf.types.experimental.PolymorphicFunction"
ops = tf.raw_ops
# A longer window is several graphs of at most so many steps, which share a trace where they are
# equally long: to trace a step and its gradient takes about 40 ms.
MAX_STEPS = 48
_gradients_wanted = ContextVar("gradients_wanted", default=False)


def gradients_wanted() -> AbstractContextManager[None]:
    """Within the block, layers unroll their windows as they do in training."""
    return temporarily(_gradients_wanted, True)


class LSTMCell:
    """One step of B rows and u units, and its gradient; the state is the output h and the memory c.

    All tensors are float32. The four gates come in the order input, forget, output, candidate, so
    that those with the same activation lie side by side.
    """

    # whether a gate sees the sum of what the input and the output before bring to it, so that both
    # have the same gradient
    sums_input_and_output = True

    def reordered(self, weights: Tensor) -> Tensor:
        """(…, 4u) with the gates in Keras' order → (…, 4u) in the order of this class."""
        i, f, g, o = tf.split(weights, 4, axis=-1)
        return tf.concat([i, f, o, g], axis=-1)

    def step(
        self, from_input: Tensor, from_output: Tensor, before: Tensors
    ) -> tuple[Tensors, Tensors]:
        """The state after a step.

        Args:
            from_input: (B, 4u), what the input brings to the gates, with the bias.
            from_output: (B, 4u), what the output of the step before brings.
            before: h and c, (B, u) each.

        Returns:
            h and c (B, u); and what the gradient needs: the gates i, f, o (B, 3u), the candidate
            (B, u) and tanh(c) (B, u).
        """
        _, c = before
        units = c.shape[1]
        sums_of_gates, sum_of_candidate = tf.split(from_output + from_input, [3 * units, units], 1)
        gates = tf.sigmoid(sums_of_gates)
        candidate = tf.tanh(sum_of_candidate)
        i, f, o = tf.split(gates, 3, axis=1)
        c = f * c + i * candidate
        squashed = tf.tanh(c)
        return [o * squashed, c], [gates, candidate, squashed]

    def gradient(
        self, kept: Tensors, before: Tensors, d_after: Tensors, recurrent: Tensor
    ) -> tuple[Tensor, Tensor, Tensors]:
        """The gradient of a step.

        Args:
            kept: by :meth:`step` for it.
            before: the state before the step.
            d_after: gradients of the state after it, (B, u) each.
            recurrent: (4u, u), the recurrent kernel, transposed.

        Returns:
            Gradients of ``from_input`` and of ``from_output``, (B, 4u) each, and of the state
            before, (B, u) each.
        """
        gates, candidate, squashed = kept
        i, f, o = tf.split(gates, 3, axis=1)
        _, c_before = before
        d_h, d_c = d_after
        d_c = ops.TanhGrad(y=squashed, dy=d_h * o) + d_c
        d_gates = tf.concat([d_c * candidate, d_c * c_before, d_h * squashed], axis=1)
        d_sums_of_gates = ops.SigmoidGrad(y=gates, dy=d_gates)
        d_sum_of_candidate = ops.TanhGrad(y=candidate, dy=d_c * i)
        d_sums = tf.concat([d_sums_of_gates, d_sum_of_candidate], axis=1)
        return d_sums, d_sums, [tf.matmul(d_sums, recurrent), d_c * f]


class GRUCell:
    """As :class:`LSTMCell`, with three gates in Keras' order: update, reset, candidate. The state
    is the output h alone."""

    # the reset gate has a say in what the output before brings to the candidate
    sums_input_and_output = False

    def reordered(self, weights: Tensor) -> Tensor:
        """(…, 3u), as they are."""
        return weights

    def step(
        self, from_input: Tensor, from_output: Tensor, before: Tensors
    ) -> tuple[Tensors, Tensors]:
        """As :meth:`LSTMCell.step`, of (B, 3u) twice. Kept are the gates (B, 2u), the candidate
        (B, u) and what the output before brings to it (B, u)."""
        (h,) = before
        units = h.shape[1]
        input_to_gates, input_to_candidate = tf.split(from_input, [2 * units, units], axis=1)
        output_to_gates, output_to_candidate = tf.split(from_output, [2 * units, units], axis=1)
        gates = tf.sigmoid(input_to_gates + output_to_gates)
        update, reset = tf.split(gates, 2, axis=1)
        candidate = tf.tanh(input_to_candidate + reset * output_to_candidate)
        after = update * h + (1 - update) * candidate
        return [after], [gates, candidate, output_to_candidate]

    def gradient(
        self, kept: Tensors, before: Tensors, d_after: Tensors, recurrent: Tensor
    ) -> tuple[Tensor, Tensor, Tensors]:
        """As :meth:`LSTMCell.gradient`, with a transposed recurrent kernel (3u, u)."""
        gates, candidate, output_to_candidate = kept
        update, reset = tf.split(gates, 2, axis=1)
        (h_before,) = before
        (d_h,) = d_after
        d_candidate = ops.TanhGrad(y=candidate, dy=d_h * (1 - update))
        d_update_and_reset = [d_h * (h_before - candidate), d_candidate * output_to_candidate]
        d_gates = ops.SigmoidGrad(y=gates, dy=tf.concat(d_update_and_reset, axis=1))
        d_from_input = tf.concat([d_gates, d_candidate], axis=1)
        d_from_output = tf.concat([d_gates, d_candidate * reset], axis=1)
        d_before = d_h * update + tf.matmul(d_from_output, recurrent)
        return d_from_input, d_from_output, [d_before]


Cell: TypeAlias = LSTMCell | GRUCell


class _Unrolled(keras.layers.RNN):
    """A layer of Keras' that reads a window by :func:`unroll` where a CPU needs gradients."""

    unrolled_cell: Cell

    def __init__(self, units: int, **options: Any) -> None:
        options |= {"return_sequences": True, "return_state": True}
        super().__init__(units, **options)

    def inner_loop(
        self, sequences: Tensor, initial_state: Tensors, mask: None, training: bool = False
    ) -> tuple[Tensor, Tensor, Tensors]:
        """(B, T, n) float32, (B, units) each → the last output (B, units), all of them (B, T,
        units), and the state after."""
        gpu = tf.config.list_logical_devices("GPU")
        if not gpu and (training or _gradients_wanted.get()):
            weights = [tf.convert_to_tensor(weight) for weight in self.cell.weights]
            outputs, *state = unroll(self.unrolled_cell, sequences, weights, initial_state)
        elif sequences.shape[1] == 1 and not gpu:
            output, state = self.cell(sequences[:, 0], initial_state)
            outputs = output[:, None]
        else:
            return super().inner_loop(sequences, initial_state, mask, training)
        return state[0], outputs, state


@keras.saving.register_keras_serializable(package="textgen")
class UnrolledLSTM(_Unrolled, keras.layers.LSTM):
    """``keras.layers.LSTM`` with the same weights and results."""

    unrolled_cell = LSTMCell()


@keras.saving.register_keras_serializable(package="textgen")
class UnrolledGRU(_Unrolled, keras.layers.GRU):
    """``keras.layers.GRU`` with the same weights and results."""

    unrolled_cell = GRUCell()


def unroll(cell: Cell, inputs: Tensor, weights: Tensors, state: Tensors) -> Tensors:
    """A cell over a window.

    Args:
        cell: one step and its gradient, with m numbers for the gates of a row.
        inputs: (B, T, E) float32, all three static.
        weights: kernel (E, m), recurrent kernel (u, m) and bias, float32, gates in Keras' order.
            The bias is (m,), or (2, m) for that of inputs and that of the output before.
        state: before the window, (B, u) float32 each.

    Returns:
        Outputs (B, T, u) float32, and the state after the window, (B, u) each.
    """
    in_order = [cell.reordered(each) for each in weights]
    outputs = list[Tensor]()  # (B, t, u) of each part
    steps = inputs.shape[1]
    for part in tf.split(inputs, even_parts(steps, ceil_div(steps, MAX_STEPS)), axis=1):
        of_part, *state = _unroll_part(cell, part, in_order, state)
        outputs.append(of_part)
    return tf.concat(outputs, axis=1), *state


def _unroll_part(cell: Cell, inputs: Tensor, weights: Tensors, state: Tensors) -> Tensors:
    """As :func:`unroll`, in one graph, with gates in the order of the cell."""
    forward, backward = _graphs(cell)

    @tf.custom_gradient
    def run(
        inputs: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor, *state: Tensor
    ) -> tuple[Tensors, Callable[..., Tensors]]:
        by_time = tf.transpose(inputs, [1, 0, 2])  # (T, B, E)
        outputs, states, kept = _run_in_order(forward, by_time, [kernel, recurrent, bias], state)

        def gradient(d_outputs: Tensor, *d_state: Tensor) -> Tensors:
            rows, steps, _ = inputs.shape
            # what comes from above may have lost its shape on the way
            d_outputs = tf.ensure_shape(d_outputs, [rows, steps, recurrent.shape[0]])
            d_inputs, d_weights, d_before = _run_in_order(
                backward,
                by_time,
                [tf.transpose(kernel), tf.transpose(recurrent), bias],
                [state, *states[:-1]],
                kept,
                tf.transpose(d_outputs, [1, 0, 2]),
                d_state,
            )
            return tf.transpose(d_inputs, [1, 0, 2]), *d_weights, *d_before

        return (tf.transpose(outputs, [1, 0, 2]), *states[-1]), gradient

    return run(inputs, *weights, *state)


@functools.cache
def _graphs(cell: Cell) -> tuple[Graph, Graph]:
    """:func:`_forward` and :func:`_backward` of a cell as graphs."""
    # not inlined: the executor below would be lost, and with it most of the speed
    options = {"autograph": False, "experimental_attributes": {"_noinline": True}}
    forward = tf.function(functools.partial(_forward, cell), **options)
    backward = tf.function(functools.partial(_backward, cell), **options)
    return forward, backward


def _forward(
    cell: Cell, by_time: Tensor, weights: Tensors, state: Tensors
) -> tuple[Tensor, list[Tensors], list[Tensors]]:
    """A window of T steps of B rows, E numbers each, and m numbers for the gates of a row.

    Args:
        cell: makes a step.
        by_time: (T, B, E), the inputs, with time as the first axis.
        weights: as :func:`unroll` takes them, gates in the order of the cell.
        state: before the window.

    Returns:
        Outputs (T, B, u); of each step the state after it, and what the cell keeps.
    """
    steps, rows, width = by_time.shape
    kernel, recurrent, bias = weights
    if cell.sums_input_and_output:
        bias_of_input = bias
        bias_of_output = None
    else:
        bias_of_input, bias_of_output = tf.unstack(bias)
    inputs = tf.reshape(by_time, [steps * rows, width])
    from_inputs = tf.matmul(inputs, kernel) + bias_of_input  # (T · B, m)
    states = list[Tensors]()
    kept = list[Tensors]()
    for from_input in tf.unstack(tf.reshape(from_inputs, [steps, rows, -1])):  # (B, m)
        from_output = tf.matmul(state[0], recurrent)  # (B, m)
        if bias_of_output is not None:
            from_output += bias_of_output
        state, kept_of_step = cell.step(from_input, from_output, state)
        states.append(state)
        kept.append(kept_of_step)
    outputs = tf.stack([state[0] for state in states])
    return outputs, states, kept


def _backward(
    cell: Cell,
    by_time: Tensor,
    transposed: Tensors,
    before: Sequence[Tensors],
    kept: Sequence[Tensors],
    d_outputs: Tensor,
    d_state: Tensors,
) -> tuple[Tensor, Tensors, Tensors]:
    """Gradients of the inputs (T, B, E), of the weights and of the state before the window.

    Args:
        cell: has made the steps.
        by_time: (T, B, E), the inputs.
        transposed: kernel (m, E), recurrent kernel (m, u), and the bias as it is.
        before: of each step the state before it.
        kept: of each step what the cell has kept.
        d_outputs: (T, B, u), gradients of the outputs.
        d_state: gradients of the state after the window.
    """
    steps, rows, width = by_time.shape
    kernel, recurrent, _ = transposed
    d_output_of_step = tf.unstack(d_outputs)
    # of each step, (B, m) each; from the last step to the first
    d_from_inputs = list[Tensor]()
    d_from_outputs = list[Tensor]()
    for step in reversed(range(steps)):
        d_after = [d_state[0] + d_output_of_step[step], *d_state[1:]]
        d_from_input, d_from_output, d_state = cell.gradient(
            kept[step], before[step], d_after, recurrent
        )
        d_from_inputs.append(d_from_input)
        d_from_outputs.append(d_from_output)
    d_from_input = tf.concat(d_from_inputs[::-1], axis=0)  # (T · B, m)
    d_bias = tf.reduce_sum(d_from_input, axis=0)
    if cell.sums_input_and_output:
        d_from_output = d_from_input
    else:
        d_from_output = tf.concat(d_from_outputs[::-1], axis=0)
        d_bias = tf.stack([d_bias, tf.reduce_sum(d_from_output, axis=0)])
    inputs = tf.reshape(by_time, [steps * rows, width])
    outputs_before = tf.concat([state[0] for state in before], axis=0)  # (T · B, u)
    d_kernel = tf.matmul(inputs, d_from_input, transpose_a=True)
    d_recurrent = tf.matmul(outputs_before, d_from_output, transpose_a=True)
    d_inputs = tf.reshape(tf.matmul(d_from_input, kernel), [steps, rows, width])
    return d_inputs, [d_kernel, d_recurrent, d_bias], d_state


def _run_in_order(function: Graph, *arguments: Tensor | Sequence[Tensor]) -> Any:
    """Call a graph with an executor that has no queues and no locks: one thread, in order."""
    graph = function.get_concrete_function(*arguments)
    results = ops.PartitionedCall(
        args=tf.nest.flatten(arguments),
        Tout=[output.dtype for output in graph.outputs],
        f=graph,
        executor_type="SINGLE_THREADED_EXECUTOR",
    )
    return tf.nest.pack_sequence_as(graph.structured_outputs, results)


@keras.saving.register_keras_serializable(package="textgen")
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

    def get_config(self) -> Config:
        return {"units": self.units, "name": self.name}

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
    steps = added.shape[1]
    first = added[:, :1] + decay[:, :1] * initial[:, None]
    added = tf.concat([first, added[:, 1:]], axis=1)
    reach = 1  # steps of a stretch, which ends at each t
    while reach < steps:
        # of the stretch that ends where this one begins; before the first there is none
        before_the_first = [[0, 0], [reach, 0], [0, 0]]
        added_before = tf.pad(added[:, :-reach], before_the_first)
        decay_before = tf.pad(decay[:, :-reach], before_the_first, constant_values=1.0)
        added += decay * added_before
        decay *= decay_before
        reach *= 2
    return added
