"""All benchmarks with one command, each against a reference in the same run: see README.md."""

import argparse
import datetime
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import corpus
import numpy as np
import quality
import training_step
import writing
from timing import HERE, IMPORT, in_turns, row, table

BEGIN, END = "<!-- table: benchmarks -->", "<!-- end -->"
COMMANDS = ("run", "generate", "play", "compare", "study", "score", "corpus", "baseline")


def startup(options):
    """How soon a command answers; every command is a process of its own, from start to end."""
    python = [sys.executable, "-m", "textgen"]
    help_ = {f"textgen {name} --help": [*python, name, "--help"] for name in COMMANDS}
    in_turns(help_, 1)  # what the disk has to be asked for once
    answers = in_turns(help_, options.repeats)
    rows = [
        row(f"`{name}`", "the clock", seconds, "≤ 0.3", unit="s")
        for name, seconds in answers.items()
    ]
    first = {}
    for folder in options.runs:
        what = f"300 characters of `{folder.name}`, from the command to its end"
        first[what] = [*python, "generate", str(folder), "--length", "300"]
    times = in_turns({"import": IMPORT, **first}, options.repeats)
    for what in first:
        ratios = np.divide(times[what], times["import"]).tolist()
        seconds = statistics.median(times[what])
        against = "importing TensorFlow and Keras"
        rows.append(row(what, against, ratios, "≤ 1.3", seconds=round(seconds, 2)))
    return rows


PARTS = {
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


def described():
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


def write_page():
    """The table of everything that was measured so far, into README.md."""
    paths = [path for name in PARTS if (path := HERE / f"{name}.json").exists()]
    parts = [json.loads(path.read_text(encoding="utf-8"))["rows"] for path in paths]
    page = HERE / "README.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = table([row for rows in parts for row in rows])
    page.write_text(f"{before}{BEGIN}\n\n{rows}\n\n{END}{after}", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
                        help=", ".join(PARTS))  # fmt: skip
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runs", type=Path, nargs="+", default=[],
                        help=f"for quality, {', '.join(NEED_RUNS)}, else small ones")  # fmt: skip
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        given = options.runs
        small = given or {*NEED_RUNS}.isdisjoint(options.only) or corpus.small_runs(Path(scratch))
        for name in options.only:
            options.runs = small if name in NEED_RUNS else given
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
