"""Building a report: ``python tests/benchmarks/report.py RUN RUN …``.

The runs' bits, samples and the references are made first, if missing; what is timed
is the command itself, in a process of its own, as a user waits for it, against a process that
imports TensorFlow and Keras and does nothing.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from timing import IMPORT, divided, in_turns, row, show


def measure(repeats: int, folders: Sequence[str | Path]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as reports:
        command = [
            sys.executable, "-m", "textgen.compare", *map(str, folders), "--name", "benchmark",
            "--quiet", "--reports", reports,
        ]  # fmt: skip
        subprocess.run(command, check=True)
        times = in_turns({"report": command, "import": IMPORT}, repeats)
        size = (Path(reports) / "benchmark" / "index.html").stat().st_size
    return [
        row(
            f"report of {len(folders)} runs",
            "importing TensorFlow and Keras",
            divided(times["report"], times["import"]),
            seconds=round(statistics.median(times["report"]), 2),
            bytes=size,
        )
    ]


if __name__ == "__main__":
    show(measure(5, sys.argv[1:]))
