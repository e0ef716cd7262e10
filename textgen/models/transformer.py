"""A block of a transformer: see :class:`textgen.models.backbones.Transformer`."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen.models.layers import HashedDropout

FEED_FORWARD_RATIO = 4  # width of the layer inside a block over that of the block
MAX_WAVELENGTH = 10_000.0  # of the slowest rotation, over 2π, in tokens


class Block(keras.layers.Layer):
    """Attention and a feed-forward layer.

    Its state: the output at the last position (B, units); keys and values (B, heads, context − 1,
    head size) of the positions before; how many of them there are (B, 1) float32.

    Args:
        config: the settings.
        units: width.
        name: of the layer.
    """

    def __init__(self, config: Any, units: int, name: str) -> None:
        super().__init__(name=name)
        self.units = units
        self.heads = config.heads(units)
        self.size = config.head_size
        self.context = config.context
        self.fitted: Any = None
        self.before_attention = keras.layers.RMSNormalization(name="before_attention")
        self.before_forward = keras.layers.RMSNormalization(name="before_forward")
        self.queries_keys_values = _dense(3 * self.heads * self.size, "queries_keys_values")
        # what a block adds begins at zero: the first updates see through all layers
        self.attended = _dense(units, "attended", kernel_initializer="zeros")
        self.wide = _dense(FEED_FORWARD_RATIO * units, "wide")
        self.narrow = _dense(units, "narrow", kernel_initializer="zeros")
        self.drops = [HashedDropout(config.dropout) for _ in range(2)] if config.dropout else []

    def build(self, shape: Any) -> None:
        if shape[-1] != self.units:
            self.fitted = _dense(self.units, "fitted")
            self.fitted.build(shape)
        first = self.before_attention, self.queries_keys_values
        for layer in (*first, self.before_forward, self.wide):
            layer.build((None, None, self.units))
        self.attended.build((None, None, self.heads * self.size))
        self.narrow.build((None, None, FEED_FORWARD_RATIO * self.units))
        self.built = True

    def call(self, x: Any, initial_state: Any, training: bool = False) -> Any:
        """(B, T, n), state → (B, T, units), and the tensors of the state after it."""
        _, *state = initial_state
        if self.fitted is not None:
            x = self.fitted(x)
        attended, *state = self._attend(self.before_attention(x), *state)
        x += self._drop(0, self.attended(attended), training)
        forward = keras.ops.square(keras.ops.relu(self.wide(self.before_forward(x))))
        x += self._drop(1, self.narrow(forward), training)
        return x, x[:, -1], *state

    def _drop(self, number: int, x: Any, training: bool) -> Any:
        return self.drops[number](x, training=training) if self.drops else x

    def _attend(self, x: Any, keys: Any, values: Any, seen: Any) -> Any:
        """(B, T, units) → (B, T, heads · size), and the state: see the class.

        Keys are kept as they are and rotated by their places when they are used, so that only
        distances count.
        """
        steps, back = x.shape[1], self.context - 1
        split = tf.reshape(self.queries_keys_values(x), [-1, steps, 3, self.heads, self.size])
        queries, new_keys, new_values = tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]))
        keys, values = tf.concat([keys, new_keys], 2), tf.concat([values, new_values], 2)
        places = np.arange(back + steps)
        rotated = rotate(keys, places)
        scores = tf.matmul(rotate(queries, places[back:]), rotated, transpose_b=True)
        scores = scores / math.sqrt(self.size)
        distance = places[back:, None] - places[None]  # (T, context − 1 + T)
        near = (distance >= 0) & (distance <= back)
        there = tf.cast(places, tf.float32) >= back - seen  # (B, context − 1 + T)
        able = near[None, None] & there[:, None, None]
        shares = tf.nn.softmax(tf.where(able, scores, -1e9))
        mixed = tf.transpose(tf.matmul(shares, values), [0, 2, 1, 3])
        mixed = tf.reshape(mixed, [-1, steps, self.heads * self.size])
        seen = tf.minimum(seen + float(steps), float(back))
        return mixed, keys[:, :, steps:], values[:, :, steps:], seen


def _dense(units: int, name: str, **options: Any) -> Any:
    return keras.layers.Dense(units, use_bias=False, name=name, **options)


def rotate(vectors: Any, places: np.ndarray) -> Any:
    """Vectors (…, T, d) whose pairs of units are turned by angles that grow with their places
    (T,), by the less the later the pair: a product of two depends on their distance alone."""
    half = vectors.shape[-1] // 2
    angles = places[:, None] * MAX_WAVELENGTH ** (-np.arange(half) / half)
    cosine, sine = (f(angles).astype(np.float32) for f in (np.cos, np.sin))
    first, second = tf.split(vectors, 2, axis=-1)
    turned = [first * cosine - second * sine, first * sine + second * cosine]
    return tf.concat(turned, axis=-1)
