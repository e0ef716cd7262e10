"""An LSTM layer that trains faster on a CPU than Keras' own and computes the same.

One matrix product brings in all inputs, the loop over time holds only the recurrent product, and
the gradient is written out by hand so that the gradient of the recurrent kernel is one product
over all steps. Equations: Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al.
(2000); gates in Keras' order: input, forget, candidate, output.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from textgen.models.backbones.lstm.unrolled import sequence
from textgen.models.dropout import drop, new_seed


class FusedLSTM(keras.layers.LSTM):
    """``keras.layers.LSTM`` with the same weights and results, for CPU and XLA.

    While training, a window of a known length is unrolled; everything else runs a loop that XLA can
    compile. Masks and dropout inside the cell are not handled. Where a GPU is visible the parent's
    cuDNN kernel is used.
    """

    weight_drop = 0.0
    """See :meth:`drop_weights`."""

    def drop_weights(self, rate: float) -> None:
        """While training, do without a share of the recurrent weights, others at every update
        (DropConnect of the hidden-to-hidden matrix, Merity, Keskar & Socher 2018)."""
        self.weight_drop, self.seed = rate, new_seed()

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        dropping, gpu = training and self.weight_drop, tf.config.list_logical_devices("GPU")
        if gpu and not dropping:
            return super().inner_loop(sequences, initial_state, mask, training)
        cell = self.cell
        h, c = initial_state
        recurrent = tf.convert_to_tensor(cell.recurrent_kernel)
        if dropping:
            recurrent = drop(recurrent, self.seed, self.weight_drop, by_row=False)
        if sequences.shape[1] == 1:
            projected = tf.matmul(sequences[:, 0], cell.kernel) + cell.bias
            gates = _gates(projected + tf.matmul(h, recurrent))
            h, c = _advance(gates, c)
            return h, h[:, None], [h, c]
        if training and not gpu and None not in sequences.shape:
            kernel, bias = tf.convert_to_tensor(cell.kernel), tf.convert_to_tensor(cell.bias)
            outputs, h, c = sequence(sequences, kernel, recurrent, bias, h, c)
            return h, outputs, [h, c]
        by_time = tf.transpose(sequences, [1, 0, 2])  # narrower here than after the projection
        flat = tf.reshape(by_time, [-1, by_time.shape[-1]])  # one product, not one a step
        projected = tf.reshape(
            tf.matmul(flat, cell.kernel) + cell.bias,
            tf.concat([tf.shape(by_time)[:2], [4 * self.units]], axis=0),
        )
        outputs, h, c = _sequence(projected, recurrent, h, c)
        return h, tf.transpose(outputs, [1, 0, 2]), [h, c]


def _gates(pre: Any) -> tuple[Any, Any, Any, Any]:
    i, f, g, o = tf.split(pre, 4, axis=-1)
    return tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)


def _advance(gates: tuple[Any, Any, Any, Any], c: Any) -> tuple[Any, Any]:
    i, f, g, o = gates
    c = f * c + i * g
    return o * tf.tanh(c), c


@tf.custom_gradient
def _sequence(projected: Any, recurrent: Any, h0: Any, c0: Any) -> Any:
    """Run over time. projected (T, B, 4u), recurrent (u, 4u), states (B, u) → (T, B, u), states."""
    steps = tf.shape(projected)[0]

    def array() -> Any:
        return tf.TensorArray(projected.dtype, steps)

    def forward(t: Any, h: Any, c: Any, kept: Any, cells: Any, outputs: Any) -> Any:
        gates = _gates(projected[t] + tf.matmul(h, recurrent))
        h, c = _advance(gates, c)
        kept = kept.write(t, tf.concat(gates, axis=-1))
        return t + 1, h, c, kept, cells.write(t, c), outputs.write(t, h)

    _, h, c, kept, cells, outputs = tf.while_loop(
        lambda t, *_: t < steps, forward, (0, h0, c0, array(), array(), array()),
        maximum_iterations=steps,
    )  # fmt: skip
    kept, cells, outputs = kept.stack(), cells.stack(), outputs.stack()

    def gradient(d_outputs: Any, d_h: Any, d_c: Any) -> Any:
        before_c = tf.concat([c0[None], cells[:-1]], axis=0)
        before_h = tf.concat([h0[None], outputs[:-1]], axis=0)

        def backward(t: Any, d_h: Any, d_c: Any, d_pre: Any) -> Any:
            i, f, g, o = tf.split(kept[t], 4, axis=-1)
            squashed = tf.tanh(cells[t])
            d_h = d_h + d_outputs[t]
            d_c = d_c + d_h * o * (1 - squashed * squashed)
            d = tf.concat(
                [
                    d_c * g * i * (1 - i),
                    d_c * before_c[t] * f * (1 - f),
                    d_c * i * (1 - g * g),
                    d_h * squashed * o * (1 - o),
                ],
                axis=-1,
            )
            d_h = tf.matmul(d, recurrent, transpose_b=True)
            return t - 1, d_h, d_c * f, d_pre.write(t, d)

        _, d_h, d_c, d_pre = tf.while_loop(
            lambda t, *_: t >= 0, backward, (steps - 1, d_h, d_c, array()),
            maximum_iterations=steps,
        )  # fmt: skip
        d_pre = d_pre.stack()
        width = tf.shape(recurrent)[0]
        d_recurrent = tf.matmul(
            tf.reshape(before_h, [-1, width]), tf.reshape(d_pre, [-1, 4 * width]), transpose_a=True
        )
        return d_pre, d_recurrent, d_h, d_c

    return (outputs, h, c), gradient
