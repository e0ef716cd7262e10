"""The files of a finished run that no checksum guards: its figures and its manifest."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from fuzz.common import EXPERIMENT, folder, refused

from textgen.core.experiment import resolve_experiment
from textgen.core.system import sha256_of
from textgen.runs.finished import load_run
from textgen.runs.folder import text_of, write_experiment

TOTAL = {"model": 2.0, "spelling": 0.5, "total": 2.5}
FIGURES = {"bits_per_character": TOTAL, "mean_over_documents": 2.4}
PART = {
    **FIGURES, "with_memory": FIGURES, "documents": 1, "characters": 9, "tokens": 9, "pieces": 9,
    "tokens_per_character": 1.0, "replaced": 0, "replacement_rate": 0.0,
}  # fmt: skip
CORPUS = {
    "kind": "folder", "origin": "made up", "licence": "any", "sha256": "ab" * 32,
    "split_sha256": "cd" * 32, "fallback": False,
    "language": {"code": "en", "script": "Latn", "stated": True},
}  # fmt: skip
TRAINING = {
    "preparation_seconds": 0.1, "seconds": 2.0, "validation_seconds": 0.1, "validation_share": 1.0,
    "memory_seconds": 0.1, "calibration_seconds_per_update": None, "characters": 9,
    "characters_of_training_text": 9, "updates": 20, "updates_planned": 20, "parameters": 5,
    "best_interval": 1, "intervals": 2, "loss": "categorical", "final_loss": 1.5,
}  # fmt: skip
METRICS = {
    "name": "fuzzed", "unit": "bits", "context": "all", "extra_data": [], "vocabulary_size": 9,
    "corpus": CORPUS, "validation": PART, "test": PART, "training": TRAINING,
    "generation": {"temperature": 0.8, "word_list": None, "real_words": {}},
}  # fmt: skip


@cache
def run_folder() -> Path:
    """A finished run, but for its network and its texts."""
    place = folder() / "run"
    place.mkdir()
    write_experiment(place / "experiment.toml", resolve_experiment(EXPERIMENT))
    return place


@cache
def run_files() -> dict[str, bytes]:
    sha256: dict[str, Any] = {"experiment.toml": sha256_of(run_folder() / "experiment.toml")}
    content = {"metrics.json": {**METRICS, "sha256": sha256}, "manifest.json": {"corpus": CORPUS}}
    return {name: json.dumps(data).encode() for name, data in content.items()}


def run(data: bytes) -> None:
    """Figures of a run, or a manifest, by the first byte."""
    files = run_files()
    name = list(files)[data[0] % len(files) if data else 0]
    for other, content in files.items():
        (run_folder() / other).write_bytes(data[1:] if other == name else content)
    with refused():
        text_of(run_folder())
        found = load_run(run_folder())
        assert repr(found)
        found.check()


def run_seeds() -> list[bytes]:
    return [bytes([i]) + content for i, content in enumerate(run_files().values())]
