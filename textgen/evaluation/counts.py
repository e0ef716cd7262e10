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
# The number of an n-gram that the training text does not have.
UNSEEN = -1


class Level(NamedTuple):
    """What was counted after contexts of one length: C contexts, G n-grams with one more token,
    both numbered as :func:`number_ngrams` does.

    Attributes:
        order: tokens of context.
        keys: (G,) int64, rising: of each n-gram, number of its context · V + its last token.
        same: (G,) int64, how often each n-gram was counted.
        total: (C,) int64, how many tokens were counted after each context.
        different: (C,) int64, how many different ones.
    """

    order: int
    keys: np.ndarray
    same: np.ndarray
    total: np.ndarray
    different: np.ndarray

    def continuations(self, contexts: np.ndarray, size: int) -> "Continuations":
        """The n-grams that begin with some contexts (rows,); ``size`` is V.

        Those of one context lie side by side in the keys. With V = 10, contexts 4, 7 and 2, and

            number of n-gram    0   1   2   3   4   5
            keys                21  25  41  43  48  90

        they are numbers 2, 3, 4 of context 4, none of context 7, and 0, 1 of context 2:

            place     0  1  2  3  4
            row       0  0  0  2  2     of which of the contexts: repeated as often as it has any
            within    0  1  2  0  1     which of the n-grams of that context
            gram      2  3  4  0  1     its number: that of the context's first one + within
            tokens    1  3  8  1  5
        """
        first_gram = np.searchsorted(self.keys, contexts * size)  # (rows,): 2 5 0
        after_last = np.searchsorted(self.keys, (contexts + 1) * size)  # (rows,): 5 5 2
        sizes = after_last - first_gram  # (rows,): 3 0 2
        row = np.repeat(np.arange(len(contexts)), sizes)
        first_place = np.cumsum(sizes) - sizes  # (rows,): 0 3 3
        within = np.arange(len(row)) - first_place[row]
        gram = first_gram[row] + within
        tokens = self.keys[gram] - contexts[row] * size
        return Continuations(row, tokens, self.same[gram])


class Continuations(NamedTuple):
    """What has followed some contexts, one after another.

    Attributes:
        row: (n,) of which of the contexts.
        tokens: (n,) that followed it.
        times: (n,) how often each was counted.
    """

    row: np.ndarray
    tokens: np.ndarray
    times: np.ndarray

    def discounted(self, discounts: np.ndarray) -> np.ndarray:
        """(n,): max(times − d, 0), from d of the contexts (contexts,)."""
        return np.maximum(self.times - discounts[self.row], 0.0)

    def weighted_sums(self, discounts: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(contexts, m): Σ weight · max(times − d, 0) over what has followed each context, from d
        (contexts,) and weights of all tokens (V, m)."""
        masses = self.discounted(discounts)
        sums = np.empty((len(discounts), weights.shape[1]))
        for column in range(weights.shape[1]):
            weighted = masses * weights[self.tokens, column]
            sums[:, column] = np.bincount(self.row, weighted, len(discounts))
        return sums


class LevelRows(NamedTuple):
    """The rows, of some that each have a context, in which a level knows the context, as it has
    counted something after it: r of them.

    Attributes:
        number: of the level, from the lowest.
        level: what it has counted.
        rows: (r,) their numbers.
        contexts: (r,) the numbers of their contexts.
        total, different, kind: (r,) what was counted after them, and their
            :func:`textgen.ngrams.pitman_yor.context_kind`.
    """

    number: int
    level: Level
    rows: np.ndarray
    contexts: np.ndarray
    total: np.ndarray
    different: np.ndarray
    kind: np.ndarray


class Distinct(NamedTuple):
    """The c different ones among r contexts.

    Attributes:
        first: (c,) where each comes first among the r.
        of_row: (r,) which of the c each of the r is.
        followers: what has followed the c.
    """

    first: np.ndarray
    of_row: np.ndarray
    followers: Continuations


class Share(NamedTuple):
    """What a level adds to P(x) of a process after the r contexts that it knows: scale · max(n(x) −
    d, 0).

    Attributes:
        scale: (r,).
        discounts: (r,), d.
    """

    scale: np.ndarray
    discounts: np.ndarray


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
        counted = [np.arange(len(part)) >= self._longest for part in parts]
        places = np.flatnonzero(np.concatenate(counted))
        levels = list[Level]()  # the highest first
        for order in reversed(orders):
            keys = self._keys[order]
            contexts = keys // size
            number = int(grams[order].max()) + 1  # of contexts
            same = np.bincount(grams[order + 1][places], minlength=len(keys))
            total = np.bincount(contexts, same, number).astype(np.int64)
            different = np.bincount(contexts, same > 0, number).astype(np.int64)
            levels.append(Level(order, keys, same, total, different))
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

    def counts(self, tokens: np.ndarray) -> ContextCounts:
        """What has followed the context of each of (n,) tokens of a document and its end mark."""
        contexts = self.contexts(tokens)
        coming = np.append(tokens, BOUNDARY).astype(np.int64)
        same = list[np.ndarray]()
        total = list[np.ndarray]()
        different = list[np.ndarray]()
        for level in self._levels:
            context = contexts[level.order]
            same.append(_at(level.same, self._number(context, coming, level.order + 1)))
            total.append(_at(level.total, context))
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
        levels_knowing = (counts.total > 0).sum(axis=0)
        return np.stack([by_network, with_counts, by_counts], axis=1), levels_knowing

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
        alone."""
        levels = self._rows_of_levels(contexts)
        on_network, alone = self.processes
        if network is None:
            shares, left = divide_among_levels(alone, levels, np.ones(len(contexts[0])))
            result = np.repeat((left / self._size)[:, None], self._size, axis=1)
            for level_rows, share in zip(levels, shares, strict=True):
                self._add(result, level_rows, [share])
            return result
        weights = self._weights_after(contexts, levels)
        network_weight, with_counts_weight, counts_weight = weights.T  # (rows,) each
        shares_on_network, left_to_network = divide_among_levels(
            on_network, levels, with_counts_weight
        )
        shares_alone, left_to_uniform = divide_among_levels(alone, levels, counts_weight)
        result = np.maximum(network, pitman_yor.MIN_PROBABILITY)
        result *= (network_weight + left_to_network)[:, None]  # in place: rows of words are long
        result += (left_to_uniform / self._size)[:, None]
        for level_rows, with_network, without in zip(
            levels, shares_on_network, shares_alone, strict=True
        ):
            self._add(result, level_rows, [with_network, without])
        return result

    def _add(self, result: np.ndarray, level_rows: LevelRows, shares: Sequence[Share]) -> None:
        """Add to P, (rows, V), what a level adds to it by one process or by both."""
        level = level_rows.level
        if level.order == 0:  # one context, known to all rows, which most tokens have followed
            for share in shares:
                masses = np.zeros(self._size)
                masses[level.keys] = np.maximum(level.same - share.discounts[0], 0.0)
                result += np.outer(share.scale, masses)
        else:
            followers = level.continuations(level_rows.contexts, self._size)
            added = np.zeros(len(followers.row))
            for share in shares:
                added += share.scale[followers.row] * followers.discounted(share.discounts)
            result[level_rows.rows[followers.row], followers.tokens] += added

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
        levels = self._rows_of_levels(contexts)
        # many rows share a context, such as that of a modifier: what follows it is looked up once
        distinct = [self._distinct(level_rows) for level_rows in levels]
        rows = len(contexts[0])
        on_network, alone = self.processes
        uniform = np.tile(weights.mean(axis=0), (rows, 1))
        sums_alone = sums_of_process(alone, levels, distinct, uniform, weights)
        if network is None:
            return np.zeros_like(sums_alone), sums_alone
        network = np.maximum(network, pitman_yor.MIN_PROBABILITY)
        sums_on_network = sums_of_process(on_network, levels, distinct, network, weights)
        of_parts = self._weights_after(contexts, levels)
        network_weight, with_counts_weight, counts_weight = of_parts.T[:, :, None]  # (rows, 1) each
        mixed = network_weight * network
        mixed += with_counts_weight * sums_on_network
        mixed += counts_weight * sums_alone
        return mixed, sums_alone

    def _rows_of_levels(self, contexts: list[np.ndarray]) -> list[LevelRows]:
        """Where each level knows the context, the highest level first."""
        found = list[LevelRows]()
        for number in reversed(range(len(self._levels))):
            level = self._levels[number]
            of_level = contexts[level.order]
            rows = np.flatnonzero(_at(level.total, of_level))
            known = of_level[rows]
            total, different = level.total[known], level.different[known]
            kind = pitman_yor.context_kind(total, different)
            found.append(LevelRows(number, level, rows, known, total, different, kind))
        return found

    def _distinct(self, level_rows: LevelRows) -> Distinct:
        contexts, first, of_row = np.unique(
            level_rows.contexts, return_index=True, return_inverse=True
        )
        return Distinct(first, of_row, level_rows.level.continuations(contexts, self._size))

    def _weights_after(self, contexts: list[np.ndarray], levels: Sequence[LevelRows]) -> np.ndarray:
        """(rows, 3): the weights after contexts, by how many levels know them."""
        levels_knowing = np.zeros(len(contexts[0]), dtype=np.int64)
        for level_rows in levels:
            levels_knowing[level_rows.rows] += 1
        return np.array(self.weights)[levels_knowing]


def divide_among_levels(
    process: PitmanYor, levels: Sequence[LevelRows], whole: np.ndarray
) -> tuple[list[Share], np.ndarray]:
    """How a process divides P after contexts among its levels.

    A level's P(x) is (max(n(x) − d, 0) + (θ + d t) · P(x) of the level below) / (n + θ): it keeps a
    share for its own counts, and leaves one to the levels below and at last to P_0.

    Args:
        process: of counts.
        levels: where each knows the contexts, the highest first.
        whole: (rows,), of P, what is divided.

    Returns:
        What each level adds, in the order of ``levels``; and (rows,), what is left to P_0.
    """
    left = whole.copy()
    shares = list[Share]()
    for level_rows in levels:
        rows = level_rows.rows
        discounts = np.array(process.discounts[level_rows.number])[level_rows.kind]
        strengths = np.array(process.strengths[level_rows.number])[level_rows.kind]
        scale = left[rows] / (level_rows.total + strengths)
        left[rows] = scale * (strengths + discounts * level_rows.different)
        shares.append(Share(scale, discounts))
    return shares, left


def sums_of_process(
    process: PitmanYor,
    levels: Sequence[LevelRows],
    distinct: Sequence[Distinct],
    below: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Σ weight · P over all tokens by a process after contexts: (rows, m) float64.

    Args:
        process: of counts.
        levels: where each knows the contexts, the highest first.
        distinct: of each level, the different contexts that it knows.
        below: (rows, m), the same sums of P_0.
        weights: (V, m).
    """
    shares, left = divide_among_levels(process, levels, np.ones(len(below)))
    result = left[:, None] * below
    for level_rows, contexts, share in zip(levels, distinct, shares, strict=True):
        sums = contexts.followers.weighted_sums(share.discounts[contexts.first], weights)
        result[level_rows.rows] += share.scale[:, None] * sums[contexts.of_row]
    return result


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
                share = left / (total + strength)
                tokens.append(np.array(followers.tokens, dtype=np.int64))
                masses.append((np.array(followers.times, dtype=np.int64) - discount) * share)
                left = share * (strength + discount * different)
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


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The values at some places; 0 for UNSEEN."""
    is_known = places != UNSEEN
    result = np.zeros(len(places), dtype=values.dtype)
    result[is_known] = values[places[is_known]]
    return result


def _before(values: np.ndarray) -> np.ndarray:
    """The value before each; 0 before the first, before which stand only boundaries."""
    return np.concatenate([np.zeros(1, dtype=values.dtype), values[:-1]])
