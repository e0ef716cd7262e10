"""What the arms write: measured next to human text and laid side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from textgen.data import Corpus
from textgen.evaluation import (
    Figure,
    Human,
    Sample,
    copied_spans,
    human_passages,
    measure,
    metric_labels,
    shuffled_text,
    unigram_text,
)
from textgen.report.arms import Arm
from textgen.runs import evaluation_for

SEED = 1
FEW, SHOWN = 4, 500
"""Samples a temperature that a page shows, and characters of each."""


def samples(arm: Arm, temperature: float) -> list[Sample]:
    """An arm's samples at a temperature: as many as one run drew, its seeds taking turns."""
    drawn = [_drawn(run, temperature) for run in arm.runs]
    records = [drawn[number % len(drawn)][number] for number in range(min(map(len, drawn)))]
    return [Sample(r["text"], tuple((a, b, token) for a, b, token in r["filled"])) for r in records]


def _drawn(run: Any, temperature: float) -> list[dict[str, Any]]:
    return next(s["texts"] for s in run.texts["sweep"] if s["temperature"] == temperature)


def swept(arms: Sequence[Arm]) -> dict[str, Any]:
    """The beginnings of a few samples of each arm at every temperature: ``temperatures``, and
    ``arms``, the name of each → a list of texts a temperature."""
    if not arms:
        return {"temperatures": [], "arms": {}}
    warmth = [each["temperature"] for each in arms[0].first.texts["sweep"]]
    return {
        "temperatures": warmth,
        "arms": {
            arm.name: [[s.text[:SHOWN] for s in samples(arm, t)[:FEW]] for t in warmth]
            for arm in arms
        },
    }


def measures(arms: Sequence[Arm], loaded: Corpus, human: Human) -> dict[str, Any]:
    """All metrics over the sweep of temperatures, beside human text of equal size.

    Returns:
        ``labels``: metric → its :class:`textgen.evaluation.Label`; ``rows``: human, shuffled and
        unigram text → metric → [value, low, high]; ``arms``: arm → one such row per
        temperature.
    """
    settings = evaluation_for(loaded)
    passages = human_passages(
        [d.text for d in loaded.test], settings.samples, settings.length, SEED
    )
    rows = {
        "human": passages,
        "shuffled": shuffled_text(passages, SEED),
        "unigram": unigram_text(human, settings.samples, settings.length, SEED),
    }
    return {
        "labels": {name: label._asdict() for name, label in metric_labels(human.language).items()},
        "settings": asdict(settings),
        "rows": {name: _plain(measure(texts, human)) for name, texts in rows.items()},
        "arms": {
            arm.name: [
                _plain(measure(samples(arm, temperature), human))
                for temperature in settings.temperatures
            ]
            for arm in arms
        },
    }


def _plain(figures: Mapping[str, Figure]) -> dict[str, list[float | None]]:
    """None in place of NaN, which is not JSON, where there was nothing to count."""
    return {
        name: [None if value != value else round(value, 6) for value in figure]
        for name, figure in figures.items()
    }


def side_by_side(arms: Sequence[Arm], human: Human) -> list[dict[str, Any]]:
    """Samples after the same prompts with the same seed: one record per prompt, arm → ``text``,
    ``filled`` (start, end, token) and ``copied`` (start, end) stretches of it."""
    found: dict[str, dict[str, Any]] = {}
    for arm in arms:
        for record in arm.first.texts["prompted"]:
            found.setdefault(record["prompt"], {})[arm.name] = {
                "text": record["text"],
                "filled": record["filled"],
                "copied": [list(span) for span in copied_spans(record["text"], human)],
            }
    return [{"prompt": prompt, "arms": texts} for prompt, texts in found.items()]
