"""The folder of a run while it is trained: locked by one process, resumed, or started again.

experiment.toml   the experiment with every default written out; repeats the run
manifest.json     seeds, versions, hardware, corpus and split hashes, the command
tokenizer.json    the fitted tokenizer
training_counts.npz  the training text as tokens and how far its counts are trusted, if it has them
cache.json        the parameters of the document cache, if there is one
model.weights.h5  the best weights, in Keras' own format
history.csv       one row per validation interval
tokens.npz        bits of every token of the test documents
texts.json        samples over a sweep of temperatures, the same settings for all runs
samples.json      samples at the experiment's own settings
metrics.json      the interface other programs read (docs/reference/metrics.md), written last
summary.md        the results, for people
audit.json        the result of an audit of the network; audit_PART.json that of another part
checkpoint.npz    only while training is unfinished
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import tomli_w

from textgen.core.errors import TextgenError, write_failed
from textgen.core.experiment import Experiment, load_experiment
from textgen.core.files import sha256_of, write_file
from textgen.core.settings import PARTS, PartName
from textgen.models.types import Network
from textgen.runs.results import METRICS_FILE, Manifest, read_content
from textgen.training.checkpoint import CHECKPOINT_FILE

LOCK = ".lock"
WEIGHTS_FILE = "model.weights.h5"
AUDIT_FILE = "audit.json"
# files whose checksums are in metrics.json; not every run has all of them
CHECKED = (
    "experiment.toml",
    "tokenizer.json",
    "training_counts.npz",
    "cache.json",
    WEIGHTS_FILE,
    "history.csv",
    "tokens.npz",
    "texts.json",
)
RENAME = 'use --name OTHER (in Python name="OTHER")'
OVERWRITE = "--overwrite (overwrite=True)"
# all files of a run, but for its audits
WRITTEN = {
    *CHECKED,
    "manifest.json",
    "samples.json",
    "summary.md",
    METRICS_FILE,
    CHECKPOINT_FILE,
}


def audit_file(part: PartName) -> str:
    """The name of the file of an audit of a part, in the folder of a run."""
    return AUDIT_FILE if part == "network" else f"audit_{part}.json"


AUDITS = {audit_file(part) for part in PARTS}


def is_finished(folder: Path) -> bool:
    """Whether a folder holds a finished run, whose metrics.json is written last."""
    return (folder / METRICS_FILE).exists()


def write_experiment(path: Path, experiment: Experiment) -> None:
    write_file(path, tomli_w.dumps(experiment.resolved, multiline_strings=False))


@contextlib.contextmanager
def take_folder(folder: Path, message: str, hint: str, *, wait: bool = False) -> Iterator[None]:
    """Lock a folder for this process and a block; the lock is also released when the process ends.
    A folder that was made for this, and in which nothing has been written by then, is removed.

    Args:
        message, hint: of the error if another process has locked it.
        wait: wait for that process instead.

    Raises:
        TextgenError: another process has locked it, or the folder cannot be written.
    """
    try:
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK)
        lock.acquire(timeout=-1 if wait else 0)
    except filelock.Timeout:
        raise TextgenError(f"{folder}: {message}", hint) from None
    except (OSError, ValueError) as error:  # the latter of NUL in a name
        reason = error if isinstance(error, OSError) else OSError(str(error))
        raise write_failed(folder, reason, "nothing was changed") from None
    try:
        yield
    finally:
        is_unused = is_new and [path.name for path in folder.iterdir()] == [LOCK]
        if is_unused:
            with contextlib.suppress(OSError):  # Windows keeps it until it is released
                (folder / LOCK).unlink()
        lock.release()
        if is_unused:
            with contextlib.suppress(OSError):  # another process works here by now
                folder.rmdir()


@contextlib.contextmanager
def prepared_folder(folder: Path, experiment: Experiment, overwrite: bool) -> Iterator[None]:
    """Lock the run folder for this block; nothing in it changes before :func:`begin_folder`.

    An unfinished run of the same experiment will be resumed, also with other settings of samples;
    any other run that has a checkpoint is refused unless ``overwrite``.

    Raises:
        TextgenError: a finished run, another experiment, a folder that is no run, or a run in
            progress elsewhere.
    """
    with take_folder(folder, "another process is working here", f"wait, or {RENAME}"):
        content = [path for path in folder.iterdir() if path.name != LOCK and path.suffix != ".new"]
        if content and not (folder / "experiment.toml").exists():
            raise TextgenError(f"{folder} is not a run of textgen: nothing was changed", RENAME)
        if is_finished(folder) and not overwrite:
            hint = f"{RENAME} to keep both, or {OVERWRITE} to train again"
            raise TextgenError(f"{folder} holds a finished run", hint)
        begun = (folder / CHECKPOINT_FILE).exists() and not overwrite
        if begun and not _same(folder, experiment):
            raise begun_error(folder, "of a different experiment")
        yield


def begun_error(folder: Path, what: str) -> TextgenError:
    hint = f"{RENAME} to keep both, or {OVERWRITE} to start again"
    return TextgenError(f"{folder} holds an unfinished run {what}", hint)


def _same(folder: Path, experiment: Experiment) -> bool:
    """Whether the run in a folder trains alike: samples, which are written afterwards, may differ,
    but for the part by which weights are chosen."""
    stored = load_experiment(folder / "experiment.toml")
    return _what_trains(stored) == _what_trains(experiment)


def _what_trains(experiment: Experiment) -> dict[str, Any]:
    return {**experiment.resolved, "sampling": experiment.sampling.part}


def begin_folder(folder: Path, experiment: Experiment, overwrite: bool) -> None:
    """Make a prepared folder that of this experiment; files of another run are removed, and
    nothing else that lies there, such as a study of the run's name."""
    stored = folder / "experiment.toml"
    if stored.exists() and (overwrite or not _same(folder, experiment)):
        for path in folder.iterdir():
            if path != stored and _is_of_a_run(path):  # without that one it is no run's folder
                path.unlink()
    write_experiment(stored, experiment)


def _is_of_a_run(path: Path) -> bool:
    """Whether a run, an audit, or a process that was killed while it wrote for one made this file;
    anything else in the folder is somebody's own."""
    name = re.sub(r"\.\d+-[0-9a-f]+\.new$", "", path.name.removeprefix("unfinished."))
    return path.is_file() and (name in WRITTEN or name in AUDITS)


def other_text(folder: Path, sha256: str) -> str:
    """Says so if the run that was begun in a folder is on other text than that of this sha256, for
    example on the fallback of the corpus; else empty.

    Raises:
        TextgenError: the manifest is damaged.
    """
    path = folder / "manifest.json"
    if not path.exists():
        return ""
    before = read_content(path, Manifest).corpus
    if before.sha256 == sha256:
        return ""
    return f"on other text ({before.kind}, sha256 {before.sha256[:12]}…)"


def checksums(folder: Path) -> dict[str, str]:
    """File name → sha256 of those of CHECKED that there are."""
    return {name: sha256_of(folder / name) for name in CHECKED if (folder / name).exists()}


def save_network(folder: Path, network: Network) -> None:
    """``model.weights.h5``: the weights in Keras' own format."""
    scratch = folder / f"unfinished.{WEIGHTS_FILE}"  # a killed command's is written over
    try:
        network.save_weights(scratch)
        write_file(folder / WEIGHTS_FILE, scratch.read_bytes())
    except OSError as error:
        safe = "the checkpoint of the training is unharmed"
        raise write_failed(folder / WEIGHTS_FILE, error, safe) from None
    finally:
        scratch.unlink(missing_ok=True)
