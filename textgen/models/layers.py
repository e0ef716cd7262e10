"""Layers that go by hashes: dropout, and vectors of the last few tokens.

*Dropout.* Keras draws its masks from a counter-based generator of cryptographic descent, on which a
CPU spends longer than on the network that it regularises, and which is written to at every draw. A
mask needs no such quality: here the place of each element, the layer's seed and the number of the
update go through the 32-bit finaliser of MurmurHash3 (Appleby 2011). Masks are therefore the same
however the rows of a batch are divided among threads, and a training that is resumed has nothing to
restore.

*Vectors of n-grams*, added to the vector of the last token, or to what the output layer reads. A
recurrent layer has to work out by products of matrices which tokens came just before; a table looks
it up. Every context of n tokens is hashed to a row of one table, and the rows of all n are added.
Bojanowski et al. (2017) hash the character n-grams of a word like that; Pagnoni et al. (2024, "Byte
Latent Transformer", section 3.2.1) those that end at each byte of a text. Contexts that fall on the
same row share its vector.
"""

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar

import keras
import numpy as np
import tensorflow as tf

from textgen.core.context import temporarily
from textgen.core.errors import TextgenError
from textgen.models.types import Config, Tensor

BIT_SPREADER = np.uint32(0x9E3779B1)  # 2^32 over the golden ratio (Knuth 1973, section 6.4)
_key = ContextVar[tuple[Tensor, Tensor] | None]("dropout_key", default=None)


def dropout_key(update: Tensor, first_row: Tensor = 0) -> AbstractContextManager[None]:
    """What masks drawn inside depend on beside their layer.

    Args:
        update: number of the update, a scalar integer.
        first_row: place in the batch of the first row that is computed inside, likewise.
    """
    return temporarily(_key, (update, first_row))


def new_seed(rate: float) -> int:
    """A seed for the masks of one layer, drawn from Python's generator, as Keras draws those of
    first weights; not drawn where the layer drops nothing."""
    return random.randint(1, 10**9) if rate else 0


@keras.saving.register_keras_serializable(package="textgen")
class HashedDropout(keras.layers.Layer):
    """Dropout (Srivastava et al. 2014). While training it needs a :func:`dropout_key`.

    Args:
        rate: share of the elements that is dropped.
        seed: of the masks; drawn if None.
    """

    def __init__(self, rate: float, seed: int | None = None) -> None:
        super().__init__()
        self.rate = rate
        self.seed = new_seed(rate) if seed is None else seed

    def get_config(self) -> Config:
        return {"rate": self.rate, "seed": self.seed}

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return drop(inputs, self.seed, self.rate) if training and self.rate else inputs


def drop(inputs: Tensor, seed: int, rate: float) -> Tensor:
    """A share ``rate`` of the elements set to zero, the rest scaled up to make up for it.

    Args:
        inputs: (B, …) float32.
        seed: of the layer.
        rate: from 0 up to 1.

    Raises:
        TextgenError: outside of a :func:`dropout_key`.
    """
    key = _key.get()
    if key is None:
        message = "a network with dropout was called with training = true outside of an update"
        hint = "call it with training = false, or within textgen.models.layers.dropout_key(update)"
        error = TextgenError(message, hint)
        # else Keras puts the tensors of the call around the sentence
        error._keras_call_info_injected = True  # type: ignore[attr-defined]
        raise error
    update, first_row = key
    numbers = [tf.cast(number, tf.uint32) for number in (update, first_row, seed)]
    outputs = _drop(inputs, *numbers, rate)
    outputs.set_shape(inputs.shape)  # which a graph made for any shape does not know
    return outputs


@tf.function(autograph=False, jit_compile=True)
def _drop(inputs: Tensor, update: Tensor, first_row: Tensor, seed: Tensor, rate: float) -> Tensor:
    """An element remains where the hash of its place in the batch, its layer and the update, a
    number of 32 bits, is not among the lowest ``rate`` of all such numbers."""
    shape = tf.shape(inputs)
    places = tf.reshape(tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32), shape)
    places += first_row * tf.cast(tf.reduce_prod(shape[1:]), tf.uint32)
    mixed = mix(mix(places * BIT_SPREADER + seed) + update * BIT_SPREADER)
    remains = mixed >= np.uint32(round(rate * 2**32))
    return tf.where(remains, inputs / (1 - rate), tf.zeros_like(inputs))


def mix(bits: Tensor) -> Tensor:
    """Every bit of the results depends on all bits of a number: (…) uint32 → (…) uint32."""
    shift = tf.bitwise.right_shift
    bits = tf.bitwise.bitwise_xor(bits, shift(bits, np.uint32(16))) * np.uint32(0x85EBCA6B)
    bits = tf.bitwise.bitwise_xor(bits, shift(bits, np.uint32(13))) * np.uint32(0xC2B2AE35)
    return tf.bitwise.bitwise_xor(bits, shift(bits, np.uint32(16)))


@keras.saving.register_keras_serializable(package="textgen")
class NGramEmbedding(keras.layers.Layer):
    """The sum of the vectors of the n-grams that end at each token; all begin at zero.

    A share of the n-grams is left out while training, each with all of its vector. What a text
    repeats is in the table from the first time on; without this, a network that reads the text
    again trusts the table more than it may on another one.

    Args:
        orders: n of each.
        rows: of the table that all orders share.
        dropout: the share that is left out.
        size: of the vectors.
        seed: of the choice of those that are left out; drawn if None.
        name: of the layer, by which weights are stored.

    Attributes:
        context: how many tokens ahead of a token its n-grams reach.
    """

    def __init__(
        self,
        orders: Sequence[int],
        rows: int,
        dropout: float,
        size: int,
        seed: int | None = None,
        name: str = "ngrams",
    ) -> None:
        super().__init__(name=name)
        self.orders = sorted({*orders})
        self.rows = rows
        self.dropout = dropout
        self.size = size
        self.context = self.orders[-1] - 1
        self.seed = new_seed(dropout) if seed is None else seed
        self.table = self.add_weight(shape=(rows, size), initializer="zeros", name="table")
        self.built = True

    def get_config(self) -> Config:
        return {
            "orders": list(self.orders),
            "rows": self.rows,
            "dropout": self.dropout,
            "size": self.size,
            "seed": self.seed,
            "name": self.name,
        }

    def call(self, text: Tensor, length: Tensor, training: bool = False) -> Tensor:
        """Vectors of the last positions of a text, (B, length, size) float32.

        Args:
            text: (B, at least context + length) int32; 0 stands for the boundary.
            length: of positions.
            training: whether n-grams are left out.
        """
        ahead = tf.shape(text)[1] - length
        numbers = tf.cast(text, tf.uint32) + np.uint32(1)
        hashed = tf.zeros([1, 1], tf.uint32)
        found = []  # of each order, vectors (B, T, size)
        for order in range(1, self.context + 2):  # the token itself, the one before it, …
            start = ahead + 1 - order
            hashed = mix(hashed * BIT_SPREADER + numbers[:, start : start + length])  # (B, T)
            if order not in self.orders:
                continue
            rows = tf.cast(hashed % np.uint32(self.rows), tf.int32)
            vectors = tf.gather(self.table.value, rows)
            if training and self.dropout:
                # (B, T, 1): an n-gram has all of its vector or nothing
                mask = drop(tf.ones_like(vectors[..., :1]), self.seed + order, self.dropout)
                vectors *= mask
            found.append(vectors)
        return tf.add_n(found)
