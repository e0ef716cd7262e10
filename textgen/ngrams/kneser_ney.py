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
    stream, before = _lay_out(documents, size)
    places, levels = np.arange(1, len(stream)), list[Level]()
    context = gram = np.zeros_like(places)
    below: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    for length in range(order):
        reached = before >= length
        places, before, context, gram = (a[reached] for a in (places, before, context, gram))
        earliest = stream[places - length] if length else 0
        contexts, context = np.unique(context * size + earliest, return_inverse=True)
        grams, first, longer, counts = np.unique(context * size + stream[places], True, True, True)
        if below:  # how many different tokens stand before each shorter n-gram
            different = np.bincount(gram[first], minlength=len(below[2]))
            # none before those from a document's start, which keep their plain counts
            levels.append(_level(*below[:2], np.where(different, different, below[2]), size))
        below, gram = (contexts, grams, counts), longer
    if below:
        levels.append(_level(*below, size))
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
        lengths = np.array([len(document) + 1 for document in documents], dtype=np.int64)
        logs = np.append(np.log(self._probabilities(documents)), 0.0)
        return np.add.reduceat(logs, np.cumsum(lengths) - lengths)[: len(documents)]

    def distribution(self, context: Sequence[int] | np.ndarray) -> np.ndarray:
        """P(token | the document so far): (size,) float64 that sum to 1.

        Args:
            context: (n,) integers, everything since the document's start; empty at its start.
        """
        before = [BOUNDARY, *map(int, context[-self.order :])][-self.order :]
        result, number = np.full(self.size, 1 / self.size), 0
        for length, level in enumerate(self.levels[: len(before) + 1]):
            key = number * self.size + (before[-length] if length else 0)
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
        stream, before = _lay_out(documents, self.size)
        tokens = stream[1:]
        result = np.full(len(tokens), 1 / self.size)
        rows = np.arange(len(tokens))
        context = np.zeros(len(tokens), dtype=np.int64)
        for length, level in enumerate(self.levels):  # from short contexts to long
            reached = before[rows] >= length
            rows, context = rows[reached], context[reached]
            earliest = stream[rows + 1 - length] if length else 0
            context, known = find(level.contexts, context * self.size + earliest)
            rows, context = rows[known], context[known]  # no longer context is known either
            gram, known = find(level.grams, context * self.size + tokens[rows])
            result[rows] *= level.backoff[context]
            result[rows[known]] += level.seen[gram[known]]
        return result


def _level(contexts: np.ndarray, grams: np.ndarray, counts: np.ndarray, size: int) -> Level:
    """The level that (G,) counts give."""
    of = grams // size
    removed = np.array((0.0, *discounts(counts)))[np.minimum(counts, 3)]
    total = np.bincount(of, weights=counts, minlength=len(contexts))
    backoff = np.bincount(of, weights=removed, minlength=len(contexts)) / total
    return Level(contexts, grams, (counts - removed) / total[of], backoff)


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


def _lay_out(documents: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """All documents in a row, a boundary before, between and behind them: (N + 1,) int64.

    Returns:
        The row; and for each of its tokens but the first, how many tokens from the boundary before
        its document on precede it: (N,) int64.

    Raises:
        ValueError: a token out of range.
    """
    boundary = np.array([BOUNDARY])
    parts = [boundary]
    for document in documents:
        parts += [document, boundary]
    stream = np.concatenate(parts).astype(np.int64)
    ends = np.count_nonzero(stream == BOUNDARY) - 1
    if ends != len(documents) or stream.min() < BOUNDARY or stream.max() >= size:
        raise ValueError(f"tokens from 1 to {size - 1} expected, received others")
    lengths = np.array([len(document) + 1 for document in documents], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    return stream, np.arange(1, len(stream)) - np.repeat(starts, lengths)


def find(table: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where (n,) keys stand in a sorted table, and whether they do."""
    if not len(table):
        return np.zeros_like(keys), np.zeros(len(keys), dtype=bool)
    index = np.searchsorted(table, keys).clip(max=len(table) - 1)
    return index, table[index] == keys
