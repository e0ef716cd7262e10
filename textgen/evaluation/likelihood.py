"""Bits per character of raw text, for any objective over any tokenizer.

bpc = Σ bits / Σ (characters + 1 end mark a document). Everyone pays for the end mark, and what a
token hides (an unseen character, a rare word) is charged as spelling bits beside the model's.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textgen.data import Document
from textgen.evaluation.dynamic import learnt_bits
from textgen.evaluation.memory import Memory, tuned
from textgen.models import Objective, Windows
from textgen.tokenizers import EncodedDocument, Tokenizer

ROWS = 32
FLOATS = 2**25
"""Size of the largest array of logits while scoring: 134 MB."""
UNIT = "bits per character of raw text, one end mark a document included"


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
        remembered: what it costs with a memory of the document, of its tokens and of its rare
            words; None without one.
    """

    name: str
    characters: int
    model_bits: np.ndarray
    surface_bits: np.ndarray
    pieces: int
    replaced: int
    remembered: DocumentBits | None = None

    @property
    def spelling_bits(self) -> float:
        return float(self.surface_bits.sum())

    @property
    def model(self) -> float:
        return float(self.model_bits.sum(dtype=np.float64))

    @property
    def bits_per_character(self) -> float:
        return (self.model + self.spelling_bits) / (self.characters + 1)


def score_step(objective: Objective, network: Any) -> Callable[..., Any]:
    """A compiled (spans, fresh, state) → (bits (B, length) float32, state); missing targets 0.

    It is kept with the network, so that it is compiled once for each shape of spans.
    """
    kept = vars(network).setdefault("_score_steps", {})  # past Keras, which would track it
    if objective not in kept:
        make = _adaptive_step if network.output_layer.adaptive else _plain_step
        kept[objective] = make(objective, network)
    return kept[objective]


def _plain_step(objective: Objective, network: Any) -> Callable[..., Any]:
    import tensorflow as tf

    from textgen.models import cross_entropy, restarted

    @tf.function(jit_compile=True)
    def step(spans: Any, fresh: Any, state: Any) -> Any:
        state = restarted(network, state, fresh)
        features, state = objective.features(network, spans, state, training=False)
        targets = spans[:, objective.before :]
        nats = cross_entropy(network.output_layer(features), tf.maximum(targets, 0))
        return tf.where(targets >= 0, nats / np.log(2), 0.0), state

    return step


def _adaptive_step(objective: Objective, network: Any) -> Callable[..., Any]:
    """The same, exactly, with the tail only where a target is in it."""
    import tensorflow as tf

    from textgen.models import restarted

    output = network.output_layer

    @tf.function(jit_compile=True)
    def read(spans: Any, fresh: Any, state: Any) -> Any:
        state = restarted(network, state, fresh)
        features, state = objective.features(network, spans, state, training=False)
        targets = spans[:, objective.before :]
        nats = output.head_nats(features, tf.maximum(targets, 0))
        return tf.where(targets >= 0, nats, 0.0), features, state

    @tf.function
    def step(spans: Any, fresh: Any, state: Any) -> Any:
        nats, features, state = read(spans, fresh, state)
        targets = spans[:, objective.before :]
        rare = tf.where(targets >= output.head_size)  # however many: XLA wants a fixed number
        tail = output.tail_nats(tf.gather_nd(features, rare), tf.gather_nd(targets, rare))
        return tf.tensor_scatter_nd_add(nats, rare, tail) / np.log(2), state

    return step


def rows_at_once(network: Any, length: int, most: int) -> int:
    """Rows of a batch that keep the logits of ``length`` tokens each within FLOATS."""
    output = network.output_layer
    width = output.size
    if output.adaptive:  # text seldom has more than a quarter of its tokens in the tail
        width = output.head_size + 1 + output.tail_size // 4
    return int(max(1, min(most, FLOATS // (length * width))))


def token_bits(
    objective: Objective, network: Any, documents: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Bits of every token of every document, and of the end mark: (n + 1,) float32 each.

    The state is the initial one at the beginning of a document and nothing is read before it but
    the boundary token: no token goes uncharged.
    """
    windows, rows = _to_score(objective, network, documents)
    step, state = score_step(objective, network), network.initial_state(rows)
    result = [np.zeros(size, dtype=np.float32) for size in windows.sizes]
    for batch, fresh, places, starts in windows.scoring(rows):
        bits, state = step(batch, fresh, state)
        for row, (document, start) in enumerate(zip(places, starts, strict=True)):
            if document >= 0:
                part = result[document][start : start + objective.length]
                part[:] = bits[row, : len(part)].numpy()
    return result


def _to_score(
    objective: Objective, network: Any, documents: Sequence[np.ndarray]
) -> tuple[Windows, int]:
    """The windows of some documents, and how many of them are scored at once."""
    windows = Windows(documents, objective)
    spans = windows.per_document()
    rows = rows_at_once(network, objective.length, min(ROWS, int(spans.sum())))
    if objective.carries_state:  # more rows than the longest document lets end sooner would idle
        rows = min(rows, len(documents), math.ceil(spans.sum() / spans.max()))
    return windows, rows


def scoring_seconds(objective: Objective, network: Any, documents: Sequence[np.ndarray]) -> float:
    """How long :func:`token_bits` will take, about, from a few batches; what they need is kept."""
    windows, rows = _to_score(objective, network, documents)
    step, state, times = score_step(objective, network), network.initial_state(rows), list[float]()
    for batch, fresh, _, _ in itertools.islice(windows.scoring(rows), 5):
        start = time.perf_counter()
        bits, state = step(batch, fresh, state)
        bits.numpy()
        times.append(time.perf_counter() - start)
    return min(times) * math.ceil(int(windows.per_document().sum()) / rows)


def score_documents(
    objective: Objective,
    network: Any,
    tokenizer: Tokenizer,
    documents: Sequence[Document],
    memory: Memory | None = None,
) -> list[DocumentBits]:
    """What each document costs under a model, with a memory of the document if there is one."""
    encoded = [tokenizer.encode(document.text) for document in documents]
    return score_encoded(objective, network, documents, encoded, memory)


def score_encoded(
    objective: Objective,
    network: Any,
    documents: Sequence[Document],
    encoded: Sequence[EncodedDocument],
    memory: Memory | None = None,
) -> list[DocumentBits]:
    """The same for documents that are encoded already."""
    tokens = [e.tokens for e in encoded]
    bits, learnt = token_bits(objective, network, tokens), None
    if memory is not None and memory.learning is not None:
        learnt = learnt_bits(objective, network, tokens, memory.learning)
    return costs(documents, encoded, bits, memory, learnt)


def costs(
    documents: Sequence[Document],
    encoded: Sequence[EncodedDocument],
    bits: Sequence[np.ndarray],
    memory: Memory | None,
    learnt: Sequence[np.ndarray] | None = None,
) -> list[DocumentBits]:
    """What each document costs, from what a model without a memory charges for its tokens, and
    from what one does that goes on ``learnt``."""
    scored = [
        DocumentBits(d.name, e.characters, b, e.spelling_bits, e.pieces, e.replaced)
        for d, e, b in zip(documents, encoded, bits, strict=True)
    ]
    return with_memory(memory, scored, encoded, learnt)


def with_memory(
    memory: Memory | None,
    scored: list[DocumentBits],
    encoded: Sequence[EncodedDocument],
    learnt: Sequence[np.ndarray] | None = None,
) -> list[DocumentBits]:
    """Documents that were scored without a memory, with it if there is one.

    Args:
        learnt: bits of the network that goes on learning, where the memory is over that.
    """
    if memory is None:
        return scored
    result, below = [], learnt or [document.model_bits for document in scored]
    for document, e, alone in zip(scored, encoded, below, strict=True):
        bits, spelling = memory.bits(e.tokens, alone), e.spelling_bits_with_memory
        remembered = replace(document, model_bits=bits, surface_bits=spelling, remembered=None)
        result.append(replace(document, remembered=remembered))
    return result


def tuned_memory(
    orders: Sequence[int],
    scored: Sequence[DocumentBits],
    encoded: Sequence[EncodedDocument],
    learnt: Sequence[np.ndarray] | None = None,
) -> Memory | None:
    """The memory for validation documents that were scored without one; None without orders.

    Args:
        learnt: as for :func:`with_memory`.
    """
    if not orders:
        return None
    below = learnt or [document.model_bits for document in scored]
    return tuned(orders, [(e.tokens, bits) for e, bits in zip(encoded, below, strict=True)])


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
    remembered = [d.remembered for d in documents if d.remembered is not None]
    return {
        **_average(documents, charged),
        "with_memory": _average(remembered, charged) if remembered else None,
        "documents": len(documents),
        "characters": characters,
        "tokens": tokens,
        "tokens_per_character": tokens / characters,
        "pieces": pieces,
        "replaced": sum(d.replaced for d in documents),
        "replacement_rate": sum(d.replaced for d in documents) / max(pieces, 1),
    }


def _average(documents: Sequence[DocumentBits], charged: bool) -> dict[str, Any]:
    if not charged:
        return {"bits_per_character": None, "mean_over_documents": None}
    unit = sum(d.characters + 1 for d in documents)
    model = sum(d.model for d in documents) / unit
    spelling = sum(d.spelling_bits for d in documents) / unit
    return {
        "bits_per_character": {"model": model, "spelling": spelling, "total": model + spelling},
        "mean_over_documents": float(np.mean([d.bits_per_character for d in documents])),
    }


def by_position(documents: Sequence[DocumentBits], block: int) -> list[float]:
    """Mean model bits of a token by its position in the output block: (block,) values."""
    total, count = np.zeros(block), np.zeros(block)
    for document in documents:
        place = np.arange(len(document.model_bits)) % block
        total += np.bincount(place, weights=document.model_bits, minlength=block)
        count += np.bincount(place, minlength=block)
    return (total / np.maximum(count, 1)).tolist()
