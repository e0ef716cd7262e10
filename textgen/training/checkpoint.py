"""What training needs to go on bit for bit: written beside the old one, then renamed over it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core import UNREADABLE, TextgenError, put_file, read_arrays, write_failed

FOLDER = "checkpoint"


def save_checkpoint(run: Path, arrays: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
    """Write a checkpoint; the one before it survives whatever happens meanwhile.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    folder, fresh, old = run / FOLDER, run / f"{FOLDER}.new", run / f"{FOLDER}.old"
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        with (fresh / "state.npz").open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # not allow_pickle
            file.flush()
            os.fsync(file.fileno())
        put_file(fresh / "progress.json", json.dumps(progress))
        if folder.exists():  # else the older one is all there is
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise write_failed(fresh, error, "the checkpoint before this one is unharmed") from None


def load_checkpoint(run: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The last complete checkpoint, or None.

    Raises:
        TextgenError: it is there but damaged.
    """
    folder, old = run / FOLDER, run / f"{FOLDER}.old"
    if not folder.exists():
        if not old.exists():
            return None
        folder = old  # the process died between the two renames
    with reading_checkpoint(run):
        arrays = read_arrays(folder / "state.npz")
        progress = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
    return arrays, progress


@contextlib.contextmanager
def reading_checkpoint(run: Path) -> Iterator[None]:
    """Whatever a damaged checkpoint raises inside becomes one :class:`TextgenError`."""
    try:
        yield
    except UNREADABLE as error:
        told = str(error).partition("\n")[0]
        raise TextgenError(
            str(run / FOLDER),
            found=f"a damaged checkpoint ({type(error).__name__}: {told})",
            expected="state.npz and progress.json as they were written",
            hint="start this run again with --overwrite",
        ) from error
