"""What followed in the training text, counted, mixed into what the network says.

A network that has trained for minutes does not know by heart what counts know at once: which word
has followed these two. Here a Pitman-Yor process (:mod:`textgen.evaluation.pitman_yor`) over the
training text has the network as its P_0: counts decide where there are many, the network elsewhere
(mixtures of recurrent networks and n-grams: Mikolov et al. 2011). How far each is trusted is fitted
on validation text.

n-grams are numbered by length: one of n + 1 tokens by its place among all (number of the first n
tokens, last token) that occur, in order, so that all that have followed n tokens lie side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from textgen.evaluation.pitman_yor import MIN_PROBABILITY, Counts, PitmanYor, context_kind, fit
from textgen.tokenizers.base import BOUNDARY

UNSEEN = -1
# Counted of a training text, about: more takes a gigabyte and more for characters.
MAX_TOKENS = 4_000_000


class Level(NamedTuple):
    """What has followed the contexts of one length.

    Attributes:
        same: (n-grams with one more token,) int64, how often each counts at this level.
        all, different: (contexts,) int64, how many follow each context, and how many different
            ones.
    """

    same: np.ndarray
    all: np.ndarray
    different: np.ndarray


class TrainingCounts:
    """The n-grams of the training text, and how far they are trusted once :meth:`fit` is done.

    Args:
        orders: lengths of contexts, rising.
        documents: tokens (n,) of each, without boundaries; the first MAX_TOKENS are counted.
        size: V, number of tokens.
        process: as fitted before.
    """

    def __init__(
        self,
        orders: Sequence[int],
        documents: Sequence[np.ndarray],
        size: int,
        process: PitmanYor | None = None,
    ) -> None:
        before = np.cumsum([0, *(len(document) for document in documents)])
        room = MAX_TOKENS - before[before < MAX_TOKENS]
        documents = [d[:most] for d, most in zip(documents, room, strict=False)]
        self.documents, self.process = documents, process
        self._orders, self._size, self._longest = tuple(orders), size, max(orders)
        parts = [self._with_boundaries(document) for document in documents]
        text = np.concatenate(parts)
        counted = np.concatenate([np.arange(len(part)) >= self._longest for part in parts])
        self._keys = list[np.ndarray]()  # of the n-grams of each length from 1, rising
        grams = [np.zeros(len(text), dtype=np.int64)]  # of each length, the one that ends here
        for _ in range(self._longest + 1):
            keys, numbers = np.unique(_before(grams[-1]) * size + text, return_inverse=True)
            self._keys.append(keys)
            grams.append(numbers)
        self._levels = list[Level]()
        for order in reversed(orders):
            whole, keys = grams[order + 1], self._keys[order]
            same = np.bincount(whole[counted], minlength=len(keys))
            contexts, minimum = keys // size, grams[order].max() + 1
            sums = (np.bincount(contexts, counts, minimum) for counts in (same, same > 0))
            self._levels.insert(0, Level(same, *(values.astype(np.int64) for values in sums)))
            # the next level counts what was new to this one
            places = np.flatnonzero(counted)
            counted = np.zeros_like(counted)
            counted[places[np.unique(whole[places], return_index=True)[1]]] = True

    def _with_boundaries(self, tokens: np.ndarray) -> np.ndarray:
        """(longest + n + 1,) int64: nothing but boundaries stands before a document."""
        begin, end = (np.full(n, BOUNDARY, dtype=np.int64) for n in (self._longest, 1))
        return np.concatenate([begin, tokens, end])

    def _number(self, before: np.ndarray, tokens: np.ndarray, length: int) -> np.ndarray:
        """Numbers of n-grams of a length, from those of all but their last tokens."""
        keys = self._keys[length - 1]
        wanted = np.where(before == UNSEEN, UNSEEN, before * self._size + tokens)
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[places] == wanted, places, UNSEEN)

    def counts(self, tokens: np.ndarray) -> Counts:
        """What has followed the context of each of (n,) tokens of a document and its end mark."""
        text, columns = self._with_boundaries(tokens), list[tuple[np.ndarray, ...]]()
        gram = np.zeros(len(text), dtype=np.int64)
        for order in range(self._longest + 1):
            context, gram = _before(gram), self._number(_before(gram), text, order + 1)
            if order in self._orders:
                level = self._levels[self._orders.index(order)]
                looked_up = zip(level, (gram, context, context), strict=True)
                found = [np.where(place == UNSEEN, 0, row[place]) for row, place in looked_up]
                columns.append(tuple(row[self._longest :] for row in found))
        return Counts(*map(np.array, zip(*columns, strict=True)))

    def fit(self, documents: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """Fit the trust in counts to validation documents.

        Args:
            documents: tokens (n,) and the network's bits (n + 1,) of each.
        """
        self.process = fit(self._orders, [(bits, self.counts(t)) for t, bits in documents])

    def bits(self, tokens: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """What the tokens of a document and its end mark cost: (n + 1,) bits of the network →
        (n + 1,) float32."""
        assert self.process is not None
        return self.process.mixed_bits(bits, self.counts(tokens))

    def start(self, rows: int) -> list[np.ndarray]:
        """Contexts of every length, none included, at the beginning of documents: (rows,) each."""
        return [np.zeros(rows, dtype=np.int64)] * (self._longest + 1)  # those of boundaries alone

    def after(self, contexts: list[np.ndarray], tokens: np.ndarray) -> list[np.ndarray]:
        """Contexts behind one more token (rows,)."""
        longer = enumerate(contexts[:-1], 1)
        return contexts[:1] + [self._number(before, tokens, length) for length, before in longer]

    def mixed(self, contexts: list[np.ndarray], probabilities: np.ndarray) -> np.ndarray:
        """P(next token) behind contexts from the network's: (rows, V) float64 → the same."""
        assert self.process is not None
        process, result = self.process, np.maximum(probabilities, MIN_PROBABILITY)
        for order, level, discounts, strengths in zip(
            self._orders, self._levels, process.discounts, process.strengths, strict=True
        ):
            rows = np.flatnonzero(contexts[order] != UNSEEN)
            context, keys = contexts[order][rows], self._keys[order]
            total, different = level.all[context], level.different[context]
            kind = context_kind(total, different)
            discount, strength = np.array(discounts)[kind], np.array(strengths)[kind]
            result[rows] *= ((strength + discount * different) / (total + strength))[:, None]
            ends = np.searchsorted(keys, [context * self._size, (context + 1) * self._size])
            sizes = ends[1] - ends[0]
            row = np.repeat(np.arange(len(rows)), sizes)
            place = np.arange(len(row)) + np.repeat(ends[0] - (np.cumsum(sizes) - sizes), sizes)
            own = np.maximum(level.same[place] - discount[row], 0.0) / (total + strength)[row]
            result[rows[row], keys[place] - context[row] * self._size] += own
        return result


def with_training_counts(
    network: Any, documents: Sequence[np.ndarray], bits: list[np.ndarray]
) -> list[np.ndarray]:
    """Bits of the tokens of documents under a network, mixed with counts of the training text if it
    has them."""
    counts = network.training_counts
    return [counts.bits(*pair) for pair in zip(documents, bits, strict=True)] if counts else bits


def _before(values: np.ndarray) -> np.ndarray:
    """The value before each; 0 before the first."""
    return np.concatenate([values[:1] * 0, values[:-1]])
