"""Fuzz a target for as long as is wanted, guided by coverage (the extra ``fuzz``).

    python tests/fuzz/run.py tokenizer --runs 1000000

Whatever does not keep to a target's contract is counted by what was raised and where; the first
bytes of each kind are kept in tests/fuzz/cases/TARGET/, which the suite runs from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import atheris

HERE = Path(__file__).parent
sys.path[:1] = [str(HERE.parent), str(HERE.parents[1])]

with atheris.instrument_imports(include=["textgen"]):
    from fuzz.targets import CASES, ODD, TARGETS, words_of


def kind_of(error: BaseException) -> str:
    """What was raised and where: the last place in textgen, or else in the target."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if "textgen" in Path(frame.filename).parts] or frames
    place = f"{Path(inside[-1].filename).name}:{inside[-1].lineno}"
    return f"{type(error).__name__} in {place}, {inside[-1].name}"


class Fuzzed:
    """Runs a target on inputs, counts, and keeps the first input of each kind of failure."""

    def __init__(self, name: str, runs: int, seconds: float) -> None:
        self.name, self.runs, self.seconds = name, runs, seconds
        self.count, self.start, self.failures = 0, time.monotonic(), Counter[str]()

    def __call__(self, data: bytes) -> None:
        try:
            TARGETS[self.name].check(data)
        except Exception as error:
            kind = kind_of(error)
            self.failures[kind] += 1
            if self.failures[kind] == 1:
                path = CASES / self.name / hashlib.sha256(data).hexdigest()[:12]
                path.write_bytes(data)
                print(f"\nFAILED: {kind}: {str(error)[:500]}\n  kept in {path}", flush=True)
        self.count += 1
        passed = time.monotonic() - self.start
        if self.count >= self.runs or passed > self.seconds:
            print(f"\n{self.name}: {self.count:,} inputs in {passed:.0f} s", flush=True)
            for kind, times in self.failures.most_common(20):
                print(f"  {times:,} × {kind}", flush=True)
            os._exit(1 if self.failures else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--corpus", type=Path, help="a folder for inputs that reached new code")
    options = parser.parse_args()
    target, kept = TARGETS[options.target], CASES / options.target
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        seeds, dictionary = Path(scratch, "seeds"), Path(scratch, "words")
        seeds.mkdir()
        for number, seed in enumerate(target.seeds):
            (seeds / f"{number:03d}").write_bytes(seed)
        words = [
            "".join(f"\\x{byte:02x}" for byte in word) for word in words_of(target.seeds) + ODD
        ]
        dictionary.write_text("".join(f'"{word}"\n' for word in words if word))
        arguments = [
            sys.argv[0], *([str(options.corpus)] if options.corpus else []), str(seeds),
            f"-artifact_prefix={kept}/", f"-dict={dictionary}", "-max_len=4096", "-len_control=0",
            "-timeout=60", "-rss_limit_mb=4096", "-verbosity=0", "-seed=1",
        ]  # fmt: skip
        atheris.Setup(arguments, Fuzzed(options.target, options.runs, options.seconds))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
