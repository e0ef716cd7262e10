"""Long use: does a training stay as it was after hours, and does anything stay behind of studies?

    python tests/endurance.py training experiments/char_hour.toml --runs runs --name char_hour
    python tests/endurance.py studies [--number 200]

Not part of the suite, and for Linux: what a process holds is read from /proc.

``training`` starts or resumes ``textgen.run`` with the arguments given and looks at it every 15
seconds. It fails where the memory of the last fifth of the training is more than a twentieth above
that of the second fifth, where files stay open or threads are added, or where an update costs more
than a tenth more of the processor's time.

``studies`` makes as many studies of one small run, one after the other. Of four studies one is
left in peace, one is asked to end (SIGTERM) and one is killed at a moment drawn by ``--seed``, each
then repeated to its end; and one is done already and repeated. It fails where a process, a lock or
a file is left that was not there before, and where a study does not end well.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import numpy as np
from conftest import made_up, write_experiment

from textgen.training.checkpoint import CHECKPOINT_FILE, load_progress

EVERY = 15.0
"""Seconds between two looks at a training."""
MORE_MEMORY, MORE_TIME = 1.05, 1.1
STUDY = """title = "Lasting"

[budget]
updates = 6

[arms.char]
experiment = "tiny.toml"
seeds = 1
"""
ENDINGS = ("peace", signal.SIGTERM, signal.SIGKILL, "again")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    training = kinds.add_parser("training")
    training.add_argument("experiment")
    training.add_argument("--runs", type=Path, required=True)
    training.add_argument("--name", required=True)
    studies = kinds.add_parser("studies")
    studies.add_argument("--number", type=int, default=200)
    studies.add_argument("--seed", type=int, default=1)
    given, more = parser.parse_known_args()
    if given.kind == "training":
        return watch(given, more)
    if more:
        parser.error(f"unknown: {' '.join(more)}")
    return repeat(given.number, random.Random(given.seed))


def watch(given: argparse.Namespace, more: list[str]) -> int:
    """Run a training to its end and tell how its beginning and its end differ."""
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
    lasting = found["memory"] <= MORE_MEMORY and found["processor_time"] <= MORE_TIME
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


def repeat(number: int, draw: random.Random) -> int:
    """Make studies and count what is left of each."""
    left = {str(ending): 0 for ending in ENDINGS}
    failed = stopped = 0
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        scratch = home / "scratch"
        for folder in (home / "tales", scratch):
            folder.mkdir()
        for i in range(6):
            (home / f"tales/tale{i}.txt").write_text(made_up(20, i), encoding="utf-8")
        write_experiment(home / "tiny.toml", home / "tales")
        (home / "study.toml").write_text(STUDY, encoding="utf-8")
        seconds, usual = 0.0, set[str]()
        for count in range(number):
            ending, runs = ENDINGS[count % 4], home / f"runs{count - (count % 4 == 3)}"
            start = time.perf_counter()
            process = study(home, runs, scratch)
            if isinstance(ending, signal.Signals):
                try:
                    process.wait(draw.uniform(0, seconds))
                except subprocess.TimeoutExpired:
                    process.send_signal(ending)
                    stopped += 1
                process.wait()
                told = remains(process.pid, runs, scratch)
                process = study(home, runs, scratch)
            else:
                told = []
            failed += process.wait() != 0
            if ending == "peace":
                seconds = time.perf_counter() - start
            told += remains(process.pid, runs, scratch)
            files = {str(p.relative_to(runs)) for p in runs.rglob("*") if p.is_file()}
            usual = usual or files
            told += sorted(files ^ usual)
            left[str(ending)] += len(told)
            print(f"{count + 1} {ending!s}: {told or 'nothing left'}", flush=True)
    print(f"{number} studies, {stopped} stopped, {failed} failed; left behind: {left}")
    return 1 if failed or any(left.values()) else 0


def study(home: Path, runs: Path, scratch: Path) -> subprocess.Popen[bytes]:
    """Start the study in a session of its own, with a folder for temporary files."""
    command = [
        sys.executable,
        "-m",
        "textgen",
        "study",
        "study.toml",
        "--quiet",
        "--runs",
        str(runs),
    ]
    environment = os.environ | {"TMPDIR": str(scratch), "TEXTGEN_CACHE": str(home / "cache")}
    return subprocess.Popen(
        command,
        cwd=home,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def remains(session: int, runs: Path, scratch: Path) -> list[str]:
    """What is left of a session that is over: processes, locks that are held, temporary files. A
    process whose parent was killed has ten seconds to notice and to give back what it holds."""
    end = time.monotonic() + 10
    while (found := list(left_now(session, runs, scratch))) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def left_now(session: int, runs: Path, scratch: Path) -> Iterator[str]:
    yield from (f"process {pid}" for pid in members(session))
    for path in runs.rglob(".lock"):
        try:
            filelock.FileLock(path).acquire(timeout=0).lock.release()
        except filelock.Timeout:
            yield f"lock {path}"
    yield from (f"temporary {path.name}" for path in scratch.iterdir())


def members(session: int) -> Iterator[int]:
    for place in Path("/proc").iterdir():
        try:
            stat = (place / "stat").read_text().rpartition(")")[2].split()
        except (OSError, UnicodeError):
            continue
        if place.name.isdigit() and int(stat[3]) == session and stat[0] != "Z":
            yield int(place.name)


if __name__ == "__main__":
    sys.exit(main())
