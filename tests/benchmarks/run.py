"""All benchmarks with one command, each against a reference in the same run.

    python tests/benchmarks/run.py [--only training_step sampling …] [--repeats 5]

Needs ``pip install ".[test,bench]"``. Writes a JSON file a part beside itself and the table in
README.md, with the load average before and after each part.
"""

import argparse
import datetime
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import corpus
import quality
import training_step
import writing
from timing import HERE, IMPORT, divided, in_turns, row, table

Rows = list[dict[str, Any]]
BEGIN, END = "<!-- table: benchmarks -->", "<!-- end -->"
COMMANDS = ("run", "generate", "play", "compare", "study", "score", "corpus", "baseline")


def startup(options: argparse.Namespace) -> Rows:
    """How soon a command answers; every command is a process of its own, from start to end."""
    python = [sys.executable, "-m", "textgen"]
    help_ = {f"textgen {name} --help": [*python, name, "--help"] for name in COMMANDS}
    in_turns(help_, 1)  # what the disk has to be asked for once
    answers = in_turns(help_, options.repeats)
    rows = [
        row(f"`{name}`", "the clock", seconds, "≤ 0.3", unit="s")
        for name, seconds in answers.items()
    ]
    first = {
        f"300 characters of `{folder.name}`, from the command to its end": [
            *python, "generate", str(folder), "--length", "300",
        ]
        for folder in options.runs
    }  # fmt: skip
    times = in_turns({"import": IMPORT, **first}, options.repeats)
    for what in first:
        ratios, seconds = divided(times[what], times["import"]), statistics.median(times[what])
        against = "importing TensorFlow and Keras"
        rows.append(row(what, against, ratios, "≤ 1.3", seconds=round(seconds, 2)))
    return rows


PARTS: dict[str, Callable[[argparse.Namespace], Rows]] = {
    "training_step": training_step.measure,
    "quality": quality.measure,
    "sampling": writing.sampling,
    "memory": corpus.memory,
    "tokenising": corpus.tokenising,
    "startup": startup,
    "playing": writing.playing,
    "page_models": writing.page_models,
}
NEED_RUNS = ("startup", "playing", "page_models")


def described() -> dict[str, Any]:
    """When and where: results compare only with those of the same machine."""
    import keras
    import tensorflow as tf
    import torch

    from textgen.core.system import processor

    return {
        "date": datetime.date.today().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "versions": {module.__name__: module.__version__ for module in (tf, keras, torch)},
    }


def write_page() -> None:
    """The table of everything that was measured so far, into README.md."""
    paths = [path for name in PARTS if (path := HERE / f"{name}.json").exists()]
    parts = [json.loads(path.read_text(encoding="utf-8"))["rows"] for path in paths]
    page = HERE / "README.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = table([row for rows in parts for row in rows])
    page.write_text(f"{before}{BEGIN}\n\n{rows}\n\n{END}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
                        help=", ".join(PARTS))  # fmt: skip
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runs", type=Path, nargs="+", default=[],
                        help=f"for {', '.join(NEED_RUNS)}; else two small ones")  # fmt: skip
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        if not options.runs and not {*NEED_RUNS}.isdisjoint(options.only):
            options.runs = corpus.small_runs(Path(scratch))
        for name in options.only:
            load = os.getloadavg()[0]
            results = {"rows": PARTS[name](options), **described()}
            results["load_average"] = [load, os.getloadavg()[0]]
            content = json.dumps(results, indent=2, ensure_ascii=False) + "\n"
            (HERE / f"{name}.json").write_text(content, encoding="utf-8")
            print(f"\n{name}\n{table(results['rows'])}", flush=True)
            failed |= any(each["passed"] is False for each in results["rows"])
            write_page()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
