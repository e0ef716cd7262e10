"""What every embedding gives: a vector for each token to start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Vectors:
    """What the embedding layer starts from.

    Attributes:
        matrix: (V, width) float32, or None to leave the layer as Keras starts it.
        found: how many of the V tokens have a vector that was learnt or read; the others' are
            random.
        extra_data: what came from elsewhere than the training split, in words; usually nothing.
        neighbours: for a few frequent words, the words nearest by cosine, nearest first.
    """

    matrix: np.ndarray | None = None
    found: int = 0
    extra_data: tuple[str, ...] = ()
    neighbours: dict[str, tuple[str, ...]] | None = None


class Embedding(Protocol):
    """The settings of an embedding."""

    @property
    def frozen(self) -> bool:
        """Whether training leaves the vectors as they are."""
        ...

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        """A vector for each token.

        Args:
            names: (V,) the text of each token (see :class:`textgen.tokenizers.base.Tokenizer`).
            documents: the training documents as tokens, (n,) integers each.
            width: size of a vector.
            seed: of whatever is random.

        Raises:
            TextgenError: a file that cannot be read, or vectors of another width.
        """
        ...


def sentences(documents: Sequence[np.ndarray], length: int = 1000) -> Iterator[np.ndarray]:
    """The documents in pieces of at most ``length`` tokens, for gensim cuts off at 10,000."""
    for document in documents:
        for start in range(0, len(document), length):
            yield document[start : start + length]
