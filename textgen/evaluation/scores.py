"""What documents cost: bits of their tokens and of what tokens hide, per character of a split.

bpc = Σ bits / Σ (characters + 1 end mark a document). Everyone pays for the end mark, and what a
token hides (an unseen character, a rare word) is charged as spelling bits beside the model's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from textgen.core.settings import PartName
from textgen.data.documents import Document
from textgen.tokenizers.encoded import Encoded

UNIT = "bits per character of raw text, with one end mark per document"


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


class Bits(TypedDict):
    """Of a model, of its spelling, and both together."""

    model: float
    spelling: float
    total: float


class Averages(TypedDict):
    """Bits per character of documents.

    Attributes:
        bits_per_character: micro average.
        mean_over_documents: of both together; gives every document the same weight.
    """

    bits_per_character: Bits
    mean_over_documents: float


# Part of a model → what it charges for each document.
Scores = dict[str, list[DocumentBits]]


def scored_documents(
    documents: Sequence[Document], encoded: Encoded, rows: Sequence[Mapping[PartName, np.ndarray]]
) -> Scores:
    """What each part of a model charges for documents.

    Args:
        documents: as text.
        encoded: as tokens.
        rows: of each document, part → bits (n + 1,) of its tokens. ``with_cache`` remembers rare
            words of the document, too.
    """
    scores: Scores = {}
    for document, tokens, row in zip(documents, encoded, rows, strict=True):
        for part, bits in row.items():
            cost = DocumentBits(
                name=document.name,
                characters=tokens.characters,
                model_bits=bits,
                surface_bits=(
                    tokens.remembered_bits if part == "with_cache" else tokens.spelling_bits
                ),
                pieces=tokens.pieces,
                replaced=tokens.replaced,
            )
            scores.setdefault(part, []).append(cost)
    return scores


def summarise(scores: Scores, charged: bool = True) -> dict[str, Any]:
    """The figures of one split as ``metrics.json`` holds them.

    ``parts`` has the :class:`Averages` of each part. Where not everything is ``charged`` for, both
    are None.
    """
    documents = next(iter(scores.values()))
    characters = sum(d.characters for d in documents)
    tokens = sum(len(d.model_bits) - 1 for d in documents)
    pieces = sum(d.pieces for d in documents)
    replaced = sum(d.replaced for d in documents)
    parts = dict[str, Any]()
    for part, costs in scores.items():
        if charged:
            parts[part] = average_bits(costs)
        else:
            parts[part] = {"bits_per_character": None, "mean_over_documents": None}
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


def average_bits(documents: Sequence[DocumentBits]) -> Averages:
    """The averages over documents under one part of a model."""
    return averages([(d.characters, d.model, d.spelling_bits) for d in documents])


def averages(documents: Sequence[tuple[int, float, float]]) -> Averages:
    """The averages over documents: of the characters of each, its bits of model and of spelling."""
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
