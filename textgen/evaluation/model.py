"""A language model and its parts, each a distribution over text.

=============== ===================================================================================
``network``     tokens as the network predicts them, rare words spelled as their policy has it
``with_counts`` the same mixed with counts of the training text; equal to ``network`` without them
``with_cache``  that with a document cache, and with dynamic evaluation if it is set
``counts``      the counts alone, without the network
=============== ===================================================================================

``with_cache`` and ``counts`` are absent where a model has no cache or no counts. A part is itself a
:class:`LanguageModel`: it predicts by all that it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from textgen.core.progress import Moved, ignore
from textgen.core.settings import PARTS, PartName
from textgen.data.documents import Document
from textgen.evaluation.counts import DocumentCache, TrainingCounts, count
from textgen.evaluation.dynamic import dynamic_bits
from textgen.evaluation.likelihood import token_bits
from textgen.evaluation.scores import Scores, scored_documents
from textgen.models.objectives import Objective
from textgen.ngrams.pitman_yor import CROSS_FITTED_TOKENS, ContextCounts, fit
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.encoded import Encoded


class Observed(NamedTuple):
    """What the parts of a model make of a document before they are mixed.

    Attributes:
        network: (n + 1,) float32, bits of its tokens and its end mark; None without a network.
        counts: what has followed their contexts in the training text; None without counts.
        cache: what has followed them in the document so far; None without a cache.
        dynamic: bits of the network that goes on learning; None if it does not.
    """

    network: np.ndarray | None
    counts: ContextCounts | None
    cache: ContextCounts | None
    dynamic: np.ndarray | None

    def cut(self, where: slice) -> "Observed":
        """Some of its tokens."""
        found, bits = (self.counts, self.cache), (self.network, self.dynamic)
        counts, cache = (each and ContextCounts(*(row[:, where] for row in each)) for each in found)
        network, dynamic = (each if each is None else each[where] for each in bits)
        return Observed(network, counts, cache, dynamic)


@dataclass(frozen=True)
class LanguageModel:
    """All that predicts a text.

    Attributes:
        tokenizer: makes tokens of a text, and spells what they leave open.
        objective, network: predict tokens; the network is None in the part ``counts``.
        counts: of the training text, or None.
        cache: of the document so far, or None.
    """

    tokenizer: Tokenizer
    objective: Objective
    network: Any
    counts: TrainingCounts | None = None
    cache: DocumentCache | None = None

    @property
    def parts(self) -> tuple[PartName, ...]:
        """The names of its parts."""
        own = {"with_cache": self.cache, "counts": self.counts}
        return tuple(part for part in PARTS if own.get(part, self.network) is not None)

    def part(self, name: str) -> "LanguageModel":
        """One of its parts."""
        assert name in self.parts, name
        if name == "network":
            return replace(self, counts=None, cache=None)
        if name == "counts":
            return replace(self, network=None, cache=None)
        return self if name == "with_cache" else replace(self, cache=None)

    @property
    def own_part(self) -> PartName:
        """The name of the part that predicts by all that this model has."""
        if self.network is None:
            return "counts"
        return "with_cache" if self.cache else "with_counts" if self.counts else "network"

    def observe(self, encoded: Encoded, moved: Moved = ignore) -> list[Observed]:
        """What the parts make of some documents.

        Args:
            moved: as for :func:`textgen.evaluation.likelihood.token_bits`.
        """
        tokens = [e.tokens for e in encoded]
        network = counts = cache = dynamic = list[Any]([None]) * len(tokens)
        if self.network is not None:
            network = token_bits(self.objective, self.network, tokens, moved)
        if self.counts:
            counts = [self.counts.counts(document) for document in tokens]
        if self.cache:
            cache = [count(document, self.cache.orders) for document in tokens]
            if settings := self.cache.dynamic:
                dynamic = dynamic_bits(self.objective, self.network, tokens, settings)
        return [Observed(*row) for row in zip(network, counts, cache, dynamic, strict=True)]

    def mixed(self, observed: Observed) -> dict[str, np.ndarray]:
        """What each part charges for a document: part → bits (n + 1,) float32 of its tokens."""
        rows: dict[str, Any] = {"network": observed.network}
        rows["with_counts"], rows["counts"] = self._with_counts(observed.network, observed.counts)
        if self.cache and observed.cache:
            rows["with_cache"] = self.cache.mixed_bits(self._below_cache(observed), observed.cache)
        return {part: rows[part] for part in self.parts}

    def _with_counts(self, network: Any, counts: ContextCounts | None) -> tuple[Any, Any]:
        """Bits of the network with counts, and of the counts alone."""
        if self.counts is None or counts is None:
            return network, None
        bits = np.zeros(counts.all.shape[1]) if network is None else network
        return tuple(self.counts.bits(bits, counts))

    def _below_cache(self, observed: Observed) -> Any:
        """Bits of what a cache is mixed with."""
        network = observed.network if observed.dynamic is None else observed.dynamic
        return self._with_counts(network, observed.counts)[0]

    def fitted(self, observed: Sequence[Observed], limit: int | None = None) -> "LanguageModel":
        """The model whose counts and cache are trusted as these validation documents have it.

        Args:
            limit: as for :func:`textgen.ngrams.pitman_yor.fit`.
        """
        model = self
        if self.counts:
            pairs: list[Any] = [(o.network, o.counts) for o in observed]
            model = replace(model, counts=self.counts.fitted(pairs, limit))
        if self.cache:
            pairs = [(model._below_cache(o), o.cache) for o in observed]
            process = fit(self.cache.orders, pairs, limit)
            model = replace(model, cache=replace(self.cache, **vars(process)))
        return model

    def cross_fitted(self, observed: Sequence[Observed]) -> list[dict[str, np.ndarray]]:
        """What each part charges for validation documents, as :meth:`mixed` has it, with counts and
        cache fitted to the other half of them; of a single document, to its other half."""
        if self.own_part == "network":
            return [self.mixed(document) for document in observed]
        sizes = [len(document.network) for document in observed if document.network is not None]
        if len(sizes) == 1:
            middle, (whole,) = sizes[0] // 2, observed
            halves = [whole.cut(slice(middle)), whole.cut(slice(middle, None))]
            first, second = self.cross_fitted(halves)
            return [{part: np.concatenate([first[part], second[part]]) for part in first}]
        order = np.argsort(sizes, kind="stable")
        rows = list[dict[str, np.ndarray]]([{}] * len(sizes))
        for own, others in ((order[::2], order[1::2]), (order[1::2], order[::2])):
            model = self.fitted([observed[i] for i in others], CROSS_FITTED_TOKENS)
            for i in own:
                rows[i] = model.mixed(observed[i])
        return rows

    def score(
        self, documents: Sequence[Document], moved: Moved = ignore, encoded: Encoded | None = None
    ) -> Scores:
        """What each part charges for each document.

        Args:
            moved: as for :func:`textgen.evaluation.likelihood.token_bits`.
            encoded: the documents as tokens, if they are encoded already.
        """
        encoded = encoded or [self.tokenizer.encode(document.text) for document in documents]
        rows = [self.mixed(observed) for observed in self.observe(encoded, moved)]
        return scored_documents(documents, encoded, rows)
