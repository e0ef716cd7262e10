"""The folder of a run: taken for one process, gone on with, or begun anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import filelock
import tomli_w

from textgen.core import (
    UNREADABLE,
    Experiment,
    TextgenError,
    load_experiment,
    write_failed,
    write_file,
)

LOCK = ".lock"


def write_experiment(path: Path, experiment: Experiment) -> None:
    write_file(path, tomli_w.dumps(experiment.resolved, multiline_strings=False))


def take_folder(folder: Path, *, found: str, hint: str) -> filelock.BaseFileLock:
    """A folder for this process alone: the held lock, released when the process ends.

    Args:
        found, hint: what is told where another process has it.

    Raises:
        TextgenError: another process has it, or the folder cannot be written.
    """
    lock = filelock.FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise TextgenError(str(folder), found=found, hint=hint) from None
    except OSError as error:
        raise write_failed(folder, error, "nothing was changed") from None
    return lock


def prepare_folder(folder: Path, experiment: Experiment, overwrite: bool) -> filelock.BaseFileLock:
    """Take the run folder for this process; what it holds stays there until :func:`begin`.

    An unfinished run of the same experiment is gone on with; any other that has been trained at all
    is refused unless ``overwrite``.

    Returns:
        The held lock; the system releases it when the process ends, however it ends.

    Raises:
        TextgenError: a finished run, another experiment, a folder that is no run, or a run in
            progress elsewhere.
    """
    lock = take_folder(folder, found="another process is working in it", hint="wait, or use --name")
    try:
        _check_free(folder, experiment, overwrite)
    except TextgenError:
        lock.release()
        raise
    return lock


def begin_folder(folder: Path, experiment: Experiment, overwrite: bool) -> None:
    """Make a prepared folder that of this experiment: what another run has left goes."""
    stored = folder / "experiment.toml"
    if stored.exists() and (overwrite or stored_experiment(folder).resolved != experiment.resolved):
        for path in folder.iterdir():
            if path not in (folder / LOCK, stored):  # a folder without it would be no run
                _remove(path)
    write_experiment(stored, experiment)


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as error:
        raise TextgenError(
            str(path),
            found=f"it could not be removed: {error.strerror or error}",
            expected="permission to replace what this run has left",
            hint="remove it yourself, or use another --name",
        ) from None


def trained(folder: Path) -> bool:
    """Whether a run has a checkpoint to go on from."""
    # the second is all there is where a process died between two renames
    return any((folder / name).exists() for name in ("checkpoint", "checkpoint.old"))


def _check_free(folder: Path, experiment: Experiment, overwrite: bool) -> None:
    inside = [p for p in folder.iterdir() if p.name != LOCK and p.suffix != ".new"]
    is_run = (folder / "experiment.toml").exists()
    if inside and not is_run:
        raise TextgenError(
            str(folder),
            found="a folder that is not a run of textgen",
            expected="a new or empty folder, or a run",
            hint="use another --name or --runs; nothing was changed",
        )
    if overwrite:
        return
    if (folder / "metrics.json").exists():
        raise TextgenError(
            str(folder),
            found="a finished run",
            expected="a new name, or permission to replace it",
            hint="use --name OTHER to keep both, or --overwrite to train again",
        )
    if trained(folder) and stored_experiment(folder).resolved != experiment.resolved:
        raise TextgenError(
            str(folder),
            found="an unfinished run of a different experiment",
            expected="the experiment it was started with, to go on with it",
            hint="use --name OTHER to keep both, or --overwrite to begin anew",
        )


def stored_experiment(folder: Path) -> Experiment:
    return load_experiment(folder / "experiment.toml")


def text_of(folder: Path) -> dict[str, str] | None:
    """Kind and hash of a run's text, from its manifest; None before it is written.

    Raises:
        TextgenError: the manifest is damaged.
    """
    manifest = folder / "manifest.json"
    try:
        corpus = json.loads(manifest.read_text(encoding="utf-8"))["corpus"]
        return {key: corpus[key] for key in ("kind", "sha256")}
    except FileNotFoundError:
        return None
    except UNREADABLE as error:
        raise damaged(manifest, error) from None


def check_same_text(folder: Path, sha256: str) -> None:
    """A run that is gone on with reads the text it was started on.

    Raises:
        TextgenError: the corpus is another one now, for example no longer the fallback.
    """
    before = text_of(folder)
    if trained(folder) and before and before["sha256"] != sha256:
        raise TextgenError(
            str(folder),
            found=f"a run begun on other text ({before['kind']}, sha256 {before['sha256'][:12]}…)",
            expected=f"the same text, sha256 {sha256[:12]}…",
            hint="use --name OTHER to keep both, or --overwrite to begin anew",
        )


def damaged(path: Path, error: Exception) -> TextgenError:
    """The message for a file of a run that cannot be read."""
    told = str(error).partition("\n")[0][:200]
    return TextgenError(
        str(path),
        found=f"a damaged run ({type(error).__name__}: {told})",
        expected="the files as textgen wrote them",
        hint="train it again: python -m textgen.run experiments/… --overwrite",
    )
