"""Where an unfinished run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from textgen.core import TextgenError


def trained(folder: Path) -> bool:
    """Whether a run has a checkpoint to resume from."""
    from textgen.training import CHECKPOINT_FILE

    return (folder / CHECKPOINT_FILE).exists()


class Resumed(NamedTuple):
    """Where an unfinished run goes on: after so many updates of those that it will make."""

    updates: int
    planned: int

    def __str__(self) -> str:
        return f"goes on from update {self.updates:,} of {self.planned:,}"


def resumed(folder: Path) -> Resumed | None:
    """Where the run in a folder goes on; None without a checkpoint, or with a damaged one."""
    if not trained(folder):
        return None
    from textgen.training import load_progress

    try:
        progress = load_progress(folder)
    except TextgenError:
        return None
    return Resumed(progress.updates, progress.updates_planned) if progress else None
