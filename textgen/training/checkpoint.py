"""What training needs to go on bit for bit, in one file: written beside the old one, then renamed
over it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from textgen.core.errors import UNREADABLE, TextgenError, write_failed
from textgen.core.system import read_arrays

CHECKPOINT_FILE = "checkpoint.npz"


@dataclass
class Progress:
    """Where a training stands. Figures for people are in bits per character.

    Attributes:
        updates_per_interval: between two validations, on average.
        intervals: that are planned.
        updates: made so far.
        seconds, validation_seconds: spent on updates, and on validations.
        validation_share: how much of the validation split a validation looks at, the beginning of
            each of its parallel streams.
        characters_per_update: see :func:`textgen.training.planning.characters_per_update`.
        calibration_seconds_per_update: as timed for a budget in seconds.
        best, best_interval: the lowest of the figure that ``[training] watch`` names, and where.
        history: one row a validation.
    """

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
        """The number of updates after an interval, counted from 0."""
        return round((interval + 1) * self.updates_per_interval)


def save_checkpoint(run: Path, arrays: Mapping[str, np.ndarray], progress: Progress) -> None:
    """Write a checkpoint; the one before it survives whatever happens meanwhile.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    path = run / CHECKPOINT_FILE
    unfinished = run / f"unfinished.{CHECKPOINT_FILE}"
    content = {**arrays, "progress": np.array(json.dumps(asdict(progress)))}
    try:
        run.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            np.savez(file, **content)  # type: ignore[arg-type]  # not allow_pickle
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise write_failed(path, error, "the checkpoint before this one is unharmed") from None


def load_checkpoint(
    run: Path, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, np.ndarray], Progress] | None:
    """The arrays and the progress of the last checkpoint; None if there is none.

    Args:
        run: the run folder.
        shapes: of the arrays that this training needs.

    Raises:
        TextgenError: it is damaged, or of another network.
    """
    progress, path = load_progress(run), run / CHECKPOINT_FILE
    if progress is None:
        return None
    try:
        arrays = read_arrays(path)
    except UNREADABLE as error:
        raise _damaged_error(path, error) from error
    del arrays["progress"]
    stored = {key: array.shape for key, array in arrays.items()}
    if stored != shapes:
        wrong = sorted(key for key in {*stored, *shapes} if stored.get(key) != shapes.get(key))
        raise _damaged_error(path, f"arrays of another network: {', '.join(wrong[:3])}")
    return arrays, progress


def load_progress(run: Path) -> Progress | None:
    """The progress of the last checkpoint; None if there is none.

    Raises:
        TextgenError: it is damaged.
    """
    path = run / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Progress(**json.loads(str(stored["progress"])))
    except (*UNREADABLE, KeyError, TypeError) as error:
        raise _damaged_error(path, error) from error


def _damaged_error(path: Path, cause: object) -> TextgenError:
    return TextgenError(
        f"{path}: a damaged checkpoint ({cause})", "start this run again with --overwrite"
    )
