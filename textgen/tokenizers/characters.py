"""Characters: every Unicode code point of the training text is a symbol.

Does not handle: normalisation (é and e + ´ stay two different things), grapheme clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from textgen.tokenizers.base import Codec
from textgen.tokenizers.tokens import (
    CHARACTER_BITS,
    ESCAPE,
    RESERVED,
    Encoded,
    Layout,
    Rendered,
    smallest_dtype,
)

CHUNK = 1 << 20


@dataclass(frozen=True)
class Characters:
    """The character tokenizer. It has no settings."""

    def fit(
        self, texts: Sequence[str], tuning: Sequence[str] = (), seed: int = 0, alphabet: str = ""
    ) -> CharacterCodec:
        return CharacterCodec(tuple(sorted(set(alphabet).union(*texts))))

    def load(self, state: dict[str, Any]) -> CharacterCodec:
        return CharacterCodec(tuple(state["characters"]))


@dataclass(frozen=True)
class CharacterCodec(Codec):
    """Symbol ``2 + i`` is the i-th character in code-point order."""

    alphabet: tuple[str, ...]

    @property
    def size(self) -> int:
        return RESERVED + len(self.alphabet)

    @property
    def characters_per_symbol(self) -> float:
        return 1.0

    @property
    def names(self) -> Sequence[str]:
        return ("<boundary>", "<escape>", *self.alphabet)

    @cached_property
    def _table(self) -> np.ndarray:
        """The symbol of each code point up to the highest of the alphabet, and one for the rest."""
        points = np.array([ord(c) for c in self.alphabet], dtype=np.int64)
        size = int(points.max(initial=-1)) + 2
        table = np.full(size, ESCAPE, dtype=smallest_dtype(self.size))
        table[points] = np.arange(RESERVED, self.size)
        return table

    def encode(self, text: str, *, training: bool = False) -> Encoded:
        symbols = np.empty(len(text), dtype=smallest_dtype(self.size))
        for start in range(0, len(text), CHUNK):
            part = text[start : start + CHUNK].encode("utf-32-le", "surrogatepass")
            points = np.frombuffer(part, dtype="<u4")
            # whatever lies beyond the table has its last entry
            self._table.take(points, mode="clip", out=symbols[start : start + CHUNK])
        surfaces = tuple(text[i] for i in np.flatnonzero(symbols == ESCAPE))
        bits = np.full(len(surfaces), CHARACTER_BITS)
        return Encoded(symbols, surfaces, bits, len(text), len(text), len(surfaces))

    def layout(self, text: str) -> Layout:
        places = np.flatnonzero(self.encode(text).symbols == ESCAPE)
        return Layout(np.arange(1, len(text) + 1), places)

    def decode(self, encoded: Encoded) -> str:
        hidden = iter(encoded.surfaces)
        return "".join(
            next(hidden) if symbol == ESCAPE else self.alphabet[symbol - RESERVED]
            for symbol in encoded.symbols.tolist()
        )

    def render(
        self, symbols: np.ndarray, *, before: str = "", realise: str = "pool", seed: int = 0
    ) -> Rendered:
        shown = (self.alphabet[s - RESERVED] for s in map(int, symbols) if s >= RESERVED)
        return Rendered("".join(shown))

    def unknown(self, text: str) -> list[str]:
        return sorted(set(text) - set(self.alphabet))

    def state(self) -> dict[str, Any]:
        return {"characters": list(self.alphabet)}
