"""Sums over the tokens that may come at places of a text, as every part of a model predicts them.

What counts and a cache make of a sum over all tokens follows from the network's sum: their P of
every token is not computed.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np

from textgen.core.settings import PartName
from textgen.evaluation.counts import CacheMixture, CacheState
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.passes import PLACES_AT_ONCE, Features, Path, TextReader


class Weights:
    """A weight for every token, as a key: the same array is the same key.

    Attributes:
        values: (V,) float64.
    """

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weights) and self.values is other.values

    def __hash__(self) -> int:
        return id(self.values)


class Sum(NamedTuple):
    """Σ weight · P(token) over all tokens that may come behind a path."""

    path: Path
    weights: Weights


@dataclass
class Predicted:
    """What one part of a model says about the places of a window.

    Attributes:
        sums: those that were asked for.
        entropies: by place, in bits, of the next token.
    """

    sums: dict[Sum, float] = field(default_factory=dict)
    entropies: dict[int, float] = field(default_factory=dict)


class Predictions:
    """What all parts of a model predict along a text, which each of them reads once, by windows.

    An example, of the text "the cat" and a tokenizer of words. The chance of white space behind
    "the", where one token has been read, is

        Σ_v white(v) P(v | the)  +  P(<capital> | the) Σ_v spaced(v) P(v | the, <capital>)

    With weights ``only_capital``, which are 1 for ``<capital>`` and 0 for other tokens, these are
    three sums, of two paths:

        Sum(Path(1), white)
        Sum(Path(1), only_capital)
        Sum(Path(1, (CAPITAL,)), spaced)

    Sums behind the same tokens are taken together, for all places of the window: the first two here
    and those like them at other places are one product of P (places, V) and weights (V, 2), those
    behind ``<capital>`` one of P (places, V) and weights (V, 1).

    Args:
        model: without a network that goes on learning.
        tokens: (n,) integers, the text.

    Attributes:
        window: most places that are read at once.
    """

    def __init__(self, model: LanguageModel, tokens: np.ndarray) -> None:
        self._model = model
        self._tokens = tokens.astype(np.int64)
        self.window = PLACES_AT_ONCE[-1]
        if model.network is not None:
            self._reader = TextReader(model.objective, model.network, len(tokens))
            self.window = self._reader.window
        if model.counts:
            self._contexts = model.counts.contexts(self._tokens)
        if model.cache:
            self._cache = CacheState(model.cache)

    def read(
        self, places: range, sums: Sequence[Sum], entropies: Sequence[int]
    ) -> dict[PartName, Predicted]:
        """Part of the model → what it predicts in the next window.

        Args:
            places: of the window, at most ``window``.
            sums: that are asked for, each once. A path needs a sum behind each shorter path that it
                goes on from.
            entropies: places where the entropy of the next token is asked for.
        """
        found = {part: Predicted() for part in self._model.parts}
        sums_behind = defaultdict[Path, list[Sum]](list)
        groups = defaultdict[tuple[int, ...], list[Sum]](list)  # by the tokens that come first
        for each in sums:
            sums_behind[each.path].append(each)
            groups[each.path.first].append(each)
        for place in entropies:
            sums_behind.setdefault(Path(place), [])  # is read even if no sum is asked for
        features = self._read_network(places, list(sums_behind))
        for group in groups.values():
            self._add_up(group, features, found)
        chances_below_cache = dict[Path, np.ndarray]()  # P (V,) where an entropy is asked for
        if entropies:
            for part, chances in self._chances(entropies, features):
                for place, row in zip(entropies, chances, strict=True):
                    found[part].entropies[place] = entropy_of(row)
                    if part == "with_counts":
                        chances_below_cache[Path(place)] = row
        if self._model.cache:
            below = found["with_counts"].sums
            found["with_cache"] = self._with_cache(places, sums_behind, below, chances_below_cache)
        return found

    def _read_network(self, places: range, paths: Sequence[Path]) -> Features | None:
        """What the network says behind some paths; None without a network or a path."""
        if self._model.network is None:
            return None
        self._reader.read(self._tokens[places.start : places.start + self.window])
        if not paths:
            return None
        return self._reader.features(paths)

    def _add_up(
        self, group: Sequence[Sum], features: Features | None, found: dict[PartName, Predicted]
    ) -> None:
        """Take sums behind the same tokens, but for those of a cache."""
        row_of = _numbered(each.path for each in group)
        column_of = _numbered(each.weights for each in group)
        weights = np.stack([each.values for each in column_of], axis=1)  # (V, columns)
        for part, sums in self._sums(list(row_of), features, weights).items():
            rows = sums.tolist()
            for each in group:
                found[part].sums[each] = rows[row_of[each.path]][column_of[each.weights]]

    def _sums(
        self, paths: Sequence[Path], features: Features | None, weights: np.ndarray
    ) -> dict[PartName, np.ndarray]:
        """Part → sums (paths, m) behind paths on which the same tokens come first, by weights
        (V, m)."""
        counts = self._model.counts
        sums = dict[PartName, np.ndarray]()
        if features is not None:
            sums["network"] = self._reader.sums(features.behind(paths), weights)
            sums["with_counts"] = sums["network"]
        if counts:
            places = [path.place for path in paths]
            contexts = [numbers[places] for numbers in self._contexts]
            for token in paths[0].first:
                contexts = counts.after(contexts, np.full(len(paths), token))
            with_counts, sums["counts"] = counts.sums(contexts, sums.get("network"), weights)
            if features is not None:
                sums["with_counts"] = with_counts
        return sums

    def _chances(
        self, places: Sequence[int], features: Features | None
    ) -> Iterator[tuple[PartName, np.ndarray]]:
        """The parts but for ``with_cache``, one after another, as P of every token is large: each
        with its P (places, V) of the next token at some places."""
        counts = self._model.counts
        if counts:
            contexts = [numbers[places] for numbers in self._contexts]
            yield "counts", counts.mixed(contexts, None)
        if features is not None:
            paths = [Path(place) for place in places]
            chances = self._reader.probabilities(features.behind(paths))
            yield "network", chances
            if counts:
                chances = counts.mixed(contexts, chances)
            yield "with_counts", chances

    def _with_cache(
        self,
        places: range,
        sums_behind: Mapping[Path, Sequence[Sum]],
        below: Mapping[Sum, float],
        chances_below: Mapping[Path, np.ndarray],
    ) -> Predicted:
        """What the cache makes of sums and of P (V,) below it."""
        result = Predicted()
        for path, mixture in self._read_cache(places, sums_behind):
            for each in sums_behind[path]:
                result.sums[each] = mixture.sum(below[each], each.weights.values)
            if path in chances_below:
                chances = mixture.probabilities(chances_below[path])
                result.entropies[path.place] = entropy_of(chances)
        return result

    def _read_cache(
        self, places: range, paths: Iterable[Path]
    ) -> Iterator[tuple[Path, CacheMixture]]:
        """What the cache makes of a distribution behind each of some paths, read token by token."""
        paths_at = defaultdict[int, list[Path]](list)
        for path in paths:
            paths_at[path.place].append(path)
        for place in places:
            for path in paths_at[place]:
                with self._cache.going_on(path.first):
                    mixture = self._cache.mixture()
                yield path, mixture
            if place < len(self._tokens):
                self._cache.add(int(self._tokens[place]))


def entropy_of(chances: np.ndarray) -> float:
    """In bits, of probabilities (V,)."""
    return -float(chances @ np.log2(np.maximum(chances, 1e-300)))


Item = TypeVar("Item", bound=Hashable)


def _numbered(items: Iterable[Item]) -> dict[Item, int]:
    """Different items, in the order in which they come first, and their numbers."""
    return {item: number for number, item in enumerate(dict.fromkeys(items))}
