"""Start-up: how soon a command answers, against importing TensorFlow and Keras.

    python tests/benchmarks/startup.py [RUN …]

Every command is a process of its own, from its start to its end. Without runs, two small ones are
trained on made-up text first.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from small_runs import small_runs
from timing import IMPORT, Target, divided, in_turns, row, show

HELP, GENERATE = Target(at_most=0.3), Target(at_most=1.3)
COMMANDS = ("run", "generate", "play", "compare", "study", "score", "corpus", "baseline")


def measure(repeats: int, folders: Sequence[str | Path]) -> list[dict[str, Any]]:
    python = [sys.executable, "-m"]
    help_ = {name: [*python, "textgen", name, "--help"] for name in COMMANDS}
    first = {
        f"generate {Path(folder).name}": [*python, "textgen", "generate", str(folder)]
        for folder in folders
    }
    for command in first.values():
        command += ["--length", "300"]
    in_turns(help_, 1)  # what the disk has to be asked for once
    answers = in_turns(help_, repeats)
    times = in_turns({"import": IMPORT, **first}, repeats)
    rows = [
        row(f"`textgen {name} --help`", "the clock", answers[name], HELP, unit="s")
        for name in COMMANDS
    ]
    return rows + [
        row(
            f"300 characters of `{Path(folder).name}`, from the command to its end",
            "importing TensorFlow and Keras",
            divided(times[name], times["import"]),
            GENERATE,
            seconds=round(statistics.median(times[name]), 2),
        )
        for folder, name in zip(folders, first, strict=True)
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        show(measure(5, sys.argv[1:] or small_runs(Path(scratch))))
