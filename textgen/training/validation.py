"""What ends each validation interval of a training: validation, checkpoint, patience."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from pydantic import TypeAdapter

from textgen.core import Diverged, Training, keep_freed_memory
from textgen.evaluation import rows_at_once, score_step
from textgen.models import Windows
from textgen.tokenizers import EncodedDocument
from textgen.training.checkpoint import reading_checkpoint, save_checkpoint

ROWS, STREAM = 64, 2000
"""Validation while training: at most so many parallel rows, of at least so many tokens each."""
VALIDATION_SHARE = 0.04
"""Of a budget in seconds that its validations may take on top of it, about."""
TIMED, FEWEST = 3, 4
"""Batches that are timed, and the fewest of a validation."""


@dataclass
class Progress:
    """Where a training stands; what a checkpoint holds beside the arrays. Figures for people are
    in bits per character; ``history`` has one row a validation interval, which has
    ``updates_per_interval`` on average; ``best`` is the lowest of the figure that ``[training]
    watch`` names; ``validation_share`` is how much of the validation split a validation looks at,
    the beginning of each of its parallel streams."""

    updates_per_interval: float = 0
    intervals: int = 0
    updates: int = 0
    seconds: float = 0.0
    validation_seconds: float = 0.0
    validation_share: float = 1.0
    characters_per_update: float = 0.0
    calibration_seconds_per_update: float | None = None
    best: float = math.inf
    best_interval: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def updates_planned(self) -> int:
        return self.end_of(self.intervals - 1)

    def end_of(self, interval: int) -> int:
        """The number of updates after an interval."""
        return round((interval + 1) * self.updates_per_interval)


def stored_progress(run: Path, told: dict[str, Any]) -> Progress:
    """The progress that a checkpoint holds.

    Raises:
        TextgenError: it is damaged.
    """
    with reading_checkpoint(run):
        TypeAdapter(Progress).validate_json(json.dumps(told), strict=True)
        found = Progress(**{f.name: told[f.name] for f in fields(Progress) if f.name in told})
        rows, each = len(found.history), found.updates_per_interval
        if min(each, found.intervals) < 1 or found.updates != found.end_of(rows - 1):
            raise ValueError(f"{found.updates} updates in {rows} intervals")
    return found


class Monitor(keras.callbacks.Callback):
    """After each interval: validation, best weights, patience; NaN at any update."""

    def __init__(
        self,
        trainer: Any,
        progress: Progress,
        settings: Training,
        validation: Sequence[EncodedDocument],
        best: dict[str, np.ndarray],
    ) -> None:
        super().__init__()
        self.trainer, self.progress, self.settings = trainer, progress, settings
        self.best = best
        objective = trainer.objective
        self._windows = Windows([e.tokens for e in validation], objective)
        streams = max(1, min(ROWS, len(self._windows.flat) // STREAM))
        self._rows = rows_at_once(trainer.network, objective.length, streams)
        self._step = score_step(objective, trainer.network)
        unit = sum(e.characters + 1 for e in validation)
        self._tokens_per_character = len(self._windows.flat) / unit
        self._spelling = sum(float(e.spelling_bits.sum()) for e in validation) / unit
        self._start = time.perf_counter()
        if settings.seconds and not progress.updates:
            self._shorten(VALIDATION_SHARE * settings.seconds / progress.intervals)

    def out_of_patience(self) -> bool:
        patience = self.settings.patience
        return (
            bool(patience) and len(self.progress.history) - self.progress.best_interval >= patience
        )

    def validate(self) -> float:
        """Bits per character of the validation split, or of a share of it, in parallel streams
        that each begin with an empty state: a little above the exact figure of all of it, which is
        computed once at the end."""
        share = self.progress.validation_share
        batches = self._windows.updates_per_epoch(self._rows)
        bits = self._bits_per_token(math.ceil(share * batches))
        return bits * self._tokens_per_character + self._spelling

    def _bits_per_token(self, batches: int) -> float:
        """Of the first so many batches."""
        state = self.trainer.network.initial_state(self._rows)
        total, count = 0.0, 0
        for spans, fresh in itertools.islice(self._windows.training(self._rows, 0), batches):
            bits, state = self._step(spans, fresh, state)
            total += float(tf.reduce_sum(bits))
            count += int((spans[:, self._windows.before :] >= 0).sum())
        return total / count

    def _shorten(self, seconds: float) -> None:
        """Have a validation look at no more of its split than takes about so many seconds; a
        training that goes on looks at what it looked at before."""
        batches = self._windows.updates_per_epoch(self._rows)
        self._bits_per_token(1)  # compiles
        start = time.perf_counter()
        self._bits_per_token(min(TIMED, batches))
        each = (time.perf_counter() - start) / min(TIMED, batches)
        self.progress.validation_share = min(1.0, max(FEWEST, int(seconds / each)) / batches)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        keep_freed_memory()  # every iterator over a Python generator undoes it
        if logs is not None and not math.isfinite(float(logs["loss"])):
            raise Diverged(
                "training",
                found=f"the loss is {float(logs['loss'])} at update "
                f"{self.progress.updates + batch + 1}",
                expected="a finite loss",
                hint="lower training.learning_rate or training.clip_norm; the checkpoint of "
                f"update {self.progress.updates} is kept in the run folder",
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        assert logs is not None
        progress, now = self.progress, time.perf_counter
        progress.updates = progress.end_of(epoch)
        progress.seconds += now() - self._start
        start = now()
        with self.trainer.averaged():
            validation = self.validate()
            watched = validation if self.settings.watch == "validation" else float(logs["loss"])
            if watched < progress.best or not self.best:
                progress.best, progress.best_interval = watched, epoch + 1
                weights = self.trainer.network.get_weights()
                self.best = {f"best{i}": w for i, w in enumerate(weights)}
        progress.validation_seconds += now() - start
        logs["validation_bits_per_character"] = validation
        progress.history.append(
            {
                "interval": epoch + 1,
                "updates": progress.updates,
                "seconds": progress.seconds,
                "loss": float(logs["loss"]),
                "training_bits_per_token": float(logs["bits_per_token"]),
                "validation_bits_per_character": validation,
                "learning_rate": float(self.trainer.optimizer.learning_rate),
            }
        )
        if self.out_of_patience():
            self.trainer.stop_training = True


class Checkpoint(keras.callbacks.Callback):
    """After each interval, when all that belongs to it has been done, its checkpoint."""

    def __init__(self, run: Path, monitor: Monitor) -> None:
        super().__init__()
        self.run, self.monitor = run, monitor

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        trainer, progress = self.monitor.trainer, self.monitor.progress
        arrays = trainer.arrays()
        save_checkpoint(self.run, {**arrays, **self.monitor.best}, asdict(progress))
