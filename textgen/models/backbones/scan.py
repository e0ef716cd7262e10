"""A recurrent layer without products of its state: see :class:`textgen.models.backbones.mingru`."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class MinGRULayer(keras.layers.Layer):
    """(B, T, n), [(B, units)] → (B, T, units), (B, units).

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
