"""Dropout that costs next to nothing on a CPU.

Keras draws its masks from a counter-based generator of cryptographic descent, on which a CPU spends
longer than on the network that it regularises. A mask needs no such quality: here the place of each
element and a seed go through the 32-bit finaliser of MurmurHash3 (Appleby 2011).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class HashedDropout(keras.layers.Dropout):
    """``keras.layers.Dropout`` (Srivastava et al. 2014) with cheaper masks; seeds work alike."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or not self.rate:
            return inputs
        if self.noise_shape:  # one mask for all positions
            return inputs * drop(tf.ones_like(inputs[:, :1]), self.seed_generator, self.rate)
        return drop(inputs, self.seed_generator, self.rate)


def drop(inputs: Any, seeds: Any, rate: float) -> Any:
    """A share ``rate`` of the elements set to zero, the others made larger to make up for it.

    Args:
        inputs: of any shape, float32.
        seeds: a ``keras.random.SeedGenerator``.
    """
    outputs = _drop(inputs, tf.cast(seeds.next(), tf.uint32), rate)
    outputs.set_shape(inputs.shape)  # which a graph made for any shape does not tell
    return outputs


@tf.function(autograph=False, jit_compile=True)
def _drop(inputs: Any, seed: Any, rate: float) -> Any:
    shape = tf.shape(inputs)
    places = tf.reshape(tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32), shape)
    mixed = mix(mix(places * np.uint32(0x9E3779B1) + seed[0]) + seed[1])
    kept = mixed >= np.uint32(round(rate * 2**32))
    return tf.where(kept, inputs / (1 - rate), tf.zeros_like(inputs))


def mix(bits: Any) -> Any:
    """Every bit of a uint32 depends on all of them afterwards."""
    shift = tf.bitwise.right_shift
    bits = tf.bitwise.bitwise_xor(bits, shift(bits, np.uint32(16))) * np.uint32(0x85EBCA6B)
    bits = tf.bitwise.bitwise_xor(bits, shift(bits, np.uint32(13))) * np.uint32(0xC2B2AE35)
    return tf.bitwise.bitwise_xor(bits, shift(bits, np.uint32(16)))
