"""The trainings of an arm as one curve, and what the curves of two arms say of the slower one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from textgen.evaluation.factor import Learning, compare_curves
from textgen.report import schema
from textgen.report.arms import Arm
from textgen.runs.finished import Run
from textgen.runs.results import CurveContent, CurvePointContent


@dataclass(frozen=True)
class ArmCurve:
    """The curve of an arm, at the points that all its runs have.

    Attributes:
        texts: name and characters of what its networks were asked for, fold by fold.
        folds: (texts,) the number of the fold of each.
        learning: bits of these texts over compute.
        points: the same with all that was spent, mean over runs.
        samples: what the first run wrote at each of its points.
        trainings: how many.
    """

    texts: list[tuple[str, int]]
    folds: np.ndarray
    learning: Learning
    points: list[schema.CurvePoint]
    samples: list[str]
    trainings: int


def arm_curve(arm: Arm, plan: Mapping[str, Any] | None = None) -> ArmCurve | None:
    """The curve of an arm; None where a run has none, or no compute at its points.

    Args:
        arm: with its runs.
        plan: of a study, whose timing counts in place of that of the runs.
    """
    by_run = _shared_points(arm)
    if by_run is None:
        return None
    number = len(by_run[arm.first])
    texts = list[tuple[str, int]]()
    folds = list[int]()
    for fold, run in enumerate(arm.folds):
        asked = _curve_of(run)
        texts += zip(asked.documents, asked.characters, strict=True)
        folds += [fold] * len(asked.documents)
    bits = np.array(
        [
            [
                np.concatenate([np.array(by_run[run][point].bits) for run in repeat])
                for repeat in arm.repeats
            ]
            for point in range(number)
        ]
    )
    computes = [
        np.mean([_compute(run, points[point], plan) for run, points in by_run.items()], axis=0)
        for point in range(number)
    ]
    learning = Learning(
        computes=np.array([compute for compute, _ in computes]),
        bits=bits,
        stopped=any(_has_stopped(run) for run in arm.runs),
    )
    levels = learning.levels(np.array([characters for _, characters in texts]))
    rows = list[schema.CurvePoint]()
    for point, (compute, without_preparation) in enumerate(computes):
        here = [points[point] for points in by_run.values()]
        row = schema.CurvePoint(
            compute=float(compute),
            compute_without_preparation=float(without_preparation),
            updates=float(np.mean([each.updates for each in here])),
            characters=float(np.mean([each.characters or 0.0 for each in here])),
            passes=float(np.mean([each.passes or 0.0 for each in here])),
            bits=float(levels[point]),
        )
        rows.append(row)
    samples = [point.sample for point in by_run[arm.first]]
    return ArmCurve(texts, np.array(folds), learning, rows, samples, len(arm.runs))


def _shared_points(arm: Arm) -> dict[Run, list[CurvePointContent]] | None:
    """The points of each run that all runs have: those of one that ended early, and the ends of
    all. None where a run has no curve, or no compute at its points."""
    by_run = dict[Run, list[CurvePointContent]]()
    for run in arm.runs:
        curve = run.metrics.curve
        if curve is None or any(point.compute is None for point in curve.points):
            return None
        by_run[run] = curve.points
    number = min(len(points) for points in by_run.values())
    return {run: [*points[: number - 1], points[-1]] for run, points in by_run.items()}


def _curve_of(run: Run) -> CurveContent:
    curve = run.metrics.curve
    assert curve is not None, "of a run that has one"
    return curve


def _compute(
    run: Run, point: CurvePointContent, plan: Mapping[str, Any] | None
) -> tuple[float, float]:
    """Compute at a point, with and without the preparation."""
    training = run.metrics.training
    seconds = point.compute_without_preparation or 0.0
    preparation = training.preparation_seconds
    if plan:
        preparation = float(plan["preparation_seconds"])
        share = seconds / (training.compute_without_preparation or 1.0)
        seconds = share * training.updates * float(plan["seconds_per_update"])
    return preparation + seconds, seconds


def _has_stopped(run: Run) -> bool:
    """Whether a training ended before its budget did."""
    return run.metrics.training.updates < run.metrics.training.updates_planned


def factor_of(
    names: tuple[str, str], first: ArmCurve | None, second: ArmCurve | None
) -> schema.Factor | None:
    """What the curves of two arms, with their names, say of the one that ended worse; None where
    they are not of the same text."""
    if first is None or second is None or first.texts != second.texts:
        return None
    units = np.array([characters for _, characters in first.texts])
    found = compare_curves(first.learning, second.learning, units, first.folds)
    slower, faster = names if found.first_is_slower else names[::-1]
    tested = None
    if found.tested:
        tested = schema.Effect(
            difference=found.tested.difference, low=found.tested.low, high=found.tested.high
        )
    return schema.Factor(
        slower=slower,
        faster=faster,
        trainings=first.trainings + second.trainings,
        lead=found.lead,
        compute=found.compute,
        after=found.after,
        times=found.times,
        stopped=found.stopped,
        tested=tested,
        significant=found.is_significant,
    )
