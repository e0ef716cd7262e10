"""The order in which a training reads its text: batch after batch, and which rows begin afresh.

With carried states, the documents of an epoch stand in a circle, in an order that is drawn for it.
Rows begin at evenly spaced tokens of the circle and read on, window by window, until together they
have read as many tokens as there are. A window ends with its document; the next one begins the next
document, in a state of zero. Two rows, with windows of four tokens, in their first updates:

    place     0         1         2
              012345678901234567890123
    circle    aaaaaaaaaaaaaabbbbbbbbbb
    row 1        111122223334444
    row 2     4444           111122223

How far the rows are turned is drawn, too, among the turns at which no row begins at a token where
one has begun in an earlier epoch. So every epoch cuts a text elsewhere, also a text of one
document. Without carried states, windows are shuffled, and where a document is cut is drawn for
each epoch, unless the objective fixes it.

A training may begin with smaller windows or fewer rows, in stages. The order depends on the text,
the stages and the seed alone: a place in it is the number of batches before.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from textgen.core.settings import Training
from textgen.models.batches import Batch, Windows
from textgen.models.objectives import Objective


@dataclass(frozen=True)
class Stage:
    """Updates of a training that have batches of one shape.

    Attributes:
        share: of all updates.
        rows: of a batch.
        window: targets of a row.
    """

    share: float
    rows: int
    window: int


def stages_of(settings: Training, objective: Objective) -> list[Stage]:
    """The stages of a training; the last has the experiment's own batch and window."""
    stages = list[Stage]()
    begin = 0.0
    for growth in settings.growth:
        rows = growth.batch or settings.batch
        window = max(1, round(growth.window * objective.length))
        stages.append(Stage(growth.until - begin, rows, window))
        begin = growth.until
    return [*stages, Stage(1.0 - begin, settings.batch, objective.length)]


def mean_of(stages: Sequence[Stage], figure: Callable[[Stage], float]) -> float:
    """The mean of a figure over all updates, from that of each stage."""
    return sum(stage.share * figure(stage) for stage in stages)


class Stream:
    """The batches of a training.

    Args:
        text: the training text.
        stages: of the training.
        seed: of the order.
        updates: of the training, which the stages divide; one stage needs none.
    """

    def __init__(self, text: Windows, stages: Sequence[Stage], seed: int, updates: int = 0) -> None:
        self._text = text
        self._stages = stages
        self._seed = seed
        self._tokens = int(text.sizes.sum())
        shares = [stage.share for stage in stages]
        self._ends = np.round(np.cumsum(shares) * updates)  # the update before which each ends

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Endless batches, without the first ``start``."""
        if self._text.carries_state:
            return self._read_on(start)
        return self._shuffled(start)

    def stage(self, update: int) -> Stage:
        """The stage of an update; the last one goes on without end."""
        return self._stages[self.stage_number(update)]

    def stage_number(self, update: int) -> int:
        """The number of the stage of an update, from 0."""
        return int(np.searchsorted(self._ends[:-1], update, side="right"))

    def updates_left(self, update: int) -> float:
        """Updates that the stage of an update still has, this one included; inf in the last."""
        number = self.stage_number(update)
        if number == len(self._stages) - 1:
            return math.inf
        return float(self._ends[number]) - update

    def _read_on(self, start: int) -> Iterator[Batch]:
        text = self._text
        begun = np.zeros(0, dtype=np.int64)  # tokens at which rows have begun
        update = 0
        for epoch in itertools.count():
            random = np.random.default_rng([self._seed, epoch])
            rows = self.stage(update).rows
            circle = Circle(text, random.permutation(len(text.sizes)))
            tokens = self._first_tokens(circle, rows, begun, random)
            begun = np.concatenate([begun, tokens])
            documents = documents_of(text, tokens)  # that each row reads
            places = tokens - text.offsets[documents]  # and where
            fresh = np.ones(rows, dtype=bool)
            unread = self._tokens
            while unread > 0 and self.stage(update).rows == rows:
                window = self.stage(update).window
                if update >= start:
                    yield Batch(text.spans(documents, places, window), fresh)
                update += 1
                read = np.minimum(window, text.sizes[documents] - places)
                unread -= int(read.sum())
                fresh = places + read == text.sizes[documents]  # of the next windows
                places = np.where(fresh, 0, places + read)
                documents = np.where(fresh, circle.next_documents(documents), documents)

    def _first_tokens(
        self, circle: "Circle", rows: int, begun: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """The tokens at which the rows of an epoch begin, (rows,).

        Rows that are turned by t begin at the places t, t + spacing, t + 2 · spacing, … of the
        circle. A turn is free if none of these is a token where a row has begun.

        Args:
            circle: of the epoch.
            rows: their number.
            begun: (n,) tokens at which no row should begin.
            random: draws among the free turns.
        """
        spacing = max(1, self._tokens // rows)
        is_free = np.ones(spacing, dtype=bool)
        is_free[circle.places(begun) % spacing] = False
        turns = np.flatnonzero(is_free)
        if len(turns) == 0:  # rows have begun everywhere
            turns = np.arange(spacing)
        places = random.choice(turns) + spacing * np.arange(rows)
        return circle.tokens(places % self._tokens)

    def _shuffled(self, start: int) -> Iterator[Batch]:
        text = self._text
        update = 0
        for epoch in itertools.count():
            random = np.random.default_rng([self._seed, epoch])
            stage = self.stage(update)
            phase = 0 if text.fixed else int(random.integers(stage.window))
            counts = text.span_counts(stage.window, phase)
            ends = np.cumsum(counts)
            order = random.permutation(ends[-1])
            fresh = np.ones(stage.rows, dtype=bool)
            for step in range(updates_per_epoch(text, stage)):
                if self.stage(update) != stage:
                    break
                if update >= start:
                    numbers = np.arange(step * stage.rows, (step + 1) * stage.rows)
                    spans = order[numbers % len(order)]
                    document = np.searchsorted(ends, spans, side="right")
                    number_in_document = spans - (ends - counts)[document]
                    place = number_in_document * stage.window - phase
                    yield Batch(text.spans(document, place, stage.window), fresh)
                update += 1


class Circle:
    """The documents of a text one behind another, in an order of their own.

    Args:
        text: the documents.
        order: (D,) integers, the documents in their order.
    """

    def __init__(self, text: Windows, order: np.ndarray) -> None:
        sizes = text.sizes[order]
        self._text = text
        self._order = order
        self._number = np.argsort(order)  # of each document, in the order
        self._begins = np.cumsum(sizes) - sizes  # the first place of each, by its number

    def places(self, tokens: np.ndarray) -> np.ndarray:
        """Where tokens of the text, (n,), stand in the circle."""
        documents = documents_of(self._text, tokens)
        return self._begins[self._number[documents]] + tokens - self._text.offsets[documents]

    def tokens(self, places: np.ndarray) -> np.ndarray:
        """The tokens of the text that stand at places, (n,), of the circle."""
        numbers = np.searchsorted(self._begins, places, side="right") - 1
        return self._text.offsets[self._order[numbers]] + places - self._begins[numbers]

    def next_documents(self, documents: np.ndarray) -> np.ndarray:
        """The document behind each of some documents, (n,)."""
        return self._order[(self._number[documents] + 1) % len(self._order)]


def documents_of(text: Windows, tokens: np.ndarray) -> np.ndarray:
    """The documents that tokens of a text, (n,), belong to."""
    return np.searchsorted(text.offsets, tokens, side="right") - 1


def updates_per_epoch(text: Windows, stage: Stage) -> int:
    """Batches that show every token about once; at least one."""
    return max(1, int(text.span_counts(stage.window).sum()) // stage.rows)
