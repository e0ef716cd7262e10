"""The same search of settings for every arm: one space, one number of trials, one budget a trial.

    python experiments/search.py experiments/search/architectures.toml [--workers 2] [--trials 8]

A search file names architectures, levels and the space, lists of values for settings of experiment
files; an arm is an architecture at a level, such as ``gru char``:

    seconds = 80                                   # of one thread, of training
    trials = 8                                     # of each arm
    seed = 1
    [levels]
    char = { file = "../char.toml" }
    [architectures]                                # kinds of backbones
    gru = { "backbone.weight_drop" = [] }          # values of its own; []: it has no such setting
    [space]                                        # neighbouring values are similar
    "backbone.units" = [[256], [320], [384]]
    [start]                                        # a value of each, for all arms
    "backbone.units" = [320]
    [starts.char]                                  # for a level, an architecture or an arm
    "backbone.units" = [384]

The first trial of an arm is the start; each further one takes the best so far and moves a few of
its settings to a neighbouring value. A trial makes as many updates as its seconds leave time for.
It sees the validation split alone, and the network is scored without any memory. Trials are kept in
``experiments/results/search/`` and not run again; the same seed draws the same trials from the same
results, whichever arm a worker comes to first.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "search"
CHANGES = (1, 1, 2, 3)
"""How many settings a trial moves, one of these at random."""


@dataclass(frozen=True)
class Arm:
    """What is searched: fixed ``settings``, a space, and where the search starts."""

    file: Path
    settings: dict[str, Any]
    space: dict[str, list[Any]]
    start: dict[str, Any]

    def overrides(self, settings: dict[str, Any]) -> list[str]:
        """As ``--set`` takes them; what the start leaves out is left to the file."""
        return [f"{name}={toml(value)}" for name, value in {**self.settings, **settings}.items()]


def read_arms(path: Path) -> dict[str, Arm]:
    """The arms of a search file, by name."""
    search, arms = tomllib.loads(path.read_text(encoding="utf-8")), dict[str, Arm]()
    starts = search.get("starts", {})
    for level, narrowed in search["levels"].items():
        file = path.parent / narrowed.pop("file")
        for kind, own in search["architectures"].items():
            name = f"{kind} {level}"
            start = dict(search["start"])
            for part in (level, kind, name):
                start |= starts.get(part, {})
            values_of = {**search["space"], **narrowed, **own}
            space = {setting: values for setting, values in values_of.items() if values}
            start = {setting: value for setting, value in start.items() if setting in space}
            fixed = {"backbone.kind": kind, "backbone.input": "embedding"}
            arms[name] = Arm(file, fixed, space, start)
    return arms


def next_trial(
    space: dict[str, list[Any]], start: dict[str, Any], done: list[dict[str, Any]], seed: str
) -> dict[str, Any]:
    """The settings of the next trial of an arm, a value of each.

    Args:
        space: values of each setting, in order.
        start: the first trial.
        done: the arm's trials so far, each with ``settings`` and ``validation``.
        seed: of the search and the arm.
    """
    if not done:
        return start
    draw = random.Random(f"{seed} {len(done)}")
    best = min(done, key=lambda trial: trial["validation"])["settings"]
    tried = [trial["settings"] for trial in done]
    while True:
        settings = dict(best)
        for name in draw.sample(sorted(space), draw.choice(CHANGES)):
            values = space[name]
            place = values.index(best[name]) + draw.choice((-1, 1))
            settings[name] = values[min(max(place, 0), len(values) - 1)]
        if settings not in tried:
            return settings


def run_trial(arm: Arm, settings: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Train one trial in this process: its validation figures."""
    from textgen.core.experiment import load_experiment
    from textgen.core.system import start_tensorflow

    start_tensorflow(1, parts=True)
    from textgen.data.loading import load_corpus
    from textgen.training.loop import new_network, train
    from textgen.training.preparation import prepare

    budget = [f"training.seconds={seconds}", "training.threads=1", "training.validations=4"]
    experiment = load_experiment(arm.file, [*arm.overrides(settings), *budget])
    prepared = prepare(experiment, load_corpus(experiment))
    network = new_network(experiment, prepared)
    with tempfile.TemporaryDirectory() as scratch:
        progress = train(Path(scratch), network, experiment, prepared.encoded)
    return {
        "validation": progress.best,
        "curve": [round(row["validation_bits_per_character"], 4) for row in progress.history],
        "training_bits_per_token": round(progress.history[-1]["training_bits_per_token"], 4),
        "updates": progress.updates,
        "parameters": network.count_params(),
    }


def toml(value: Any) -> str:
    """A value as an inline TOML value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("search", type=Path)
    parser.add_argument("--workers", type=int, default=1, help="trials at a time, a thread each")
    parser.add_argument("--trials", type=int, help="of each arm (default: the file's own number)")
    parser.add_argument("--trial", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    search, arms = tomllib.loads(given.search.read_text(encoding="utf-8")), read_arms(given.search)
    if given.trial:  # a process of its own: TensorFlow's threads are chosen once in each
        name, settings = given.trial
        print(json.dumps(run_trial(arms[name], json.loads(settings), search["seconds"])))
        return
    path, wanted = RESULTS / f"{given.search.stem}.json", given.trials or search["trials"]
    stored = json.loads(path.read_text("utf-8")) if path.exists() else {}
    done = {name: stored.get(name, []) for name in arms}
    lock, busy = threading.Lock(), set[str]()

    def work(_: int) -> None:
        while True:
            with lock:
                waiting = [n for n in arms if len(done[n]) < wanted and n not in busy]
                if not waiting:
                    return
                name = min(waiting, key=lambda name: len(done[name]))
                busy.add(name)
            arm = arms[name]
            settings = next_trial(arm.space, arm.start, done[name], f"{search['seed']} {name}")
            command = [sys.executable, __file__, str(given.search), "--trial", name]
            ended = subprocess.run(
                [*command, json.dumps(settings)], stdout=subprocess.PIPE, text=True
            )
            with lock:
                busy.discard(name)
                if ended.returncode < 0:  # stopped from outside: the next command runs it again
                    return
                if ended.returncode and not done[name]:
                    raise SystemExit(f"{name}: the first trial failed")
                figures = {"validation": float("inf"), "failed": True}
                if not ended.returncode:
                    figures = json.loads(ended.stdout.splitlines()[-1])
                done[name].append({"settings": settings, **figures})
                path.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
                changed = {k: v for k, v in settings.items() if v != arm.start[k]}
                print(
                    f"{name} {len(done[name])}: {figures['validation']:.4f} {changed}", flush=True
                )

    with ThreadPoolExecutor(given.workers) as pool:
        list(pool.map(work, range(given.workers)))


if __name__ == "__main__":
    main()
