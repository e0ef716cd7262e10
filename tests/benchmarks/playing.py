"""Play: how soon the first character of every model is there, and how fast they write together.

    python tests/benchmarks/playing.py [RUN …]

The page's server is a process of its own; this one asks as the page does: what the models expect,
while a beginning is typed, and then for a text of all of them at once. Every beginning is another.
"""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from small_runs import small_runs
from timing import Target, row, show

SOON, FAST = Target(at_most=0.3), Target(at_least=200)
CHARACTERS = 1000
BEGINNING = "At the end of day number {} they came to the old house on the hill, and "


@contextmanager
def playing(folders: Sequence[str | Path]) -> Iterator[str]:
    """The address of a page on which runs are asked."""
    command = [sys.executable, "-m", "textgen", "play", *map(str, folders)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield next(line.strip() for line in server.stdout if line.startswith("http"))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def asked(address: str, what: str, question: dict[str, Any]) -> http.client.HTTPResponse:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    connection.request("POST", parts.path + what, json.dumps(question))
    return connection.getresponse()


def written(address: str, number: int) -> dict[str, tuple[float, float]]:
    """Seconds to the first character, and characters a second after it, of each model."""
    text = BEGINNING.format(number)
    asked(address, "expect", {"text": text[:-8]}).read()  # while the rest is typed
    question = {"text": text, "settings": {"length": CHARACTERS}, "seed": number}
    began, first, last = time.perf_counter(), dict[str, float](), dict[str, float]()
    for line in asked(address, "write", question):
        piece, now = json.loads(line), time.perf_counter() - began
        if piece.get("text"):
            first.setdefault(piece["model"], now)
        last[piece["model"]] = now
    return {name: (first[name], CHARACTERS / (last[name] - first[name])) for name in last}


def measure(repeats: int, folders: Sequence[str | Path]) -> list[dict[str, Any]]:
    with playing(folders) as address:
        found = [written(address, number) for number in range(repeats)]
    rows = []
    for name in found[0]:
        soon, fast = zip(*(each[name] for each in found), strict=True)
        what = f"`{name}`, {len(folders)} models asked at once"
        rows += [
            row(f"first character of {what}", "the clock", soon, SOON, unit="s"),
            row(f"characters a second of {what}", "the clock", fast, FAST, unit="/s"),
        ]
    return rows


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        show(measure(5, sys.argv[1:] or small_runs(Path(scratch))))
