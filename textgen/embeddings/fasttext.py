"""Vectors learnt from contexts and from spelling, on the training split alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textgen.core import Count
from textgen.embeddings.base import Vectors
from textgen.embeddings.word2vec import learn


@dataclass(frozen=True)
class FastText:
    """Tokens in the same contexts or with the same letters get similar vectors (Bojanowski et al.
    2017), which helps rare ones. A token that is not in the training split starts random.

    The character n-grams are those of the name without its leading space. If that is the name of
    another token (" the" and "the"), the space is kept as a letter; the two still share most
    n-grams.

    Args:
        epochs: passes over the text.
        window: tokens on either side that count as context.
        frozen: keep the vectors fixed while the network is trained.
    """

    epochs: Count = 10
    window: Count = 5
    frozen: bool = False

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        words = spellings(names)
        return learn("fasttext", words, names, documents, width, seed, self.epochs, self.window)


def spellings(names: Sequence[str]) -> list[str]:
    """A distinct string for each token: its name, if possible without the leading space."""
    taken: dict[str, None] = {}
    others = set(names)
    for token, name in enumerate(names):
        bare = name.removeprefix(" ")
        word = bare if bare and bare not in others else name
        taken[f"{word}\0{token}" if word in taken else word] = None
    return list(taken)
