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

*From contexts to P.* An example of training counts: the text ``a b a``, its end mark written ·, as
is what stands before it; contexts of one token and of none; d = 1/2 and θ = 1 throughout. What
comes after a further ``a``?

    1  contexts (TrainingCounts.contexts): what stands before it, at level 1 ``a``, at level 0
       nothing.

    2  levels (Level): what has followed them, n(x) of each token, n of all, t different ones.
       Level 0 counts a token once for each context of level 1 in which it was new.

                      n(·)  n(a)  n(b)     n  t
            level 1     1     0     1      2  2
            level 0     1     2     1      4  3

    3  shares (PitmanYor.divide): each level, the highest first, divides what those above have left.
       A count is worth left / (n + θ), and θ + d t times that are left to the level below.

                      left     a count is worth        left to the level below
            level 1   1        1 / (2 + 1) = 1/3       1/3 · (1 + 1/2 · 2) = 2/3
            level 0   2/3      2/3 / (4 + 1) = 2/15    2/15 · (1 + 1/2 · 3) = 1/3

    4  P of each token (TrainingCounts.mixed): from every level max(n(x) − d, 0) times what a count
       is worth; and what is left times P_0, which is here 1/3 for each of three tokens.

            ·         1/3 · 1/2 + 2/15 · 1/2 + 1/3 · 1/3 = 31/90
            a         1/3 · 0   + 2/15 · 3/2 + 1/3 · 1/3 = 28/90
            b         1/3 · 1/2 + 2/15 · 1/2 + 1/3 · 1/3 = 31/90

       or sums of weight · P over all tokens (TrainingCounts.sums): with Σ weight · max(n(x) − d, 0)
       in place of the former, and Σ weight · P_0 of the latter.

Levels are numbered from the lowest. Where a level does not know a context, n = t = 0: what was left
to it goes on to the level below, whole.
"""

import copy
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from pydantic.dataclasses import dataclass
from scipy.sparse import csr_array

from textgen.core.tokens import BOUNDARY
from textgen.evaluation.dynamic import DynamicEvaluation
from textgen.ngrams import pitman_yor
from textgen.ngrams.kneser_ney import find
from textgen.ngrams.mixture import mixture_weights
from textgen.ngrams.pitman_yor import ContextCounts, Counted, Division, PitmanYor

# Counted of a training text, the same for all tokenizers: more takes a gigabyte and more.
MAX_CHARACTERS = 4_000_000
# The number of an n-gram that the training text does not have; as an index, the last place.
UNSEEN = -1


class Level(NamedTuple):
    """What was counted after contexts of one length: C contexts and one more, the last and empty,
    which is that of UNSEEN. Contexts and n-grams are numbered as :func:`number_ngrams` does.

    Attributes:
        order: tokens of context.
        counted: (C + 1, V) sparse float64, how often each token has followed each context. Its data
            are those of all n-grams, in the order of their numbers.
        total: (C + 1,) int64, how many tokens were counted after each context.
        different: (C + 1,) int64, how many different ones.
    """

    order: int
    counted: csr_array
    total: np.ndarray
    different: np.ndarray


class TrainingCounts:
    """The n-grams of the training text, and how far they are trusted.

    Args:
        orders: lengths of contexts, rising.
        documents: tokens (n,) of each, without boundaries.
        cut: whether the last document goes on beyond what is counted of it: it has no end.
        size: V, number of tokens.

    Attributes:
        processes: of counts whose P_0 is the network, and of those whose P_0 is uniform. These two
            and the weights say how far counts are trusted, once that is fitted or read.
        weights: for each number of levels that know the context, from none to all, three: of the
            network, of counts on top of it, and of counts alone.
    """

    processes: Sequence[PitmanYor]
    weights: Sequence[Sequence[float]]

    def __init__(
        self, orders: Sequence[int], documents: Sequence[np.ndarray], cut: bool, size: int
    ) -> None:
        self.documents = documents
        self.cut = cut
        self._orders = tuple(orders)
        self._size = size
        self._longest = max(orders)
        parts = [self._with_boundaries(document) for document in documents]
        if cut:
            parts[-1] = parts[-1][:-1]
        text = np.concatenate(parts)
        self._keys, grams = number_ngrams(text, size, self._longest + 1)
        # the highest level counts every token and end mark, but not what stands before a document
        is_counted = [np.arange(len(part)) >= self._longest for part in parts]
        places = np.flatnonzero(np.concatenate(is_counted))
        levels = list[Level]()  # the highest first
        for order in reversed(orders):
            keys = self._keys[order]
            before = keys // size  # of each n-gram, the number of its context
            number = int(grams[order].max()) + 2  # of contexts, that of UNSEEN included
            same = np.bincount(grams[order + 1][places], minlength=len(keys))
            total = np.bincount(before, same, number).astype(np.int64)
            different = np.bincount(before, same > 0, number).astype(np.int64)
            first_of_context = np.searchsorted(before, np.arange(number + 1))
            by_context = (same.astype(np.float64), keys - before * size, first_of_context)
            counted = csr_array(by_context, shape=(number, size))
            levels.append(Level(order, counted, total, different))
            # the next level counts what was new to this one: each n-gram once
            places = one_place_each(grams[order + 1], places)
        self._levels = levels[::-1]

    def _with_boundaries(self, tokens: np.ndarray) -> np.ndarray:
        """(longest + n + 1,) int64: nothing but boundaries stands before a document."""
        before = np.full(self._longest, BOUNDARY, dtype=np.int64)
        return np.concatenate([before, tokens, [BOUNDARY]])

    def _number(self, before: np.ndarray, tokens: np.ndarray, length: int) -> np.ndarray:
        """Numbers of n-grams of a length, from those of all but their last tokens."""
        wanted = np.where(before == UNSEEN, UNSEEN, before * self._size + tokens)
        places, is_known = find(self._keys[length - 1], wanted)
        return np.where(is_known, places, UNSEEN)

    def contexts(self, tokens: np.ndarray) -> list[np.ndarray]:
        """The contexts of every length, none included, of (n,) tokens of a document and of its end
        mark: (n + 1,) each, as :meth:`start` and :meth:`after` number them."""
        text = self._with_boundaries(tokens)
        contexts = [np.zeros(len(text), dtype=np.int64)]
        for length in range(1, self._longest + 1):
            grams = self._number(contexts[-1], text, length)
            contexts.append(_before(grams))
        return [context[self._longest :] for context in contexts]

    def count_along(self, tokens: np.ndarray) -> ContextCounts:
        """What has followed the context of each of (n,) tokens of a document and its end mark."""
        contexts = self.contexts(tokens)
        total, different = self._counted_after(contexts)
        coming = np.append(tokens, BOUNDARY).astype(np.int64)
        same = np.zeros_like(total)
        for of_level, level in zip(same, self._levels, strict=True):
            grams = self._number(contexts[level.order], coming, level.order + 1)
            is_known = grams != UNSEEN
            of_level[is_known] = level.counted.data[grams[is_known]]
        return ContextCounts(same, total, different)

    def _counted_after(self, contexts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """By level, how many tokens were counted after contexts, and how many different ones:
        (levels, rows) int64 both."""
        total = [level.total[contexts[level.order]] for level in self._levels]
        different = [level.different[contexts[level.order]] for level in self._levels]
        return np.array(total), np.array(different)

    def fitted(self, documents: Counted, limit: int | None = None) -> "TrainingCounts":
        """These counts, trusted as validation documents have it.

        Args:
            documents: the network's bits (n,) of the tokens of each, and what
                :meth:`count_along` has found for them.
            limit: as for :func:`textgen.ngrams.pitman_yor.fit`.
        """
        uniform = [(np.full(len(bits), np.log2(self._size)), counts) for bits, counts in documents]
        on_network = pitman_yor.fit(self._orders, documents, limit)
        alone = pitman_yor.fit(self._orders, uniform, limit)
        trusted = copy.copy(self)
        trusted.processes = [on_network, alone]
        parts = [trusted._components(bits, counts) for bits, counts in documents]
        chances = np.concatenate([of_document for of_document, _ in parts])
        levels_knowing = np.concatenate([of_document for _, of_document in parts])
        common = mixture_weights(chances)
        trusted.weights = [
            mixture_weights(chances[levels_knowing == number], common)
            for number in range(len(self._orders) + 1)
        ]
        return trusted

    def _components(self, bits: np.ndarray, counts: ContextCounts) -> tuple[np.ndarray, np.ndarray]:
        """(n, 3): P of each token by the network, by counts on top of it, and by counts alone; and
        (n,), how many levels know its context."""
        by_network = pitman_yor.probabilities_of(bits)
        uniform = np.full(len(by_network), 1 / self._size)
        on_network, alone = self.processes
        with_counts = on_network.mixed(by_network, counts)
        by_counts = alone.mixed(uniform, counts)
        chances = np.stack([by_network, with_counts, by_counts], axis=1)
        return chances, levels_that_know(counts.total)

    def bits(self, network_bits: np.ndarray, counts: ContextCounts) -> np.ndarray:
        """What tokens cost: (n,) bits of the network → (2, n) float32, of the network with counts,
        and of the counts alone."""
        chances, levels_knowing = self._components(network_bits, counts)
        mixed = (np.array(self.weights)[levels_knowing] * chances).sum(axis=1)
        by_counts = chances[:, 2]
        return (-np.log2([mixed, by_counts])).astype(np.float32)

    def start(self, rows: int) -> list[np.ndarray]:
        """Contexts of every length, none included, at the beginning of documents: (rows,) each."""
        boundaries = np.zeros(rows, dtype=np.int64)  # an n-gram of boundaries alone is number 0
        return [boundaries for _ in range(self._longest + 1)]

    def after(self, contexts: list[np.ndarray], tokens: np.ndarray) -> list[np.ndarray]:
        """Contexts after one more token (rows,)."""
        result = [contexts[0]]
        for length in range(1, self._longest + 1):
            result.append(self._number(contexts[length - 1], tokens, length))
        return result

    def mixed(self, contexts: list[np.ndarray], network: np.ndarray | None) -> np.ndarray:
        """P(next token) after contexts, (rows, V) float64: from the network's, or by the counts
        alone. One process has the network's P below its lowest level, the other a uniform one."""
        total, different = self._counted_after(contexts)
        process_on_network, process_on_uniform = self.processes
        if network is None:
            everything = np.ones(len(contexts[0]))
            on_uniform = process_on_uniform.divide(everything, total, different)
            result = np.repeat((on_uniform.left / self._size)[:, None], self._size, axis=1)
            self._add_counted(result, contexts, [on_uniform])
            return result
        share_of_network, share_on_network, share_on_uniform = self._weights_after(total)
        on_network = process_on_network.divide(share_on_network, total, different)
        on_uniform = process_on_uniform.divide(share_on_uniform, total, different)
        result = np.maximum(network, pitman_yor.MIN_PROBABILITY)
        result *= (share_of_network + on_network.left)[:, None]  # in place: rows of words are long
        result += (on_uniform.left / self._size)[:, None]
        self._add_counted(result, contexts, [on_network, on_uniform])
        return result

    def _add_counted(
        self, result: np.ndarray, contexts: list[np.ndarray], divisions: Sequence[Division]
    ) -> None:
        """Add to P (rows, V) after contexts what all levels add by one process or by both. For
        example, a context that was followed twice by token 3 and once by 8 adds at 3 and 8 of its
        row.
        """
        for number, level in enumerate(self._levels):
            if level.order == 0:  # one context, of all rows, which most tokens have followed
                tokens = level.counted.indices
                times = level.counted.data
                for division in divisions:
                    masses = np.zeros(self._size)
                    masses[tokens] = np.maximum(times - division.discounts[number, 0], 0.0)
                    result += np.outer(division.count_worth[number], masses)
            else:
                followers = level.counted[contexts[level.order]]
                row = np.repeat(np.arange(len(result)), np.diff(followers.indptr))
                added = np.zeros(len(row))
                for division in divisions:
                    masses = discounted(followers, division.discounts[number])
                    added += division.count_worth[number][row] * masses
                result[row, followers.indices] += added

    def sums(
        self, contexts: list[np.ndarray], network: np.ndarray | None, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Σ weight · P over all tokens after contexts, without P of each, from the network's and by
        the counts alone: a process adds to such a sum what it adds to P.

        Args:
            contexts: of every length, none included: (rows,) each.
            network: (rows, m), the same sums of the network's P; None without a network.
            weights: (V, m).

        Returns:
            Two (rows, m) float64; the first is zero without a network.
        """
        total, different = self._counted_after(contexts)
        everything = np.ones(len(contexts[0]))
        process_on_network, process_on_uniform = self.processes
        on_uniform = process_on_uniform.divide(everything, total, different)
        sums_on_uniform = on_uniform.left[:, None] * weights.mean(axis=0)
        if network is None:
            self._add_counted_sums([sums_on_uniform], contexts, [on_uniform], weights)
            return np.zeros_like(sums_on_uniform), sums_on_uniform
        network = np.maximum(network, pitman_yor.MIN_PROBABILITY)
        on_network = process_on_network.divide(everything, total, different)
        sums_on_network = on_network.left[:, None] * network
        results = [sums_on_network, sums_on_uniform]
        self._add_counted_sums(results, contexts, [on_network, on_uniform], weights)
        share_of_network, share_on_network, share_on_uniform = self._weights_after(total)
        mixed = share_of_network[:, None] * network
        mixed += share_on_network[:, None] * sums_on_network
        mixed += share_on_uniform[:, None] * sums_on_uniform
        return mixed, sums_on_uniform

    def _add_counted_sums(
        self,
        results: Sequence[np.ndarray],
        contexts: list[np.ndarray],
        divisions: Sequence[Division],
        weights: np.ndarray,
    ) -> None:
        """Add to the sums (rows, m) of one process or both what all levels add to them."""
        for number, level in enumerate(self._levels):
            # many rows share a context, such as that of a modifier: its sums are taken once
            distinct, first_row, place = np.unique(
                contexts[level.order], return_index=True, return_inverse=True
            )
            followers = level.counted[distinct]
            for result, division in zip(results, divisions, strict=True):
                masses = discounted(followers, division.discounts[number, first_row])
                by_context = (masses, followers.indices, followers.indptr)
                sums = csr_array(by_context, shape=followers.shape) @ weights  # (distinct, m)
                result += division.count_worth[number][:, None] * sums[place]

    def _weights_after(self, total: np.ndarray) -> np.ndarray:
        """(3, rows): the weights after contexts, by how many levels know them."""
        return np.array(self.weights)[levels_that_know(total)].T


def levels_that_know(total: np.ndarray) -> np.ndarray:
    """(n,): how many levels know a context, from how many tokens each has counted after it,
    (levels, n)."""
    return (total > 0).sum(axis=0)


def discounted(counted: csr_array, discounts: np.ndarray) -> np.ndarray:
    """max(n(x) − d, 0) of each number in a sparse table (contexts, V), from d of the contexts."""
    numbers_of_contexts = np.diff(counted.indptr)
    masses: np.ndarray = np.maximum(counted.data - np.repeat(discounts, numbers_of_contexts), 0.0)
    return masses


def number_ngrams(
    text: np.ndarray, size: int, longest: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Number the n-grams of a text, by length: one of n + 1 tokens by its place among all (number
    of its first n tokens, last token) that occur, in order, so that all that have followed n tokens
    lie side by side.

    Before the text stand boundaries without end. BOUNDARY is the smallest token, so that of every
    length the n-gram of boundaries alone is number 0.

    Args:
        text: (N,) int64, a boundary first.
        size: more than the largest token.
        longest: length of the longest n-grams.

    Returns:
        Of each length from 1, (G,) int64, rising: number of the first tokens · size + last token;
        and of each length from 0, (N,) int64, the number of the n-gram that ends at each token.
    """
    keys = list[np.ndarray]()
    numbers = [np.zeros(len(text), dtype=np.int64)]
    for _ in range(longest):
        keys_of_text = _before(numbers[-1]) * size + text
        keys_of_length, numbers_of_length = np.unique(keys_of_text, return_inverse=True)
        keys.append(keys_of_length)
        numbers.append(numbers_of_length)
    return keys, numbers


def one_place_each(grams: np.ndarray, places: np.ndarray) -> np.ndarray:
    """One of some places for each n-gram that ends there; ``grams`` (N,) are the n-grams of all
    places."""
    place_of = np.full(int(grams.max()) + 1, UNSEEN)
    place_of[grams[places]] = places  # of an n-gram that ends at several, one stays: any will do
    return place_of[place_of != UNSEEN]


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
        if self.times[self.places[token]] == 0:  # it was new, and stands last
            del self.places[token]
            self.tokens.pop()
            self.times.pop()


class CacheMixture(NamedTuple):
    """What a cache makes of a distribution: a share of it, and masses of single tokens.

    Attributes:
        share: of the distribution.
        tokens: (n,) int64, that get masses; one may come several times, once a level.
        masses: (n,) float64.
    """

    share: float
    tokens: np.ndarray
    masses: np.ndarray

    def probabilities(self, below: np.ndarray) -> np.ndarray:
        """P of every token, (V,) float64, from that of the distribution."""
        result = np.maximum(below, pitman_yor.MIN_PROBABILITY) * self.share
        np.add.at(result, self.tokens, self.masses)
        return result

    def sum(self, below: float, weights: np.ndarray) -> float:
        """Σ weight · P over all tokens, from that of the distribution; ``weights`` is (V,)."""
        added = float(weights[self.tokens] @ self.masses)
        return max(below, pitman_yor.MIN_PROBABILITY) * self.share + added


class CacheState:
    """A document that is read token by token under a cache."""

    def __init__(self, cache: DocumentCache) -> None:
        self._cache = cache
        # by context, of every length; of one that came once, as most did, the token itself
        self._table = dict[tuple[int, ...], Followers | int]()
        self._last = (BOUNDARY,) * max(cache.orders)
        self._owner = object()

    def _contexts(self) -> list[tuple[int, ...]]:
        """Of each level."""
        longest = len(self._last)
        return [self._last[longest - order :] for order in self._cache.orders]

    def copy(self) -> "CacheState":
        """The same document, that may go on differently."""
        state = copy.copy(self)
        state._table = dict(self._table)
        # what both share is copied by whichever changes it first
        self._owner = object()
        state._owner = object()
        return state

    def mixture(self) -> CacheMixture:
        """What the cache makes of a distribution of the next token."""
        cache = self._cache
        left = 1.0
        tokens: list[np.ndarray] = [np.zeros(0, dtype=np.int64)]
        masses: list[np.ndarray] = [np.zeros(0)]
        contexts = self._contexts()
        for number in reversed(range(len(contexts))):
            followers = self._table.get(contexts[number])
            if isinstance(followers, int):  # a single token
                followers = Followers(self._owner, followers)
            if followers is not None:
                total = followers.total
                different = len(followers.tokens)
                kind = pitman_yor.kind_of_context(total, different)
                discount = cache.discounts[number][kind]
                strength = cache.strengths[number][kind]
                times = np.array(followers.times, dtype=np.int64)
                count_worth, left = pitman_yor.divide_at_level(
                    left, total, different, discount, strength
                )
                tokens.append(np.array(followers.tokens, dtype=np.int64))
                masses.append((times - discount) * count_worth)
        return CacheMixture(left, np.concatenate(tokens), np.concatenate(masses))

    def mixed(self, probabilities: np.ndarray) -> np.ndarray:
        """P(x | the document so far) from the network's: (V,) float64 → (V,) float64."""
        return self.mixture().probabilities(probabilities)

    def add(self, token: int) -> None:
        """Count the token that came."""
        self._count(token)

    def _count(self, token: int) -> list[tuple[int, ...]]:
        """Count the token that came; the contexts after which it was counted."""
        counted = list[tuple[int, ...]]()
        for context in reversed(self._contexts()):
            counted.append(context)
            if not self._count_after(context, token):
                break  # a level counts what was new to the one above
        self._last = (*self._last[1:], token)
        return counted

    def _count_after(self, context: tuple[int, ...], token: int) -> bool:
        """Count a token after a context; whether it is the first of its kind there."""
        followers = self._table.get(context)
        if followers is None:
            self._table[context] = token
            return True
        if isinstance(followers, int):
            followers = Followers(self._owner, followers)
            self._table[context] = followers
        elif followers.owner is not self._owner:
            followers = followers.copy(self._owner)
            self._table[context] = followers
        return followers.add(token)

    def _forget_after(self, context: tuple[int, ...], token: int) -> None:
        """Undo what was counted last after a context."""
        followers = self._table[context]
        if isinstance(followers, int) or followers.total == 1:
            del self._table[context]
        else:
            followers.remove(token)

    @contextmanager
    def going_on(self, tokens: Sequence[int]) -> Iterator[None]:
        """Within the block, the document has gone on with some tokens."""
        last = self._last
        counted = [(token, self._count(token)) for token in tokens]
        try:
            yield
        finally:
            for token, contexts in reversed(counted):
                for context in contexts:
                    self._forget_after(context, token)
            self._last = last


def count(tokens: np.ndarray, orders: Sequence[int]) -> ContextCounts:
    """What a :class:`CacheState` counts along a document and its end mark, all at once.

    Of the document ``a b a b``, with contexts of one token (· is BOUNDARY):

        token                 a   b   a   b   ·
        context before it     ·   a   b   a   b
        n-gram                ·a  ab  ba  ab  b·
        is it the first       1   1   1   0   1
        same                  0   0   0   1   0     earlier tokens that made this n-gram
        total                 0   0   0   1   1     earlier tokens after this context
        different             0   0   0   1   1     of these, those that were the first

    Args:
        tokens: (n,) integers, without boundaries.
        orders: rising.
    """
    marked = np.concatenate([[BOUNDARY], tokens.astype(np.int64), [BOUNDARY]])
    _, text = np.unique(marked, return_inverse=True)  # BOUNDARY stays the smallest
    _, grams = number_ngrams(text, len(text), max(orders) + 1)
    everything = np.ones(len(text) - 1, dtype=bool)
    is_counted = everything  # whether a level counts the token: the highest counts all
    same = list[np.ndarray]()  # of each level, the highest first, as the next two
    total = list[np.ndarray]()
    different = list[np.ndarray]()
    for order in reversed(orders):
        context_before_token = grams[order][:-1]
        gram_ending_here = grams[order + 1][1:]
        is_first_occurrence = _earlier(gram_ending_here, everything) == 0
        same.append(_earlier(gram_ending_here, is_counted))
        total.append(_earlier(context_before_token, is_counted))
        different.append(_earlier(context_before_token, is_first_occurrence))
        is_counted = is_first_occurrence  # the next level counts what was new to this one
    return ContextCounts(np.stack(same[::-1]), np.stack(total[::-1]), np.stack(different[::-1]))


def _earlier(groups: np.ndarray, is_counted: np.ndarray) -> np.ndarray:
    """How many earlier places of the same group are counted: (n,) int32, from (n,) bool.

    place            0  1  2  3  4
    groups           7  3  7  3  7
    is_counted       1  1  0  1  1
    order            1  3  0  2  4     the places, group by group
    counted there    1  1  1  0  1
    before           0  1  2  3  3     in this and in earlier groups
    before           0  1  0  1  1     less those of earlier groups
    result           0  0  1  1  1     the same in the order of places
    """
    order = np.argsort(groups, kind="stable")
    begins = np.flatnonzero(np.diff(groups[order], prepend=-1))  # of the groups in that order
    sizes = np.diff(np.append(begins, len(groups)))
    before = np.cumsum(is_counted[order]) - is_counted[order]
    before -= np.repeat(before[begins], sizes)
    result = np.empty(len(groups), dtype=np.int32)
    result[order] = before
    return result


def _before(values: np.ndarray) -> np.ndarray:
    """The value before each; 0 before the first, before which stand only boundaries."""
    return np.concatenate([np.zeros(1, dtype=values.dtype), values[:-1]])
