"""The interface of embeddings: the vectors that tokens start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Vectors:
    """The vectors that the embedding layer starts from.

    Attributes:
        matrix: (V, width) float32, or None for the random vectors of Keras.
        found: number of tokens with a vector that was learnt or read; the other tokens' vectors
            are random.
        extra_data: external resources that the vectors come from, for the reports; usually none.
        neighbours: for a few frequent words, the nearest words by cosine, nearest first.
    """

    matrix: np.ndarray | None = None
    found: int = 0
    extra_data: tuple[str, ...] = ()
    neighbours: dict[str, tuple[str, ...]] | None = None


class Embedding(Protocol):
    """The settings of an embedding."""

    @property
    def frozen(self) -> bool:
        """Whether the vectors stay fixed during training."""
        ...

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        """A vector for each token.

        Args:
            names: (V,) the text of each token (see :class:`textgen.tokenizers.base.Tokenizer`).
            documents: the training documents as tokens, (n,) integers each.
            width: size of a vector.
            seed: of the random numbers.

        Raises:
            TextgenError: a file that cannot be read, or vectors of another width.
        """
        ...


def sentences(documents: Sequence[np.ndarray], length: int = 1000) -> Iterator[np.ndarray]:
    """The documents in pieces of at most ``length`` tokens; gensim ignores all beyond 10,000."""
    for document in documents:
        for start in range(0, len(document), length):
            yield document[start : start + length]
