"""The run folder: its files, its lock, and reading a finished run back.

experiment.toml   the experiment with every default written out; repeats the run
manifest.json     seeds, versions, hardware, corpus and split hashes, the command
tokenizer.json    the fitted tokenizer
document_cache.json  what the cache of a document was tuned to, if there is one
model.keras       the best weights, a plain Keras file
history.csv       one row a round of training
metrics.json      the interface other programs read (experiments/README.md, "metrics.json")
bits.csv          bits of every held-out document
symbols.npz       bits of every symbol of the test documents
texts.json        samples over a sweep of temperatures, the same settings for all runs
samples.json      generated texts with their settings; samples.txt the same for people
summary.md        what came out, for people
cross.json        what this run charges for other arms' samples (kept by textgen.compare)
log/              TensorBoard
checkpoint/       only while training is unfinished
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import filelock
import tomli_w

from textgen import config
from textgen.config import Experiment
from textgen.errors import TextgenError, write_failed

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.document_cache import Cache
    from textgen.objectives.base import Objective
    from textgen.tokenizers.base import Codec

SCHEMA = 2
NEEDED = ("experiment.toml", "tokenizer.json", "model.keras", "metrics.json")
LOCK = ".lock"
DOCUMENT_CACHE = "document_cache.json"


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise write_failed(path, error, "what the run folder held before is unharmed") from None


def write_json(path: Path, data: Any) -> None:
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    write(path, text.encode("utf-8", "backslashreplace"))  # lone surrogates become JSON escapes


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows that share their keys, with a header."""
    import io

    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write(path, text.getvalue())


def write_experiment(path: Path, experiment: Experiment) -> None:
    write(path, tomli_w.dumps(experiment.resolved, multiline_strings=False))


def take(folder: Path, *, found: str, hint: str) -> filelock.BaseFileLock:
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


def prepare(folder: Path, experiment: Experiment, overwrite: bool) -> filelock.BaseFileLock:
    """Take the run folder for this process; what it holds stays there until :func:`begin`.

    An unfinished run of the same experiment is gone on with; any other that has been trained at all
    is refused unless ``overwrite``.

    Returns:
        The held lock; the system releases it when the process ends, however it ends.

    Raises:
        TextgenError: a finished run, another experiment, a folder that is no run, or a run in
            progress elsewhere.
    """
    lock = take(folder, found="another process is working in it", hint="wait, or use --name")
    try:
        _check_free(folder, experiment, overwrite)
    except TextgenError:
        lock.release()
        raise
    return lock


def begin(folder: Path, experiment: Experiment, overwrite: bool) -> None:
    """Make a prepared folder that of this experiment: what another run has left goes."""
    import shutil

    stored = folder / "experiment.toml"
    if stored.exists() and (
        overwrite or _stored_experiment(folder).resolved != experiment.resolved
    ):
        for path in folder.iterdir():
            if path not in (folder / LOCK, stored):  # a folder without it would be no run
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_experiment(stored, experiment)


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
            expected="a new name, or leave to replace it",
            hint="use --name OTHER to keep both, or --overwrite to train again",
        )
    trained = (folder / "checkpoint").exists()
    if trained and _stored_experiment(folder).resolved != experiment.resolved:
        raise TextgenError(
            str(folder),
            found="an unfinished run of a different experiment",
            expected="the experiment it was started with, to go on with it",
            hint="use --name OTHER to keep both, or --overwrite to begin anew",
        )


def _stored_experiment(folder: Path) -> Experiment:
    return config.load(folder / "experiment.toml")


@dataclass(frozen=True)
class Run:
    """A finished run read back: everything that scores and generates."""

    folder: Path
    experiment: Experiment
    codec: Codec
    metrics: dict[str, Any]
    network: Any
    cache: Cache | None

    @property
    def objective(self) -> Objective:
        return self.experiment.objective


Light: TypeAlias = "tuple[Experiment, Codec, dict[str, Any]]"
"""A run without its network: experiment, codec, metrics."""


def load(folder: str | Path, light: Light | None = None) -> Run:
    """Read a finished run.

    Args:
        folder: of the run.
        light: what :func:`load_light` has already read of it.

    Raises:
        TextgenError: no such folder, an unfinished or a damaged run.
    """
    from textgen import backend

    folder = Path(folder)
    experiment, codec, metrics = light or load_light(folder)
    backend.start(experiment.training.threads, experiment.training.deterministic)
    network = _load_network(folder, experiment, codec)
    return Run(folder, experiment, codec, metrics, network, _load_cache(folder, experiment))


def load_light(folder: Path) -> Light:
    """A finished run without its network, hence without TensorFlow."""
    check_finished(folder)
    try:
        state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        state.pop("kind")  # for people: the experiment names it
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        experiment = _stored_experiment(folder)
        codec = experiment.tokenizer.load(state)
        if metrics["schema"] != SCHEMA:
            raise ValueError(f"metrics.json of schema {metrics['schema']}, this textgen: {SCHEMA}")
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from None
    return experiment, codec, metrics


def check_finished(folder: Path, needed: Sequence[str] = NEEDED) -> None:
    """Raises:
    TextgenError: no such folder, or not that of a finished run.
    """
    if not folder.is_dir():
        raise TextgenError(
            str(folder),
            found="a file" if folder.exists() else "no such folder",
            expected="the folder of a finished run, e.g. runs/char",
            hint="train one: python -m textgen.run experiments/char.toml",
        )
    missing = [name for name in needed if not (folder / name).exists()]
    if missing == list(needed):
        raise TextgenError(
            str(folder),
            found="a folder that is no run",
            expected="the folder of a finished run, e.g. runs/char",
            hint="give the folder that textgen.run has named",
        )
    if missing:
        raise TextgenError(
            str(folder),
            found=f"no {', no '.join(missing)}",
            expected="a finished run",
            hint="repeat the command that started it: it goes on where it stood",
        )


def _load_network(folder: Path, experiment: Experiment, codec: Codec) -> Any:
    import keras

    from textgen.lstm import FusedLSTM

    network = experiment.objective.build(experiment.backbone, codec.size, FusedLSTM)
    try:
        stored = keras.models.load_model(folder / "model.keras", safe_mode=True, compile=False)
        network.set_weights(stored.get_weights())
    except Exception as error:  # Keras raises whatever its zip, HDF5 and JSON layers raise
        raise _damaged(folder / "model.keras", error) from None
    return network


def _load_cache(folder: Path, experiment: Experiment) -> Cache | None:
    from textgen.document_cache import Cache

    if not experiment.document_cache.orders:
        return None
    path = folder / DOCUMENT_CACHE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        cache = Cache(**{key: tuple(values) for key, values in state.items()})
        if cache.orders != experiment.document_cache.orders:
            raise ValueError(f"orders {list(cache.orders)}")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from None
    return cache


def save_network(folder: Path, experiment: Experiment, codec: Codec, network: Any) -> None:
    """``model.keras``: the same network out of Keras' own layers, readable without textgen."""
    import tempfile

    import keras

    plain = experiment.objective.build(experiment.backbone, codec.size, keras.layers.LSTM)
    plain.set_weights(network.get_weights())
    try:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            path = Path(scratch) / "model.keras"
            plain.save(path)
            data = path.read_bytes()
    except OSError as error:
        raise write_failed(
            folder / "model.keras", error, "the checkpoint of the training is unharmed"
        ) from None
    write(folder / "model.keras", data)


def _damaged(path: Path, error: Exception) -> TextgenError:
    return TextgenError(
        str(path),
        found=f"a damaged run ({type(error).__name__}: {str(error).splitlines()[0][:200]})",
        expected="the files as textgen wrote them",
        hint="train it again: python -m textgen.run experiments/… --overwrite",
    )


def text_of(folder: Path) -> dict[str, Any] | None:
    """What the manifest of a run says about its corpus; None before it is written."""
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return None
    return json.loads(manifest.read_text(encoding="utf-8"))["corpus"]


def check_same_text(folder: Path, sha256: str) -> None:
    """A run that is gone on with reads the text it was started on.

    Raises:
        TextgenError: the corpus is another one now, for example no longer the fallback.
    """
    before = text_of(folder)
    if (folder / "checkpoint").exists() and before and before["sha256"] != sha256:
        raise TextgenError(
            str(folder),
            found=f"a run begun on other text ({before['kind']}, sha256 {before['sha256'][:12]}…)",
            expected=f"the same text, sha256 {sha256[:12]}…",
            hint="use --name OTHER to keep both, or --overwrite to begin anew",
        )


def fitted_state(experiment: Experiment, codec: Codec) -> dict[str, Any]:
    """What ``tokenizer.json`` holds."""
    return {"kind": experiment.resolved["tokenizer"]["kind"], **codec.state()}
