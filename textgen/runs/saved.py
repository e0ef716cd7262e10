"""The parts of a finished run that are fitted: tokenizer, network, memory of the document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core import Experiment, write_failed, write_file
from textgen.runs.folder import WEIGHTS, damaged, reading

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.evaluation import Memory
    from textgen.tokenizers import Tokenizer

MEMORY_FILE = "memory.json"


def fitted_state(experiment: Experiment, tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of ``tokenizer.json``."""
    return {"kind": experiment.resolved["tokenizer"]["kind"], **tokenizer.state()}


def load_tokenizer(folder: Path, experiment: Experiment) -> Tokenizer:
    """The fitted tokenizer of a run.

    Raises:
        TextgenError: it is damaged.
    """
    path = folder / "tokenizer.json"
    with reading(path):
        state = json.loads(path.read_text(encoding="utf-8"))
        state.pop("kind")  # for people: the experiment names it
        return experiment.tokenizer.load(state)


def load_memory(folder: Path, experiment: Experiment) -> Memory | None:
    """The tuned memory of the document of a run; None if its experiment has none.

    Raises:
        TextgenError: it is missing or damaged.
    """
    from textgen.evaluation import Memory

    if not experiment.memory.orders:
        return None
    path = folder / MEMORY_FILE
    with reading(path):
        memory = Memory.load(json.loads(path.read_text(encoding="utf-8")))
        if memory.orders != experiment.memory.orders:
            raise ValueError(f"orders {list(memory.orders)}")
        if (memory.learning is not None) != bool(experiment.memory.learning_rate):
            raise ValueError("learning")
    return memory


def load_network(folder: Path, experiment: Experiment, tokenizer: Tokenizer) -> Any:
    """The trained network of a run, built from the experiment, with the saved weights: nothing
    else is read. Starts TensorFlow.

    Raises:
        TextgenError: it is damaged.
    """
    from textgen.core import start_tensorflow

    start_tensorflow(experiment.training.threads, experiment.training.deterministic)
    network = experiment.objective.build(experiment.backbone, tokenizer.size)
    try:
        network.load_weights(folder / WEIGHTS)
    except Exception as error:  # Keras raises whatever its HDF5 layer raises
        raise damaged(folder / WEIGHTS, error) from None
    return network


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
