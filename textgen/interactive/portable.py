"""A trained model as one string that plain JavaScript can read: network, tokenizer, spelling model.

The container is compressed by gzip and written in base64: the length of a head in JSON (uint32,
little-endian), the head, and the numbers of its ``tensors``, one after another. A row of
``tensors`` is a name, a step and a shape. Numbers are in float16 where the step is 0; elsewhere
they are int8, in multiples of the step.
"""

import base64
import gzip
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import regex

from textgen.core.errors import TextgenError
from textgen.models.backbones import Recurrent
from textgen.models.objectives import NextToken
from textgen.models.settings import NGrams
from textgen.runs.finished import Run
from textgen.tokenizers.base import Tokenizer

# Holds ``asking.html`` and ``asking.css``, the part of a page in which models are asked.
FOLDER = Path(__file__).parent
# Matrices with at least this many numbers are stored as int8; tables with this many rows have
# coarser steps.
LARGE = 10_000
LARGEST_INT8 = 127
# What runs models in that part, in order; ``asking(embedded(…))`` begins it.
SCRIPTS = tuple(
    FOLDER / f"{name}.js" for name in ("asking", "network", "spelling", "tokenizers", "portable")
)


def portable_model(run: Run) -> str:
    """A finished run's model for a page, by its network alone, with rounded weights.

    Raises:
        TextgenError: a network, objective or tokenizer that has no counterpart in JavaScript.
    """
    try:
        tokenizer = portable_tokenizer(run.tokenizer)
        network = _settings(run)
    except ValueError as error:
        kinds = "LSTM, GRU and minGRU networks of characters, byte-pair subwords or words"
        message = f"{run.folder}: a page does not support {error}"
        raise TextgenError(message, f"a page holds {kinds}") from None
    weights = {name: rounded(values, name) for name, values in _weights(run.network).items()}
    tensors = [[name, kept.step, *kept.numbers.shape] for name, kept in weights.items()]
    head = json.dumps({"network": network, "tokenizer": tokenizer, "tensors": tensors}).encode()
    numbers = (kept.numbers.tobytes() for kept in weights.values())
    content = len(head).to_bytes(4, "little") + head + b"".join(numbers)
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def portable_tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    """What ``tokenizers.js`` needs, as JSON data.

    Raises:
        ValueError: a tokenizer that has no counterpart.
    """
    state = tokenizer.portable()
    if state["kind"] in ("words", "rare_replaced"):
        return {**state, "kinds": word_break_classes()}
    return state


def _settings(run: Run) -> dict[str, Any]:
    """What the network is made of.

    Raises:
        ValueError: something that has no counterpart.
    """
    config, objective = run.experiment.backbone, run.experiment.objective
    if type(objective) is not NextToken:
        raise ValueError(f"the objective {type(objective).__name__}")
    if not isinstance(config, Recurrent) or config.portable_cell is None or config.members > 1:
        raise ValueError(config.label)
    if config.normalisation != "none":
        raise ValueError("normalised layers")
    return {
        "cell": config.portable_cell,
        "units": config.units,
        "head": run.network.output_layer.head_size,
        "ngrams": _ngram_settings(config.ngrams),
        "output_ngrams": _ngram_settings(config.output_ngrams),
    }


def _ngram_settings(ngrams: NGrams | Literal[False]) -> dict[str, Any] | Literal[False]:
    if not ngrams:
        return False
    return {"orders": ngrams.orders, "rows": ngrams.rows}


def _weights(network: Any) -> dict[str, np.ndarray]:
    """Name → float32 matrix (below, above) or vector, as ``network.js`` asks for them."""
    output = network.output_layer
    names = ("beyond", "head", "tail_projection", "tail") if output.head_size < output.size else ()
    dense = {name: getattr(output, name, None) for name in names}
    dense |= {"projection": network.projection, "output": None if names else output.dense}
    weights: dict[str, Any] = {}
    for name, layer in dense.items():
        if layer is not None:
            weights |= {name: layer.kernel, f"{name}.bias": layer.bias}
    if network.embedding is not None:
        weights["embedding"] = network.embedding.embeddings
    if network.ngrams is not None:
        weights["ngrams"] = network.ngrams.table
    if network.output_ngrams is not None:
        weights["output_ngrams"] = network.output_ngrams.table
    if output.bias is not None:
        weights["output.bias"] = output.bias
    for number, layer in enumerate(network.recurrent):
        cell = getattr(layer, "cell", None) or layer.gate_candidate
        weights |= {f"{number}.kernel": cell.kernel, f"{number}.bias": cell.bias}
        weights[f"{number}.recurrent"] = getattr(cell, "recurrent_kernel", None)
    # the two biases of a GRU, of inputs and of the state, follow each other
    return {
        name: np.reshape(values, -1 if name.endswith(".bias") else values.shape).astype(np.float32)
        for name, values in weights.items()
        if values is not None
    }


class Rounded(NamedTuple):
    """Weights as a page keeps them: ``numbers``, float16, or int8 in multiples of ``step``."""

    step: float
    numbers: np.ndarray


def rounded(values: np.ndarray, name: str) -> Rounded:
    """Large matrices in int8, where the largest number is 127 steps.

    A table of n-gram vectors with many rows is most of a page, and each of its rows is a small part
    of a sum. Its step is at least a quarter of the standard deviation, so that it compresses to
    half a byte a number. Bits of tales change by 0.03% for characters, which have such a table, and
    by less than 0.01% for other networks (trained for one and for five minutes).
    """
    step = float(np.abs(values).max()) / LARGEST_INT8
    if name.endswith("ngrams") and len(values) >= LARGE:
        step = max(step, float(values.std()) / 4)
    if values.size < LARGE or step == 0:
        return Rounded(0, values.astype("<f2"))
    return Rounded(step, np.round(values / step).astype(np.int8))


@cache
def word_break_classes() -> dict[str, Any]:
    """The classes of characters by which ``pretokenize`` cuts words, as JSON data.

    Returns:
        ``starts``: the first code point of every range of characters of one kind, which are in the
        same classes; ``kinds``: a letter for each; ``classes``: name → the letters in it.
    """
    names = (
        "ALetter CR LF Newline Double_Quote Single_Quote Extend ExtendNumLet Format Hebrew_Letter "
        "Katakana MidLetter MidNum MidNumLet Numeric Regional_Indicator WSegSpace ZWJ"
    ).split()
    patterns = {name: rf"\p{{WB={name}}}" for name in names} | {
        "SpacingMark": r"\p{GCB=SpacingMark}",
        "Pictographic": r"\p{Extended_Pictographic}",
        "word": r"\w",
        "space": r"\s",
    }
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    members = np.zeros(len(everything), dtype=np.int64)  # a bit for each class
    for bit, pattern in enumerate(patterns.values()):
        for match in regex.finditer(f"{pattern}+", everything):
            members[match.start() : match.end()] |= 1 << bit
    starts = np.flatnonzero(np.diff(members, prepend=-1))
    combinations, kinds = np.unique(members[starts], return_inverse=True)
    letters = [chr(0x100 + number) for number in range(len(combinations))]
    return {
        "starts": starts.tolist(),
        "kinds": "".join(letters[kind] for kind in kinds),
        "classes": {
            name: "".join(letters[i] for i in np.flatnonzero(combinations >> bit & 1))
            for bit, name in enumerate(patterns)
        },
    }
