"""Vectors of the last few tokens together, added to the vector of the last one.

A recurrent layer has to work out by products of matrices which tokens came just before; a table
looks it up. Every context of n tokens is hashed to a row of one table, and the rows of all n are
added to the embedding of the token. Bojanowski et al. (2017) hash the character n-grams of a word
like that; Pagnoni et al. (2024, "Byte Latent Transformer", section 3.2.1) those that end at each
byte of a text. Contexts that fall on the same row share its vector.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen.models.dropout import BIT_SPREADER, drop, mix, new_seed


class NGramEmbedding(keras.layers.Layer):
    """The sum of the vectors of the n-grams that end at each token; all begin at zero.

    A share of the n-grams is left out while training, each with all of its vector. What a text
    repeats is in the table from the first time on; without this, a network that reads the text
    again trusts the table more than it may on another one.

    Args:
        settings: n, rows of the table that all orders share, and the share that is left out.
        size: of the vectors.
    """

    def __init__(self, settings: Any, size: int) -> None:
        super().__init__(name="ngrams")
        self.orders, self.rows = sorted({*settings.orders}), settings.rows
        self.dropout, self.context = settings.dropout, self.orders[-1] - 1
        self.seed = new_seed() if self.dropout else 0
        self.table = self.add_weight(shape=(self.rows, size), initializer="zeros", name="table")
        self.built = True

    def call(self, tokens: Any, before: Any, training: bool = False) -> tuple[Any, Any]:
        """Vectors of every position.

        Args:
            tokens: (B, T) int32.
            before: (B, context) float32, the tokens ahead of them; 0 stands for the boundary.

        Returns:
            (B, T, size) float32, and the tokens ahead of what follows, (B, context) float32.
        """
        text = tf.concat([tf.cast(before, tf.int32), tf.cast(tokens, tf.int32)], axis=1)
        sums = [
            self._vectors(places, self.seed + order, training)
            for order, places in zip(self.orders, self._places(text), strict=True)
        ]
        return tf.add_n(sums), tf.cast(text[:, tf.shape(tokens)[1] :], tf.float32)

    def _vectors(self, places: Any, seed: int, training: bool) -> Any:
        vectors = tf.gather(self.table.value, places)
        if not training or not self.dropout:
            return vectors
        return vectors * drop(tf.ones_like(vectors[..., :1]), seed, self.dropout)

    def _places(self, text: Any) -> list[Any]:
        """For each order, the row of the n-gram that ends at each token: (B, T) int32."""
        length = tf.shape(text)[1] - self.context
        numbers = tf.cast(text, tf.uint32) + np.uint32(1)
        hashed, places = tf.zeros([1, 1], tf.uint32), []
        for order in range(1, self.context + 2):
            start = self.context + 1 - order
            hashed = mix(hashed * BIT_SPREADER + numbers[:, start : start + length])
            if order in self.orders:
                places.append(tf.cast(hashed % np.uint32(self.rows), tf.int32))
        return places
