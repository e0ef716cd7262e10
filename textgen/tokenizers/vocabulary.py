"""The words that have tokens of their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from textgen.tokenizers.casing import CAPITAL, JOIN, UPPER, folded, recase


class RareWord(NamedTuple):
    """A piece outside the vocabulary: ``pieces[place]`` of its document."""

    piece: str
    place: int

    @property
    def core(self) -> str:
        """The piece without its leading space."""
        return split_space(self.piece)[1]

    @property
    def has_space(self) -> bool:
        """Whether the piece has a leading space."""
        return self.piece != self.core


class KnownWord(NamedTuple):
    """A piece as the vocabulary has it.

    Attributes:
        modifiers: tokens in front of the word; empty where the piece is the word itself.
        number: of the word.
    """

    modifiers: tuple[int, ...]
    number: int


CACHED_PIECES = 500_000  # whose parts are cached, at most


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

    def parts(self, piece: str) -> KnownWord | None:
        """The modifiers and the number of the word that together are a piece; None if it is
        rare."""
        return self._cached_parts(piece)

    @cached_property
    def _cached_parts(self) -> Callable[[str], KnownWord | None]:
        return lru_cache(CACHED_PIECES)(self._find_parts)

    def _find_parts(self, piece: str) -> KnownWord | None:
        space, core = split_space(piece)
        as_it_is = self._find_spaced(space, core)
        if as_it_is is not None:
            return as_it_is
        lower_case = folded(core)
        if lower_case is None:
            return None
        modifier, word = lower_case
        known = self._find_spaced(space, word)
        if known is None:
            return None
        return KnownWord((*known.modifiers, modifier), known.number)

    def _find_spaced(self, space: str, core: str) -> KnownWord | None:
        """A word as it is known behind a space, or else the one with a space that is joined."""
        if space + core in self.index:
            return KnownWord((), self.index[space + core])
        if not space and " " + core in self.index:
            return KnownWord((JOIN,), self.index[" " + core])
        return None

    def rare(self, pieces: Sequence[str]) -> list[RareWord]:
        """The pieces of a document that are outside the vocabulary."""
        return [RareWord(p, place) for place, p in enumerate(pieces) if self.parts(p) is None]

    @cached_property
    def cores(self) -> tuple[str, ...]:
        """The words that are known with a leading space, without it, frequent ones first."""
        return tuple(word[1:] for word in self.words if word[:1] == " " and word != " ")

    @cached_property
    def never_spelled(self) -> frozenset[str]:
        """The strings, without leading space, that are never rare, with or without a space."""
        forms = {form for w in self.cores for form in (w, recase(w, CAPITAL), recase(w, UPPER))}
        return frozenset(
            form
            for form in forms
            if self.parts(form) is not None and self.parts(" " + form) is not None
        )


def split_space(piece: str) -> tuple[str, str]:
    """The leading space of a piece, if it has one, and the rest; a space alone is all rest."""
    if piece.startswith(" ") and piece != " ":
        return " ", piece[1:]
    return "", piece
