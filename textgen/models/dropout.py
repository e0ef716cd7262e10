"""Dropout that costs next to nothing on a CPU and needs no state.

Keras draws its masks from a counter-based generator of cryptographic descent, on which a CPU spends
longer than on the network that it regularises, and which is written to at every draw. A mask needs
no such quality: here the place of each element, the layer's seed and the number of the update go
through the 32-bit finaliser of MurmurHash3 (Appleby 2011). Masks are therefore the same however the
rows of a batch are divided among threads, and a training that is resumed has nothing to restore.
"""

from __future__ import annotations

import contextlib
import contextvars
import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

BIT_SPREADER = np.uint32(0x9E3779B1)
"""2^32 over the golden ratio (Knuth 1973, section 6.4)."""
_key: contextvars.ContextVar[tuple[Any, Any]] = contextvars.ContextVar("dropout_key")


@contextlib.contextmanager
def dropout_key(update: Any, first_row: Any = 0) -> Iterator[None]:
    """What masks drawn inside depend on beside their layer.

    Args:
        update: number of the update, a scalar integer.
        first_row: place in the batch of the first row that is computed inside, likewise.
    """
    token = _key.set((update, first_row))
    try:
        yield
    finally:
        _key.reset(token)


def new_seed() -> int:
    """A seed for the masks of one layer, drawn from the generator that
    ``keras.utils.set_random_seed`` sets."""
    return random.randint(1, 10**9)


class HashedDropout(keras.layers.Layer):
    """Dropout (Srivastava et al. 2014). While training it needs a :func:`dropout_key`.

    Args:
        rate: share of the elements that is dropped.
        locked: drop the same units at all positions of a window (Gal & Ghahramani 2016).
        seed: of the masks.
        name: of the layer.
    """

    def __init__(
        self, rate: float, locked: bool = False, seed: int | None = None, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.rate, self.locked = rate, locked
        self.seed = new_seed() if seed is None else seed

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or not self.rate:
            return inputs
        if self.locked:
            return inputs * drop(tf.ones_like(inputs[:, :1]), self.seed, self.rate)
        return drop(inputs, self.seed, self.rate)


def drop(inputs: Any, seed: int, rate: float, by_row: bool = True) -> Any:
    """A share ``rate`` of the elements set to zero, the rest scaled up to make up for it.

    Args:
        inputs: (B, …) float32, or any weights.
        seed: of the layer.
        rate: from 0 up to 1.
        by_row: whether the first axis is the rows of a batch; false for weights, whose mask all
            rows share.
    """
    update, first_row = _key.get()
    numbers = [tf.cast(n, tf.uint32) for n in (update, first_row if by_row else 0, seed)]
    outputs = _drop(inputs, *numbers, rate)
    outputs.set_shape(inputs.shape)  # which a graph made for any shape does not know
    return outputs


@tf.function(autograph=False, jit_compile=True)
def _drop(inputs: Any, update: Any, first_row: Any, seed: Any, rate: float) -> Any:
    shape = tf.shape(inputs)
    places = tf.reshape(tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32), shape)
    places += first_row * tf.cast(tf.reduce_prod(shape[1:]), tf.uint32)
    mixed = mix(mix(places * BIT_SPREADER + seed) + update * BIT_SPREADER)
    remains = mixed >= np.uint32(round(rate * 2**32))
    return tf.where(remains, inputs / (1 - rate), tf.zeros_like(inputs))


def mix(bits: Any) -> Any:
    """Every bit of a uint32 depends on all of them afterwards."""
    shift = tf.bitwise.right_shift
    bits = tf.bitwise.bitwise_xor(bits, shift(bits, np.uint32(16))) * np.uint32(0x85EBCA6B)
    bits = tf.bitwise.bitwise_xor(bits, shift(bits, np.uint32(13))) * np.uint32(0xC2B2AE35)
    return tf.bitwise.bitwise_xor(bits, shift(bits, np.uint32(16)))
