"""What learns fastest: trials of settings at equal seconds, judged on the validation split alone.

    python experiments/search.py experiments/search/char.toml

A search file names an experiment, a budget and trials, each a list of settings:

    experiment = "../char.toml"
    seconds = 300
    [trials]
    wider = ["backbone.units=[512]"]

A trial's updates are timed first, alone; then it makes as many as the budget leaves time for, so
that its figure does not depend on what else the machine does meanwhile. Nothing is scored on the
test split. Results are kept in ``experiments/results/search/``; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from textgen import backbone, backend, config, kernels, preparing, training
from textgen.corpora.loading import load_corpus
from textgen.lstm import FusedLSTM

RESULTS = Path(__file__).parent / "results" / "search"
SECONDS = 5.0


def trial(path: Path, overrides: list[str], seconds: float) -> dict[str, Any]:
    """Validation figures of an experiment under some settings."""
    import keras

    experiment = config.load(path, [*overrides, f"training.seconds={seconds}"])
    prepared = preparing.prepare(experiment, load_corpus(experiment))
    settings = preparing.less(experiment.training, prepared.seconds)
    threads = backend.start(settings.threads, settings.deterministic, parts=True)
    keras.utils.set_random_seed(experiment.seed)
    objective, size = experiment.objective, prepared.codec.size
    network = objective.build(experiment.backbone, size, FusedLSTM)
    backbone.set_embedding(network, prepared.vectors.matrix, experiment.embedding.frozen)
    documents = prepared.encoded[0]
    kernel = kernels.choose(experiment, settings, network, documents, threads)
    windows = training.windows_of(documents, objective)
    each, _ = training.time_updates(
        *training.compiled(
            network, objective, experiment.backbone, settings, windows, kernel.name, threads
        ),
        training.dataset(windows, settings.batch, experiment.seed, 0),
        SECONDS,
    )
    updates = int((settings.seconds or 0) / each)
    fixed = replace(settings, seconds=None, updates=updates)
    keras.utils.set_random_seed(experiment.seed)
    with tempfile.TemporaryDirectory() as scratch:
        progress = training.train(
            Path(scratch), network, objective, experiment.backbone, fixed, prepared.encoded,
            experiment.seed, kernel=kernel.name, threads=threads,
        )  # fmt: skip
    curve = [row["validation_bits_per_character"] for row in progress.history]
    return {
        "settings": overrides,
        "seconds": seconds,
        "validation": progress.best,
        "curve": [round(value, 4) for value in curve],
        "updates": updates,
        "milliseconds_per_update": 1000 * each,
        "kernel": kernel.name,
        "threads": threads,
        "parameters": network.count_params(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Trials of settings at equal seconds.")
    parser.add_argument("search", type=Path)
    parser.add_argument("--only", help="one trial, by its name")
    given = parser.parse_args()
    search = tomllib.loads(given.search.read_text(encoding="utf-8"))
    path = RESULTS / f"{given.search.stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, overrides in search["trials"].items():
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if name in found or given.only not in (None, name):
            continue
        where = given.search.parent / search["experiment"]
        result = trial(where, [*search.get("settings", []), *overrides], search["seconds"])
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps({**found, name: result}, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {result['validation']:.4f}  {result['updates']:,} updates", flush=True)


if __name__ == "__main__":
    main()
