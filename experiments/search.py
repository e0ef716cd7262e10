"""What learns fastest: trials of settings at equal seconds, judged on the validation split alone.

    python experiments/search.py experiments/search/char.toml [--workers 2]

A search file names an experiment, a budget and trials, each a list of settings:

    experiment = "../char.toml"
    seconds = 300
    [trials]
    wider = ["backbone.units=[512]"]

All new trials are timed first, each alone on all cores; then each makes as many updates as the
budget leaves time for, so that its figure does not depend on what else the machine does meanwhile.
With several workers, trials train side by side, a thread each. Nothing is scored on the test split.
Results are kept in ``experiments/results/search/``; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "search"
SECONDS = 5.0


class Trial:
    """An experiment under some settings, ready to be timed or trained.

    Args:
        path: the experiment file.
        overrides: ``KEY=VALUE`` settings.
        seconds: the budget.
        threads: to use, 0 for all cores.
    """

    def __init__(self, path: Path, overrides: list[str], seconds: float, threads: int = 0) -> None:
        from textgen import backend, config, preparing, training
        from textgen.corpora.loading import load_corpus

        given = [*overrides, f"training.seconds={seconds}", f"training.threads={threads}"]
        self.experiment = experiment = config.load(path, given)
        self._prepared = preparing.prepare(experiment, load_corpus(experiment))
        self.settings = preparing.less(experiment.training, self._prepared.seconds)
        self.threads = backend.start(self.settings.threads, parts=True)
        self.network = training.new_network(experiment, self._prepared)
        self._windows = training.windows_of(self._prepared.encoded[0], experiment.objective)

    def time(self) -> dict[str, Any]:
        """The fastest kernel and what an update costs with it."""
        from textgen import kernels, training

        experiment, settings = self.experiment, self.settings
        kernel = kernels.choose(
            experiment, settings, self.network, self._prepared.encoded[0], self.threads
        )
        each, _ = training.time_updates(
            *training.compiled(
                self.network, experiment.objective, experiment.backbone, settings, self._windows,
                kernel.name, self.threads,
            ),
            training.dataset(self._windows, settings.batch, experiment.seed, 0),
            SECONDS,
        )  # fmt: skip
        return {
            "updates": int((settings.seconds or 0) / each),
            "milliseconds_per_update": 1000 * each,
            "kernel": kernel.name,
            "threads": self.threads,
            "parameters": self.network.count_params(),
        }

    def train(self, updates: int, kernel: str) -> dict[str, Any]:
        """Validation figures after so many updates."""
        import keras

        from textgen import training

        experiment = self.experiment
        fixed = replace(self.settings, seconds=None, updates=updates)
        keras.utils.set_random_seed(experiment.seed)
        with tempfile.TemporaryDirectory() as scratch:
            progress = training.train(
                Path(scratch), self.network, experiment.objective, experiment.backbone, fixed,
                self._prepared.encoded, experiment.seed, kernel=kernel, threads=self.threads,
            )  # fmt: skip
        found = asdict(progress)
        return {
            "validation": progress.best,
            "curve": [round(row["validation_bits_per_character"], 4) for row in found["history"]],
            "training_bits_per_symbol": round(found["history"][-1]["training_bits_per_symbol"], 4),
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

    def keep(name: str, found: dict[str, Any]) -> None:
        content = results()
        content[name] = {**content.get(name, {}), **found}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    if given.step:  # a process of its own: threads are chosen once in each
        known, seconds = results().get(given.trial, {}), search["seconds"]
        settings = [*search.get("settings", []), *search["trials"][given.trial]]
        threads = 1 if given.step == "train" and given.workers > 1 else 0
        one = Trial(given.search.parent / search["experiment"], settings, seconds, threads)
        if given.step == "time":
            print(json.dumps({"settings": settings, "seconds": seconds, **one.time()}))
        else:
            print(json.dumps(one.train(known["updates"], known["kernel"])))
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

    for name in search["trials"]:
        if "updates" not in results().get(name, {}):
            step("time", name)
    todo = [n for n in search["trials"] if "validation" not in results().get(n, {"validation": 0})]
    if given.workers:
        with ThreadPoolExecutor(given.workers) as pool:
            list(pool.map(lambda name: step("train", name), todo))


if __name__ == "__main__":
    main()
