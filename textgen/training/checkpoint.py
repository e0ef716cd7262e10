"""What training needs to go on bit for bit, in one file: written beside the old one, then renamed
over it."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.files import UNREADABLE, read_arrays, write_file
from textgen.training.compute import StageWork, spent
from textgen.training.curve import CurvePoint

CHECKPOINT_FILE = "checkpoint.npz"
# A cooling begins after this share of the planned updates without a better validation,
COOLING_WAIT = 1 / 6
# and takes at most this share of the updates that were made before it.
COOLED_SHARE = 0.2


@dataclass
class Progress:
    """Where a training stands. Figures for people are in bits per character.

    A cooling goes back to the best, and takes the batches after it once more:

        updates   1 … cooled_from … cooling_start, cooling_start + 1 … + cooling_updates
        batches   1 … cooled_from … cooling_start, cooled_from + 1 … + cooling_updates

    Attributes:
        updates_per_interval: between two validations, on average.
        intervals: that are planned.
        updates: made so far.
        saved_updates: of these, those before the last checkpoint.
        position: how many batches lie behind, also of a training before this one. Those after the
            best lie ahead once more in a cooling.
        seconds, validation_seconds: spent on updates; and on validations and looks of a curve.
        validation_share: how much of the validation split a validation looks at, the beginning of
            each of its parallel streams.
        characters_per_update: see :func:`textgen.training.planning.characters_per_update`.
        calibration_seconds_per_update: as timed for a budget in seconds.
        stages: what was done in each stage so far.
        best, best_interval: the lowest of the figure that ``[training] watch`` names, and where.
        cooled_from, cooling_start, cooling_updates: the update of the best that a cooling goes back
            to, the updates made before it began, and those it takes; 0 without one.
        history: one row a validation.
        curve: the points of a curve, if the training has one.
    """

    updates_per_interval: float = 0
    intervals: int = 0
    updates: int = 0
    saved_updates: int = 0
    position: int = 0
    seconds: float = 0.0
    validation_seconds: float = 0.0
    validation_share: float = 1.0
    characters_per_update: float = 0.0
    calibration_seconds_per_update: float | None = None
    stages: list[StageWork] = field(default_factory=list)
    best: float = math.inf
    best_interval: int = 0
    cooled_from: int = 0
    cooling_start: int = 0
    cooling_updates: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    curve: list[CurvePoint] = field(default_factory=list)

    @property
    def updates_planned(self) -> int:
        return self.end_of(self.intervals - 1)

    @property
    def updates_by_stage(self) -> list[int]:
        """Made so far."""
        return [stage["updates"] for stage in self.stages]

    @property
    def seconds_per_update(self) -> float | None:
        """The mean over all updates, each as its stage was timed; None before the first."""
        seconds = spent(self.stages, self.updates_by_stage).seconds
        if not seconds or not self.updates:
            return None
        return seconds / self.updates

    def end_of(self, interval: int) -> int:
        """The number of updates after an interval, counted from 0."""
        return round((interval + 1) * self.updates_per_interval)

    @property
    def end(self) -> int:
        """The number of updates after which a training ends, if nothing else ends it."""
        if self.cooling_updates:
            return self.cooling_start + self.cooling_updates
        return self.updates_planned

    @property
    def next_validation(self) -> int:
        return self.end if self.cooling_updates else self.end_of(len(self.history))

    def is_over(self, patience: float) -> bool:
        """Whether all updates are made, or validations without a better figure are too many."""
        if self.updates == self.end:
            return True
        return not self.cooling_updates and self._validations_after_best >= patience

    @property
    def _validations_after_best(self) -> int:
        return len(self.history) - self.best_interval

    def note(self, figure: float) -> bool:
        """Keep the figure of the validation that was made last if it is the best so far; whether
        it is."""
        is_best = figure < self.best
        if is_best:
            self.best = figure
            self.best_interval = len(self.history)
        return is_best

    def begin_cooling(self, patience: float) -> bool:
        """Plan a cooling if it is due and there are updates left; whether it was."""
        if self.cooling_updates or not self.best_interval or self.is_over(patience):
            return False
        row_of_best = self.history[self.best_interval - 1]
        updates_of_best = int(row_of_best["updates"])
        if self.updates - updates_of_best < COOLING_WAIT * self.updates_planned:
            return False
        updates_left = self.updates_planned - self.updates
        cooling_updates = min(round(self.updates * COOLED_SHARE), updates_left)
        if cooling_updates <= 0:
            return False
        self.position -= self.updates - updates_of_best
        self.cooled_from = updates_of_best
        self.cooling_start = self.updates
        self.cooling_updates = cooling_updates
        return True


def save_checkpoint(run: Path, arrays: Mapping[str, np.ndarray], progress: Progress) -> None:
    """Write a checkpoint; the one before it survives whatever happens meanwhile.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    progress.saved_updates = progress.updates
    content: dict[str, Any] = {**arrays, "progress": np.array(json.dumps(asdict(progress)))}
    write_file(
        run / CHECKPOINT_FILE,
        lambda file: np.savez(file, **content),
        safe="the checkpoint before this one is unharmed",
        unfinished=f"unfinished.{CHECKPOINT_FILE}",
    )


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
    path = run / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        arrays = read_arrays(path)
        progress = Progress(**json.loads(str(arrays.pop("progress"))))
        stored = {key: array.shape for key, array in arrays.items()}
        keys = sorted({*stored, *shapes})
        wrong = [key for key in keys if stored.get(key) != shapes.get(key)]
        if wrong:
            raise ValueError(f"arrays of another network: {', '.join(wrong[:3])}")
    except (*UNREADABLE, KeyError, TypeError) as error:
        hint = "start this run again with --overwrite"
        raise TextgenError(f"{path}: a damaged checkpoint ({error})", hint) from error
    return arrays, progress
