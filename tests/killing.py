"""Studies stopped at random moments end as one left alone, and leave nothing behind.

For Linux. Characters and words are trained with deterministic operations, once in peace and once
more with SIGTERM or SIGKILL to the command, or SIGKILL to all of its processes; the command is
repeated until it ends. No process, held lock or temporary file may be left.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import filelock
from conftest import write_experiment, write_tales

CHAR = ["training.deterministic=true", "training.validations=8", "backbone.dropout=0.2"]
WORD = [
    *CHAR, 'tokenizer={kind="words", rare_words="unk", minimum_count=20}', "cache.orders=[0, 1]",
    'backbone.input="embedding"', "backbone.embedding_size=12",
]  # fmt: skip
STUDY = f"""title = "Killed"
threads = 2
budget.updates = 200
arms.char = {{ experiment = "tiny.toml", seeds = 1, set = {json.dumps(CHAR)} }}
arms.word = {{ experiment = "tiny.toml", seeds = 1, set = {json.dumps(WORD)} }}
"""
MAX_KILLS = 3  # of one study
ENDINGS = ((os.kill, signal.SIGTERM), (os.kill, signal.SIGKILL), (os.killpg, signal.SIGKILL))
# parts of the names of what is about time or place, or about a file that holds some of it
TIMES = ("second", "time", "written", "tried", "plan", "command", "folder", "sha256")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    draw, kills, harmed = random.Random(1), 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_experiment(folder / "tiny.toml", write_tales(folder / "tales"))
        (folder / "killed.toml").write_text(STUDY)
        took = run_to_end(folder, "whole")
        for place in map("killed{}".format, itertools.count()):
            if kills >= options.kills:
                break
            wrong = []
            for _ in range(min(MAX_KILLS, options.kills - kills)):
                process = start(folder, place)
                time.sleep(draw.uniform(0, took))
                end, number = draw.choice(ENDINGS)
                end(process.pid, number)  # if it is over, it is a zombie until it is waited for
                if process.wait() == 0:
                    break
                kills += 1
                wrong += remains(process.pid, folder / place, folder / "scratch")
            run_to_end(folder, place)
            wrong += different_files(folder / "whole", folder / place)
            harmed += bool(wrong)
            print(f"{kills} kills so far, {wrong or 'the same'}", flush=True)
    print(f"{kills} kills, {harmed} studies that ended otherwise")
    return 1 if harmed else 0


def start(folder, place):
    """The study in a session of its own, with a folder for temporary files."""
    (folder / "scratch").mkdir(exist_ok=True)
    command, log = ["study", "killed.toml", "--quiet"], (folder / f"{place}.log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", "textgen", *command, "--runs", place], cwd=folder, stdout=log,
        stderr=log, env=os.environ | {"TMPDIR": str(folder / "scratch")}, start_new_session=True,
    )  # fmt: skip


def run_to_end(folder, place):
    begin = time.perf_counter()
    if start(folder, place).wait():
        raise SystemExit((folder / f"{place}.log").read_text(encoding="utf-8"))
    return time.perf_counter() - begin


def remains(session, runs, scratch):
    """What is left of a session that is over, ten seconds later: processes, held locks, files."""
    for _ in range(100):
        if not (left := list(left_now(session, runs, scratch))):
            break
        time.sleep(0.1)
    return left


def left_now(session, runs, scratch):
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            stat = (place / "stat").read_bytes().rpartition(b")")[2].split()
            if int(stat[3]) == session and stat[0] != b"Z":
                yield f"process {place.name}"
    for path in runs.rglob(".lock"):
        try:
            filelock.FileLock(path).acquire(timeout=0).lock.release()
        except filelock.Timeout:
            yield f"lock {path}"
    yield from (f"temporary {path.name}" for path in scratch.iterdir())


def different_files(whole, killed):
    """Those that differ in more than what is about time or place: of weights, what they cost."""
    for path in sorted(whole.rglob("*")):
        if path.suffix in (".json", ".jsonl", ".npz"):
            name = path.relative_to(whole)
            if not (killed / name).exists() or content(path) != content(killed / name):
                yield str(name)


def content(path):
    return timeless(json.loads(path.read_bytes())) if path.suffix == ".json" else path.read_bytes()


def timeless(data):
    if isinstance(data, dict):
        lasting = {k: v for k, v in data.items() if not any(part in str(k) for part in TIMES)}
        return {key: timeless(value) for key, value in lasting.items()}
    return [timeless(each) for each in data] if isinstance(data, list) else data


if __name__ == "__main__":
    sys.exit(main())
