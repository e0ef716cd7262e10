"""Where an unfinished run goes on."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from textgen.core import UNREADABLE
from textgen.runs.schemas import Reached, read_json


def trained(folder: Path) -> bool:
    """Whether a run has a checkpoint to resume from."""
    # only the second is left if a process died between two renames
    return any((folder / name).exists() for name in ("checkpoint", "checkpoint.old"))


class Resumed(NamedTuple):
    """Where an unfinished run goes on: after so many updates of those that it will make."""

    updates: int
    planned: int

    def __str__(self) -> str:
        return f"goes on from update {self.updates:,} of {self.planned:,}"


def resumed(folder: Path) -> Resumed | None:
    """Where the run in a folder goes on; None without a checkpoint, or one that tells."""
    for name in ("checkpoint", "checkpoint.old"):
        with contextlib.suppress(*UNREADABLE):
            found = read_json(folder / name / "progress.json", Reached)
            planned = round(found["updates_per_interval"] * found["intervals"])
            return Resumed(found["updates"], planned)
    return None
