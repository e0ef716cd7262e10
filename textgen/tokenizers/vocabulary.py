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

    def parts(self, piece: str) -> tuple[tuple[int, ...], int] | None:
        """The modifiers and the index of the word that together are a piece; None if it is
        rare."""
        return self._cached_parts(piece)

    @cached_property
    def _cached_parts(self) -> Callable[[str], tuple[tuple[int, ...], int] | None]:
        return lru_cache(CACHED_PIECES)(self._find_parts)

    def _find_parts(self, piece: str) -> tuple[tuple[int, ...], int] | None:
        space, core = split_space(piece)
        if (found := self._known(space, core)) is not None:
            return found
        if (lower_case := folded(core)) is None:
            return None
        modifier, word = lower_case
        if (found := self._known(space, word)) is None:
            return None
        joins, number = found
        return (*joins, modifier), number

    def _known(self, space: str, core: str) -> tuple[tuple[int, ...], int] | None:
        """A word as it is known behind a space, or else the one with a space that is joined."""
        if (number := self.index.get(space + core)) is not None:
            return (), number
        if not space and (number := self.index.get(" " + core)) is not None:
            return (JOIN,), number
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
        return frozenset(w for w in forms if self.parts(w) and self.parts(" " + w))


def split_space(piece: str) -> tuple[str, str]:
    """The leading space of a piece, if it has one, and the rest; a space alone is all rest."""
    return (" ", piece[1:]) if piece[:1] == " " and piece[1:] else ("", piece)
