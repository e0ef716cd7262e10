"""Documents → spans, without ever copying the corpus.

All tokens of a split stand in one flat array of the narrowest integer type; spans are gathered from
it when they are needed.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from textgen.core.tokens import BOUNDARY
from textgen.models.objectives import Objective
from textgen.tokenizers.encoded import Encoded, EncodedDocument
from textgen.tokenizers.stored import Stored

NO_TARGET = -1  # in place of a target behind the end of a document or before its beginning
IDLE = -1  # in place of a document: a row that has nothing to do
TOKENS_PER_COUNT = 1 << 22
Documents: TypeAlias = Encoded | Sequence[np.ndarray]


class Batch(NamedTuple):
    """What an update reads.

    Attributes:
        spans: (B, before + length) int32.
        fresh: (B,) bool, rows whose states begin at zero.
    """

    spans: np.ndarray
    fresh: np.ndarray


class ScoringBatch(NamedTuple):
    """Some of the spans that hold every target once.

    Attributes:
        spans, fresh: as of :class:`Batch`.
        documents: (B,) int64, whose span each is; IDLE for a row that has nothing to do.
        starts: (B,) int64, the place of the first target in its document.
    """

    spans: np.ndarray
    fresh: np.ndarray
    documents: np.ndarray
    starts: np.ndarray


class Windows:
    """The spans of some documents under an objective.

    Args:
        documents: encoded, or their tokens (n,), in memory, each of which gets its end mark here;
            or encoded training documents in a file, which is read where it is looked at.
        objective: gives ``before``, ``length`` and ``carries_state``.

    Attributes:
        sizes: (D,) int64, tokens of each document with its end mark.
        offsets: (D + 1,) int64, where each document begins in ``flat``.
        flat: (T,) integers, the tokens of all documents.
    """

    def __init__(self, documents: Documents, objective: Objective) -> None:
        self.before = objective.before
        self.length = objective.length
        self.carries_state = objective.carries_state
        self.fixed = objective.fixed_windows
        if isinstance(documents, Stored):
            self.offsets = documents.offsets
            self.flat = documents.flat
            self.sizes = documents.sizes
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

    def spans(self, documents: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
        """Spans of some documents.

        Args:
            documents: (B,) integers; IDLE gives a span without targets.
            starts: (B,) integers, the place of the first target in its document; may be negative.
            length: targets of a span.

        Returns:
            (B, before + length) int32.
        """
        columns = np.arange(-self.before, length)
        places = starts[:, None] + columns  # (B, before + length), in the documents
        known = np.maximum(documents, 0)  # any in place of IDLE
        sizes = np.where(documents == IDLE, 0, self.sizes[known])
        is_inside = (places >= 0) & (places < sizes[:, None])
        places_in_flat = self.offsets[known][:, None] + places
        tokens = self.flat[np.where(is_inside, places_in_flat, 0)]
        is_context = columns < 0  # a target, too, lies before its document if ``starts`` does
        padding = np.where(is_context & (places < 0), BOUNDARY, NO_TARGET)
        return np.where(is_inside, tokens, padding).astype(np.int32)

    def span_counts(self, length: int, phase: int = 0) -> np.ndarray:
        """(D,) number of spans of each document when the first begins ``phase`` early."""
        return (self.sizes + phase + length - 1) // length

    def scoring(self, batch: int) -> Iterator[ScoringBatch]:
        """All spans once.

        With carried states whole documents are dealt to rows, longest first to the row with the
        least to do; without, the spans simply fill the rows.
        """
        counts = self.span_counts(self.length)
        documents = np.repeat(np.arange(len(counts)), counts)
        first_spans = np.cumsum(counts) - counts  # of each document, among all
        number_in_document = np.arange(len(documents)) - first_spans[documents]
        places = np.stack([documents, number_in_document * self.length], axis=1)
        if self.carries_state:
            rows = _deal(counts, batch)[documents]
        else:
            rows = np.arange(len(documents)) % batch
        places_of_rows = [places[rows == row] for row in range(batch)]
        for at_once in itertools.zip_longest(*places_of_rows, fillvalue=(IDLE, 0)):
            documents_of_batch, starts = np.transpose(at_once)
            fresh = starts == 0 if self.carries_state else np.ones(batch, dtype=bool)
            spans = self.spans(documents_of_batch, starts, self.length)
            yield ScoringBatch(spans, fresh, documents_of_batch, starts)


def _deal(counts: np.ndarray, rows: int) -> np.ndarray:
    """(D,) the row of each document, by its number of spans: the longest first, to the row with the
    least to do."""
    row_of = np.zeros(len(counts), dtype=np.int64)
    load = np.zeros(rows, dtype=np.int64)
    for document in np.argsort(-counts, kind="stable"):
        row_of[document] = load.argmin()
        load[row_of[document]] += counts[document]
    return row_of
