"""Peak memory of a run as the corpus grows: bytes a character between two sizes.

    python tests/benchmarks/memory.py

Text is made up here (no download): 2.9 MB and 100 times that, in 60 documents. Each run is a
process of its own that trains for a few updates, scores a little held-out text and samples.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SIZES = (2_900_000, 290_000_000)
DOCUMENTS = 60
EXPERIMENT = """
[corpus]
kind = "folder"
path = "{folder}"
[split]
validation = 0.02
test = 0.02
[tokenizer]
kind = "characters"
[objective]
kind = "next_token"
[backbone]
units = [32]
[training]
updates = 50
batch = 16
[sampling]
samples = 1
length = 100
"""


def write_corpus(folder: Path, size: int) -> None:
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshrdlucmfw", k=draw.randint(1, 9))) for _ in range(5000)]
    page = " ".join(draw.choices(words, k=20_000)) + " “quoted” café\n\n"
    each = size // DOCUMENTS
    for i in range(DOCUMENTS):
        turned = page[i * 97 :] + page[: i * 97]
        text = turned * (each // len(turned) + 1)
        (folder / f"{i:02d}.txt").write_text(text[:each], encoding="utf-8")


def peak(size: int) -> int:
    """Peak resident bytes of one run."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "text"
        folder.mkdir()
        write_corpus(folder, size)
        file = Path(scratch) / "e.toml"
        file.write_text(EXPERIMENT.format(folder=folder))
        code = (
            "import resource, sys\nfrom textgen.run import run\n"
            f"run({str(file)!r}, runs_folder={scratch!r}, quiet=True)\n"
            "print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        found = re.search(r"PEAK (\d+)", done.stdout)
        if not found:
            raise SystemExit(done.stderr)
        return int(found.group(1))


def main() -> None:
    peaks = [peak(size) for size in SIZES]
    growth = (peaks[1] - peaks[0]) / (SIZES[1] - SIZES[0])
    result = {"characters": SIZES, "peak_bytes": peaks, "bytes_per_character": growth}
    print(json.dumps(result, indent=2))
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
