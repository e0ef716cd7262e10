"""Characters: every Unicode code point of the training text is a token.

Does not handle: normalisation (é and e + ´ stay two different things), grapheme clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from textgen.core.tokens import BOUNDARY, ESCAPE, RESERVED
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.borders import WHITE, Borders, Opening, Openings, white_escapes
from textgen.tokenizers.encoded import (
    EncodedDocument,
    document_with_escapes,
    smallest_dtype,
    text_of,
)
from textgen.tokenizers.word_cache import DocumentCounts


@dataclass(frozen=True)
class Characters:
    """The character tokenizer. It has no settings."""

    def fit(
        self,
        texts: Sequence[str],
        tuning: Sequence[str] = (),
        seed: int = 0,
        alphabet: str = "",
        language: str = "en",
    ) -> "CharacterTokenizer":
        """A token for each character; arguments as in ``TokenizerConfig``."""
        return CharacterTokenizer(sorted(set(alphabet).union(*texts)))

    def load(self, state: dict[str, Any]) -> "CharacterTokenizer":
        """The fitted tokenizer from its ``state()``."""
        return CharacterTokenizer(**state)


@dataclass(frozen=True)
class CharacterTokenizer(Tokenizer):
    """Token id ``2 + i`` is the i-th character in code-point order."""

    alphabet: Sequence[str]

    @cached_property
    def names(self) -> Sequence[str]:
        return ("<boundary>", "<escape>", *self.alphabet)

    @cached_property
    def _table(self) -> np.ndarray:
        """Token ids of all code points up to the highest of the alphabet; the last entry stands for
        the rest."""
        points = np.array([ord(c) for c in self.alphabet], dtype=np.int64)
        beyond_highest = 1 + int(points.max(initial=-1))  # 0 of an empty alphabet
        table = np.full(beyond_highest + 1, ESCAPE, smallest_dtype(self.size))
        table[points] = np.arange(RESERVED, self.size)
        return table

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        tokens = self._table.take(points, mode="clip")
        unseen = [text[i] for i in np.flatnonzero(tokens == ESCAPE)]
        ends = None if training else np.arange(1, len(text) + 1)
        return document_with_escapes(text, tokens, unseen, ends)

    def decode(self, encoded: EncodedDocument) -> str:
        surfaces = iter(encoded.surfaces)
        return "".join(
            text_of(next(surfaces)) if token == ESCAPE else self.alphabet[token - RESERVED]
            for token in encoded.tokens.tolist()
        )

    def borders(self, earlier: DocumentCounts | None = None) -> Borders:
        return CharacterBorders(self)

    def portable(self) -> dict[str, Any]:
        return {"kind": "characters", "characters": self.alphabet}


class CharacterBorders(Borders):
    """Where words end and begin among characters.

    A border is a white character or the end, a word begins with any other character::

        P(border | h) = Σ_{c white} P(c | h) + P(end | h)        P(word | h) = 1 − P(border | h)

    A character never seen may be white: P(escape | h) is divided by the code points.
    """

    def __init__(self, tokenizer: CharacterTokenizer) -> None:
        white = np.zeros(tokenizer.size)
        white[BOUNDARY] = 1.0
        white[ESCAPE] = white_escapes(tokenizer.alphabet)
        white[RESERVED:] = [letter in WHITE for letter in tokenizer.alphabet]
        self._border = [Opening((), white)]
        self._word = [Opening((), 1.0 - white)]

    def border(self) -> Openings:
        return self._border

    def word(self, gap: str, lead: str) -> Openings:
        return self._word
