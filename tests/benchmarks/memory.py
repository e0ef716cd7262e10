"""Peak memory of a run as the corpus grows ten times, over that of TensorFlow and Keras alone.

    python tests/benchmarks/memory.py [--kind characters|words|subwords] [--megabytes 300 3000]

Text is made up here (no download): documents of 300 KB, each with words of its own. Each run is a
process that trains for a few updates, scores the held-out text and samples. Its memory is that of
the process and of those it starts, all added up: the resident pages every 50 ms, pages of mapped
files included, or the highest mark that the system noted for the first process, if that is more.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DOCUMENT = 300_000
POLL_SECONDS = 0.05
PAGE = os.sysconf("SC_PAGE_SIZE")
TOKENIZERS = {
    "characters": 'kind = "characters"',
    "words": 'kind = "words"\nsize = 5000\nrare_words = "unk"',
    "subwords": 'kind = "subwords"',
}
EXPERIMENT = """
[corpus]
kind = "folder"
path = "{folder}"
[tokenizer]
{tokenizer}
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
RUN = """
import resource
from textgen import train
train({file!r}, runs_folder={runs!r}, quiet=True)
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
IMPORT = """
import resource, tensorflow, keras
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def write_corpus(folder: Path, size: int) -> None:
    """``size`` bytes of made-up text in documents of DOCUMENT bytes, about."""
    draw = random.Random(0)

    def word() -> str:
        return "".join(draw.choices("etaoinshrdlucmfw", k=draw.randint(1, 9)))

    words = [word() for _ in range(5000)]
    page = "\n".join(" ".join(draw.choices(words, k=12)) + "." for _ in range(20_000))
    page += " “quoted” café\n\n"
    for i in range(size // DOCUMENT):
        starts = [draw.randrange(len(page) - 2000) for _ in range(DOCUMENT // 2015 + 1)]
        parts = [page[start : start + 2000] + f" {word()}{word()}\n\n" for start in starts]
        (folder / f"{i:05d}.txt").write_text("".join(parts), encoding="utf-8")


def resident_bytes(process: int) -> int:
    """Of a process and of all below it."""
    total, waiting = 0, [process]
    while waiting:
        place = Path("/proc") / str(waiting.pop())
        try:
            total += int((place / "statm").read_text().split()[1]) * PAGE
            for task in (place / "task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:  # it has just ended
            continue
    return total


def peak(code: str, **environment: str) -> dict[str, float]:
    """Highest memory of a Python process with those it starts, in bytes, and its seconds."""
    start, highest = time.perf_counter(), 0
    environment = {**os.environ, **environment}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        command = [sys.executable, "-c", code]
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        while process.poll() is None:
            highest = max(highest, resident_bytes(process.pid))
            time.sleep(POLL_SECONDS)
        output.seek(0)
        text = output.read()
    reported = re.search(r"PEAK (\d+)", text)
    if not reported:
        raise SystemExit(text)
    seconds = round(time.perf_counter() - start, 1)
    return {"bytes": max(highest, int(reported[1])), "seconds": seconds}


def measure(kind: str, sizes: list[int], place: str | None) -> dict[str, Any]:
    alone, rows = peak(IMPORT)["bytes"], []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=place) as name:
            scratch = Path(name)
            folder, file = scratch / "text", scratch / "e.toml"
            folder.mkdir()
            write_corpus(folder, size)
            file.write_text(EXPERIMENT.format(folder=folder, tokenizer=TOKENIZERS[kind]))
            code = RUN.format(file=str(file), runs=name)
            row = peak(code, TEXTGEN_CACHE=str(scratch / "cache"))
        rows.append({"text_bytes": size, "over_tensorflow": row["bytes"] - alone, **row})
        print(json.dumps(rows[-1]), flush=True)
    growth = rows[-1]["over_tensorflow"] / rows[0]["over_tensorflow"]
    return {
        "measure": "resident pages of all processes, mapped files included",
        "tensorflow_and_keras": alone,
        "runs": rows,
        "largest_over_smallest": round(growth, 4),
        "target": "0.9 to 1.1",
        "passed": 0.9 <= growth <= 1.1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=TOKENIZERS, default="characters")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[300, 3000])
    parser.add_argument("--scratch", help="folder with room for three times the text")
    given = parser.parse_args()
    path = Path(__file__).with_suffix(".json")
    known = json.loads(path.read_text()) if path.exists() else {}
    known[given.kind] = measure(given.kind, [m * 10**6 for m in given.megabytes], given.scratch)
    print(json.dumps(known[given.kind], indent=2))
    path.write_text(json.dumps({k: known[k] for k in TOKENIZERS if k in known}, indent=2) + "\n")


if __name__ == "__main__":
    main()
