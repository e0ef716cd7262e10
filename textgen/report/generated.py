"""What the arms write: measured next to human text, laid side by side, scored by each other."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from textgen.core import UNREADABLE, TextgenError, write_json
from textgen.data import Corpus, Document
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
from textgen.runs import Evaluation, Run, evaluation_for

SEED = 1
CROSS_FILE = "cross.json"
"""In the folder of the run that scores: sha256 of some samples → bits per character."""
HUMAN = "human text"
FEW, SHOWN = 4, 500
"""Samples a temperature that a page shows, and characters of each."""
SCORED = 10
"""How many of an arm's samples the others score."""


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


def cross_scores(
    arms: Sequence[Arm],
    documents: Sequence[Document],
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, dict[str, float]]:
    """What each model charges for the others' samples.

    A sample stands for the beginning of a document that goes on, so no end mark is charged, and it
    is cut at its last space, because half a word at the end would be expensive for word models.
    What was scored before is read from the scorer's run folder.

    Args:
        arms: scorers and writers.
        documents: held-out ones.
        say: called with a message before anything slow.

    Returns:
        Scorer → writer → bits per character of the writer's samples, :data:`HUMAN` among the
        writers. Arms without a distribution over the text score nothing.
    """
    texts = {HUMAN: openings(documents), **{arm.name: scored_samples(arm) for arm in arms}}
    keys = {name: _key(documents) for name, documents in texts.items()}
    result = {}
    for arm in arms:
        if not arm.charged:
            continue
        known = _read(arm.first.folder)
        missing = [name for name, key in keys.items() if key not in known]
        if missing:
            say(f"{arm.name} scores the samples of {len(missing)} arms …")
            found = _score(arm.first, [texts[name] for name in missing])
            known |= {keys[name]: bits for name, bits in zip(missing, found, strict=True)}
            with contextlib.suppress(TextgenError):  # an unwritable cache is no reason to stop
                write_json(arm.first.folder / CROSS_FILE, known)
        result[arm.name] = {name: known[key] for name, key in keys.items()}
    return result


def scored_samples(arm: Arm) -> list[Document]:
    """Some samples of an arm's first seed at the headline temperature, cut at white space."""
    texts = _drawn(arm.first, Evaluation().temperature)[:SCORED]
    return [Document(f"sample {i}", _whole_words(r["text"])) for i, r in enumerate(texts)]


def openings(documents: Sequence[Document]) -> list[Document]:
    """As many beginnings of held-out documents, no longer than a sample."""
    longest = sorted(documents, key=lambda document: -len(document.text))[:SCORED]
    return [Document(d.name, _whole_words(d.text[: Evaluation().length])) for d in longest]


def _whole_words(text: str) -> str:
    return (text if text[-1:].isspace() else text.rpartition(" ")[0] or text).rstrip()


def _key(documents: Sequence[Document]) -> str:
    return hashlib.sha256(
        "\x00".join(d.text for d in documents).encode("utf-8", "surrogatepass")
    ).hexdigest()


def _read(folder: Path) -> dict[str, float]:
    try:
        found = json.loads((folder / CROSS_FILE).read_text(encoding="utf-8"))
    except UNREADABLE:
        return {}
    return found if isinstance(found, dict) else {}


def _score(run: Run, texts: Sequence[Sequence[Document]]) -> list[float]:
    """Bits per character of some groups of texts under a run."""
    everything = [document for group in texts for document in group]
    costs = iter(Run(run.folder).score_documents(everything))  # its network is freed afterwards
    result = []
    for group in texts:
        each = [next(costs) for _ in group]
        bits = sum(d.model - float(d.model_bits[-1]) + d.spelling_bits for d in each)
        result.append(bits / max(1, sum(d.characters for d in each)))
    return result
