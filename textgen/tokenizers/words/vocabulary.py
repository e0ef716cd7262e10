"""The words with tokens of their own, and the modifiers that make other forms of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from textgen.tokenizers.tokens import RESERVED

JOIN, CAPITAL, UPPER = RESERVED, RESERVED + 1, RESERVED + 2
"""Modifiers of the word that follows: without its leading space, capitalised, upper-cased."""
CACHED_PIECES = 500_000
"""Pieces whose parts are cached, at most."""
MODIFIERS = ("<join>", "<capital>", "<upper>")
FIRST_OWN = RESERVED + len(MODIFIERS)


@dataclass(frozen=True)
class Vocabulary:
    """The words that have tokens of their own.

    Attributes:
        words: pieces with their leading spaces, frequent ones first.
        counts: how often each occurs in the training split.
        characters: every character of the training split.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    characters: str

    @cached_property
    def index(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    @cached_property
    def parts(self) -> Callable[[str], tuple[tuple[int, ...], int] | None]:
        """From a piece to the modifiers and the index of the word that together are it; None if it
        is rare."""
        return lru_cache(CACHED_PIECES)(self._parts)

    def _parts(self, piece: str) -> tuple[tuple[int, ...], int] | None:
        space, core = split_space(piece)
        forms: list[tuple[tuple[int, ...], str]] = [((), core), *folded(core)]
        for case, word in forms:
            if (found := self.index.get(space + word)) is not None:
                return case, found
            if not space and (found := self.index.get(" " + word)) is not None:
                return (JOIN, *case), found
        return None

    @cached_property
    def cores(self) -> frozenset[str]:
        """The words that are known with a leading space, without it."""
        return frozenset(w.removeprefix(" ") for w in self.words if w[:1] == " " and w != " ")

    @cached_property
    def never_spelled(self) -> frozenset[str]:
        """The strings, without leading space, that are never rare, with or without a space."""
        forms = self.cores | {
            form for w in self.cores for form in (w[:1].upper() + w[1:], w.upper())
        }
        return frozenset(
            w for w in forms if self.parts(w) is not None and self.parts(" " + w) is not None
        )


def split_space(piece: str) -> tuple[str, str]:
    """The leading space of a piece, if it has one, and the rest; a space alone is all rest."""
    return (" ", piece[1:]) if piece[:1] == " " and piece[1:] else ("", piece)


def folded(word: str) -> list[tuple[tuple[int, ...], str]]:
    """The modifier and lower-cased form of a capitalised or upper-cased word, if they restore it.

    A single letter counts as capitalised, not as upper-cased.
    """
    for modifier in (CAPITAL, UPPER):
        lower = word[:1].lower() + word[1:] if modifier == CAPITAL else word.lower()
        if lower != word and recase(lower, modifier) == word and lower == lower.lower():
            return [((modifier,), lower)]
    return []


def recase(word: str, modifier: int) -> str:
    """A lower-cased word under a case modifier."""
    return word.upper() if modifier == UPPER else word[:1].upper() + word[1:]
