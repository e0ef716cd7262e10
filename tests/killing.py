"""Runs and studies stopped at random moments end as those left alone, and leave nothing behind.

For Linux. Characters, words and a study of both are trained with deterministic operations, once in
peace and once more with SIGTERM or SIGKILL to the command, or SIGKILL to all of its processes; the
command is repeated until it ends. No process, held lock or temporary file may be left.
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

RULED = ["training.threads=2", "training.updates=200"]  # by the study, in its arms
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
MAX_KILLS = 3  # of one run or study
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
        commands = write_inputs(folder)
        took = {kind: run_to_end(folder, kind, command) for kind, command in commands.items()}
        for number, kind in enumerate(itertools.cycle(commands)):
            if kills >= options.kills:
                break
            place, wrong = f"killed{number}", []
            for _ in range(min(MAX_KILLS, options.kills - kills)):
                process = start(folder, place, commands[kind])
                time.sleep(draw.uniform(0, took[kind]))
                end, number_of_signal = draw.choice(ENDINGS)
                end(process.pid, number_of_signal)  # if it is over, it is a zombie until waited for
                if process.wait() == 0:
                    break
                kills += 1
                wrong += remains(process.pid, folder / place, folder / "scratch")
            if not (folder / place / "run" / "metrics.json").exists():  # stopped at the very end
                run_to_end(folder, place, commands[kind])
            wrong += different_files(folder / kind, folder / place)
            harmed += bool(wrong)
            print(f"{kind}: {kills} kills so far, {wrong or 'the same'}", flush=True)
    print(f"{kills} kills, {harmed} runs or studies that ended otherwise")
    return 1 if harmed else 0


def write_inputs(folder):
    """Texts, an experiment and a study; name → the command, to which a place is added."""
    write_experiment(folder / "tiny.toml", write_tales(folder / "tales"))
    (folder / "killed.toml").write_text(STUDY)
    commands = {"study": ["study", "killed.toml", "--quiet", "--runs"]}
    for kind, settings in (("char", CHAR), ("word", WORD)):
        overrides = [part for setting in RULED + settings for part in ("--set", setting)]
        commands[kind] = ["run", "tiny.toml", *overrides, "--quiet", "--name", "run", "--runs"]
    return commands


def start(folder, place, command):
    """A command in a session of its own, with a folder for temporary files."""
    (folder / "scratch").mkdir(exist_ok=True)
    log = (folder / f"{place}.log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", "textgen", *command, str(folder / place)], cwd=folder, stdout=log,
        stderr=log, env=os.environ | {"TMPDIR": str(folder / "scratch")}, start_new_session=True,
    )  # fmt: skip


def run_to_end(folder, place, command):
    begin = time.perf_counter()
    if start(folder, place, command).wait():
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
