"""Documents → batches of spans, without ever copying the corpus.

All tokens of a split stand in one flat array of the narrowest integer type; a batch is gathered
from it when it is needed.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from textgen.core.tokens import BOUNDARY
from textgen.models.objectives import Objective
from textgen.tokenizers.encoded import Encoded, EncodedDocument
from textgen.tokenizers.stored import Stored

NO_TARGET = -1  # in place of a target behind the end of a document or before its beginning
TOKENS_PER_COUNT = 1 << 22
Batch: TypeAlias = tuple[np.ndarray, np.ndarray]  # spans, and which rows begin afresh
Documents: TypeAlias = Encoded | Sequence[np.ndarray]


class Windows:
    """The spans of some documents under an objective.

    Args:
        documents: encoded, or their tokens (n,), in memory, each of which gets its end mark here;
            or encoded training documents in a file, which is read where it is looked at.
        objective: gives ``before``, ``length`` and ``carries_state``.
    """

    def __init__(self, documents: Documents, objective: Objective) -> None:
        self.before, self.length = objective.before, objective.length
        self.carries_state, self._fixed = objective.carries_state, objective.fixed_windows
        if isinstance(documents, Stored):
            self.offsets, self.flat, self.sizes = documents.offsets, documents.flat, documents.sizes
            return
        tokens = [d.tokens if isinstance(d, EncodedDocument) else d for d in documents]
        self.sizes = np.array([len(document) + 1 for document in tokens], dtype=np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.sizes)])
        self.flat = np.full(self.offsets[-1], BOUNDARY, dtype=tokens[0].dtype)
        for document, start in zip(tokens, self.offsets[:-1], strict=True):
            self.flat[start : start + len(document)] = document

    def share(self, least: int) -> float:
        """How many of the tokens are ``least`` or higher, as a share of all."""
        starts = range(0, len(self.flat), TOKENS_PER_COUNT)
        parts = (self.flat[start : start + TOKENS_PER_COUNT] for start in starts)
        return sum(int(np.count_nonzero(part >= least)) for part in parts) / len(self.flat)

    def spans(self, documents: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Spans whose targets begin at ``starts`` (B,) of ``documents`` (B,); −1 is an idle row.

        Returns:
            (B, before + length) int32.
        """
        columns = np.arange(-self.before, self.length)
        positions = starts[:, None] + columns
        limits = np.where(documents >= 0, self.sizes[documents], 0)[:, None]
        inside = (positions >= 0) & (positions < limits)
        index = self.offsets[documents][:, None] + positions
        spans = self.flat[np.where(inside, index, 0)]
        outside = np.where((positions < 0) & (columns < 0), BOUNDARY, NO_TARGET)
        return np.where(inside, spans, outside).astype(np.int32)

    def per_document(self, phase: int = 0) -> np.ndarray:
        """(D,) number of spans of each document when the first begins ``phase`` early."""
        return -(-(self.sizes + phase) // self.length)

    def updates_per_epoch(self, batch: int) -> int:
        """Batches that show every token about once; at least one."""
        return max(1, int(self.per_document().sum()) // batch)

    def training(self, batch: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """Endless batches (spans (B, before + length), fresh (B,) bool), from update ``start`` on.

        ``fresh`` marks rows whose states begin at zero. With carried states each row reads on in
        its own stream of the shuffled documents; without, windows are shuffled and their phase in
        the text is drawn for each epoch, unless they are fixed. The order depends on (seed, epoch)
        alone.
        """
        carried, count = self.carries_state, len(self.sizes)
        updates = self.updates_per_epoch(batch)
        first = start % updates
        for epoch in itertools.count(start // updates):
            random = np.random.default_rng([seed, epoch])
            documents = random.permutation(count) if carried else np.arange(count)
            phase = 0 if carried or self._fixed else int(random.integers(self.length))
            ends = np.cumsum(self.per_document(phase)[documents])
            number = int(ends[-1])
            order = random.permutation(0 if carried else number)
            for step in range(first, updates):
                if carried:
                    window = np.minimum(np.arange(batch) * number // batch + step, number - 1)
                else:
                    window = order[np.arange(step * batch, (step + 1) * batch) % number]
                place = np.searchsorted(ends, window, side="right")
                within = window - np.where(place > 0, ends[place - 1], 0)
                fresh = (within == 0) | (step == 0) | (not carried)
                yield self.spans(documents[place], within * self.length - phase), fresh
            first = 0

    def scoring(self, batch: int) -> Iterator[tuple[np.ndarray, ...]]:
        """All spans once: (spans, fresh, documents (B,), starts (B,)); document −1 is an idle row.

        With carried states whole documents are dealt to rows, longest first to the row with the
        least to do; without, the spans simply fill the rows.
        """
        counts = self.per_document()
        documents = np.repeat(np.arange(len(counts)), counts)
        starts = (np.arange(len(documents)) - (np.cumsum(counts) - counts)[documents]) * self.length
        row = np.arange(len(documents)) % batch
        if self.carries_state:
            dealt, load = np.zeros(len(counts), int), np.zeros(batch, int)
            for document in np.argsort(-counts, kind="stable"):
                dealt[document] = load.argmin()
                load[dealt[document]] += counts[document]
            row = dealt[documents]
        places = np.stack([documents, starts], axis=1)
        streams = [places[row == number] for number in range(batch)]
        for at_step in itertools.zip_longest(*streams, fillvalue=(NO_TARGET, 0)):
            documents, starts = np.transpose(at_step)
            fresh = (starts == 0) | (not self.carries_state)
            yield self.spans(documents, starts), fresh, documents, starts
