"""Compute: the seconds of work that a training has cost, whatever else the machine did meanwhile.

    compute = preparation + Σ over stages (updates made in the stage · seconds of one such update)

The seconds of one update are the median over the intervals between validations, by the clock of
:func:`textgen.training.step.work_clock`. Compiling, looks at held-out text and samples are no part
of it. In a training that grows, batches of another shape are another stage, so that a small update
counts for less than a large one. Updates that a cooling has gone back from were made, and count.

Seconds are those of one machine; multiplications, counted beside them, do not depend on a machine
(:mod:`textgen.training.multiplications`).
"""

import statistics
from collections.abc import Sequence
from typing import NamedTuple, TypedDict


class StageWork(TypedDict):
    """What a training has done with batches of one shape.

    Attributes:
        updates: made.
        characters_per_update: see :func:`textgen.training.planning.characters_per_update`.
        multiplications_per_update: see :mod:`textgen.training.multiplications`; None where that is
            not known.
        paces: seconds of an update, of each interval that has updates of this stage.
    """

    updates: int
    characters_per_update: float
    multiplications_per_update: int | None
    paces: list[float]


class Spent(NamedTuple):
    """What some updates have cost.

    Attributes:
        characters: that they have read, with end marks and repeats.
        seconds: compute without the preparation; None where no update was timed.
        multiplications: None where they are not known.
    """

    characters: float
    seconds: float | None
    multiplications: int | None


def spent(stages: Sequence[StageWork], updates_by_stage: Sequence[int]) -> Spent:
    """What the first updates of a training have cost.

    Args:
        stages: of the whole training.
        updates_by_stage: so many updates of each of the first stages; of further stages none.
    """
    characters = 0.0
    seconds = 0.0
    multiplications = 0
    is_timed = True
    is_counted = True
    for stage, updates in zip(stages, updates_by_stage, strict=False):
        if updates == 0:
            continue
        characters += updates * stage["characters_per_update"]
        pace = seconds_per_update(stage)
        if pace is None:
            is_timed = False
        else:
            seconds += updates * pace
        in_each = stage["multiplications_per_update"]
        if in_each is None:
            is_counted = False
        else:
            multiplications += updates * in_each
    return Spent(
        characters,
        seconds if is_timed else None,
        multiplications if is_counted else None,
    )


def seconds_per_update(stage: StageWork) -> float | None:
    """Of a stage: the median over its intervals; None where none was timed."""
    return statistics.median(stage["paces"]) if stage["paces"] else None
