"""The folder of a run: locked by one process, resumed, started again; checked when it is read.

experiment.toml   the experiment with every default written out; repeats the run
manifest.json     seeds, versions, hardware, corpus and split hashes, the command
tokenizer.json    the fitted tokenizer
memory.json       the parameters of the memory of the document, if there is one
model.weights.h5  the best weights, in Keras' own format
history.csv       one row per validation interval
tokens.npz        bits of every token of the test documents
texts.json        samples over a sweep of temperatures, the same settings for all runs
samples.json      samples at the experiment's own settings
metrics.json      the interface other programs read (experiments/notes/metrics.md), written last
summary.md        the results, for people
audit.json        the result of an audit; audit_memory.json the same with the memory
checkpoint.npz    only while training is unfinished
"""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path
from typing import Any

import filelock
import tomli_w

from textgen.core.errors import TextgenError, write_failed
from textgen.core.experiment import Experiment, load_experiment
from textgen.core.system import kind_of, sha256_of, write_file
from textgen.runs.results import CorpusContent, Manifest, Metrics, read_content, reading
from textgen.training.checkpoint import CHECKPOINT_FILE, load_progress

LOCK = ".lock"
METRICS_FILE, WEIGHTS_FILE = "metrics.json", "model.weights.h5"
CHECKED = (
    *("experiment.toml", "tokenizer.json", "memory.json", WEIGHTS_FILE, "history.csv"),
    *("tokens.npz", "texts.json"),
)
"""Files whose checksums are in metrics.json; a run without a memory has no memory.json."""
RENAME = 'use --name OTHER (in Python name="OTHER")'
OVERWRITE = "--overwrite (overwrite=True)"


def is_finished(folder: Path) -> bool:
    """Whether a folder holds a finished run, whose metrics.json is written last."""
    return (folder / METRICS_FILE).exists()


def has_checkpoint(folder: Path) -> bool:
    """Whether a run can be resumed."""
    return (folder / CHECKPOINT_FILE).exists()


def resumed(folder: Path) -> str:
    """Where the unfinished run in a folder goes on, in words; empty without a usable checkpoint."""
    try:
        progress = load_progress(folder)
    except TextgenError:
        return ""
    if progress is None:
        return ""
    return f"goes on from update {progress.updates:,} of {progress.updates_planned:,}"


def write_experiment(path: Path, experiment: Experiment) -> None:
    write_file(path, tomli_w.dumps(experiment.resolved, multiline_strings=False))


def stored_experiment(folder: Path) -> Experiment:
    """The experiment of a run.

    Raises:
        TextgenError: it is missing or damaged, or names a plug-in that is not installed.
    """
    return load_experiment(folder / "experiment.toml")


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
        raise TextgenError(f"{folder}: {found}", hint=hint) from None
    except (OSError, ValueError) as error:  # the latter of NUL in a name
        reason = error if isinstance(error, OSError) else OSError(str(error))
        raise write_failed(folder, reason, "nothing was changed") from None
    return lock


def prepare_folder(folder: Path, experiment: Experiment, overwrite: bool) -> filelock.BaseFileLock:
    """Lock the run folder for this process; nothing in it changes before :func:`begin_folder`.

    An unfinished run of the same experiment will be resumed, also with other settings of samples;
    any other run that has a checkpoint is refused unless ``overwrite``.

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


def _check_free(folder: Path, experiment: Experiment, overwrite: bool) -> None:
    content = [path for path in folder.iterdir() if path.name != LOCK and path.suffix != ".new"]
    if content and not (folder / "experiment.toml").exists():
        raise TextgenError(f"{folder} is not a run of textgen: nothing was changed", hint=RENAME)
    if overwrite:
        return
    if is_finished(folder):
        hint = f"{RENAME} to keep both, or {OVERWRITE} to train again"
        raise TextgenError(f"{folder} holds a finished run", hint=hint)
    if has_checkpoint(folder) and not _same(stored_experiment(folder), experiment):
        hint = f"{RENAME} to keep both, or {OVERWRITE} to start again"
        raise TextgenError(f"{folder} holds an unfinished run of a different experiment", hint=hint)


def _same(stored: Experiment, experiment: Experiment) -> bool:
    """Whether both train alike: samples, which are written afterwards, may differ."""
    return {**stored.resolved, "sampling": 0} == {**experiment.resolved, "sampling": 0}


def begin_folder(folder: Path, experiment: Experiment, overwrite: bool) -> None:
    """Make a prepared folder that of this experiment; files of another run are removed."""
    stored = folder / "experiment.toml"
    if stored.exists() and (overwrite or not _same(stored_experiment(folder), experiment)):
        for path in folder.iterdir():
            if path not in (folder / LOCK, stored):  # without the latter it is no run's folder
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_experiment(stored, experiment)


def text_of(folder: Path) -> CorpusContent | None:
    """The text of a run, from its manifest; None before it is written.

    Raises:
        TextgenError: the manifest is damaged.
    """
    path = folder / "manifest.json"
    return read_content(path, Manifest).corpus if path.exists() else None


def check_same_text(folder: Path, sha256: str) -> None:
    """Check that a run is resumed on the text it was started on.

    Raises:
        TextgenError: the corpus has changed, for example it is no longer the fallback.
    """
    before = text_of(folder)
    if has_checkpoint(folder) and before and before.sha256 != sha256:
        text = f"{before.kind}, sha256 {before.sha256[:12]}…"
        hint = f"{RENAME} to keep both, or {OVERWRITE} to start again"
        raise TextgenError(f"{folder} holds a run begun on other text ({text})", hint=hint)


def check_folder(folder: Path) -> None:
    """Raises:
    TextgenError: there is no such folder; a run that is damaged is one.
    """
    kind = kind_of(folder).replace("such file", "such folder")
    if kind == "a folder":
        return
    runs = {path.name: path for home in (Path("runs"), folder.parent) for path in home.glob("*/")}
    close = difflib.get_close_matches(folder.name, runs, n=1)
    hint = f"did you mean {runs[close[0]]}?" if close else "train one: textgen run char"
    raise TextgenError(f"{folder}: {kind}; expected the folder of a finished run", hint=hint)


def read_finished(folder: Path) -> Metrics:
    """The figures of a finished run.

    Raises:
        TextgenError: there is no such folder, it holds no finished run, or a damaged one.
    """
    check_folder(folder)
    if not (folder / "experiment.toml").exists():
        hint = "give the folder of a finished run, e.g. runs/char"
        raise TextgenError(f"{folder}: a folder that is no run", hint=hint)
    if not is_finished(folder):
        hint = "repeat the command that started it to resume it"
        raise TextgenError(f"{folder}: not a finished run: no {METRICS_FILE}", hint=hint)
    return read_metrics(folder)


def read_metrics(folder: Path) -> Metrics:
    """``metrics.json``.

    Raises:
        TextgenError: it is damaged.
    """
    return read_content(folder / METRICS_FILE, Metrics)


def check_unharmed(folder: Path, name: str, metrics: Metrics) -> Path:
    """The path of a file of a finished run, whose checksum is that of the metrics.

    Raises:
        TextgenError: it is not what the run has written, or cannot be read.
    """
    path = folder / name
    with reading(path):
        if sha256_of(path) != metrics.sha256.get(name):
            raise ValueError(f"another sha256 than that in {METRICS_FILE}")
    return path


def checksums(folder: Path) -> dict[str, str]:
    """File name → sha256 of those of CHECKED that there are."""
    return {name: sha256_of(folder / name) for name in CHECKED if (folder / name).exists()}


def save_network(folder: Path, network: Any) -> None:
    """``model.weights.h5``: the weights in Keras' own format."""
    scratch = folder / f"unfinished.{WEIGHTS_FILE}"  # a killed command's is written over
    try:
        network.save_weights(scratch)
        data = scratch.read_bytes()
    except OSError as error:
        safe = "the checkpoint of the training is unharmed"
        raise write_failed(folder / WEIGHTS_FILE, error, safe) from None
    finally:
        scratch.unlink(missing_ok=True)
    write_file(folder / WEIGHTS_FILE, data)
