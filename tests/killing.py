"""Runs and studies stopped at random moments end as those left alone, and leave nothing behind.

    python tests/killing.py [--kills 20] [--seed 1]

Not part of the suite: it takes minutes; for Linux. Characters, words and a study of both are
trained with deterministic operations, once in peace and once more with SIGTERM or SIGKILL to the
command, or SIGKILL to all of its processes, at moments drawn from the time that it took in peace;
the command is repeated until it ends. No process, held lock or temporary file may be left, and at
the end every file that is not about time has to be the same.
"""

from __future__ import annotations

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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import h5py
import numpy as np
from conftest import made_up, write_experiment

SETTINGS = (
    "training.deterministic=true", "training.threads=2", "training.updates=200",
    "training.validations=8", "backbone.dropout=0.2",
)  # fmt: skip
WORDS = ('tokenizer={kind="words", rare_words="unk", minimum_count=20}', "memory.orders=[0, 1]")
WORDS += ('backbone.input="embedding"', "backbone.embedding_size=12")
STUDY = """title = "Killed"
threads = 2

[budget]
updates = 200

[arms.char]
experiment = "tiny.toml"
seeds = 1
set = {char}

[arms.word]
experiment = "tiny.toml"
seeds = 1
set = {word}
"""
MAX_KILLS = 3
"""Kills of one run or study."""
ENDINGS = ("SIGTERM", "SIGKILL", "SIGKILL to all")
TIMES = ("second", "time", "written", "tried", "plan", "command", "folder", "sha256")
"""Parts of the names of what is about time or place, or about a file that holds some of it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    draw, kills, harmed = random.Random(given.seed), 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder)
        commands = dict(_commands(folder))
        took = {kind: _whole(folder, kind, command) for kind, command in commands.items()}
        for number, kind in enumerate(itertools.cycle(commands)):
            if kills >= given.kills:
                break
            place, wrong = f"killed{number}", list[str]()
            for _ in range(min(MAX_KILLS, given.kills - kills)):
                wait, ending = draw.uniform(0, took[kind]), draw.choice(ENDINGS)
                process = _started(folder, place, commands[kind])
                if not _stopped(process, wait, ending) or process.returncode == 0:
                    break
                kills += 1
                wrong += remains(process.pid, folder / place, folder / "scratch")
            if not (folder / place / "run" / "metrics.json").exists():  # stopped at the very end
                _whole(folder, place, commands[kind])
            wrong += _different(folder / kind, folder / place)
            harmed += bool(wrong)
            print(f"{kind}: {kills} kills so far, {wrong or 'the same'}", flush=True)
    print(f"{kills} kills, {harmed} runs or studies that ended otherwise")
    return 1 if harmed else 0


def _write(folder: Path) -> None:
    tales = folder / "tales"
    tales.mkdir()
    for i in range(12):
        (tales / f"tale{i:02d}.txt").write_text(made_up(40 + 5 * i, i), encoding="utf-8")
    write_experiment(folder / "tiny.toml", tales)
    lists = {"char": json.dumps(SETTINGS), "word": json.dumps([*SETTINGS, *WORDS])}
    ruled = '"training.threads=2", "training.updates=200", '  # by the study
    own = {kind: line.replace(ruled, "") for kind, line in lists.items()}
    (folder / "killed.toml").write_text(STUDY.format(**own), encoding="utf-8")


def _commands(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Name → the command, to which a place is added."""
    for kind, settings in (("char", SETTINGS), ("word", (*SETTINGS, *WORDS))):
        given = [part for each in settings for part in ("--set", each)]
        start = [sys.executable, "-m", "textgen.run", str(folder / "tiny.toml")]
        yield kind, [*start, *given, "--quiet", "--name", "run", "--runs"]
    start = [sys.executable, "-m", "textgen", "study", str(folder / "killed.toml")]
    yield "study", [*start, "--quiet", "--runs"]


def _started(folder: Path, place: str, command: list[str]) -> subprocess.Popen[bytes]:
    """A command in a session of its own, with a folder for temporary files."""
    (folder / "scratch").mkdir(exist_ok=True)
    log = (folder / f"{place}.log").open("ab")
    return subprocess.Popen(
        [*command, str(folder / place)],
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder / "scratch")},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _whole(folder: Path, place: str, command: list[str]) -> float:
    """Run a command to its end: seconds.

    Raises:
        RuntimeError: it fails.
    """
    start = time.perf_counter()
    if _started(folder, place, command).wait():
        raise RuntimeError((folder / f"{place}.log").read_text(encoding="utf-8"))
    return time.perf_counter() - start


def _stopped(process: subprocess.Popen[bytes], wait: float, ending: str) -> bool:
    """Whether a command still ran after so many seconds, when it was stopped."""
    try:
        process.wait(wait)
        return False
    except subprocess.TimeoutExpired:
        if ending == "SIGKILL to all":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.send_signal(getattr(signal, ending))
        process.wait()
        return True


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


def _different(whole: Path, killed: Path) -> Iterator[str]:
    """Files that differ in more than time."""
    names = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    for name in sorted(names):
        if name.suffix in (".json", ".jsonl", ".csv", ".npz", ".h5"):
            other = killed / name
            if not other.exists() or not _alike(_content(whole / name), _content(other)):
                yield str(name)


def _content(path: Path) -> Any:
    if path.suffix == ".h5":
        arrays: dict[str, np.ndarray] = {}
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item: (
                    arrays.update({name: item[()]}) if hasattr(item, "shape") else None
                )
            )
        return arrays
    if path.suffix == ".npz":
        with np.load(path) as file:
            return dict(file)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return _timeless(json.loads(text))
    rows = [line.split(",") for line in text.splitlines()]
    if path.suffix == ".csv":
        kept = [i for i, name in enumerate(rows[0]) if not any(part in name for part in TIMES)]
        return [[row[i] for i in kept] for row in rows]
    return text


def _timeless(data: Any) -> Any:
    if isinstance(data, dict):
        kept = {k: v for k, v in data.items() if not any(part in str(k) for part in TIMES)}
        return {key: _timeless(value) for key, value in kept.items()}
    return [_timeless(each) for each in data] if isinstance(data, list) else data


def _alike(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_alike(v, second[k]) for k, v in first.items())
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    return bool(first == second)


if __name__ == "__main__":
    sys.exit(main())
