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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
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


def request(address: str, path: str, question: Any = None) -> http.client.HTTPResponse:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    body = question and json.dumps(question)
    connection.request("POST" if body else "GET", parts.path + path, body)
    return connection.getresponse()


def written(address: str, number: int, model: str) -> tuple[float, float]:
    """Seconds to the first character, and characters a second after it."""
    text = BEGINNING.format(number)
    request(address, "ask", {"model": model, "what": "expect", "text": text[:-8]}).read()
    question = {"model": model, "what": "write", "text": text, "length": CHARACTERS}
    began, times = time.perf_counter(), list[float]()
    for _ in request(address, "ask", {**question, "seed": number}):
        times.append(time.perf_counter() - began)
    return times[0], CHARACTERS / (times[-1] - times[0])


def measure(repeats: int, folders: Sequence[str | Path]) -> list[dict[str, Any]]:
    rows = []
    with playing(folders) as address, ThreadPoolExecutor(len(folders)) as pool:
        models = [model["name"] for model in json.loads(request(address, "models").read())]
        rounds = [
            list(pool.map(partial(written, address, number), models)) for number in range(repeats)
        ]
    for name, times in zip(models, zip(*rounds, strict=True), strict=True):
        soon, fast = zip(*times, strict=True)
        what = f"`{name}`, {len(folders)} models asked at once"
        rows += [
            row(f"first character of {what}", "the clock", soon, SOON, unit="s"),
            row(f"characters a second of {what}", "the clock", fast, FAST, unit="/s"),
        ]
    return rows


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        show(measure(5, sys.argv[1:] or small_runs(Path(scratch))))
