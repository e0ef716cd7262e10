"""Counts beside a network: of the training text, and of the document so far.

*Training counts.* A network that has trained for minutes does not know all that counts know at
once: which word has followed these two. What the network predicts is mixed with what counts predict
on top of it, its predictions being the P_0 of a Pitman-Yor process
(:mod:`textgen.ngrams.pitman_yor`), and with what counts predict alone, P_0 being uniform
(mixtures of recurrent networks and n-grams: Mikolov et al. 2011). How far each is trusted is fitted
on validation text.

*A document cache.* A text repeats itself: its names, its phrases, its headings. An LSTM that has
met a name once does not count on it again; a cache does (cache language models: Kuhn & De Mori
1990; Grave, Joulin & Usunier 2017). This one is a Pitman-Yor process over the document so far,
whose P_0 is the model's P(x | all tokens before): the mixture is a distribution over documents like
the model's, and nothing is read ahead. A cache begins empty with every document.
"""

import copy
from collections import Counter
from collections.abc import Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from textgen.core.tokens import BOUNDARY
from textgen.evaluation.dynamic import DynamicEvaluation
from textgen.ngrams import pitman_yor
from textgen.ngrams.kneser_ney import find
from textgen.ngrams.mixture import mixture_weights
from textgen.ngrams.pitman_yor import ContextCounts, Counted, PitmanYor

# Counted of a training text, the same for all tokenizers: more takes a gigabyte and more.
MAX_CHARACTERS = 4_000_000
UNSEEN = -1


class TrainingCounts:
    """The n-grams of the training text, and how far they are trusted.

    n-grams are numbered by length: one of n + 1 tokens by its place among all (number of the first
    n tokens, last token) that occur, in order, so that all that have followed n tokens lie side by
    side.

    Args:
        orders: lengths of contexts, rising.
        documents: tokens (n,) of each, without boundaries.
        cut: whether the last document goes on beyond what is counted of it: it has no end.
        size: V, number of tokens.

    Attributes:
        processes: of counts whose P_0 is the network, and of those whose P_0 is uniform. These two
            and the weights say how far counts are trusted, once that is fitted or read.
        weights: of the network, of counts on top of it, and of counts alone, for each number of
            levels that know the context, from none to all.
    """

    processes: Sequence[PitmanYor]
    weights: Sequence[Sequence[float]]

    def __init__(
        self, orders: Sequence[int], documents: Sequence[np.ndarray], cut: bool, size: int
    ) -> None:
        self.documents, self.cut = documents, cut
        self._orders = tuple(orders)
        self._size = size
        self._longest = max(orders)
        parts = [self._with_boundaries(document) for document in documents]
        parts[-1] = parts[-1][: len(parts[-1]) - cut]
        text = np.concatenate(parts)
        counted = np.concatenate([np.arange(len(part)) >= self._longest for part in parts])
        self._keys = list[np.ndarray]()  # of the n-grams of each length from 1, rising
        grams = [np.zeros(len(text), dtype=np.int64)]  # of each length, the one that ends here
        for _ in range(self._longest + 1):
            keys, numbers = np.unique(_before(grams[-1]) * size + text, return_inverse=True)
            self._keys.append(keys)
            grams.append(numbers)
        # of each context of one length, and in ``same`` of each n-gram with one more token
        self._levels = list[ContextCounts]()
        for order in reversed(orders):
            whole, keys = grams[order + 1], self._keys[order]
            same = np.bincount(whole[counted], minlength=len(keys))
            contexts, minimum = keys // size, grams[order].max() + 1
            sums = (np.bincount(contexts, counts, minimum) for counts in (same, same > 0))
            self._levels.insert(0, ContextCounts(same, *(v.astype(np.int64) for v in sums)))
            # the next level counts what was new to this one: each n-gram at one of its places
            places = np.flatnonzero(counted)
            place_of = np.full(len(keys), UNSEEN)
            place_of[whole[places]] = places
            counted = np.zeros_like(counted)
            counted[place_of[place_of != UNSEEN]] = True

    def _with_boundaries(self, tokens: np.ndarray) -> np.ndarray:
        """(longest + n + 1,) int64: nothing but boundaries stands before a document."""
        begin, end = (np.full(n, BOUNDARY, dtype=np.int64) for n in (self._longest, 1))
        return np.concatenate([begin, tokens, end])

    def _number(self, before: np.ndarray, tokens: np.ndarray, length: int) -> np.ndarray:
        """Numbers of n-grams of a length, from those of all but their last tokens."""
        wanted = np.where(before == UNSEEN, UNSEEN, before * self._size + tokens)
        places, known = find(self._keys[length - 1], wanted)
        return np.where(known, places, UNSEEN)

    def counts(self, tokens: np.ndarray) -> ContextCounts:
        """What has followed the context of each of (n,) tokens of a document and its end mark."""
        text = self._with_boundaries(tokens)
        columns = list[tuple[np.ndarray, ...]]()
        gram = np.zeros(len(text), dtype=np.int64)
        for order in range(self._longest + 1):
            context, gram = _before(gram), self._number(_before(gram), text, order + 1)
            if order in self._orders:
                level = self._levels[self._orders.index(order)]
                looked_up = zip(level, (gram, context, context), strict=True)
                found = [_at(row, place) for row, place in looked_up]
                columns.append(tuple(row[self._longest :] for row in found))
        return ContextCounts(*map(np.array, zip(*columns, strict=True)))

    def fitted(self, documents: Counted, limit: int | None = None) -> "TrainingCounts":
        """These counts, trusted as validation documents have it.

        Args:
            documents: the network's bits (n,) of the tokens of each, and their :meth:`counts`.
            limit: as for :func:`textgen.ngrams.pitman_yor.fit`.
        """
        uniform = [(np.full(len(bits), np.log2(self._size)), counts) for bits, counts in documents]
        both, trusted = (documents, uniform), copy.copy(self)
        trusted.processes = [pitman_yor.fit(self._orders, each, limit) for each in both]
        parts = [trusted._components(*pair) for pair in documents]
        masses, known = (np.concatenate(part) for part in zip(*parts, strict=True))
        common = mixture_weights(masses)
        of_known = (masses[known == number] for number in range(len(self._orders) + 1))
        trusted.weights = [mixture_weights(m, common) for m in of_known]
        return trusted

    def _components(self, bits: np.ndarray, counts: ContextCounts) -> tuple[np.ndarray, np.ndarray]:
        """(n, 3): P of each token by the network, by counts on top of it, and by counts alone; and
        (n,), how many levels know its context."""
        chances = pitman_yor.probabilities_of(bits)
        bases = chances, np.full(len(chances), 1 / self._size)
        mixed = (p.mixed(base, counts) for p, base in zip(self.processes, bases, strict=True))
        return np.stack([chances, *mixed], axis=1), (counts.all > 0).sum(axis=0)

    def bits(self, network_bits: np.ndarray, counts: ContextCounts) -> np.ndarray:
        """What tokens cost: (n,) bits of the network → (2, n) float32, of the network with counts,
        and of the counts alone."""
        masses, known = self._components(network_bits, counts)
        mixed = (np.array(self.weights)[known] * masses).sum(axis=1)
        return (-np.log2([mixed, masses[:, 2]])).astype(np.float32)

    def start(self, rows: int) -> list[np.ndarray]:
        """Contexts of every length, none included, at the beginning of documents: (rows,) each."""
        return [np.zeros(rows, dtype=np.int64)] * (self._longest + 1)  # those of boundaries alone

    def after(self, contexts: list[np.ndarray], tokens: np.ndarray) -> list[np.ndarray]:
        """Contexts after one more token (rows,)."""
        longer = enumerate(contexts[:-1], 1)
        return contexts[:1] + [self._number(before, tokens, length) for length, before in longer]

    def mixed(self, contexts: list[np.ndarray], network: np.ndarray | None) -> np.ndarray:
        """P(next token) after contexts, (rows, V) float64: from the network's, or by the counts
        alone."""
        levels = zip(self._orders, self._levels, strict=True)
        totals = [_at(level.all, contexts[order]) for order, level in levels]
        shares = np.array(self.weights)[(np.array(totals) > 0).sum(axis=0)]
        if network is None:
            network, shares[:] = np.zeros((len(shares), self._size)), (0.0, 0.0, 1.0)
        left = shares[:, 1:].copy()  # what higher levels leave to lower ones, by both processes
        added, everywhere = list[tuple[np.ndarray, ...]](), np.zeros((1, 1))
        for number in reversed(range(len(totals))):
            order, level = self._orders[number], self._levels[number]
            keys, rows = self._keys[order], np.flatnonzero(totals[number])
            context = contexts[order][rows]
            total, different = level.all[context], level.different[context]
            kind = pitman_yor.context_kind(total, different)
            discounts = np.array([p.discounts[number] for p in self.processes])[:, kind]
            strengths = np.array([p.strengths[number] for p in self.processes])[:, kind]
            share = left[rows].T / (total + strengths)
            left[rows] = (share * (strengths + discounts * different)).T
            if not order:  # the same tokens, nearly all, in every row
                own = np.zeros((2, self._size))
                own[:, keys] = np.maximum(level.same - discounts[:, :1], 0.0)
                everywhere = share.T @ own
                continue
            ends = np.searchsorted(keys, [context * self._size, (context + 1) * self._size])
            sizes = ends[1] - ends[0]
            row = np.repeat(np.arange(len(rows)), sizes)
            place = np.arange(len(row)) + np.repeat(ends[0] - (np.cumsum(sizes) - sizes), sizes)
            own = share[:, row] * np.maximum(level.same[place] - discounts[:, row], 0.0)
            added.append((rows[row], keys[place] - context[row] * self._size, own.sum(axis=0)))
        result = np.maximum(network, pitman_yor.MIN_PROBABILITY)
        result *= shares[:, :1] + left[:, :1]  # in place: rows of words are long
        result += left[:, 1:] / self._size + everywhere
        for at_rows, columns, own in added:
            result[at_rows, columns] += own
        return result


@dataclass(frozen=True)
class DocumentCache(PitmanYor):
    """A cache; without discounts and strengths, one that is to be fitted. ``cache.json`` holds its
    attributes.

    Attributes:
        dynamic: how the network goes on learning from the document, if it does: P_0 is then what
            it predicts after that.
    """

    dynamic: DynamicEvaluation | None = None


class CacheState:
    """A document that is read token by token under a cache."""

    def __init__(self, cache: DocumentCache) -> None:
        self._cache = cache
        self._tables = [dict[tuple[int, ...], Counter[int]]() for _ in cache.orders]
        self._last = [BOUNDARY] * max(cache.orders)

    def _contexts(self) -> list[tuple[int, ...]]:
        return [tuple(self._last[len(self._last) - order :]) for order in self._cache.orders]

    def copy(self) -> "CacheState":
        """The same document, that may go on differently."""
        state = copy.copy(self)
        state._tables = [dict(table) for table in self._tables]
        return state

    def mixed(self, probabilities: np.ndarray) -> np.ndarray:
        """P(x | the document so far) from the network's: (V,) float64 → (V,) float64."""
        cache = self._cache
        result = np.maximum(probabilities, pitman_yor.MIN_PROBABILITY)
        for table, context, discounts, strengths in zip(
            self._tables, self._contexts(), cache.discounts, cache.strengths, strict=True
        ):
            if counter := table.get(context):
                kind = int(pitman_yor.context_kind(counter.total(), len(counter)))
                discount, strength = discounts[kind], strengths[kind]
                total = counter.total() + strength
                result = result * ((strength + discount * len(counter)) / total)
                result[list(counter)] += (np.array(list(counter.values())) - discount) / total
        return result

    def add(self, token: int) -> None:
        """Count the token that came."""
        for table, context in reversed(list(zip(self._tables, self._contexts(), strict=True))):
            counter = table[context] = Counter(table.get(context))  # copies may have the old one
            counter[token] += 1
            if counter[token] > 1:
                break
        self._last = [*self._last[1:], token]


def count(tokens: np.ndarray, orders: Sequence[int]) -> ContextCounts:
    """What a :class:`CacheState` counts along a document and its end mark, all at once.

    Args:
        tokens: (n,) integers, without boundaries.
        orders: rising.
    """
    marked = np.concatenate([[BOUNDARY], tokens.astype(np.int64), [BOUNDARY]])
    text = np.unique(marked, return_inverse=True)[1]
    size = len(text)
    grams = [np.zeros_like(text), text]  # by length, which n-gram ends at each token
    for _ in range(max(orders)):
        grams.append(np.unique(_before(grams[-1]) * size + text, return_inverse=True)[1])
    levels = list[tuple[np.ndarray, ...]]()
    everything = counted = np.ones(size - 1, dtype=bool)
    for order in reversed(orders):
        context, whole = grams[order][:-1], grams[order + 1][1:]
        before, same = _earlier(whole, everything, counted)
        new = before == 0
        levels.append((same, *_earlier(context, counted, new)))
        counted = new
    return ContextCounts(*map(np.array, zip(*reversed(levels), strict=True)))


def _earlier(groups: np.ndarray, *counted: np.ndarray) -> list[np.ndarray]:
    """How many earlier places of the same group are counted, (n,) int32 for each (n,) bool."""
    order = np.argsort(groups, kind="stable")
    begins = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(np.append(begins, len(groups)))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    sums = [np.cumsum(places[order]) - places[order] for places in counted]
    return [(s - np.repeat(s[begins], sizes))[place].astype(np.int32) for s in sums]


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The values at some places; 0 for UNSEEN."""
    return np.where(places == UNSEEN, 0, values[places])


def _before(values: np.ndarray) -> np.ndarray:
    """The value before each; 0 before the first, before which stand only boundaries."""
    return np.concatenate([values[:1] * 0, values[:-1]])
