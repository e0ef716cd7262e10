"""How long a report takes: ``python tests/benchmarks/report.py RUN RUN …``.

The runs' bits, samples, cross-scores and the references are made first, if missing; what is
timed is the command itself, in a process of its own, as a user waits for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 3


def main(folders: list[str]) -> None:
    command = [sys.executable, "-m", "textgen.compare", *folders, "--name", "benchmark", "--quiet"]
    with tempfile.TemporaryDirectory() as reports:
        command += ["--reports", reports]
        subprocess.run(command, check=True)
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            subprocess.run(command, check=True)
            seconds.append(time.perf_counter() - start)
        size = (Path(reports) / "benchmark" / "index.html").stat().st_size
    found = {"runs": len(folders), "seconds": sorted(seconds), "bytes": size}
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    print(f"{len(folders)} runs: {min(seconds):.1f} to {max(seconds):.1f} s, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
