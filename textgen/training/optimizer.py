"""The optimizer and the schedule of its learning rate."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from textgen.core import Training


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then cosine decay to zero (Loshchilov & Hutter 2017) or a constant.

    The number of updates may be set after the training step has been compiled.
    """

    def __init__(self, settings: Training) -> None:
        self._settings = settings
        self.updates = tf.Variable(1.0, trainable=False)
        self.scale = tf.Variable(1.0, trainable=False)
        self.copies = list[Schedule]()

    def set(self, **values: float) -> None:
        """``updates`` in all, ``scale`` of the rate; in all replicas."""
        for schedule in (self, *self.copies):
            for name, value in values.items():
                getattr(schedule, name).assign(value)

    def __call__(self, step: Any) -> Any:
        step = tf.cast(step, tf.float32)
        warmup = tf.round(self._settings.warmup * self.updates)
        rise = tf.minimum(1.0, (step + 1) / tf.maximum(warmup, 1.0))
        rate = self._settings.learning_rate * self.scale * rise
        if self._settings.schedule == "constant":
            return rate
        left = (step - warmup) / tf.maximum(self.updates - warmup, 1.0)
        return rate * 0.5 * (1 + tf.cos(math.pi * tf.clip_by_value(left, 0.0, 1.0)))


def optimizer_of(settings: Training, schedule: Schedule) -> Any:
    options: dict[str, Any] = {"learning_rate": schedule}
    if settings.clip_norm:
        options["global_clipnorm"] = settings.clip_norm
    if settings.ema_decay:
        options |= {"use_ema": True, "ema_momentum": settings.ema_decay}
    if settings.optimizer != "sgd":
        options["epsilon"] = 1e-8  # gradients of rare tokens are below Keras' 1e-7
    if settings.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(weight_decay=settings.weight_decay, **options)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        return optimizer
    kinds = {
        "adam": keras.optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    return kinds[settings.optimizer](**options)
