"""The folder of a run: locked by one process, resumed, started again; checked when it is read.

experiment.toml   the experiment with every default written out; repeats the run
manifest.json     seeds, versions, hardware, corpus and split hashes, the command
tokenizer.json    the fitted tokenizer
memory.json       the parameters of the memory of the document, if there is one
model.weights.h5  the best weights, in Keras' own format
history.csv       one row per validation interval
metrics.json      the interface other programs read (experiments/notes/metrics.md)
tokens.npz        bits of every token of the test documents
texts.json        samples over a sweep of temperatures, the same settings for all runs
samples.json      generated texts with their settings; samples.txt the same for people
summary.md        the results, for people
audit.json        the result of an audit; audit_memory.json the same with the memory
checkpoint.npz    only while training is unfinished
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import filelock
import tomli_w

from textgen.core.errors import TextgenError, write_failed
from textgen.core.experiment import Experiment, load_experiment
from textgen.core.files import kind_of, sha256_of, write_file
from textgen.runs.schemas import Manifest, Metrics, TextHash, read_content, reading
from textgen.training.checkpoint import CHECKPOINT_FILE, load_progress

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.tokenizers.base import Tokenizer

LOCK = ".lock"
TOKENIZER_FILE, MEMORY_FILE, METRICS_FILE = "tokenizer.json", "memory.json", "metrics.json"
RENAME = 'use --name OTHER (in Python name="OTHER")'
OVERWRITE = "--overwrite (overwrite=True)"
WEIGHTS = "model.weights.h5"
NEEDED = ("experiment.toml", TOKENIZER_FILE, WEIGHTS, METRICS_FILE)
"""What every finished run has."""


def is_finished(folder: Path) -> bool:
    """Whether a folder holds a finished run, whose metrics.json is written last."""
    return (folder / METRICS_FILE).exists()


def has_checkpoint(folder: Path) -> bool:
    """Whether a run can be resumed."""
    return (folder / CHECKPOINT_FILE).exists()


class Resumed(NamedTuple):
    """Where an unfinished run continues: after so many updates of those that it will make."""

    updates: int
    planned: int

    def __str__(self) -> str:
        return f"goes on from update {self.updates:,} of {self.planned:,}"


def resumed(folder: Path) -> Resumed | None:
    """Where the run in a folder continues; None without a checkpoint, or with a damaged one."""
    if not has_checkpoint(folder):
        return None
    try:
        progress = load_progress(folder)
    except TextgenError:
        return None
    return Resumed(progress.updates, progress.updates_planned) if progress else None


def write_experiment(path: Path, experiment: Experiment) -> None:
    write_file(path, tomli_w.dumps(experiment.resolved, multiline_strings=False))


def take_folder(folder: Path, *, found: str, hint: str) -> filelock.BaseFileLock:
    """Lock a folder for this process; the lock is released when the process ends.

    Args:
        found, hint: of the error if another process has locked it.

    Raises:
        TextgenError: another process has locked it, or the folder cannot be written.
    """
    lock = filelock.FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise TextgenError(str(folder), found=found, hint=hint) from None
    except (OSError, ValueError) as error:  # the latter of NUL in a name
        reason = error if isinstance(error, OSError) else OSError(str(error))
        raise write_failed(folder, reason, "nothing was changed") from None
    return lock


def prepare_folder(folder: Path, experiment: Experiment, overwrite: bool) -> filelock.BaseFileLock:
    """Lock the run folder for this process; nothing in it changes before :func:`begin_folder`.

    An unfinished run of the same experiment will be resumed, also with other settings of samples;
    any other run that has a checkpoint is refused unless ``overwrite``.

    Returns:
        The lock; the system releases it when the process ends, however it ends.

    Raises:
        TextgenError: a finished run, another experiment, a folder that is no run, or a run in
            progress elsewhere.
    """
    lock = take_folder(folder, found="another process is working in it", hint=f"wait, or {RENAME}")
    try:
        _check_free(folder, experiment, overwrite)
    except TextgenError:
        lock.release()
        raise
    return lock


def begin_folder(folder: Path, experiment: Experiment, overwrite: bool) -> None:
    """Make a prepared folder that of this experiment; files of another run are removed."""
    stored = folder / "experiment.toml"
    if stored.exists() and (overwrite or not _same(stored_experiment(folder), experiment)):
        for path in folder.iterdir():
            if path not in (folder / LOCK, stored):  # without the latter it is no run's folder
                _remove(path)
    write_experiment(stored, experiment)


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as error:
        raise TextgenError(
            str(path),
            found=f"it could not be removed: {error.strerror or error}",
            hint=f"remove it yourself, or {RENAME}",
        ) from None


def _check_free(folder: Path, experiment: Experiment, overwrite: bool) -> None:
    inside = [p for p in folder.iterdir() if p.name != LOCK and p.suffix != ".new"]
    is_run = (folder / "experiment.toml").exists()
    if inside and not is_run:
        raise TextgenError(
            str(folder),
            found="a folder that is not a run of textgen",
            hint=f"{RENAME}; nothing was changed",
        )
    if overwrite:
        return
    if is_finished(folder):
        raise TextgenError(
            str(folder),
            found="a finished run",
            hint=f"{RENAME} to keep both, or {OVERWRITE} to train again",
        )
    if has_checkpoint(folder) and not _same(stored_experiment(folder), experiment):
        raise TextgenError(
            str(folder),
            found="an unfinished run of a different experiment",
            hint=f"{RENAME} to keep both, or {OVERWRITE} to start again",
        )


def _same(stored: Experiment, asked: Experiment) -> bool:
    """Whether an experiment trains as the stored one does. Settings of samples, which are written
    after training, may be others."""
    return {**stored.resolved, "sampling": 0} == {**asked.resolved, "sampling": 0}


def stored_experiment(folder: Path) -> Experiment:
    """The experiment of a run.

    Raises:
        TextgenError: it is missing or damaged, or names a plug-in that is not installed.
    """
    return load_experiment(folder / "experiment.toml")


def text_of(folder: Path) -> TextHash | None:
    """Kind and hash of a run's text, from its manifest; None before it is written.

    Raises:
        TextgenError: the manifest is damaged.
    """
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return None
    return read_content(manifest, Manifest).corpus


def check_same_text(folder: Path, sha256: str) -> None:
    """Check that a run is resumed on the text it was started on.

    Raises:
        TextgenError: the corpus has changed, for example it is no longer the fallback.
    """
    before = text_of(folder)
    if has_checkpoint(folder) and before and before.sha256 != sha256:
        raise TextgenError(
            str(folder),
            found=f"a run begun on other text ({before.kind}, sha256 {before.sha256[:12]}…)",
            hint=f"{RENAME} to keep both, or {OVERWRITE} to start again",
        )


def check_folder(folder: Path) -> None:
    """Raises:
    TextgenError: there is no such folder; a run that is damaged is one.
    """
    if (kind := kind_of(folder)) == "a folder":
        return
    runs = {p.name: p for parent in (Path("runs"), folder.parent) for p in parent.glob("*/")}
    close = difflib.get_close_matches(folder.name, runs, n=1)
    known = f"did you mean {runs[close[0]]}?" if close else ""
    raise TextgenError(
        str(folder),
        found=kind.replace("such file", "such folder"),
        expected="the folder of a finished run, e.g. runs/char",
        hint=known or "train one: textgen run experiments/char.toml",
    )


def check_finished(folder: Path, needed: Sequence[str] = NEEDED) -> None:
    """Check that a folder holds a finished run.

    Raises:
        TextgenError: there is no such folder, or a file that is needed is missing.
    """
    check_folder(folder)
    missing = [name for name in needed if not (folder / name).exists()]
    if missing == list(needed):
        raise TextgenError(
            str(folder),
            found="a folder that is no run",
            hint="give the folder of a finished run, e.g. runs/char",
        )
    if missing:
        raise TextgenError(
            str(folder),
            found=f"not a finished run: no {', no '.join(missing)}",
            hint="repeat the command that started it to resume it",
        )


def read_metrics(folder: Path) -> Metrics:
    """``metrics.json``.

    Raises:
        TextgenError: it is damaged.
    """
    return read_content(folder / METRICS_FILE, Metrics)


def check_unharmed(path: Path, metrics: Metrics) -> None:
    """Check a file of a finished run against the checksum that its metrics have.

    Raises:
        TextgenError: it is not what the run has written, or cannot be read.
    """
    with reading(path):
        if sha256_of(path) != metrics.sha256.get(path.name):
            raise ValueError(f"another sha256 than that in {METRICS_FILE}")


def fitted_state(experiment: Experiment, tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of ``tokenizer.json``."""
    return {"kind": experiment.resolved["tokenizer"]["kind"], **tokenizer.state()}


def checksums(folder: Path) -> dict[str, str]:
    """sha256 of the files that a run writes once, by their names."""
    paths = (folder / name for name in (TOKENIZER_FILE, MEMORY_FILE, WEIGHTS, "history.csv"))
    return {path.name: sha256_of(path) for path in paths if path.exists()}


def save_network(folder: Path, network: Any) -> None:
    """``model.weights.h5``: the weights in Keras' own format."""
    scratch = folder / f"unfinished.{WEIGHTS}"  # repeated, a command that was killed writes over it
    try:
        network.save_weights(scratch)
        data = scratch.read_bytes()
    except OSError as error:
        safe = "the checkpoint of the training is unharmed"
        raise write_failed(folder / WEIGHTS, error, safe) from None
    finally:
        scratch.unlink(missing_ok=True)
    write_file(folder / WEIGHTS, data)
