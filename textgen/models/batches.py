"""Documents → batches of spans, without ever copying the corpus.

All tokens of a split stand in one flat array of the narrowest integer type; a batch is gathered
from it when it is needed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np

from textgen.models.base import Objective
from textgen.tokenizers.encoding import Stored
from textgen.tokenizers.tokens import BOUNDARY, EncodedDocument

NO_TARGET = -1
"""In place of a target behind the end of a document or before its beginning."""
TOKENS_PER_COUNT = 1 << 22
MAX_MAPPED_BYTES = 1 << 25
"""Of a mapped file, about, that are kept in memory."""
HUGE_PAGE_BYTES = 1 << 21
"""That one look at a mapped file may bring into memory."""


class Windows:
    """The spans of some documents under an objective.

    Args:
        documents: (n,) integer arrays, each of which gets its end mark here; or encoded training
            documents in a file, which is read where it is looked at.
        objective: gives ``before``, ``length`` and ``carries_state``.
    """

    def __init__(self, documents: Sequence[np.ndarray] | Stored, objective: Objective) -> None:
        self.before, self.length = objective.before, objective.length
        self.carries_state = objective.carries_state
        self._fixed = objective.fixed_windows
        self._stored = documents if isinstance(documents, Stored) else None
        if isinstance(documents, Stored):
            self.offsets, self.flat, self.sizes = documents.offsets, documents.flat, documents.sizes
            return
        sizes = np.array([len(d) + 1 for d in documents], dtype=np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(sizes)])
        self.flat = np.full(self.offsets[-1], BOUNDARY, dtype=documents[0].dtype)
        for document, start in zip(documents, self.offsets[:-1], strict=True):
            self.flat[start : start + len(document)] = document
        self.sizes = sizes

    @classmethod
    def of(cls, encoded: Sequence[EncodedDocument], objective: Objective) -> Windows:
        """The spans of encoded documents, in memory or in a file."""
        if isinstance(encoded, Stored):
            return cls(encoded, objective)
        return cls([e.tokens for e in encoded], objective)

    def share(self, least: int) -> float:
        """How many of the tokens are ``least`` or higher, as a share of all."""
        count = 0
        for start in range(0, len(self.flat), TOKENS_PER_COUNT):
            count += int(np.count_nonzero(self.flat[start : start + TOKENS_PER_COUNT] >= least))
            self._release()
        return count / len(self.flat)

    def _release(self) -> None:
        if self._stored is not None:
            self._stored.release()

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
        spans = self.flat[np.where(inside, index, 0)].astype(np.int32)
        outside = np.where((positions < 0) & (columns < 0), BOUNDARY, NO_TARGET)
        return np.where(inside, spans, outside).astype(np.int32)

    def per_document(self, phase: int = 0) -> np.ndarray:
        """(D,) number of spans of each document when the first begins ``phase`` early."""
        return -(-(self.sizes + phase) // self.length)

    def updates_per_epoch(self, batch: int) -> int:
        """Batches that show every token about once; at least one."""
        return max(1, int(self.per_document().sum()) // batch)

    def training(
        self, batch: int, seed: int, start: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Endless batches (spans (B, before + length), fresh (B,) bool), from update ``start`` on.

        ``fresh`` marks rows whose states begin at zero. With carried states each row reads on in
        its own stream of the shuffled documents; without, windows are shuffled and their phase in
        the text is drawn afresh each epoch, unless they are fixed. The order depends on (seed,
        epoch) alone.
        """
        updates = self.updates_per_epoch(batch)
        often = max(1, MAX_MAPPED_BYTES // (batch * HUGE_PAGE_BYTES))
        for epoch in range(start // updates, 1 << 62):
            make = self._streams if self.carries_state else self._shuffled
            first = start - epoch * updates if epoch == start // updates else 0
            random = np.random.default_rng([seed, epoch])
            for step, batch_of_spans in enumerate(make(batch, random, updates, first)):
                if step % often == 0:  # spans are copies
                    self._release()
                yield batch_of_spans

    def _streams(
        self, batch: int, random: np.random.Generator, updates: int, first: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = random.permutation(len(self.sizes))
        ends = np.cumsum(self.per_document()[order])
        streams = np.arange(batch) * int(ends[-1]) // batch
        for step in range(first, updates):
            window = np.minimum(streams + step, ends[-1] - 1)
            place = np.searchsorted(ends, window, side="right")
            within = window - np.where(place > 0, ends[place - 1], 0)
            fresh = (within == 0) | (step == 0)
            yield self.spans(order[place], within * self.length), fresh

    def _shuffled(
        self, batch: int, random: np.random.Generator, updates: int, first: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        phase = 0 if self._fixed else int(random.integers(self.length))
        ends = np.cumsum(self.per_document(phase))
        order = random.permutation(int(ends[-1]))
        for step in range(first, updates):
            window = order[np.arange(step * batch, (step + 1) * batch) % len(order)]
            place = np.searchsorted(ends, window, side="right")
            within = window - np.where(place > 0, ends[place - 1], 0)
            yield self.spans(place, within * self.length - phase), np.ones(batch, dtype=bool)

    def scoring(
        self, batch: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """All spans once: (spans, fresh, documents (B,), starts (B,)); document −1 is an idle row.

        With carried states whole documents are dealt to rows, longest first to the row with the
        least to do, and read in order; without, the spans simply fill the rows.
        """
        counts = self.per_document()
        rows: list[list[int]]
        if self.carries_state:
            rows = [[] for _ in range(batch)]
            load = [(0, row) for row in range(batch)]
            for document in np.argsort(-counts, kind="stable"):
                work, row = heapq.heappop(load)
                rows[row].append(int(document))
                heapq.heappush(load, (work + int(counts[document]), row))
            streams = [self._places(row, counts) for row in rows]
        else:
            everything = self._places(list(range(len(counts))), counts)
            streams = [everything[:, row::batch] for row in range(batch)]
        for step in range(max(stream.shape[1] for stream in streams)):
            places = np.array(
                [
                    stream[:, step] if step < stream.shape[1] else (NO_TARGET, 0)
                    for stream in streams
                ]
            )
            documents, starts = places[:, 0], places[:, 1]
            fresh = (starts == 0) | (not self.carries_state)
            yield self.spans(documents, starts), fresh, documents, starts

    def _places(self, documents: list[int], counts: np.ndarray) -> np.ndarray:
        """(2, n): document and start of every span of these documents, in order."""
        chosen = counts[documents] if documents else np.zeros(0, dtype=np.int64)
        numbers = [np.arange(n) * self.length for n in chosen]
        starts = np.concatenate([*numbers, np.zeros(0, dtype=np.int64)])
        return np.stack([np.repeat(np.array(documents, dtype=np.int64), chosen), starts])
