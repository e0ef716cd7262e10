"""Bits of held-out text: of every token, of documents, per character of a split.

bpc = Σ bits / Σ (characters + 1 end mark a document). Everyone pays for the end mark, and what a
token hides (an unseen character, a rare word) is charged as spelling bits beside the model's.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textgen.core.errors import Moved, ignore, raise_if_cancelled
from textgen.models.batches import Windows
from textgen.models.objectives import Objective, compiled_once

UNIT = "bits per character of raw text, with one end mark per document"
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
    objective: Objective, network: Any, documents: Sequence[np.ndarray], moved: Moved = ignore
) -> list[np.ndarray]:
    """Bits of every token of every document, and of the end mark, under a network: (n + 1,) float32
    each.

    The state is the initial one at the beginning of a document and nothing is read before it but
    the boundary token: no token goes uncharged. ``moved`` is called with the windows that are
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
        moved(min(number * rows, total), total)
        bits, state = step(batch, fresh, state)
        for document, start, row in zip(places, starts, bits.numpy(), strict=True):
            if document >= 0:
                part = result[document][start : start + objective.length]
                part[:] = row[: len(part)]
    return result


@dataclass(frozen=True)
class DocumentBits:
    """What one document costs under one distribution.

    Attributes:
        name: the document's.
        characters: its length, without the end mark.
        model_bits: (tokens + 1,) float32, −log2 P(token | earlier tokens), the end mark last.
        surface_bits: float64, −log2 P(surface | token) of each token that leaves something open.
        pieces: characters, words or subwords it was cut into.
        replaced: how many of them something else stands for.
    """

    name: str
    characters: int
    model_bits: np.ndarray
    surface_bits: np.ndarray
    pieces: int
    replaced: int

    @property
    def spelling_bits(self) -> float:
        return float(self.surface_bits.sum())

    @property
    def model(self) -> float:
        return float(self.model_bits.sum(dtype=np.float64))

    @property
    def bits_per_character(self) -> float:
        return (self.model + self.spelling_bits) / (self.characters + 1)


# Part of a model → what it charges for each document.
Scores = dict[str, list[DocumentBits]]


def summarise(scores: Scores, charged: bool = True) -> dict[str, Any]:
    """The figures of one split as ``metrics.json`` holds them.

    ``parts`` has the bits per character of each part: ``total`` is the micro average and always
    ``model + spelling``; ``mean_over_documents`` gives every document the same weight. Where not
    everything is ``charged`` for there is no figure.
    """
    documents = next(iter(scores.values()))
    characters = sum(d.characters for d in documents)
    tokens = sum(len(d.model_bits) - 1 for d in documents)
    pieces = sum(d.pieces for d in documents)
    replaced = sum(d.replaced for d in documents)
    parts = dict[str, Any]()
    for part, own in scores.items():
        parts[part] = averages([(d.characters, d.model, d.spelling_bits) for d in own])
        if not charged:
            parts[part] = dict.fromkeys(parts[part])
    return {
        "parts": parts,
        "documents": len(documents),
        "characters": characters,
        "tokens": tokens,
        "tokens_per_character": tokens / characters,
        "pieces": pieces,
        "replaced": replaced,
        "replacement_rate": replaced / max(pieces, 1),
    }


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
