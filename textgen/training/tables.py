"""The optimizer of large tables of which an update reads few rows.

A dense optimizer goes through a whole table at every update, most of which has no gradient. This
one touches the rows that were read: Adagrad (Duchi, Hazan & Singer 2011) with one sum of squares a
row, as for the tables of recommender systems (Mudigere et al. 2022, section 3.1.2).
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

TINY = 1e-16
"""Mean square of a gradient that is as good as none."""


class RowAdagrad:
    """Updates of a table (rows, size), by row.

    Args:
        table: a Keras variable.
    """

    def __init__(self, table: Any) -> None:
        self.table = table
        self.squares = keras.Variable(
            tf.zeros(table.shape[0]), trainable=False, name=f"{table.name}_squares"
        )

    def apply(self, places: Any, gradients: Any, rate: Any) -> None:
        """One update.

        Args:
            places: (n,) int32, rows of the table; a row may come several times.
            gradients: (n, size) float32.
            rate: the learning rate.
        """
        rows, which = tf.unique(places)
        summed = tf.math.unsorted_segment_sum(gradients, which, tf.size(rows))
        squares = tf.gather(self.squares.value, rows) + tf.reduce_mean(summed * summed, axis=-1)
        self.squares.value.scatter_update(tf.IndexedSlices(squares, rows))
        step = rate * summed * tf.math.rsqrt(squares + TINY)[:, None]
        self.table.value.scatter_sub(tf.IndexedSlices(step, rows))
