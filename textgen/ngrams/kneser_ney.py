"""Interpolated modified Kneser–Ney: n-grams over token ids, or over the characters of words.

Chen & Goodman, "An empirical study of smoothing techniques for language modeling", Computer Speech
& Language 13 (1999). With c the count of a token w after a context h, h' the context without its
earliest token, and D₁, D₂, D₃₊ subtracted from counts of one, two, and three or more:

    P(w | h) = (c(hw) − D(c(hw))) / Σ_v c(hv) + γ(h) P(w | h')

γ(h) is what was subtracted over the same sum, so that P(· | h) sums to 1; after a context that was
never seen, P(w | h) = P(w | h'); below the single token lies the uniform distribution. One boundary
stands before a document, and no context reaches back beyond it.

Does not handle: pruning, so memory grows with the order; discounts tuned on held-out text.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from textgen.core.tokens import BOUNDARY

# D₁, D₂, D₃₊ where the counts of counts give none: a short text, or an alphabet in which every
# token is frequent; KenLM's choice too
FALLBACK = (0.5, 1.0, 1.5)


def fit_kneser_ney(documents: Sequence[np.ndarray], order: int, size: int) -> "KneserNeyModel":
    """Count n-grams of every order and turn them into probabilities.

    Args:
        documents: (n,) integers each, from 1 … size − 1; no n-gram reaches over two of them.
        order: a token is predicted from up to ``order − 1`` before it.
        size: number of tokens, BOUNDARY included.

    Raises:
        ValueError: a token out of range.
    """
    by_length = _count(documents, order, size)
    levels = list[Level]()
    for n_grams, longer in pairwise(by_length):
        levels.append(_level(n_grams, _different_before(n_grams, longer), size))
    longest = by_length[-1]
    levels.append(_level(longest, longest.counts, size))
    return KneserNeyModel(order, size, tuple(levels))


class Level(NamedTuple):
    """Everything about contexts of one length: C contexts, G n-grams.

    Attributes:
        contexts: (C,) int64, sorted: number of the context without its earliest token · size + that
            token. A context's number is its place here.
        grams: (G,) int64, sorted: number of the context · size + the token that follows.
        seen: (G,) float64, (c − D(c)) / Σ c.
        backoff: (C,) float64, γ: the share that is left to the shorter context.
    """

    contexts: np.ndarray
    grams: np.ndarray
    seen: np.ndarray
    backoff: np.ndarray


class KneserNeyModel(NamedTuple):
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
        bits = -np.log2(self._probabilities(documents)).astype(np.float32)
        return np.split(bits, np.cumsum([len(d) + 1 for d in documents])[:-1])

    def log_masses(self, documents: Sequence[np.ndarray]) -> np.ndarray:
        """(D,) float64: ln P of each whole document, its end mark included; otherwise as
        :meth:`token_bits`."""
        if not documents:
            return np.zeros(0)
        lengths = np.array([len(document) + 1 for document in documents])
        starts = np.cumsum(lengths) - lengths
        return np.add.reduceat(np.log(self._probabilities(documents)), starts)

    def distribution(self, context: Sequence[int] | np.ndarray) -> np.ndarray:
        """P(token | the document so far): (size,) float64 that sum to 1.

        Args:
            context: (n,) integers, everything since the document's start; empty at its start.
        """
        # the longest context has order − 1 tokens; one more is kept, as [-0:] would keep them all
        before = [BOUNDARY, *map(int, context)][-self.order :]
        result = np.full(self.size, 1 / self.size)
        number = 0  # of the context
        for length, level in enumerate(self.levels):  # from short contexts to long
            if length > len(before):
                break
            key = number * self.size
            if length:
                key += before[-length]
            number = int(np.searchsorted(level.contexts, key))
            if number == len(level.contexts) or level.contexts[number] != key:
                break  # no longer context is known either
            start = number * self.size
            low, high = np.searchsorted(level.grams, (start, start + self.size))
            result *= level.backoff[number]
            result[level.grams[low:high] - start] += level.seen[low:high]
        return result

    def _probabilities(self, documents: Sequence[np.ndarray]) -> np.ndarray:
        """P of every token and end mark, one document after another: (N,) float64."""
        text, preceding = _lay_out(documents, self.size)
        result = np.full(len(text), 1 / self.size)
        places = np.arange(1, len(text))  # the predicted tokens whose context is known
        context = np.zeros(len(places), dtype=np.int64)  # its number
        for length, level in enumerate(self.levels):  # from short contexts to long
            reached = preceding[places] >= length
            places, context = places[reached], context[reached]
            key = context * self.size
            if length:
                key += text[places - length]
            context, known = find(level.contexts, key)
            places, context = places[known], context[known]  # no longer context is known either
            gram, known = find(level.grams, context * self.size + text[places])
            result[places] *= level.backoff[context]
            result[places[known]] += level.seen[gram[known]]
        return result[1:]


class _NGrams(NamedTuple):
    """The n-grams with contexts of one length that occur.

    Attributes:
        contexts, grams: as in :class:`Level`.
        counts: (G,) int64, how often each occurs.
        endings: (G,) int64, the number of the n-gram without its earliest token, among those with
            contexts that are shorter by one; of contexts of no token, zeros.
    """

    contexts: np.ndarray
    grams: np.ndarray
    counts: np.ndarray
    endings: np.ndarray


def _count(documents: Sequence[np.ndarray], order: int, size: int) -> list[_NGrams]:
    """The n-grams with contexts of 0, 1, … order − 1 tokens.

    Of the document ``a b a b``, with contexts of one token:

        place       0   1   2   3   4   5
        token       ·   a   b   a   b   ·     · is BOUNDARY
        context         ·   a   b   a   b
        context_at      0   1   2   1   2     its number: its place in contexts
        n-gram          ·a  ab  ba  ab  b·
        gram_at         0   1   3   1   2     its number: its place in grams

        contexts    ·   a   b
        grams       ·a  ab  b·  ba
        counts      1   2   1   1
        ending      a   b   ·   a
        endings     1   2   0   1             its number among the n-grams without context: ·  a  b
    """
    result = list[_NGrams]()
    text, preceding = _lay_out(documents, size)
    context_at = np.zeros(len(text), dtype=np.int64)  # the number of the context before each place
    gram_at = np.zeros(len(text), dtype=np.int64)  # and of the n-gram that ends there
    places = np.arange(1, len(text))
    for length in range(order):
        places = places[preceding[places] >= length]  # the others' documents begin too late
        context_keys = context_at[places] * size  # of the context that is shorter by one
        if length > 0:
            context_keys += text[places - length]
        contexts, context_numbers = np.unique(context_keys, return_inverse=True)
        context_at[places] = context_numbers
        gram_keys = context_numbers * size + text[places]
        grams, first, gram_numbers, counts = np.unique(
            gram_keys, return_index=True, return_inverse=True, return_counts=True
        )
        first_places = places[first]  # of each n-gram
        endings = gram_at[first_places]  # as numbered for the length before this one
        gram_at[places] = gram_numbers
        result.append(_NGrams(contexts, grams, counts, endings))
    return result


def _different_before(n_grams: _NGrams, longer: _NGrams) -> np.ndarray:
    """(G,) int64: how many different tokens stand before each n-gram; of one that begins with a
    document, before which nothing stands, how often it occurs."""
    different = np.bincount(longer.endings, minlength=len(n_grams.counts))
    return np.where(different > 0, different, n_grams.counts)


def _level(n_grams: _NGrams, counts: np.ndarray, size: int) -> Level:
    """The level that (G,) counts of n-grams give."""
    context = n_grams.grams // size
    number = len(n_grams.contexts)
    discount_of_count = np.array([0.0, *discounts(counts)])
    removed = discount_of_count[np.minimum(counts, 3)]
    total = np.bincount(context, weights=counts, minlength=number)
    backoff = np.bincount(context, weights=removed, minlength=number) / total
    seen = (counts - removed) / total[context]
    return Level(n_grams.contexts, n_grams.grams, seen, backoff)


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
    if min(one, two, more) <= 0:
        return FALLBACK
    return one, two, more


def _lay_out(documents: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """All documents in one text, a boundary before, between and behind them. Of ``a b`` and ``c``:

        text        ·  a  b  ·  c  ·
        preceding   0  1  2  3  1  2

    Returns:
        (N + 1,) int64 both: the text; and how many tokens of its document precede each token, the
        boundary before that included.

    Raises:
        ValueError: a token out of range.
    """
    boundary = np.array([BOUNDARY])
    parts = [boundary]
    for document in documents:
        parts += [document, boundary]
    text = np.concatenate(parts).astype(np.int64)
    boundaries = np.count_nonzero(text == BOUNDARY)
    holds_boundaries = boundaries != len(documents) + 1  # a document does, as tokens of its own
    if holds_boundaries or text.min() < BOUNDARY or text.max() >= size:
        raise ValueError(f"tokens from 1 to {size - 1} expected, received others")
    lengths = np.array([len(document) + 1 for document in documents], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths  # the place of the boundary before each document
    preceding = np.arange(len(text))
    preceding[1:] -= np.repeat(starts, lengths)
    return text, preceding


def find(table: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where (n,) keys stand in a sorted table, and whether they do."""
    if not len(table):
        return np.zeros_like(keys), np.zeros(len(keys), dtype=bool)
    index = np.searchsorted(table, keys).clip(max=len(table) - 1)
    return index, table[index] == keys
