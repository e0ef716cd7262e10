"""A block of a transformer: see :class:`textgen.models.backbones.Transformer`."""

import math
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from textgen.models.layers import HashedDropout
from textgen.models.output import dense_layer
from textgen.models.types import Config, Tensor, Tensors

FEED_FORWARD_RATIO = 4  # width of the layer inside a block over that of the block
MAX_WAVELENGTH = 10_000.0  # of the slowest rotation, over 2π, in tokens


@keras.saving.register_keras_serializable(package="textgen")
class Block(keras.layers.Layer):
    """Attention and a feed-forward layer.

    Its state: the output at the last position (B, units); keys and values (B, heads, context − 1,
    head size) of the positions before; how many of them there are (B, 1) float32.

    Args:
        units: width.
        heads: of the attention.
        head_size: numbers of a query, a key or a value in each head.
        context: tokens that a position attends to, itself included.
        dropout: share of what the two layers add that is dropped while training.
        name: of the layer.
    """

    def __init__(
        self, units: int, heads: int, head_size: int, context: int, dropout: float, name: str
    ) -> None:
        super().__init__(name=name)
        self.units = units
        self.heads = heads
        self.size = head_size
        self.context = context
        self.dropout = dropout
        self.fitted: keras.layers.Dense | None = None

    def get_config(self) -> Config:
        return {
            "units": self.units,
            "heads": self.heads,
            "head_size": self.size,
            "context": self.context,
            "dropout": self.dropout,
            "name": self.name,
        }

    def build(self, shape: tuple[None, None, int]) -> None:
        self.before_attention = keras.layers.RMSNormalization(name="before_attention")
        self.before_forward = keras.layers.RMSNormalization(name="before_forward")
        for layer in (self.before_attention, self.before_forward):
            layer.build((None, None, self.units))
        attended = self.heads * self.size
        wide = FEED_FORWARD_RATIO * self.units
        dense = partial(dense_layer, use_bias=False)
        self.queries_keys_values = dense(3 * attended, self.units, "queries_keys_values")
        # what a block adds begins at zero: the first updates see through all layers
        self.attended = dense(self.units, attended, "attended", kernel_initializer="zeros")
        self.wide = dense(wide, self.units, "wide")
        self.narrow = dense(self.units, wide, "narrow", kernel_initializer="zeros")
        self.drops = [HashedDropout(self.dropout) for _ in range(2)]
        if shape[-1] != self.units:
            self.fitted = dense(self.units, shape[-1], "fitted")
        self.built = True

    def get_initial_state(self, batch: int) -> Tensors:
        past = (batch, self.heads, self.context - 1, self.size)
        shapes = [(batch, self.units), past, past, (batch, 1)]
        return [tf.zeros(shape) for shape in shapes]

    def call(self, x: Tensor, initial_state: Tensors, training: bool = False) -> Tensors:
        """(B, T, n) float32, state → (B, T, units) float32, and the tensors of the state after."""
        _, *state = initial_state
        if self.fitted is not None:
            x = self.fitted(x)
        attended, *state = self._attend(self.before_attention(x), *state)
        x += self.drops[0](self.attended(attended), training=training)
        forward = keras.ops.square(keras.ops.relu(self.wide(self.before_forward(x))))
        x += self.drops[1](self.narrow(forward), training=training)
        return x, x[:, -1], *state

    def _attend(self, x: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensors:
        """(B, T, units) → (B, T, heads · size), and the state: see the class.

        Keys are kept as they are and rotated by their places when they are used, so that only
        distances count.
        """
        steps = x.shape[1]
        back = self.context - 1
        split = tf.reshape(self.queries_keys_values(x), [-1, steps, 3, self.heads, self.size])
        # (B, heads, T, size) each
        queries, new_keys, new_values = tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]))
        keys = tf.concat([keys, new_keys], axis=2)  # (B, heads, back + T, size)
        values = tf.concat([values, new_values], axis=2)
        places = np.arange(back + steps)
        turned_queries = rotate(queries, places[back:])
        turned_keys = rotate(keys, places)
        scores = tf.matmul(turned_queries, turned_keys, transpose_b=True) / math.sqrt(self.size)
        distance = places[back:, None] - places[None]  # (T, back + T)
        near = (distance >= 0) & (distance <= back)
        # only the last `seen` of the earlier places are filled
        was_read = tf.cast(places, tf.float32) >= back - seen[:, None, None]  # (B, 1, 1, back + T)
        shares = tf.nn.softmax(tf.where(near & was_read, scores, -1e9))  # (B, heads, T, back + T)
        mixed = tf.transpose(tf.matmul(shares, values), [0, 2, 1, 3])  # (B, T, heads, size)
        mixed = tf.reshape(mixed, [-1, steps, self.heads * self.size])
        seen = tf.minimum(seen + float(steps), float(back))
        return mixed, keys[:, :, steps:], values[:, :, steps:], seen


def rotate(vectors: Tensor, places: np.ndarray) -> Tensor:
    """Vectors turned by their places, so that the product of two depends on their distance alone
    (Su et al. 2021).

    Args:
        vectors: (…, T, d) float32; numbers i and d/2 + i are the two coordinates of pair i.
        places: (T,). Pair i is turned by place · MAX_WAVELENGTH^(−2i/d) radians.

    Returns:
        (…, T, d) float32.
    """
    half = vectors.shape[-1] // 2
    angles = places[:, None] * MAX_WAVELENGTH ** (-np.arange(half) / half)
    cosine = np.cos(angles).astype(np.float32)  # (T, half)
    sine = np.sin(angles).astype(np.float32)
    first, second = tf.split(vectors, 2, axis=-1)
    return tf.concat([first * cosine - second * sine, first * sine + second * cosine], axis=-1)
