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
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

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
            contexts, number = keys // size, int(grams[order].max()) + 1
            total = np.bincount(contexts, same, number).astype(np.int64)
            different = np.bincount(contexts, same > 0, number).astype(np.int64)
            self._levels.insert(0, ContextCounts(same, total, different))
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

    def contexts(self, tokens: np.ndarray) -> list[np.ndarray]:
        """The contexts of every length, none included, of (n,) tokens of a document and of its end
        mark: (n + 1,) each, as :meth:`start` and :meth:`after` number them."""
        text = self._with_boundaries(tokens)
        contexts = [np.zeros(len(text), dtype=np.int64)]
        for length in range(1, self._longest + 1):
            grams = self._number(contexts[-1], text, length)
            contexts.append(_before(grams))
        return [context[self._longest :] for context in contexts]

    def counts(self, tokens: np.ndarray) -> ContextCounts:
        """What has followed the context of each of (n,) tokens of a document and its end mark."""
        contexts, coming = self.contexts(tokens), np.append(tokens, BOUNDARY).astype(np.int64)
        same, total, different = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
        for order, level in zip(self._orders, self._levels, strict=True):
            context = contexts[order]
            same.append(_at(level.same, self._number(context, coming, order + 1)))
            total.append(_at(level.all, context))
            different.append(_at(level.different, context))
        return ContextCounts(np.array(same), np.array(total), np.array(different))

    def fitted(self, documents: Counted, limit: int | None = None) -> "TrainingCounts":
        """These counts, trusted as validation documents have it.

        Args:
            documents: the network's bits (n,) of the tokens of each, and their :meth:`counts`.
            limit: as for :func:`textgen.ngrams.pitman_yor.fit`.
        """
        uniform = [(np.full(len(bits), np.log2(self._size)), counts) for bits, counts in documents]
        on_network = pitman_yor.fit(self._orders, documents, limit)
        alone = pitman_yor.fit(self._orders, uniform, limit)
        trusted = copy.copy(self)
        trusted.processes = [on_network, alone]
        parts = [trusted._components(bits, counts) for bits, counts in documents]
        masses = np.concatenate([masses for masses, _ in parts])
        known = np.concatenate([known for _, known in parts])
        common = mixture_weights(masses)
        trusted.weights = [
            mixture_weights(masses[known == number], common)
            for number in range(len(self._orders) + 1)
        ]
        return trusted

    def _components(self, bits: np.ndarray, counts: ContextCounts) -> tuple[np.ndarray, np.ndarray]:
        """(n, 3): P of each token by the network, by counts on top of it, and by counts alone; and
        (n,), how many levels know its context."""
        by_network = pitman_yor.probabilities_of(bits)
        uniform = np.full(len(by_network), 1 / self._size)
        on_network, alone = self.processes
        mixed = on_network.mixed(by_network, counts), alone.mixed(uniform, counts)
        return np.stack([by_network, *mixed], axis=1), (counts.all > 0).sum(axis=0)

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
        totals = [
            _at(level.all, contexts[order])
            for order, level in zip(self._orders, self._levels, strict=True)
        ]
        known = (np.array(totals) > 0).sum(axis=0)
        weights = np.array(self.weights)[known]
        if network is None:
            weights[:] = (0.0, 0.0, 1.0)
            network = np.zeros((len(known), self._size))
        left = weights[:, 1:].T.copy()  # what higher levels leave to lower ones, by both processes
        everywhere = np.zeros((1, 1))
        added = list[tuple[np.ndarray, np.ndarray, np.ndarray]]()
        for number in reversed(range(len(self._orders))):
            order, level = self._orders[number], self._levels[number]
            rows = np.flatnonzero(totals[number])
            context = contexts[order][rows]
            total, different = level.all[context], level.different[context]
            discounts, strengths = self._trust(number, total, different)
            share = left[:, rows] / (total + strengths)
            left[:, rows] = share * (strengths + discounts * different)
            if order == 0:  # one context, known to all rows, which nearly all tokens have followed
                masses = np.zeros((2, self._size))
                masses[:, self._keys[0]] = np.maximum(level.same - discounts[:, :1], 0.0)
                everywhere = share.T @ masses
                continue
            row, gram, tokens = self._continuations(order, context)
            masses = share[:, row] * np.maximum(level.same[gram] - discounts[:, row], 0.0)
            added.append((rows[row], tokens, masses.sum(axis=0)))
        result = np.maximum(network, pitman_yor.MIN_PROBABILITY)
        result *= (weights[:, 0] + left[0])[:, None]  # in place: rows of words are long
        result += (left[1] / self._size)[:, None] + everywhere
        for rows, tokens, masses in added:
            result[rows, tokens] += masses
        return result

    def sums(
        self, contexts: list[np.ndarray], network: np.ndarray | None, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Σ weight · P over all tokens after contexts, without P of each, from the network's and by
        the counts alone: each process adds to such a sum what it adds to P.

        Args:
            contexts: of every length, none included: (rows,) each.
            network: (rows, m), the same sums of the network's P; None without a network.
            weights: (V, m).

        Returns:
            Two (rows, m) float64; the first is zero without a network.
        """
        rows, columns = len(contexts[0]), weights.shape[1]
        if network is None:
            network = np.zeros((rows, columns))
        network = np.maximum(network, pitman_yor.MIN_PROBABILITY)
        on_network, alone = network.copy(), np.tile(weights.mean(axis=0), (rows, 1))
        known = np.zeros(rows, dtype=np.int64)
        for number, (order, level) in enumerate(zip(self._orders, self._levels, strict=True)):
            there = np.flatnonzero(_at(level.all, contexts[order]))
            known[there] += 1
            # many rows share a context, such as that of a modifier
            distinct, of_row = np.unique(contexts[order][there], return_inverse=True)
            total, different = level.all[distinct], level.different[distinct]
            discounts, strengths = self._trust(number, total, different)
            row, gram, tokens = self._continuations(order, distinct)
            for process, result in enumerate((on_network, alone)):
                discount, strength = discounts[process], strengths[process]
                masses = np.maximum(level.same[gram] - discount[row], 0.0)
                added = np.empty((len(distinct), columns))
                for column in range(columns):
                    weighted = masses * weights[tokens, column]
                    added[:, column] = np.bincount(row, weighted, len(distinct))
                added /= (total + strength)[:, None]
                share = (strength + discount * different) / (total + strength)
                result[there] = added[of_row] + share[of_row, None] * result[there]
        trust = np.array(self.weights)[known]
        with_counts = trust[:, :1] * network + trust[:, 1:2] * on_network + trust[:, 2:] * alone
        return with_counts, alone

    def _trust(
        self, number: int, total: np.ndarray, different: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Discounts and strengths of contexts of a level, by both processes: (2, rows) each."""
        kind = pitman_yor.context_kind(total, different)
        discounts = np.array([process.discounts[number] for process in self.processes])
        strengths = np.array([process.strengths[number] for process in self.processes])
        return discounts[:, kind], strengths[:, kind]

    def _continuations(
        self, order: int, contexts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The n-grams of one token more than ``order`` that begin with some contexts (rows,): the
        row of each, its number, and its last token; (n,) each. Those of a context lie side by
        side."""
        keys = self._keys[order]
        first = np.searchsorted(keys, contexts * self._size)
        sizes = np.searchsorted(keys, (contexts + 1) * self._size) - first
        row = np.repeat(np.arange(len(contexts)), sizes)
        begins = np.cumsum(sizes) - sizes
        gram = first[row] + np.arange(len(row)) - begins[row]
        return row, gram, keys[gram] - contexts[row] * self._size


@dataclass(frozen=True)
class DocumentCache(PitmanYor):
    """A cache; without discounts and strengths, one that is to be fitted. ``cache.json`` holds its
    attributes.

    Attributes:
        dynamic: how the network goes on learning from the document, if it does: P_0 is then what
            it predicts after that.
    """

    dynamic: DynamicEvaluation | None = None


class Followers:
    """What has followed a context in a document: tokens, in the order of their first occurrence,
    and how often each came.

    Args:
        owner: may change it; a copy of a document has another owner.
        first: the token that came first.
    """

    __slots__ = ("owner", "places", "times", "tokens", "total")

    def __init__(self, owner: object, first: int) -> None:
        self.owner = owner
        self.places = {first: 0}
        self.tokens, self.times = array("q", [first]), array("q", [1])
        self.total = 1

    def copy(self, owner: object) -> "Followers":
        """The same for another owner."""
        other = Followers(owner, self.tokens[0])
        other.places = dict(self.places)
        other.tokens = self.tokens[:]
        other.times = self.times[:]
        other.total = self.total
        return other

    def add(self, token: int) -> bool:
        """Count a token; whether it is the first of its kind."""
        self.total += 1
        place = self.places.get(token)
        if place is None:
            self.places[token] = len(self.tokens)
            self.tokens.append(token)
            self.times.append(1)
            return True
        self.times[place] += 1
        return False

    def remove(self, token: int) -> None:
        """Forget the token that was counted last."""
        self.total -= 1
        self.times[self.places[token]] -= 1
        if not self.times[self.places[token]]:
            del self.places[token]
            self.tokens.pop()
            self.times.pop()


class CacheMixture(NamedTuple):
    """What a cache makes of a distribution: a share of it, and masses of single tokens.

    Attributes:
        share: of the distribution.
        added: of each level, tokens (n,) and their masses (n,).
    """

    share: float
    added: list[tuple[np.ndarray, np.ndarray]]

    def probabilities(self, below: np.ndarray) -> np.ndarray:
        """P of every token, (V,) float64, from that of the distribution."""
        result = np.maximum(below, pitman_yor.MIN_PROBABILITY) * self.share
        for tokens, masses in self.added:
            result[tokens] += masses
        return result

    def sum(self, below: float, weights: np.ndarray) -> float:
        """Σ weight · P over all tokens, from that of the distribution; ``weights`` is (V,)."""
        result = max(below, pitman_yor.MIN_PROBABILITY) * self.share
        for tokens, masses in self.added:
            result += float(weights[tokens] @ masses)
        return result


class CacheState:
    """A document that is read token by token under a cache."""

    def __init__(self, cache: DocumentCache) -> None:
        self._cache = cache
        # of each level; of a context that came once, as most did, the token itself
        self._tables = [dict[tuple[int, ...], Followers | int]() for _ in cache.orders]
        self._last = [BOUNDARY] * max(cache.orders)
        self._owner = object()

    def _contexts(self) -> list[tuple[int, ...]]:
        return [tuple(self._last[len(self._last) - order :]) for order in self._cache.orders]

    def copy(self) -> "CacheState":
        """The same document, that may go on differently."""
        state = copy.copy(self)
        state._tables = [dict(table) for table in self._tables]
        # what both share is copied by whichever changes it first
        self._owner, state._owner = object(), object()
        return state

    def mixture(self) -> CacheMixture:
        """What the cache makes of a distribution of the next token."""
        cache, left = self._cache, 1.0
        added = list[tuple[np.ndarray, np.ndarray]]()
        contexts = self._contexts()
        for number in reversed(range(len(contexts))):
            followers = self._tables[number].get(contexts[number])
            if isinstance(followers, int):
                followers = Followers(self._owner, followers)
            if followers is not None:
                total, different = followers.total, len(followers.tokens)
                kind = pitman_yor.kind_of_context(total, different)
                discount, strength = cache.discounts[number][kind], cache.strengths[number][kind]
                share = left / (total + strength)
                times = np.frombuffer(followers.times, dtype=np.int64)
                tokens = np.array(followers.tokens, dtype=np.int64)
                added.append((tokens, (times - discount) * share))
                left = share * (strength + discount * different)
        return CacheMixture(left, added)

    def mixed(self, probabilities: np.ndarray) -> np.ndarray:
        """P(x | the document so far) from the network's: (V,) float64 → (V,) float64."""
        return self.mixture().probabilities(probabilities)

    def add(self, token: int) -> None:
        """Count the token that came."""
        self._count(token)

    def _count(self, token: int) -> list[tuple[int, tuple[int, ...]]]:
        """Count the token that came; the levels and contexts in which it was counted."""
        counted = list[tuple[int, tuple[int, ...]]]()
        contexts = self._contexts()
        for number in reversed(range(len(contexts))):
            table, context = self._tables[number], contexts[number]
            followers = table.get(context)
            counted.append((number, context))
            if followers is None:
                table[context] = token
                continue
            if isinstance(followers, int):
                followers = table[context] = Followers(self._owner, followers)
            elif followers.owner is not self._owner:
                followers = table[context] = followers.copy(self._owner)
            if not followers.add(token):
                break
        self._last = [*self._last[1:], token]
        return counted

    @contextmanager
    def going_on(self, tokens: Sequence[int]) -> Iterator[None]:
        """Within the block, the document has gone on with some tokens."""
        last = self._last
        counted = [(token, self._count(token)) for token in tokens]
        yield
        for token, levels in reversed(counted):
            for number, context in levels:
                followers = self._tables[number][context]
                if isinstance(followers, int):
                    del self._tables[number][context]
                else:
                    followers.remove(token)
        self._last = last


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
    everything = np.ones(size - 1, dtype=bool)
    counted = everything
    levels = list[tuple[np.ndarray, np.ndarray, np.ndarray]]()
    for order in reversed(orders):
        context, whole = grams[order][:-1], grams[order + 1][1:]
        before, same = _earlier(whole, everything, counted)
        new = before == 0
        total, different = _earlier(context, counted, new)
        levels.append((same, total, different))
        counted = new
    levels.reverse()
    same, total, different = (np.array(rows) for rows in zip(*levels, strict=True))
    return ContextCounts(same, total, different)


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
