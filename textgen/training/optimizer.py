"""The optimizer, that of large tables, and the schedule of the learning rate."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from textgen.core.settings import Training

COOLING_SHARE = 0.4
"""Last part of a training in which the rate of ``"wsd"`` falls."""
ADAGRAD_EPSILON = 1e-16
"""Mean square of a gradient that counts as zero."""
WITH_WEIGHT_DECAY = ("adamw", "muon", "adafactor")
"""Optimizers with a weight decay of their own (Loshchilov & Hutter 2019)."""
BY_ADAMW = ("^logits/", "^head/", "^tail", "^beyond/", "^projection/")
"""Paths of weights that are not updated by Muon but, like the embedding's, by AdamW."""


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then cosine decay to zero (Loshchilov & Hutter 2017), a constant, or a
    constant and a linear decay to zero (``"wsd"``, warm-up, stable, decay: Hu et al. 2024).

    The number of updates may be set after the training step has been compiled.
    """

    def __init__(self, settings: Training) -> None:
        self._settings = settings
        self.updates = tf.Variable(1.0, trainable=False)
        self.scale = tf.Variable(1.0, trainable=False)

    def __call__(self, step: Any) -> Any:
        step = tf.cast(step, tf.float32)
        warmup = tf.round(self._settings.warmup * self.updates)
        rise = tf.minimum(1.0, (step + 1) / tf.maximum(warmup, 1.0))
        rate = self._settings.learning_rate * self.scale * rise
        if self._settings.schedule == "constant":
            return rate
        if self._settings.schedule == "wsd":
            cooled = (self.updates - step) / tf.maximum(COOLING_SHARE * self.updates, 1.0)
            return rate * tf.clip_by_value(cooled, 0.0, 1.0)
        left = (step - warmup) / tf.maximum(self.updates - warmup, 1.0)
        return rate * 0.5 * (1 + tf.cos(math.pi * tf.clip_by_value(left, 0.0, 1.0)))


def optimizer_of(settings: Training, schedule: Schedule) -> Any:
    options: dict[str, Any] = {"learning_rate": schedule}
    if settings.clip_norm:
        options["global_clipnorm"] = settings.clip_norm
    if settings.ema_decay:
        options |= {"use_ema": True, "ema_momentum": settings.ema_decay}
    if settings.optimizer not in ("sgd", "adafactor"):
        options["epsilon"] = 1e-8  # gradients of rare tokens are below Keras' 1e-7
    kinds = {
        "adamw": keras.optimizers.AdamW,
        "adam": keras.optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
        "muon": keras.optimizers.Muon,
        "adafactor": keras.optimizers.Adafactor,
    }
    if settings.optimizer in WITH_WEIGHT_DECAY:
        options["weight_decay"] = settings.weight_decay
    if settings.optimizer == "muon":
        options |= {
            "adam_weight_decay": settings.weight_decay,
            "exclude_layers": list(BY_ADAMW),
        }
    if settings.optimizer == "adafactor":
        options["relative_step"] = False  # the schedule says how large a step is
    optimizer = kinds[settings.optimizer](**options)
    if settings.optimizer in WITH_WEIGHT_DECAY:
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


class RowAdagrad:
    """The optimizer of a large table (rows, size), of which an update reads few rows.

    A dense optimizer goes through the whole table at every update, most of which has no gradient.
    This one touches the rows that were read: Adagrad (Duchi, Hazan & Singer 2011) with one sum of
    squares a row, as for the tables of recommender systems (Mudigere et al. 2022, section 3.1.2).

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
        step = rate * summed * tf.math.rsqrt(squares + ADAGRAD_EPSILON)[:, None]
        self.table.value.scatter_sub(tf.IndexedSlices(step, rows))
