"""Long use: does a training stay as it was after hours?

    python tests/endurance.py experiments/char_hour.toml --runs runs --name char_hour

Not part of the suite, and for Linux: what a process holds is read from /proc. It starts or resumes
``textgen.run`` with the arguments given and looks at it every 15 seconds. It fails where the memory
of the last fifth of the training is more than a twentieth above that of the second fifth, where
files stay open or threads are added, or where an update costs more than a tenth more of the
processor's time.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from textgen.training.checkpoint import CHECKPOINT_FILE, load_progress

EVERY = 15.0
"""Seconds between two looks at a training."""
MAX_MEMORY_RATIO, MAX_TIME_RATIO = 1.05, 1.1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--name", required=True)
    given, more = parser.parse_known_args()
    return watch(given, more)


def watch(given: argparse.Namespace, more: list[str]) -> int:
    """Run a training to its end and print how its beginning and its end differ."""
    command = [sys.executable, "-m", "textgen.run", given.experiment, *more]
    command += ["--runs", str(given.runs), "--name", given.name]
    given.runs.mkdir(parents=True, exist_ok=True)
    looks = given.runs / f"{given.name}.looks.jsonl"  # resumed with the run
    process = subprocess.Popen(command)
    try:
        with looks.open("a", encoding="utf-8") as file:
            while process.poll() is None:
                with contextlib.suppress(OSError, KeyError):  # it has ended meanwhile
                    file.write(json.dumps(look(process.pid, given.runs / given.name)) + "\n")
                    file.flush()
                time.sleep(EVERY)
    except KeyboardInterrupt:  # the training has had it, too, and keeps its checkpoint
        process.wait()
    if process.returncode:
        return process.returncode
    rows = [json.loads(line) for line in looks.read_text(encoding="utf-8").splitlines()]
    updates = validated(given.runs / given.name, rows)
    found = compared({name: np.array([row[name] for row in rows]) for name in rows[0]}, updates)
    print(json.dumps(found, indent=2))
    lasting = found["memory"] <= MAX_MEMORY_RATIO and found["processor_time"] <= MAX_TIME_RATIO
    return 0 if lasting and found["files"] <= 0 and found["threads"] <= 0 else 1


def look(pid: int, run: Path) -> dict[str, float]:
    """What a process holds now: bytes that are its own, threads, open files, the seconds of the
    processor's time that it has had, and the validations of its training."""
    place = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines())
    spent = (place / "stat").read_text().rpartition(")")[2].split()[11:13]
    progress = load_progress(run) if (run / CHECKPOINT_FILE).exists() else None
    return {
        "time": time.time(),
        "validations": len(progress.history) if progress else 0,
        "pid": pid,
        "memory": 1024 * int(status["RssAnon"].split()[0]),
        "threads": int(status["Threads"]),
        "files": len(list((place / "fd").iterdir())),
        "processor_time": sum(map(int, spent)) / os.sysconf("SC_CLK_TCK"),
    }


def validated(folder: Path, rows: list[dict[str, float]]) -> np.ndarray:
    """(time, updates) of every validation that was seen to end: (m, 2)."""
    with (folder / "history.csv").open(newline="") as file:
        updates = [int(row["updates"]) for row in csv.DictReader(file)]
    seen = {row["validations"]: row["time"] for row in reversed(rows)}
    return np.array([(seen[n], updates[int(n) - 1]) for n in sorted(seen) if n])


def compared(looks: dict[str, np.ndarray], updates: np.ndarray) -> dict[str, float]:
    """The last fifth of a training beside the second, of the process that ended it.

    Args:
        looks: name → values (n,) of :func:`look`.
        updates: (time, updates) of each validation: (m, 2).

    Returns:
        Ratios of memory and of the processor's time for an update, differences of open files and
        threads, and what they are made of.
    """
    own = looks["pid"] == looks["pid"][-1]
    at, looks = looks["time"][own], {name: values[own] for name, values in looks.items()}
    times, steps = updates[(updates[:, 0] >= at[0]) & (updates[:, 0] <= at[-1])].T
    edges = np.linspace(steps[0], steps[-1], 6)  # fifths of what lies between two validations
    clock = np.interp(edges, steps, times)
    spent = np.interp(clock, at, looks["processor_time"])
    early = (at >= clock[1]) & (at <= clock[2])
    late = at >= clock[4]
    late &= at <= clock[5]
    held = {k: (np.median(looks[k][early]), np.median(looks[k][late])) for k in looks}
    costs = np.diff(spent) / np.diff(edges)
    return {
        "hours": (at[-1] - at[0]) / 3600,
        "updates": int(steps[-1]),
        "memory": held["memory"][1] / held["memory"][0],
        "memory_bytes": int(held["memory"][1]),
        "processor_time": costs[4] / costs[1],
        "files": held["files"][1] - held["files"][0],
        "threads": held["threads"][1] - held["threads"][0],
    }


if __name__ == "__main__":
    sys.exit(main())
