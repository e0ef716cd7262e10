"""Bits per character of raw text, for any objective over any codec.

bpc = Σ bits / Σ (characters + 1 end mark a document). Everyone pays for the end mark, and what a
symbol hides (an unseen character, a rare word) is charged as spelling bits beside the model's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textgen.corpora.base import Document
from textgen.objectives.base import Objective
from textgen.objectives.windows import Windows
from textgen.settings import Backbone
from textgen.tokenizers.base import Codec

ROWS = 32
UNIT = "bits per character of raw text, one end mark a document included"


@dataclass(frozen=True)
class DocumentBits:
    """What one document costs.

    Attributes:
        name: the document's.
        characters: its length, without the end mark.
        model_bits: (symbols + 1,) float32, −log2 P(symbol | earlier symbols), the end mark last.
        spelling_bits: Σ −log2 P(surface | symbol) over the symbols that hide something.
        hidden: how many symbols hide something.
    """

    name: str
    characters: int
    model_bits: np.ndarray
    spelling_bits: float
    hidden: int

    @property
    def model(self) -> float:
        return float(self.model_bits.sum(dtype=np.float64))

    @property
    def bits_per_character(self) -> float:
        return (self.model + self.spelling_bits) / (self.characters + 1)


def score_step(objective: Objective, network: Any) -> Callable[..., Any]:
    """A compiled (spans, fresh, states) → (bits (B, length) float32, states); missing targets 0."""
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def step(spans: Any, fresh: Any, states: Any) -> Any:
        states = [tf.where(fresh[:, None], tf.zeros_like(state), state) for state in states]
        logits, states = objective.logits(network, spans, states, training=False)
        targets = spans[:, objective.before :]
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.maximum(targets, 0), logits=logits
        )
        return tf.where(targets >= 0, nats / np.log(2), 0.0), states

    return step


def symbol_bits(
    objective: Objective, network: Any, settings: Backbone, documents: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Bits of every symbol of every document, and of the end mark: (n + 1,) float32 each.

    States are reset at the beginning of a document and nothing is read before it but the boundary
    symbol: no symbol goes uncharged.
    """
    from textgen.backbone import zero_states

    windows = Windows(documents, objective)
    rows = min(ROWS, int(windows.per_document().sum()))
    if objective.carries_state:
        rows = min(rows, len(documents))
    step, states = score_step(objective, network), zero_states(settings, rows)
    result = [np.zeros(size, dtype=np.float32) for size in windows.sizes]
    for spans, fresh, places, starts in windows.scoring(rows):
        bits, states = step(spans, fresh, states)
        for row, (document, start) in enumerate(zip(places, starts, strict=True)):
            if document >= 0:
                part = result[document][start : start + objective.length]
                part[:] = bits[row, : len(part)].numpy()
    return result


def score(
    objective: Objective,
    network: Any,
    settings: Backbone,
    codec: Codec,
    documents: Sequence[Document],
) -> list[DocumentBits]:
    """What each document costs under a model."""
    encoded = [codec.encode(document.text) for document in documents]
    bits = symbol_bits(objective, network, settings, [e.symbols for e in encoded])
    return [
        DocumentBits(
            d.name, e.characters, b, float(e.spelling_bits.sum()), len(e.surfaces)
        )
        for d, e, b in zip(documents, encoded, bits, strict=True)
    ]  # fmt: skip


def summarise(documents: Sequence[DocumentBits]) -> dict[str, Any]:
    """The figures of one split as ``metrics.json`` holds them, all in bits per character.

    ``total`` is the micro average and always ``model + spelling``; ``mean_over_documents`` gives
    every document the same weight.
    """
    characters = sum(d.characters for d in documents)
    unit = characters + len(documents)
    model = sum(d.model for d in documents) / unit
    spelling = sum(d.spelling_bits for d in documents) / unit
    symbols = sum(len(d.model_bits) - 1 for d in documents)
    return {
        "bits_per_character": {"model": model, "spelling": spelling, "total": model + spelling},
        "mean_over_documents": float(np.mean([d.bits_per_character for d in documents])),
        "documents": len(documents),
        "characters": characters,
        "symbols": symbols,
        "symbols_hidden": sum(d.hidden for d in documents),
    }


def by_position(documents: Sequence[DocumentBits], block: int) -> list[float]:
    """Mean model bits of a symbol by its position in the output block: (block,) values."""
    total, count = np.zeros(block), np.zeros(block)
    for document in documents:
        place = np.arange(len(document.model_bits)) % block
        total += np.bincount(place, weights=document.model_bits, minlength=block)
        count += np.bincount(place, minlength=block)
    return (total / np.maximum(count, 1)).tolist()


class Stepper:
    """A model read one symbol at a time: what an arithmetic coder, or a curious person, needs.

    ``probabilities`` gives P(next symbol | what was appended) as (V,) float64 that sum to 1; it may
    be called once between two appends. Encoder and decoder see the very same floats.
    """

    def __init__(self, objective: Objective, network: Any, settings: Backbone) -> None:
        import tensorflow as tf

        self._carry = objective.begin(network, settings, 1)
        self._next = tf.function(
            lambda carry: objective.next_logits(network, carry), jit_compile=True
        )
        self._append = objective.append

    def probabilities(self) -> np.ndarray:
        logits, self._carry = self._next(self._carry)
        values = logits.numpy()[0].astype(np.float64)
        values = np.exp(values - values.max())
        return values / values.sum()

    def append(self, symbol: int) -> None:
        self._carry = self._append(self._carry, np.array([symbol], dtype=np.int32))
