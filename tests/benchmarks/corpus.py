"""Runs on made-up text, which needs no download: peak memory as it grows, speed of tokenizers."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import IMPORT, row

DOCUMENT, SMALL, TOKENISED = 300_000, 3_000_000, 16_000_000
MEGABYTES = 300, 3000  # of text, for memory
HELD_OUT = {"test": 9, "validation": 6}  # MB: what is scored is kept, 39 bytes a character
# tokenizers, and MB a second that are wanted of them
TOKENIZERS = {
    "characters": ("characters", "≥ 10"),
    "words": ({"kind": "words", "rare_words": "unk"}, "≥ 2"),
    "subwords": ("subwords", ""),
}


def documents(size):
    """``size`` bytes of text in documents of DOCUMENT bytes, about, each with words of its own."""
    draw = random.Random(0)

    def word():
        return "".join(draw.choices("etaoinshrdlucmfwypvbgkjqxz", k=draw.randint(1, 9)))

    words = [word() for _ in range(5000)]
    page = "\n".join(" ".join(draw.choices(words, k=12)).capitalize() + "." for _ in range(20_000))
    page += " “quoted” café\n\n"
    for _ in range(size // DOCUMENT):
        starts = [draw.randrange(len(page) - 2000) for _ in range(DOCUMENT // 2015 + 1)]
        yield "".join(page[start : start + 2000] + f" {word()}{word()}\n\n" for start in starts)


def write_text(folder, size):
    folder.mkdir()
    for number, text in enumerate(documents(size)):
        (folder / f"{number:05d}.txt").write_text(text, encoding="utf-8")
    return folder


def run_command(name, text, runs):
    command = [sys.executable, "-m", "textgen", "run", name, "--quiet", "--runs", str(runs)]
    command += ["--set", f'corpus={{kind="folder", path={json.dumps(str(text))}}}']
    return [*command, "--set", "training={updates=100, validations=2}"]


def small_runs(scratch):
    """Two finished runs, of characters and of words, for what can be measured on any run."""
    text, names = write_text(scratch / "text", SMALL), ("char_small", "word_small")
    for name in names:
        subprocess.run(run_command(name, text, scratch / "runs"), check=True)
    return [scratch / "runs" / name for name in names]


def peak_bytes(command, **environment):
    process = subprocess.Popen(command, env={**os.environ, **environment})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_maxrss * 1024


def memory(_):
    """Peak memory of a run on large texts, over that of TensorFlow and Keras alone."""
    alone, runs = peak_bytes(IMPORT), []
    for megabytes in MEGABYTES:
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            text = write_text(scratch / "text", megabytes * 10**6)
            command = run_command("char_small", text, scratch / "runs")
            command += [f"--set=split.{part}={size / megabytes}" for part, size in HELD_OUT.items()]
            peak = peak_bytes(command, TEXTGEN_CACHE=str(scratch / "cache"))
        runs.append({"megabytes": megabytes, "over_tensorflow": peak - alone})
    small, large = (run["over_tensorflow"] for run in runs)
    what = f"memory of a run on {MEGABYTES[1]:,} MB of text, over TensorFlow's own"
    return [row(what, f"on {MEGABYTES[0]:,} MB", [large / small], "≤ 1.1", runs=runs)]


def tokenising(_):
    """MB of text a second as tokens; fitting is left out: it sees a bounded sample."""
    from textgen.core.experiment import resolve_experiment

    texts, rows = list(documents(TOKENISED)), []
    size = sum(len(text.encode()) for text in texts) / 1e6
    needed = {"corpus": "wikipedia", "objective": "next_token", "training": {"updates": 1}}
    for kind, (settings, target) in TOKENIZERS.items():
        config = resolve_experiment({**needed, "tokenizer": settings}).tokenizer
        tokenizer = config.fit(texts[:6], texts[6:7], 1)
        start = time.perf_counter()
        for text in texts:
            tokenizer.encode(text, training=True)
        speed = size / (time.perf_counter() - start)
        what = f"MB of text a second as tokens, {kind}"
        rows.append(row(what, "the clock", [speed], target, unit="MB/s"))
    return rows
