"""The same search for every arm: one space, one number of trials, one budget for each trial.

    python experiments/equal_search.py experiments/search/architectures.toml [--workers 2]
        [--study experiments/study_architectures.toml]

A search file names architectures, levels and the space, lists of values for settings of experiment
files; an arm is an architecture at a level, such as ``gru char``:

    seconds = 80                                   # of one thread, of training
    [levels]
    char = { file = "../char.toml" }
    [architectures]                                # kinds of backbones
    gru = { "backbone.weight_drop" = [] }          # values of its own; none: no such setting
    [space]                                        # in an order in which neighbours are alike
    "backbone.units" = [[256], [320], [384]]
    [start]                                        # a value of each, for all arms
    "backbone.units" = [320]
    [starts.char]                                  # for a level, an architecture or an arm
    "backbone.units" = [384]

The first trial of an arm is the start; each further one takes the best so far and moves a few of
its settings to a neighbouring value. A trial calibrates itself and makes as many updates as its
seconds leave time for. Only the validation split is looked at, only the network is scored.
Results are kept in ``experiments/results/search/``; what is there is not run again, and the same
seed draws the same trials from the same results, whichever arm a worker comes to first.

``--study`` writes a study of the best settings of every arm, each architecture against the first
one at its level.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from search import RESULTS, timed, trained

WRITTEN = "# The best settings of each arm of a search; written by experiments/equal_search.py.\n\n"
CHANGES = (1, 1, 2, 3)
"""How many settings a trial moves, one of these at random."""
SEEDS = 3
"""Of the leading level's arms in a study of the best trials."""


@dataclass(frozen=True)
class Arm:
    """What is searched: ``settings`` that stay as they are, a space and where it begins."""

    file: Path
    settings: dict[str, Any]
    space: dict[str, list[Any]]
    start: dict[str, Any]

    def given(self, settings: dict[str, Any]) -> list[str]:
        """As ``--set`` takes them; what the start leaves out is left to the file."""
        return [f"{name}={toml(value)}" for name, value in {**self.settings, **settings}.items()]


def arms(path: Path) -> dict[str, Arm]:
    """Those of a search file, by name."""
    search, found = tomllib.loads(path.read_text(encoding="utf-8")), dict[str, Arm]()
    starts = search.get("starts", {})
    for level, narrowed in search["levels"].items():
        file = path.parent / narrowed.pop("file")
        for kind, own in search["architectures"].items():
            name = f"{kind} {level}"
            start = dict(search["start"])
            for part in (level, kind, name):
                start |= starts.get(part, {})
            values_of = {**search["space"], **narrowed, **own}
            space = {each: values for each, values in values_of.items() if values}
            start = {each: value for each, value in start.items() if each in space}
            found[name] = Arm(
                file, {"backbone.kind": kind, "backbone.input": "embedding"}, space, start
            )
    return found


def proposed(
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
        found = dict(best)
        for name in draw.sample(sorted(space), draw.choice(CHANGES)):
            values = space[name]
            place = values.index(best[name]) + draw.choice((-1, 1))
            found[name] = values[min(max(place, 0), len(values) - 1)]
        if found not in tried:
            return found


def run_trial(arm: Arm, settings: dict[str, Any], seconds: float) -> None:
    """Time and train one trial in this process and print its record."""
    from textgen.core import experiment as config

    budget = [f"training.seconds={seconds}", "training.threads=1", "training.validations=4"]
    experiment = config.load_experiment(arm.file, [*arm.given(settings), *budget])
    speed = timed(experiment)
    print(json.dumps({**speed, **trained(experiment, speed["updates"])}))


def finalists(path: Path, done: dict[str, list[dict[str, Any]]], seconds: float) -> dict[str, Any]:
    """The content of a study of the best trial of each arm, on one thread: three seeds of the level
    that the best of all trials is of, one of the others.

    Args:
        path: of the search file.
        done: trials by arm.
        seconds: of each run.
    """
    search, found, asked = tomllib.loads(path.read_text(encoding="utf-8")), dict[str, Any](), []
    first, *others = search["architectures"]
    all_arms = arms(path)
    bests = {name: min(done[name], key=lambda trial: trial["validation"]) for name in all_arms}
    leading = min(bests, key=lambda name: bests[name]["validation"]).split()[-1]
    for name, arm in all_arms.items():
        seeds = SEEDS if name.split()[-1] == leading else 1
        given = arm.given(bests[name]["settings"])
        found[name.replace(" ", "_")] = {
            "experiment": arm.file.name, "seeds": seeds, "set": given,
        }  # fmt: skip
    for level in search["levels"]:
        for kind in others:
            question = f"Would {kind} have done better than {first}, by {level}s?"
            pair = {"first": f"{kind}_{level}", "second": f"{first}_{level}"}
            asked.append({**pair, "question": question, "yes": "first is lower"})
    return {
        "title": "Would it have worked better with a different architecture?",
        "threads": 1,
        "budget": {"seconds": seconds},
        "arms": found,
        "contrasts": asked,
    }


def toml(value: Any) -> str:
    """A value as an inline TOML value; tables as their keys and values."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("search", type=Path)
    parser.add_argument("--workers", type=int, default=1, help="trials at a time, a thread each")
    parser.add_argument("--trials", type=int, help="of each arm; the file's own number if missing")
    parser.add_argument("--study", type=Path, help="write one of the best settings to this file")
    parser.add_argument("--seconds", type=float, default=180, help="of its runs")
    parser.add_argument("--trial", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    search, arm_of = tomllib.loads(asked.search.read_text(encoding="utf-8")), arms(asked.search)
    if asked.trial:  # a process of its own: threads are chosen once in each
        run_trial(arm_of[asked.trial[0]], json.loads(asked.trial[1]), search["seconds"])
        return
    path, wanted = RESULTS / f"{asked.search.stem}.json", asked.trials or search["trials"]
    done = json.loads(path.read_text("utf-8")) if path.exists() else {}
    done = {arm: done.get(arm, []) for arm in arm_of}
    lock, busy, failed = threading.Lock(), set[str](), set[str]()

    def work(_: int) -> None:
        while True:
            with lock:
                open_arms = [
                    arm
                    for arm in done
                    if len(done[arm]) < wanted and arm not in busy and arm not in failed
                ]
                if not open_arms:
                    return
                arm = min(open_arms, key=lambda name: len(done[name]))
                busy.add(arm)
            start = arm_of[arm].start
            seed = f"{search['seed']} {arm}"
            settings = proposed(arm_of[arm].space, start, done[arm], seed)
            command = [sys.executable, __file__, str(asked.search), "--trial", arm]
            ended = subprocess.run(
                [*command, json.dumps(settings)], stdout=subprocess.PIPE, text=True
            )
            with lock:
                busy.discard(arm)
                if ended.returncode > 0 and not done[arm]:
                    failed.add(arm)
                    continue
                if ended.returncode < 0:  # stopped from outside: it is run again the next time
                    return
                found = {"validation": float("inf"), "failed": True}
                if not ended.returncode:
                    found = json.loads(ended.stdout.splitlines()[-1])
                changed = {k: v for k, v in settings.items() if v != start[k]}
                done[arm].append({"settings": settings, **found})
                path.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
                print(f"{arm} {len(done[arm])}: {found['validation']:.4f} {changed}", flush=True)

    with ThreadPoolExecutor(asked.workers) as pool:
        list(pool.map(work, range(asked.workers)))
    if asked.study:
        content = finalists(asked.search, done, asked.seconds)
        asked.study.write_text(WRITTEN + tomli_w.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
