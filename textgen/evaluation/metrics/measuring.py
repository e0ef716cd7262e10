"""All metrics of a set of samples, each with its confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from textgen.core import lookup, plugin_table
from textgen.data import language_name
from textgen.evaluation.metrics.base import Human, Label, Metric, Sample

LEVEL = 0.95


class Figure(NamedTuple):
    """A value and its 95 % interval; NaN where there was nothing to count."""

    value: float
    low: float
    high: float


def every_metric(language: str = "en") -> list[Metric]:
    """One of each kind that says something about texts in a language, those of other packages last,
    with its default settings."""
    metrics = [lookup("metric", kind, "metrics")() for kind in plugin_table("metric")]
    return [m for m in metrics if not hasattr(m, "applies") or m.applies(language)]


def metric_labels(language: str = "en") -> dict[str, Label]:
    """What each figure of :func:`measure` is for texts in a language, in the same order."""
    return {
        name: label._replace(meaning=label.meaning.replace("{language}", language_name(language)))
        for metric in every_metric(language)
        for name, label in metric.labels.items()
    }


def measure(
    samples: Sequence[Sample],
    human: Human,
    *,
    resamples: int = 200,
    seed: int = 0,
    metrics: Sequence[Metric] | None = None,
) -> dict[str, Figure]:
    """Every figure of a set of samples, with a percentile bootstrap over them.

    Samples are drawn with replacement (Efron & Tibshirani, An Introduction to the Bootstrap, 1993,
    section 13.3). A distance grows when samples are drawn twice; an interval that lies beyond its
    value for that reason is stretched to take it in. What is the same in all samples, or seen in
    one of them only, has an interval that is too narrow.

    Args:
        samples: at least one; of equal length, if sets are to be compared.
        human: the training text.
        resamples: 0 leaves the intervals at NaN.
        metrics: all that apply to the language of ``human``, unless given.

    Raises:
        ValueError: no samples.
    """
    if not samples:
        raise ValueError("no samples to measure")
    count = len(samples)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    weights = np.concatenate([np.ones((1, count)), drawn])
    figures: dict[str, Figure] = {}
    for metric in every_metric(human.language) if metrics is None else metrics:
        values = metric.values(weights @ metric.counts(samples, human), human)
        figures |= {name: _figure(values[name]) for name in metric.labels}
    return figures


def _figure(values: np.ndarray) -> Figure:
    value, resampled = float(values[0]), values[1:][~np.isnan(values[1:])]
    if np.isnan(value) or not len(resampled):
        return Figure(value, np.nan, np.nan)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Figure(value, min(float(low), value), max(float(high), value))
