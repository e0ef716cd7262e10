"""What learns fastest: trials of settings at equal seconds, judged on the validation split alone.

    python experiments/search.py experiments/search/char.toml [--workers 2]

A search file names an experiment, a budget and trials, each a list of settings:

    experiment = "../char.toml"
    seconds = 300
    threads = 1                     # of a trial, where not what --workers says
    [trials]
    wider = ["backbone.units=[512]"]
    longer = ["training.seconds=600"]
    known = ["training.seconds=false", "training.updates=9000"]

All new trials are timed first, each alone on all cores, or on one thread by the processor's own
clock; then each makes as many updates as the budget leaves time for, so that its figure does not
depend on what else the machine does meanwhile.
With several workers, trials train side by side, a thread each. Nothing is scored on the test split.
Results are kept in ``experiments/results/search/``; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from textgen.core import experiment as config
from textgen.core.experiment import Experiment

RESULTS = Path(__file__).parent / "results" / "search"
SECONDS = 5.0


def timed(experiment: Experiment) -> dict[str, Any]:
    """The updates that the experiment's seconds leave time for."""
    from textgen.core import backend
    from textgen.studies import calibration, planning

    found = calibration.measure(experiment, seconds=SECONDS)
    each = found["seconds_per_update"]
    budget, updates = experiment.training.seconds, experiment.training.updates
    return {
        "updates": updates
        or planning.updates_within(budget or 0.0, found["preparation_seconds"], each),
        "milliseconds_per_update": 1000 * each,
        "threads": backend.start_tensorflow(),
        "parameters": found["parameters"],
        "units": found["units"],
        "batch": experiment.training.batch,
    }


def trained(experiment: Experiment, updates: int) -> dict[str, Any]:
    """Validation figures after so many updates."""
    from textgen.core import backend
    from textgen.data.loading import load_corpus
    from textgen.training import loop, preparation

    prepared = preparation.prepare(experiment, load_corpus(experiment))
    threads = backend.start_tensorflow(experiment.training.threads, parts=True)
    import keras

    network = loop.new_network(experiment, prepared)
    fixed = replace(experiment.training, seconds=None, updates=updates)
    keras.utils.set_random_seed(experiment.seed)
    with tempfile.TemporaryDirectory() as scratch:
        progress = loop.train(
            Path(scratch), network, replace(experiment, training=fixed), prepared.encoded,
            threads,
        )  # fmt: skip
    history = asdict(progress)["history"]
    return {
        "validation": progress.best,
        "curve": [round(row["validation_bits_per_character"], 4) for row in history],
        "training_bits_per_token": round(history[-1]["training_bits_per_token"], 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Trials of settings at equal seconds.")
    parser.add_argument("search", type=Path)
    parser.add_argument(
        "--workers", type=int, default=1, help="trials at a time, a thread each; 0: only time them"
    )
    parser.add_argument("--step", choices=("time", "train"), help=argparse.SUPPRESS)
    parser.add_argument("--trial", help=argparse.SUPPRESS)
    given = parser.parse_args()
    search = tomllib.loads(given.search.read_text(encoding="utf-8"))
    path = RESULTS / f"{given.search.stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)

    def results() -> dict[str, Any]:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    lock = threading.Lock()

    def keep(name: str, found: dict[str, Any]) -> None:
        with lock:
            content = results()
            content[name] = {**content.get(name, {}), **found}
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    if given.step:  # a process of its own: threads are chosen once in each
        known, seconds = results().get(given.trial, {}), search["seconds"]
        settings = [*search.get("settings", []), *search["trials"][given.trial]]
        threads = 1 if given.step == "train" and given.workers > 1 else 0
        budget = [f"training.threads={search.get('threads', threads)}"]
        if not any(setting.startswith("training.seconds=") for setting in settings):
            budget.append(f"training.seconds={seconds}")
        experiment = config.load_experiment(
            given.search.parent / search["experiment"], [*settings, *budget]
        )
        if given.step == "time":
            print(json.dumps({"settings": settings, "seconds": seconds, **timed(experiment)}))
        else:
            print(json.dumps(trained(experiment, known["updates"])))
        return

    def step(kind: str, name: str) -> None:
        command = [sys.executable, __file__, str(given.search), "--workers", str(given.workers)]
        done = subprocess.run(
            [*command, "--step", kind, "--trial", name], stdout=subprocess.PIPE, text=True
        )
        if done.returncode:
            print(f"{name}: failed ({kind})", flush=True)
            return
        found = json.loads(done.stdout.splitlines()[-1])
        keep(name, found)
        told = "validation" if kind == "train" else "milliseconds_per_update"
        print(f"{name}: {told} {found[told]:.4f}", flush=True)

    untimed = [name for name in search["trials"] if "updates" not in results().get(name, {})]
    alone = search.get("threads") != 1  # one thread is timed by the processor's own clock
    with ThreadPoolExecutor(1 if alone else max(1, given.workers)) as pool:
        list(pool.map(lambda name: step("time", name), untimed))
    todo = [n for n in search["trials"] if "validation" not in results().get(n, {"validation": 0})]
    if given.workers:
        with ThreadPoolExecutor(given.workers) as pool:
            list(pool.map(lambda name: step("train", name), todo))


if __name__ == "__main__":
    main()
