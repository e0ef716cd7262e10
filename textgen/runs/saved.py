"""The parts of a finished run that are fitted: tokenizer, network, memory of the document."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core import Experiment, TextgenError, sha256_of, write_failed, write_file
from textgen.runs.folder import (
    WEIGHTS,
    check_unharmed,
    damaged,
    read_metrics,
    reading,
)
from textgen.runs.schemas import MemoryState, read_json

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.evaluation import Memory
    from textgen.tokenizers import Tokenizer

TOKENIZER_FILE, MEMORY_FILE = "tokenizer.json", "memory.json"


def checksums(folder: Path) -> dict[str, str]:
    """sha256 of the files that a run writes once, by their names."""
    paths = (folder / name for name in (TOKENIZER_FILE, MEMORY_FILE, WEIGHTS, "history.csv"))
    return {path.name: sha256_of(path) for path in paths if path.exists()}


def fitted_state(experiment: Experiment, tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of ``tokenizer.json``."""
    return {"kind": experiment.resolved["tokenizer"]["kind"], **tokenizer.state()}


def load_tokenizer(folder: Path, experiment: Experiment) -> Tokenizer:
    """The fitted tokenizer of a run.

    Raises:
        TextgenError: it is damaged, or that of another run.
    """
    path = folder / TOKENIZER_FILE
    check_unharmed(path)
    size = read_metrics(folder)["vocabulary_size"]
    try:
        state = read_json(path)
        kind = state.pop("kind")
        if kind != experiment.resolved["tokenizer"]["kind"]:
            raise ValueError(f"the tokenizer is of another kind, {kind!r}")
        tokenizer: Tokenizer = experiment.tokenizer.load(state)
        if not tokenizer.size == len(tokenizer.names) == size:
            raise ValueError(f"{tokenizer.size} tokens, not the {size} of metrics.json")
    except TextgenError:
        raise
    except Exception as error:  # a plug-in, or a library below it, raises whatever it likes
        raise damaged(path, error) from None
    return tokenizer


def load_memory(folder: Path, experiment: Experiment) -> Memory | None:
    """The tuned memory of the document of a run; None if its experiment has none.

    Raises:
        TextgenError: it is missing or damaged.
    """
    from textgen.evaluation import Memory

    if not experiment.memory.orders:
        return None
    path = folder / MEMORY_FILE
    check_unharmed(path)
    with reading(path):
        memory = Memory.load(read_json(path, MemoryState))
        if memory.orders != experiment.memory.orders:
            raise ValueError(f"orders {list(memory.orders)}")
        if (memory.learning is not None) != bool(experiment.memory.learning_rate):
            raise ValueError("learning")
    return memory


def load_network(folder: Path, experiment: Experiment, tokenizer: Tokenizer) -> Any:
    """The trained network of a run, built from the experiment, with the saved weights: nothing
    else is read. Starts TensorFlow.

    Raises:
        TextgenError: it is damaged, or that of another run.
    """
    import numpy as np

    from textgen.core import start_tensorflow
    from textgen.models import check_loading

    check_unharmed(folder / WEIGHTS)
    check_loading(experiment.backbone, tokenizer.size, str(folder / "experiment.toml"))
    start_tensorflow(experiment.training.threads, experiment.training.deterministic)
    network = experiment.objective.build(experiment.backbone, tokenizer.size)
    try:
        network.load_weights(folder / WEIGHTS)
        if not all(np.isfinite(weight).all() for weight in network.get_weights()):
            raise ValueError("weights that are not finite")
    except Exception as error:  # Keras raises whatever its HDF5 layer raises
        raise damaged(folder / WEIGHTS, error) from None
    return network


def save_network(folder: Path, network: Any) -> None:
    """``model.weights.h5``: the weights in Keras' own format."""
    scratch = folder / f"unfinished.{WEIGHTS}"  # repeated, a command that was killed writes over it
    try:
        network.save_weights(scratch)
        data = scratch.read_bytes()
    except OSError as error:
        raise write_failed(
            folder / WEIGHTS, error, "the checkpoint of the training is unharmed"
        ) from None
    finally:
        scratch.unlink(missing_ok=True)
    write_file(folder / WEIGHTS, data)
