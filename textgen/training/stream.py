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
        window = growth.window or objective.length
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
        number = int(np.searchsorted(self._ends[:-1], update, side="right"))
        return self._stages[number]

    def _read_on(self, start: int) -> Iterator[Batch]:
        text = self._text
        begun = np.zeros(0, dtype=np.int64)  # tokens at which rows have begun
        update = 0
        for epoch in itertools.count():
            random = np.random.default_rng([self._seed, epoch])
            rows = self.stage(update).rows
            order = random.permutation(len(text.sizes))
            firsts = self._first_tokens(order, rows, begun, random)
            begun = np.concatenate([begun, firsts])
            ordinal = np.argsort(order)  # of each document, in the circle
            document = np.searchsorted(text.offsets, firsts, side="right") - 1  # of each row
            place = firsts - text.offsets[document]
            fresh = np.ones(rows, dtype=bool)
            unread = self._tokens
            while unread > 0 and self.stage(update).rows == rows:
                window = self.stage(update).window
                if update >= start:
                    yield Batch(text.spans(document, place, window), fresh)
                update += 1
                read = np.minimum(window, text.sizes[document] - place)
                unread -= int(read.sum())
                place = place + read
                fresh = place == text.sizes[document]  # of the next window
                next_document = order[(ordinal[document] + 1) % len(order)]
                document = np.where(fresh, next_document, document)
                place = np.where(fresh, 0, place)

    def _first_tokens(
        self, order: np.ndarray, rows: int, begun: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """(rows,) the tokens of the text at which the rows of an epoch begin.

        Args:
            order: (D,) the documents as they stand in the circle.
            rows: their number.
            begun: (n,) tokens at which no row should begin.
            random: draws among the turns that are left.
        """
        text = self._text
        sizes = text.sizes[order]
        circle = np.cumsum(sizes) - sizes  # where each document of the order begins in the circle
        begins = np.empty_like(circle)
        begins[order] = circle  # the same for each document of the text
        spacing = max(1, self._tokens // rows)
        documents = np.searchsorted(text.offsets, begun, side="right") - 1
        places_in_circle = begins[documents] + begun - text.offsets[documents]
        is_free = np.ones(spacing, dtype=bool)
        is_free[places_in_circle % spacing] = False
        turns = np.flatnonzero(is_free)
        if len(turns) == 0:  # rows have begun everywhere
            turns = np.arange(spacing)
        places = (random.choice(turns) + spacing * np.arange(rows)) % self._tokens
        in_order = np.searchsorted(circle, places, side="right") - 1
        return text.offsets[order[in_order]] + places - circle[in_order]

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


def updates_per_epoch(text: Windows, stage: Stage) -> int:
    """Batches that show every token about once; at least one."""
    return max(1, int(text.span_counts(stage.window).sum()) // stage.rows)
