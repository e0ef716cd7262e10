"""The interface of a baseline: bits of documents, read as an experiment's tokens or as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np

from textgen.data import Document
from textgen.evaluation.likelihood import DocumentBits, costs
from textgen.evaluation.memory import Memory
from textgen.tokenizers import EncodedDocument


class Model(Protocol):
    """A fitted baseline."""

    def token_bits(self, documents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What each document costs, its end mark included, independently of the others.

        Args:
            documents: (n,) integers each.

        Returns:
            (n + 1,) floats each, or (1,) from a model that only knows what the whole costs.
        """
        ...


class Baseline(Protocol):
    """The settings of a baseline.

    Attributes:
        reads_bytes: whether it reads the bytes of the text itself; else the tokens of the
            experiment's tokenizer.
        orders: what its argument ``order`` may be; empty if it has none.
    """

    reads_bytes: ClassVar[bool]
    orders: ClassVar[range]

    def fit(self, documents: Sequence[np.ndarray], size: int) -> Model:
        """Args:
        documents: (n,) integers each, the training split.
        size: number of different ones.
        """
        ...


class Reader(Protocol):
    """The part of a tokenizer that baselines need."""

    @property
    def size(self) -> int: ...
    def encode(self, text: str, *, training: bool = False) -> EncodedDocument: ...


class Bytes:
    """A text as the bytes of its UTF-8, the halves of a broken surrogate pair in three each.

    For models that bring their own end of a document: 0 and 1 are bytes like any other.
    """

    size = 256

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        found = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
        return EncodedDocument(found, (), np.zeros(0), len(text), len(found), 0)


def fit_baseline(baseline: Baseline, reader: Reader, texts: Sequence[str]) -> Model:
    """A baseline fitted to the training split."""
    training = [reader.encode(text, training=True).tokens for text in texts]
    return baseline.fit(training, reader.size)


def score_baseline(
    model: Model,
    documents: Sequence[Document],
    encoded: Sequence[EncodedDocument],
    memory: Memory | None = None,
) -> list[DocumentBits]:
    """What each document costs under a fitted baseline, perhaps with a memory of the document."""
    return costs(documents, encoded, model.token_bits([e.tokens for e in encoded]), memory)
