"""Peak memory of a run on made-up text, as that grows."""

import os
import random
import sys
import tempfile
from pathlib import Path

from timing import row

IMPORT = [sys.executable, "-c", "import tensorflow, keras"]
DOCUMENT = 300_000  # bytes
MEGABYTES = 300, 3000  # of text
HELD_OUT = {"test": 9, "validation": 6}  # MB: what is scored is kept, 39 bytes a character


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


def peak_bytes(command, **environment):
    number = os.spawnve(os.P_NOWAIT, command[0], command, {**os.environ, **environment})
    _, status, usage = os.wait4(number, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_maxrss * 1024


def memory(_):
    alone, over = peak_bytes(IMPORT), []
    for megabytes in MEGABYTES:
        with tempfile.TemporaryDirectory() as name:
            for number, text in enumerate(documents(megabytes * 10**6)):
                Path(name, f"{number:05d}.txt").write_text(text, encoding="utf-8")
            command = [sys.executable, "-m", "textgen", "run", "char_small", "--quiet"]
            command += [f"--runs={name}/runs", f'--set=corpus={{kind="folder", path="{name}"}}']
            command += ["--set=training={updates=100, validations=2}"]
            command += [f"--set=split.{part}={size / megabytes}" for part, size in HELD_OUT.items()]
            over.append(peak_bytes(command, TEXTGEN_CACHE=f"{name}/cache") - alone)
    what = f"memory of a run on {MEGABYTES[1]:,} MB of text, over TensorFlow's own"
    return [row(what, f"on {MEGABYTES[0]:,} MB", [over[1] / over[0]], "≤ 1.1", bytes=over)]
