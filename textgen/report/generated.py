"""What the arms write: measured next to human text, and laid side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from textgen.runs import Evaluation

SEED = 1


def samples(arm: Arm, temperature: float) -> list[Sample]:
    """An arm's samples at a temperature: as many as one run drew, by turns from its seeds."""
    drawn = [
        next(s["texts"] for s in run.texts["sweep"] if s["temperature"] == temperature)
        for run in arm.runs
    ]
    return [_sample(drawn[number % len(drawn)][number]) for number in range(min(map(len, drawn)))]


def _sample(record: Mapping[str, Any]) -> Sample:
    return Sample(record["text"], tuple((a, b, token) for a, b, token in record["filled"]))


def measures(
    arms: Sequence[Arm], loaded: Corpus, human: Human, say: Callable[[str], object]
) -> dict[str, Any]:
    """All metrics over the sweep of temperatures, beside human text of equal size; ``say`` is told
    where there is too little of that.

    Returns:
        ``labels``: metric → meaning, unit, format, where better lies; ``rows``: human, shuffled and
        unigram text → metric → [value, low, high]; ``arms``: arm → one such row a temperature.
    """
    settings = Evaluation()
    passages = human_passages(
        [d.text for d in loaded.test], settings.samples, settings.length, SEED
    )
    if len(passages) < settings.samples:
        say(
            f"Held-out text for only {len(passages)} passages of {settings.length} characters, in "
            f"place of {settings.samples}: measures that grow with the size of a text (self-BLEU, "
            "Zipf, the longest copy) are not comparable with those of human text."
        )
    rows = {
        "human": passages,
        "shuffled": shuffled_text(passages, SEED),
        "unigram": unigram_text(human, settings.samples, settings.length, SEED),
    }
    return {
        "labels": {name: label._asdict() for name, label in metric_labels().items()},
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
    """NaN is not JSON: where there was nothing to count there is None."""
    return {
        name: [None if value != value else round(value, 6) for value in figure]
        for name, figure in figures.items()
    }


def side_by_side(arms: Sequence[Arm], human: Human) -> list[dict[str, Any]]:
    """Samples after the same prompts with the same seed: one record a prompt, arm → ``text``,
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
