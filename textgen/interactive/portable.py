"""A trained model as one string that plain JavaScript can read: network, tokenizer, spelling model.

The container is compressed by gzip and written in base64: the length of a head in JSON (uint32,
little-endian), the head, and the numbers of its ``tensors``, one after another.
"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textgen.core.errors import TextgenError
from textgen.models.backbones import GRU, LSTM, MinGRU
from textgen.models.objectives import NextToken

if TYPE_CHECKING:
    from textgen.runs.finished import Run

ALIGNED = Path(__file__).with_name("aligned.js")
"""The script that shows what several models charge for one text."""
SCRIPTS = tuple(
    Path(__file__).with_name(f"{name}.js")
    for name in ("network", "spelling", "tokenizers", "portable")
)
"""What reads and runs it, in order."""
STEP, TABLE_STEP = 0.15, 0.4
"""Width of the steps to which ``"int8"`` rounds, in standard deviations of a matrix's weights, and
of those of a table of n-grams: narrow enough for a text's bits to stay within 0.5 %, and so wide
that the numbers compress to two thirds (``tests/benchmarks/page_models.py``)."""
CELLS = {LSTM: "lstm", GRU: "gru", MinGRU: "mingru"}


def portable_model(run: Run, precision: str = "int8") -> str:
    """A run's model for a page, by its network alone.

    Args:
        run: a finished run.
        precision: of matrices, ``"int8"``, ``"float16"`` or ``"float32"``; vectors keep float32.

    Raises:
        TextgenError: a network, objective or tokenizer that has no counterpart in JavaScript.
    """
    try:
        tokenizer, network = run.tokenizer.portable(), _settings(run)
    except ValueError as error:
        raise TextgenError(
            f"{run.folder}: a model for the page",
            found=str(error),
            expected="next-token networks of LSTM, GRU or minGRU layers; characters, subwords "
            "learnt by byte-pair encoding, or words",
            hint="leave this run out of --embed",
        ) from None
    tensors, parts = list[dict[str, Any]](), list[bytes]()
    for name, values in _weights(run.network).items():
        kind = precision if values.ndim == 2 else "float32"
        coded, step = _coded(values, kind, TABLE_STEP if name == "ngrams" else STEP)
        tensors.append({"name": name, "shape": values.shape, "type": kind, "step": step})
        parts.append(coded)
    head = json.dumps({"network": network, "tokenizer": tokenizer, "tensors": tensors})
    length = len(encoded := head.encode())
    content = length.to_bytes(4, "little") + encoded + b"".join(parts)
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _coded(values: np.ndarray, kind: str, width: float) -> tuple[bytes, float | None]:
    """Numbers as bytes, and the step of which they are multiples, if they are."""
    if kind != "int8":
        return values.astype("<f2" if kind == "float16" else "<f4").tobytes(), None
    step = max(float(values.std()) * width, float(np.abs(values).max()) / 127, 1e-30)
    return np.round(values / step).astype(np.int8).tobytes(), step


def _settings(run: Run) -> dict[str, Any]:
    """What the network is made of.

    Raises:
        ValueError: something that has no counterpart.
    """
    config, network = run.experiment.backbone, run.network
    if type(run.objective) is not NextToken:
        raise ValueError(f"the objective {type(run.objective).__name__}")
    if type(config) not in CELLS or config.members > 1:
        raise ValueError(config.label)
    if config.normalisation != "none":
        raise ValueError("normalised layers")
    found, output = config.ngrams or None, network.output_layer
    return {
        "cell": CELLS[type(config)],
        "units": config.units,
        "ngrams": found and {"orders": found.orders, "rows": found.rows},
        "tied": config.tied_output,
        "head": output.head_size if output.adaptive else 0,
    }


def _weights(network: Any) -> dict[str, np.ndarray]:
    """Name → matrix (below, above) or vector, as ``network.js`` asks for them."""
    found: dict[str, Any] = {}

    def dense(name: str, layer: Any) -> None:
        found[name] = layer.kernel
        if layer.bias is not None:
            found[f"{name}.bias"] = layer.bias

    if network.embedding is not None:
        found["embedding"] = network.embedding.embeddings
    if network.ngrams is not None:
        found["ngrams"] = network.ngrams.table
    for number, layer in enumerate(network.recurrent):
        part = getattr(layer, "cell", None) or layer.gate_candidate
        found |= {f"{number}.kernel": part.kernel, f"{number}.bias": part.bias}
        if part is not getattr(layer, "gate_candidate", None):
            found[f"{number}.recurrent"] = part.recurrent_kernel
    if network.projection is not None:
        dense("projection", network.projection)
    output = network.output_layer
    parts = ("beyond", "head", "tail_projection", "tail") if output.adaptive else ("dense",)
    for name in parts:
        if getattr(output, name, None) is not None:
            dense("output" if name == "dense" else name, getattr(output, name))
    if output.bias is not None:
        found["output.bias"] = output.bias
    arrays = {name: np.array(weight) for name, weight in found.items()}
    # the two biases of a GRU, of inputs and of the state, one behind the other
    return {n: a.reshape(-1) if n.endswith(".bias") else a for n, a in arrays.items()}
