"""Finished runs, saved and read back.

experiment.toml   the experiment with every default written out; repeats the run
manifest.json     seeds, versions, hardware, corpus and split hashes, the command
tokenizer.json    the fitted tokenizer
memory.json  what the memory of a document was tuned to, if there is one
model.weights.h5  the best weights, in Keras' own format
history.csv       one row a round of training
metrics.json      the interface other programs read (experiments/notes/metrics.md)
bits.csv          bits of every held-out document
tokens.npz       bits of every token of the test documents
texts.json        samples over a sweep of temperatures, the same settings for all runs
samples.json      generated texts with their settings; samples.txt the same for people
summary.md        what came out, for people
cross.json        what this run charges for other arms' samples (kept by textgen.compare)
log/              TensorBoard
checkpoint/       only while training is unfinished
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from textgen.core import UNREADABLE, Experiment, TextgenError, write_failed, write_file
from textgen.runs.folder import damaged, stored_experiment

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.evaluation import Memory
    from textgen.models import Objective
    from textgen.tokenizers import Tokenizer

SCHEMA = 3
WEIGHTS = "model.weights.h5"
NEEDED = ("experiment.toml", "tokenizer.json", WEIGHTS, "metrics.json")
MEMORY_FILE = "memory.json"


@dataclass(frozen=True)
class Run:
    """A finished run read back: everything that scores and generates."""

    folder: Path
    experiment: Experiment
    tokenizer: Tokenizer
    metrics: dict[str, Any]
    network: Any
    memory: Memory | None

    @property
    def objective(self) -> Objective:
        return self.experiment.objective


Light: TypeAlias = "tuple[Experiment, Tokenizer, dict[str, Any]]"
"""A run without its network: experiment, tokenizer, metrics."""


def load_run(folder: str | Path, light: Light | None = None) -> Run:
    """Read a finished run.

    Args:
        folder: of the run.
        light: what :func:`load_light` has already read of it.

    Raises:
        TextgenError: no such folder, an unfinished or a damaged run.
    """
    from textgen.core import start_tensorflow

    folder = Path(folder)
    experiment, tokenizer, metrics = light or load_light(folder)
    start_tensorflow(experiment.training.threads, experiment.training.deterministic)
    network = _load_network(folder, experiment, tokenizer)
    return Run(folder, experiment, tokenizer, metrics, network, load_memory(folder, experiment))


def load_light(folder: Path) -> Light:
    """A finished run without its network, hence without TensorFlow."""
    check_finished(folder)
    try:
        metrics = read_metrics(folder)  # first: it tells what another version has written
        state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        state.pop("kind")  # for people: the experiment names it
        experiment = stored_experiment(folder)
        tokenizer = experiment.tokenizer.load(state)
    except UNREADABLE as error:
        raise damaged(folder, error) from None
    return experiment, tokenizer, metrics


def read_metrics(folder: Path) -> dict[str, Any]:
    """``metrics.json``.

    Raises:
        TextgenError: it is damaged, or that of another textgen.
    """
    path = folder / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if metrics["schema"] != SCHEMA:
            age = "an older" if metrics["schema"] < SCHEMA else "a newer"
            raise TextgenError(
                str(folder),
                found=f"a run made by {age} textgen (schema {metrics['schema']} of metrics.json)",
                expected=f"a run of this version (schema {SCHEMA})",
                hint="train it again, or read it with that version",
            )
    except UNREADABLE as error:
        raise damaged(path, error) from None
    return metrics


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


def _load_network(folder: Path, experiment: Experiment, tokenizer: Tokenizer) -> Any:
    """A network built from the experiment, with the saved weights: nothing else is read."""
    network = experiment.objective.build(experiment.backbone, tokenizer.size)
    try:
        network.load_weights(folder / WEIGHTS)
    except Exception as error:  # Keras raises whatever its HDF5 layer raises
        raise damaged(folder / WEIGHTS, error) from None
    return network


def load_memory(folder: Path, experiment: Experiment) -> Memory | None:
    """What the memory of the document of a run was tuned to; None without one.

    Raises:
        TextgenError: it is missing or damaged.
    """
    from textgen.evaluation import Memory

    if not experiment.memory.orders:
        return None
    path = folder / MEMORY_FILE
    try:
        memory = Memory.load(json.loads(path.read_text(encoding="utf-8")))
        if memory.orders != experiment.memory.orders:
            raise ValueError(f"orders {list(memory.orders)}")
    except UNREADABLE as error:
        raise damaged(path, error) from None
    return memory


def save_network(folder: Path, network: Any) -> None:
    """``model.weights.h5``: the weights in Keras' own format."""
    import tempfile

    try:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            path = Path(scratch) / WEIGHTS
            network.save_weights(path)
            data = path.read_bytes()
    except OSError as error:
        raise write_failed(
            folder / WEIGHTS, error, "the checkpoint of the training is unharmed"
        ) from None
    write_file(folder / WEIGHTS, data)


def fitted_state(experiment: Experiment, tokenizer: Tokenizer) -> dict[str, Any]:
    """What ``tokenizer.json`` holds."""
    return {"kind": experiment.resolved["tokenizer"]["kind"], **tokenizer.state()}
