"""Bits of held-out text: of every token, of documents, per character of a split.

bpc = Σ bits / Σ (characters + 1 end mark a document). Everyone pays for the end mark, and what a
token hides (an unseen character, a rare word) is charged as spelling bits beside the model's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textgen.core.errors import raise_if_cancelled
from textgen.data.documents import Document
from textgen.evaluation.counts import with_training_counts
from textgen.evaluation.dynamic import dynamic_bits
from textgen.evaluation.memory import Memory, tune_memory
from textgen.models.batches import Windows
from textgen.models.objectives import Objective, compiled_once
from textgen.tokenizers.base import EncodedDocument, Tokenizer

UNIT = "bits per character of raw text, one end mark a document included"
MAX_ROWS = 32
# Size of the largest array of logits while scoring: 134 MB.
MAX_LOGITS = 2**25


@compiled_once
def scoring_step(objective: Objective, network: Any) -> Callable[[Any, Any, Any], Any]:
    """(spans (B, before + length) int32, fresh (B,) bool, state) → (bits (B, length) float32,
    state). Documents begin in fresh rows; missing targets cost 0."""
    import tensorflow as tf

    from textgen.models.network import compilable, restarted

    @tf.function(autograph=False, jit_compile=compilable(network))
    def score(spans: Any, fresh: Any, state: Any) -> Any:
        state = restarted(network, state, fresh)
        features, state = objective.features(network, spans, state, training=False)
        targets = spans[:, objective.before :]
        nats = network.output_layer.nats(features, tf.maximum(targets, 0))
        return tf.where(targets >= 0, nats / np.log(2), 0.0), state

    return score


def rows_at_once(network: Any, length: int, most: int) -> int:
    """Rows of a batch that keep the logits of ``length`` tokens each within MAX_LOGITS."""
    width = max(network.output_layer.size, network.output_layer.width)
    return int(max(1, min(most, MAX_LOGITS // (length * width))))


def token_bits(
    objective: Objective,
    network: Any,
    documents: Sequence[np.ndarray],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[np.ndarray]:
    """Bits of every token of every document, and of the end mark: (n + 1,) float32 each.

    The state is the initial one at the beginning of a document and nothing is read before it but
    the boundary token: no token goes uncharged. ``progress`` is called with the windows that are
    scored, and how many there are.
    """
    windows = Windows(documents, objective)
    spans = windows.per_document()
    total = int(spans.sum())
    rows = rows_at_once(network, objective.length, min(MAX_ROWS, total))
    if objective.carries_state:  # more rows than the longest document lets end sooner would idle
        rows = min(rows, len(documents), math.ceil(total / spans.max()))
    step = scoring_step(objective, network)
    state = network.initial_state(rows)
    result = [np.zeros(size, dtype=np.float32) for size in windows.sizes]
    for number, (batch, fresh, places, starts) in enumerate(windows.scoring(rows)):
        raise_if_cancelled()
        progress(min(number * rows, total), total)
        bits, state = step(batch, fresh, state)
        for document, start, row in zip(places, starts, bits.numpy(), strict=True):
            if document >= 0:
                part = result[document][start : start + objective.length]
                part[:] = row[: len(part)]
    return with_training_counts(network, documents, result)


@dataclass(frozen=True)
class DocumentBits:
    """What one document costs under the network alone, without any memory.

    Attributes:
        name: the document's.
        characters: its length, without the end mark.
        model_bits: (tokens + 1,) float32, −log2 P(token | earlier tokens), the end mark last.
        surface_bits: float64, −log2 P(surface | token) of each token that leaves something open.
        pieces: characters, words or subwords it was cut into.
        replaced: how many of them something else stands for.
        with_memory: what it costs with a memory of the document, of its tokens and of its rare
            words; None without one.
    """

    name: str
    characters: int
    model_bits: np.ndarray
    surface_bits: np.ndarray
    pieces: int
    replaced: int
    with_memory: DocumentBits | None = None

    @property
    def spelling_bits(self) -> float:
        return float(self.surface_bits.sum())

    @property
    def model(self) -> float:
        return float(self.model_bits.sum(dtype=np.float64))

    @property
    def bits_per_character(self) -> float:
        return (self.model + self.spelling_bits) / (self.characters + 1)


def score_documents(
    objective: Objective,
    network: Any,
    tokenizer: Tokenizer,
    documents: Sequence[Document],
    memory: Memory | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    encoded: Sequence[EncodedDocument] | None = None,
) -> list[DocumentBits]:
    """What each document costs under a model, with a memory of the document if there is one.

    Args:
        progress: as for :func:`token_bits`.
        encoded: the documents as tokens, if they are encoded already.
    """
    encoded = encoded or [tokenizer.encode(document.text) for document in documents]
    tokens = [e.tokens for e in encoded]
    scored = costs(documents, encoded, token_bits(objective, network, tokens, progress))
    dynamic = None
    if memory and memory.learning:
        dynamic = dynamic_bits(objective, network, tokens, memory.learning)
    return with_memory(memory, scored, encoded, dynamic)


def costs(
    documents: Sequence[Document],
    encoded: Sequence[EncodedDocument],
    bits: Sequence[np.ndarray],
) -> list[DocumentBits]:
    """What each document costs, from what a model without a memory charges for its tokens."""
    return [
        DocumentBits(d.name, e.characters, b, e.spelling_bits, e.pieces, e.replaced)
        for d, e, b in zip(documents, encoded, bits, strict=True)
    ]


def with_memory(
    memory: Memory | None,
    scored: list[DocumentBits],
    encoded: Sequence[EncodedDocument],
    dynamic: Sequence[np.ndarray] | None = None,
) -> list[DocumentBits]:
    """Documents that were scored without a memory, with it if there is one.

    Args:
        dynamic: bits of the network that goes on learning, where the memory is over that.
    """
    if memory is None:
        return scored
    result = list[DocumentBits]()
    below = dynamic or [document.model_bits for document in scored]
    for document, e, network_bits in zip(scored, encoded, below, strict=True):
        bits = memory.bits(e.tokens, network_bits)
        mixed = replace(document, model_bits=bits, surface_bits=e.spelling_bits_with_memory)
        result.append(replace(document, with_memory=mixed))
    return result


def tuned_memory(
    orders: Sequence[int],
    scored: Sequence[DocumentBits],
    encoded: Sequence[EncodedDocument],
    dynamic: Sequence[np.ndarray] | None = None,
) -> Memory | None:
    """The memory for validation documents that were scored without one; None without orders.

    Args:
        dynamic: as for :func:`with_memory`.
    """
    below = dynamic or [document.model_bits for document in scored]
    pairs = [(e.tokens, bits) for e, bits in zip(encoded, below, strict=True)]
    return tune_memory(orders, pairs) if orders else None


def summarise(documents: Sequence[DocumentBits], charged: bool = True) -> dict[str, Any]:
    """The figures of one split as ``metrics.json`` holds them, all in bits per character.

    ``total`` is the micro average and always ``model + spelling``; ``mean_over_documents`` gives
    every document the same weight. These are of the network alone; ``with_memory`` has the same
    figures of the network with a memory of the document, or None. Where not everything is
    ``charged`` for there is no figure.
    """
    characters = sum(d.characters for d in documents)
    tokens = sum(len(d.model_bits) - 1 for d in documents)
    pieces = sum(d.pieces for d in documents)
    replaced = sum(d.replaced for d in documents)
    mixed = [d.with_memory for d in documents if d.with_memory is not None]
    return {
        **_averages(documents, charged),
        "with_memory": _averages(mixed, charged) if mixed else None,
        "documents": len(documents),
        "characters": characters,
        "tokens": tokens,
        "tokens_per_character": tokens / characters,
        "pieces": pieces,
        "replaced": replaced,
        "replacement_rate": replaced / max(pieces, 1),
    }


def _averages(documents: Sequence[DocumentBits], charged: bool) -> dict[str, Any]:
    if not charged:
        return {"bits_per_character": None, "mean_over_documents": None}
    return averages([(d.characters, d.model, d.spelling_bits) for d in documents])


def averages(documents: Sequence[tuple[int, float, float]]) -> dict[str, Any]:
    """Micro average and mean over documents: of the characters of each, its bits of model and of
    spelling."""
    characters, model_bits, spelling_bits = np.array(documents, dtype=np.float64).T
    units = characters + 1
    model = float(model_bits.sum() / units.sum())
    spelling = float(spelling_bits.sum() / units.sum())
    return {
        "bits_per_character": {"model": model, "spelling": spelling, "total": model + spelling},
        "mean_over_documents": float(np.mean((model_bits + spelling_bits) / units)),
    }


def by_position(documents: Sequence[DocumentBits], block: int) -> list[float]:
    """Mean model bits of a token by its position in the output block: (block,) values."""
    bits = np.concatenate([document.model_bits for document in documents])
    place = np.concatenate([np.arange(len(d.model_bits)) % block for d in documents])
    total = np.bincount(place, weights=bits, minlength=block)
    return (total / np.maximum(np.bincount(place, minlength=block), 1)).tolist()
