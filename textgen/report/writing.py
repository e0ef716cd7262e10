"""A report as files: JSON, and a page for browsers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from textgen.core import visible, write_file, write_json
from textgen.evaluation import Human
from textgen.report import breakdown, generated
from textgen.report.data import ReportInput, build
from textgen.report.marking import passage, passages
from textgen.report.page import page

SHOWN = 20
"""Occurrences of a word that are shown; its mean cost is over all."""


def write_report(
    folder: Path, comparison: ReportInput, models: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Write ``report.json``, ``texts.json`` and ``index.html``.

    Args:
        folder: where.
        comparison: what is reported.
        models: those that the page takes along, see :func:`textgen.report.page.page`.

    Returns:
        The content of ``report.json``.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    human = Human(
        [document.text for document in comparison.loaded.sample], comparison.loaded.language.code
    )
    report = build(comparison)
    report["generated"] = generated.measures(comparison.same_text, comparison.loaded, human)
    words = {
        word: breakdown.in_context(comparison.alike, comparison.loaded.test, word)
        for word in comparison.words
    }
    report["words"] = {word: _costs(lines) for word, lines in words.items()}
    texts: dict[str, Any] = {
        "passage": passage(
            comparison.loaded.test,
            comparison.alike,
            next((word for word in words if words[word]), ""),
        ),
        "words": {word: lines[:SHOWN] for word, lines in words.items()},
        "samples": generated.side_by_side(comparison.same_text, human),
        "passages": passages(comparison.loaded.test, comparison.alike),
        "sweep": generated.swept(comparison.same_text),
    }
    write_json(folder / "report.json", _finite(report))
    write_json(folder / "texts.json", texts)
    write_file(folder / "index.html", visible(page(report, texts, models)))
    return report


def _finite(data: Any) -> Any:
    """The same with None for infinity, which is not JSON: a bound that too few documents leave
    open."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def _costs(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """How often a word occurs in the held-out text, and its mean cost in bits by arm."""
    if not lines:
        return {"occurrences": 0, "bits": {}}
    return {
        "occurrences": len(lines),
        "bits": {
            arm: sum(line["bits"][arm] for line in lines) / len(lines) for arm in lines[0]["bits"]
        },
    }
