"""Long use: does a training stay as it was after hours?

For Linux: what a process holds is read from /proc. ``textgen.run`` is started or resumed with the
arguments given and looked at every 15 seconds. It fails where the last fifth of the training has
more than LIMITS of what the second fifth has, or as many more files and threads.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from textgen.training.checkpoint import CHECKPOINT_FILE, load_progress

SECONDS_BETWEEN_LOOKS = 15.0
LIMITS = {"memory": 1.05, "processor_time": 1.1, "files": 0.0, "threads": 0.0}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--name", required=True)
    options, more = parser.parse_known_args()
    command = [sys.executable, "-m", "textgen.run", options.experiment, *more]
    command += ["--runs", str(options.runs), "--name", options.name]
    looks, process = [], subprocess.Popen(command)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError, KeyError):  # it has ended meanwhile
                looks.append(look(process.pid, options.runs / options.name))
            time.sleep(SECONDS_BETWEEN_LOOKS)
    except KeyboardInterrupt:  # the training has had it, too, and keeps its checkpoint
        process.wait()
    if process.returncode:
        return process.returncode
    change = last_fifth_beside_second([each for each in looks if each["updates"]])
    print(json.dumps(change, indent=2))
    return int(any(change[name] > limit for name, limit in LIMITS.items()))


def look(pid, run):
    """What a process holds now: bytes that are its own, threads, open files, the seconds of the
    processor's time that it has had, and the updates of its last checkpoint."""
    place = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines())
    spent = (place / "stat").read_text().rpartition(")")[2].split()[11:13]
    progress = load_progress(run) if (run / CHECKPOINT_FILE).exists() else None
    return {
        "time": time.time(),
        "updates": progress.updates if progress else 0,
        "memory": 1024 * int(status["RssAnon"].split()[0]),
        "threads": int(status["Threads"]),
        "files": len(list((place / "fd").iterdir())),
        "processor_time": sum(map(int, spent)) / os.sysconf("SC_CLK_TCK"),
    }


def last_fifth_beside_second(looks):
    """Ratios of memory and of the processor's time for an update, differences of open files and
    threads, and what they are made of."""
    begin, end = looks[0]["updates"], looks[-1]["updates"]

    def fifth(number):
        low, high = (begin + (end - begin) * n / 5 for n in (number, number + 1))
        inside = [look for look in looks if low <= look["updates"] <= high]
        made, spent = (inside[-1][name] - inside[0][name] for name in ("updates", "processor_time"))
        medians = {name: statistics.median(each[name] for each in inside) for name in LIMITS}
        return medians | {"processor_time": spent / made}

    second, last = fifth(1), fifth(4)
    return {
        "hours": (looks[-1]["time"] - looks[0]["time"]) / 3600,
        "updates": end,
        "memory_bytes": last["memory"],
        **{name: last[name] / second[name] for name in ("memory", "processor_time")},
        **{name: last[name] - second[name] for name in ("files", "threads")},
    }


if __name__ == "__main__":
    sys.exit(main())
