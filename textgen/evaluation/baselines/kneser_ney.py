"""Interpolated modified Kneser–Ney: n-grams over the tokens of any tokenizer.

Chen & Goodman, "An empirical study of smoothing techniques for language modeling", Computer Speech
& Language 13 (1999). With c the count of a token w after a context h, h' the context without its
earliest token, and D₁, D₂, D₃₊ subtracted from counts of one, two, and three or more:

    P(w | h) = (c(hw) − D(c(hw))) / Σ_v c(hv) + γ(h) P(w | h')

γ(h) is what was subtracted over the same sum, so that P(· | h) sums to 1; after a context that was
never seen, P(w | h) = P(w | h'); below the single token lies the uniform distribution.

Does not handle: pruning, so memory grows with the order; discounts tuned on held-out text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.core import Count
from textgen.tokenizers import BOUNDARY

FALLBACK = (0.5, 1.0, 1.5)
"""D₁, D₂, D₃₊ where the counts of counts give none: a short text, or an alphabet in which every
token is frequent. KenLM's choice too."""


@dataclass(frozen=True)
class KneserNey:
    """n-grams of ``order`` tokens: each is predicted from up to ``order − 1`` before it.

    Longer ones than those of ``orders`` hardly ever occur twice, and memory grows with their
    length.
    """

    reads_bytes: ClassVar[bool] = False
    orders: ClassVar[range] = range(1, 17)
    order: Count = 4

    def fit(self, documents: Sequence[np.ndarray], size: int) -> KneserNeyModel:
        """Count n-grams of every order and turn them into probabilities.

        Args:
            documents: (n,) integers each, from 1 … size − 1; no n-gram reaches over two of them.
            size: number of tokens, BOUNDARY included.

        Raises:
            ValueError: a token out of range.
        """
        stream, places = _lay_out(documents, self.order, size)
        tokens, context = stream[places], np.zeros(len(places), dtype=np.int64)
        below: _Counted | None = None
        levels: list[Level] = []
        for length in range(self.order):
            earliest = stream[places - length] if length else np.zeros_like(tokens)
            contexts, context = np.unique(context * size + earliest, return_inverse=True)
            grams, first, gram, counts = np.unique(
                context * size + tokens, return_index=True, return_inverse=True, return_counts=True
            )
            if below:
                levels.append(below.estimate(below.continuations(first), size))
            # nothing stands before a document: n-grams from its start keep their plain counts
            plain = (contexts[grams // size] % size == BOUNDARY) & (length > 0)
            below = _Counted(contexts, grams, gram, counts, plain)
        if below:
            levels.append(below.estimate(below.counts, size))
        return KneserNeyModel(self.order, size, tuple(levels))


@dataclass(frozen=True)
class Level:
    """Everything about contexts of one length.

    Attributes:
        contexts: (C,) sorted, number of the context without its earliest token · size + that
            token. A context's number is its place here.
        grams: (G,) sorted, number of the context · size + the token that follows.
        seen: (G,) (c − D(c)) / Σ c.
        backoff: (C,) γ, the share that is left to the shorter context.
    """

    contexts: np.ndarray
    grams: np.ndarray
    seen: np.ndarray
    backoff: np.ndarray


@dataclass(frozen=True)
class KneserNeyModel:
    """Fitted n-grams. ``levels[k]`` holds what follows contexts of k tokens."""

    order: int
    size: int
    levels: tuple[Level, ...]

    def token_bits(self, documents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """−log2 P(token | up to order − 1 earlier tokens of the document), the end mark last.

        Args:
            documents: (n,) integers each, from 1 … size − 1.

        Returns:
            (n + 1,) float32 each.

        Raises:
            ValueError: a token out of range.
        """
        if not documents:
            return []
        stream, places = _lay_out(documents, self.order, self.size)
        found = self._probabilities(stream[places], lambda distance: stream[places - distance])
        bits = -np.log2(found).astype(np.float32)
        return np.split(bits, np.cumsum([len(d) + 1 for d in documents])[:-1])

    def distribution(self, context: Sequence[int] | np.ndarray) -> np.ndarray:
        """P(token | the document so far): (size,) float64 that sum to 1.

        Args:
            context: (n,) integers, everything since the document's start; empty at its start.
        """
        before = [BOUNDARY] * (self.order - 1) + [int(token) for token in context]
        return self._probabilities(
            np.arange(self.size), lambda distance: np.full(self.size, before[-distance])
        )

    def _probabilities(
        self, tokens: np.ndarray, earlier: Callable[[int], np.ndarray]
    ) -> np.ndarray:
        """P of each of (n,) tokens after its context: (n,) float64, from short contexts to long.

        Args:
            earlier: gives the (n,) tokens that stand so many places before.
        """
        result = np.full(len(tokens), 1 / self.size)
        rows, context = np.arange(len(tokens)), np.zeros(len(tokens), dtype=np.int64)
        for length, level in enumerate(self.levels):
            earliest = earlier(length)[rows] if length else 0
            context, known = _find(level.contexts, context * self.size + earliest)
            rows, context = rows[known], context[known]  # no longer context is known either
            gram, known = _find(level.grams, context * self.size + tokens[rows])
            result[rows] *= level.backoff[context]
            result[rows[known]] += level.seen[gram[known]]
        return result


@dataclass(frozen=True)
class _Counted:
    """The n-grams of one order before they are discounted; C contexts, G n-grams, n places.

    ``gram`` is the (n,) number of the n-gram that ends at each place, ``counts`` how often each
    occurs, ``plain`` marks the (G,) n-grams that begin before the document.
    """

    contexts: np.ndarray
    grams: np.ndarray
    gram: np.ndarray
    counts: np.ndarray
    plain: np.ndarray

    def continuations(self, first: np.ndarray) -> np.ndarray:
        """How many different tokens stand before an n-gram: (G,).

        Args:
            first: a place at which each n-gram of the next higher order ends.
        """
        found = np.bincount(self.gram[first], minlength=len(self.grams))
        return np.where(self.plain, self.counts, found)

    def estimate(self, counts: np.ndarray, size: int) -> Level:
        """The level that (G,) counts give."""
        of = self.grams // size
        removed = np.array((0.0, *discounts(counts)))[np.minimum(counts, 3)]
        total = np.bincount(of, weights=counts, minlength=len(self.contexts))
        backoff = np.bincount(of, weights=removed, minlength=len(self.contexts)) / total
        return Level(self.contexts, self.grams, (counts - removed) / total[of], backoff)


def discounts(counts: np.ndarray) -> tuple[float, float, float]:
    """D₁, D₂, D₃₊ from counts of counts (Chen & Goodman 1999, eq. 17).

    With n_r the number of n-grams that occur r times and Y = n₁ / (n₁ + 2 n₂),
    D_r = r − (r + 1) Y n_{r+1} / n_r.

    Args:
        counts: (G,) integers.

    Returns:
        All above 0, so that every context leaves something to what never followed it;
        :data:`FALLBACK` where the formula divides by zero or gives something else.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).tolist()
    if not all(n[1:5]):
        return FALLBACK
    y = n[1] / (n[1] + 2 * n[2])
    one, two, more = (r - (r + 1) * y * n[r + 1] / n[r] for r in (1, 2, 3))
    return (one, two, more) if min(one, two, more) > 0 else FALLBACK


def _lay_out(
    documents: Sequence[np.ndarray], order: int, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """All documents in a row, order − 1 boundaries before each and one behind: int64 tokens.

    Returns:
        The row, and the places in it that are predicted: every token and every end mark.

    Raises:
        ValueError: a token out of range.
    """
    before, end = np.full(order - 1, BOUNDARY), np.array([BOUNDARY])
    parts: list[np.ndarray] = [end[:0]]
    for document in documents:
        if len(document) and not BOUNDARY < document.min() <= document.max() < size:
            raise ValueError(f"tokens from 1 to {size - 1} expected, received others")
        parts += [before, document, end]
    lengths = np.array([len(document) + 1 for document in documents], dtype=np.int64)
    starts = np.arange(1, len(documents) + 1) * (order - 1)
    places = np.arange(lengths.sum()) + np.repeat(starts, lengths)
    return np.concatenate(parts).astype(np.int64), places


def _find(table: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where (n,) keys stand in a sorted table, and whether they do."""
    if not len(table):
        return np.zeros_like(keys), np.zeros(len(keys), dtype=bool)
    index = np.searchsorted(table, keys).clip(max=len(table) - 1)
    return index, table[index] == keys
