"""A trained model as one string that plain JavaScript can read: network, tokenizer, spelling model.

The container is compressed by gzip and written in base64: the length of a head in JSON (uint32,
little-endian), the head, and the numbers of its ``tensors`` in float16, one after another.
"""

import base64
import gzip
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import regex
from numpy.typing import ArrayLike

from textgen.core.errors import TextgenError
from textgen.models.backbones import Recurrent
from textgen.models.objectives import NextToken
from textgen.models.settings import NGrams
from textgen.runs.finished import Run
from textgen.tokenizers.base import Tokenizer

# Holds ``asking.html`` and ``asking.css``, the part of a page in which models are asked.
FOLDER = Path(__file__).parent
# Tables of at least so many rows are stored in steps.
LARGE_TABLE = 10_000
# What runs models in that part, in order; ``asking(embedded(…))`` begins it.
SCRIPTS = tuple(
    FOLDER / f"{name}.js" for name in ("asking", "network", "spelling", "tokenizers", "portable")
)


def portable_model(run: Run) -> str:
    """A finished run's model for a page, by its network alone, with weights in float16.

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
    weights = _weights(run.network)
    tensors = [[name, *values.shape] for name, values in weights.items()]
    head = json.dumps({"network": network, "tokenizer": tokenizer, "tensors": tensors}).encode()
    numbers = (values.tobytes() for values in weights.values())
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
    """Name → float16 matrix (below, above) or vector, as ``network.js`` asks for them."""
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
        weights["ngrams"] = in_steps(network.ngrams.table)
    if network.output_ngrams is not None:
        weights["output_ngrams"] = in_steps(network.output_ngrams.table)
    if output.bias is not None:
        weights["output.bias"] = output.bias
    for number, layer in enumerate(network.recurrent):
        cell = getattr(layer, "cell", None) or layer.gate_candidate
        weights |= {f"{number}.kernel": cell.kernel, f"{number}.bias": cell.bias}
        weights[f"{number}.recurrent"] = getattr(cell, "recurrent_kernel", None)
    # the two biases of a GRU, of inputs and of the state, follow each other
    return {
        name: rounded(values).reshape(-1 if name.endswith(".bias") else values.shape)
        for name, values in weights.items()
        if values is not None
    }


def rounded(values: ArrayLike) -> np.ndarray:
    """float16, rounded to 6 of the 10 bits of its fraction: pages are a fifth smaller. In the four
    models of docs/example, bits per character change by less than 0.01%."""
    bits = np.array(values, "<f2").view("<u2")
    return ((bits + np.uint16(8)) & np.uint16(0xFFF0)).view("<f2")


def in_steps(table: ArrayLike) -> np.ndarray:
    """A large table of vectors of n-grams in multiples of a quarter of its standard deviation:
    compressed it takes half of what it does in float16. Of characters after a minute of training,
    whose table has 131,072 rows, bits per character change by less than 0.01%. In a small table,
    each row of which is trained more, they may change by 0.4%: it stays as it is."""
    values = np.asarray(table, np.float32)
    step = values.std() / 4
    if len(values) < LARGE_TABLE or step == 0:
        return values
    return np.round(values / step) * step


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
