"""The TensorBoard log of a training."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from textgen.core import write_failed
from textgen.tokenizers import EncodedDocument
from textgen.training.validation import Progress


class Log(keras.callbacks.TensorBoard):
    """Bits per character, which compare whatever the tokens are, by update."""

    def __init__(
        self, folder: Path, progress: Progress, training: Sequence[EncodedDocument]
    ) -> None:
        super().__init__(str(folder), write_graph=False)
        self._folder, self._progress = folder, progress
        characters = sum(encoded.characters + 1 for encoded in training)
        self._per_character = sum(len(e.tokens) + 1 for e in training) / characters

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        row = self._progress.history[-1]
        told = {
            "training_bits_per_character": row["training_bits_per_token"] * self._per_character,
            "validation_bits_per_character": row["validation_bits_per_character"],
        }
        with writing_log(self._folder):
            super().on_epoch_end(round(row["updates"]), {**(logs or {}), **told})


@contextlib.contextmanager
def writing_log(folder: Path) -> Iterator[None]:
    """A block that writes to a log. TensorFlow's writer may lose what a full disk does not take
    without a word.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    kept = "the last checkpoint is unharmed"
    try:
        yield
    except tf.errors.OpError as error:
        raise write_failed(folder, OSError(errno.EIO, error.message), kept) from None
    if folder.exists() and not shutil.disk_usage(folder).free:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise write_failed(folder, full, kept)
