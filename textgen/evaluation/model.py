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
from typing import NamedTuple

import numpy as np

from textgen.core.progress import Moved, ignore
from textgen.core.settings import PARTS, PartName
from textgen.data.documents import Document
from textgen.evaluation.counts import DocumentCache, TrainingCounts, count
from textgen.evaluation.dynamic import dynamic_bits
from textgen.evaluation.likelihood import token_bits
from textgen.evaluation.scores import Scores, scored_documents
from textgen.models.objectives import Objective
from textgen.models.types import Network
from textgen.ngrams.pitman_yor import CROSS_FITTED_TOKENS, ContextCounts, fit
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.encoded import Encoded


class Observed(NamedTuple):
    """What the parts of a model make of a document before they are mixed.

    Attributes:
        network: (n + 1,) float32, bits of its tokens and its end mark; None without a network.
        in_training: what has followed their contexts in the training text; None without counts.
        in_document: what has followed them in the document so far; None without a cache.
        dynamic: bits of the network that goes on learning; None if it does not.
    """

    network: np.ndarray | None
    in_training: ContextCounts | None
    in_document: ContextCounts | None
    dynamic: np.ndarray | None

    def cut(self, where: slice) -> "Observed":
        """Some of its tokens."""
        return Observed(
            None if self.network is None else self.network[where],
            None if self.in_training is None else self.in_training.cut(where),
            None if self.in_document is None else self.in_document.cut(where),
            None if self.dynamic is None else self.dynamic[where],
        )


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
    network: Network | None
    counts: TrainingCounts | None = None
    cache: DocumentCache | None = None

    @property
    def parts(self) -> tuple[PartName, ...]:
        """The names of its parts."""
        needed = {
            "network": self.network,
            "with_counts": self.network,
            "with_cache": self.cache,
            "counts": self.counts,
        }
        return tuple(part for part in PARTS if needed[part] is not None)

    def part(self, name: str) -> "LanguageModel":
        """One of its parts."""
        assert name in self.parts, name
        if name == "network":
            return replace(self, counts=None, cache=None)
        if name == "counts":
            return replace(self, network=None, cache=None)
        if name == "with_counts":
            return replace(self, cache=None)
        return self

    @property
    def own_part(self) -> PartName:
        """The name of the part that predicts by all that this model has."""
        if self.network is None:
            return "counts"
        if self.cache:
            return "with_cache"
        if self.counts:
            return "with_counts"
        return "network"

    def look_up(self, encoded: Encoded) -> list[Observed]:
        """What counts and cache have counted for some documents, whatever the network says."""
        observed = list[Observed]()
        for document in encoded:
            in_training = self.counts.count_along(document.tokens) if self.counts else None
            in_document = count(document.tokens, self.cache.orders) if self.cache else None
            observed.append(Observed(None, in_training, in_document, None))
        return observed

    def observe(
        self,
        encoded: Encoded,
        moved: Moved = ignore,
        looked_up: Sequence[Observed] | None = None,
    ) -> list[Observed]:
        """What the parts make of some documents.

        Args:
            encoded: the documents.
            moved: as for :func:`textgen.evaluation.likelihood.token_bits`.
            looked_up: what :meth:`look_up` has found for them, where the network alone has changed
                since.
        """
        observed = list(looked_up or self.look_up(encoded))
        if self.network is None:
            return observed
        tokens = [document.tokens for document in encoded]
        for place, bits in enumerate(token_bits(self.objective, self.network, tokens, moved)):
            observed[place] = observed[place]._replace(network=bits)
        if self.cache and self.cache.dynamic:
            learning = dynamic_bits(self.objective, self.network, tokens, self.cache.dynamic)
            for place, bits in enumerate(learning):
                observed[place] = observed[place]._replace(dynamic=bits)
        return observed

    def mixed(self, observed: Observed) -> dict[PartName, np.ndarray]:
        """What each part charges for a document: part → bits (n + 1,) float32 of its tokens."""
        rows = dict[PartName, np.ndarray]()
        if observed.network is not None:
            rows["network"] = observed.network
            rows["with_counts"] = observed.network
        if self.counts and observed.in_training:
            if observed.network is None:
                unused = np.zeros(observed.in_training.total.shape[1])  # of no network
                _, alone = self.counts.bits(unused, observed.in_training)
            else:
                with_counts, alone = self.counts.bits(observed.network, observed.in_training)
                rows["with_counts"] = with_counts
            rows["counts"] = alone
        if self.cache and observed.in_document:
            rows["with_cache"] = self.cache.mixed_bits(
                self._below_cache(observed), observed.in_document
            )
        return {part: rows[part] for part in self.parts}

    def _below_cache(self, observed: Observed) -> np.ndarray:
        """Bits of what a cache is mixed with: of the network, which goes on learning if it is to,
        with counts if there are any."""
        network = observed.network
        if observed.dynamic is not None:
            network = observed.dynamic
        assert network is not None, "a cache needs a network"
        if self.counts is None or observed.in_training is None:
            return network
        with_counts, _ = self.counts.bits(network, observed.in_training)
        return with_counts

    def fitted(self, observed: Sequence[Observed], limit: int | None = None) -> "LanguageModel":
        """The model whose counts and cache are trusted as these validation documents have it.

        What is fitted to which text:

            training text     the network's weights; what the training counts have counted
            validation text   how far these counts are trusted beside the network; then how far the
                              cache is trusted beside both
            test text         nothing

        Args:
            observed: the documents, with bits of the network.
            limit: as for :func:`textgen.ngrams.pitman_yor.fit`.
        """
        model = self
        if self.counts:
            beside_network = list[tuple[np.ndarray, ContextCounts]]()
            for document in observed:
                assert document.network is not None, "counts are fitted beside a network"
                assert document.in_training is not None
                beside_network.append((document.network, document.in_training))
            model = replace(model, counts=self.counts.fitted(beside_network, limit))
        if self.cache:
            beside_both = list[tuple[np.ndarray, ContextCounts]]()
            for document in observed:
                assert document.in_document is not None
                beside_both.append((model._below_cache(document), document.in_document))
            process = fit(self.cache.orders, beside_both, limit)
            trusted = replace(self.cache, discounts=process.discounts, strengths=process.strengths)
            model = replace(model, cache=trusted)
        return model

    def cross_fitted(self, observed: Sequence[Observed]) -> list[dict[PartName, np.ndarray]]:
        """What each part charges for validation documents, as :meth:`mixed` has it, with counts and
        cache :meth:`fitted` to the other half of them:

            documents, the shorter first     1   2   3   4   5   …
            charged by a fit to 2, 4, …      x       x       x
            charged by a fit to 1, 3, 5, …       x       x

        A single document is cut in the middle, and its halves take the place of documents.
        """
        if self.own_part == "network":  # nothing is fitted
            return [self.mixed(document) for document in observed]
        if len(observed) == 1:
            (whole,) = observed
            middle = _length(whole) // 2
            halves = [whole.cut(slice(0, middle)), whole.cut(slice(middle, None))]
            first, second = self.cross_fitted(halves)
            return [{part: np.concatenate([first[part], second[part]]) for part in first}]
        shorter_first = sorted(range(len(observed)), key=lambda place: _length(observed[place]))
        one_half = shorter_first[::2]
        other_half = shorter_first[1::2]
        charges = dict[int, dict[PartName, np.ndarray]]()  # by place in ``observed``
        for charged, fitted_to in ((one_half, other_half), (other_half, one_half)):
            model = self.fitted([observed[place] for place in fitted_to], CROSS_FITTED_TOKENS)
            for place in charged:
                charges[place] = model.mixed(observed[place])
        return [charges[place] for place in range(len(observed))]

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


def _length(document: Observed) -> int:
    """Tokens and end mark of a document."""
    assert document.network is not None, "counts and cache are fitted beside a network"
    return len(document.network)
