"""What the benchmarks share: workers that take turns, ratios with their spread.

Each side of a comparison is a process of its own, so that neither thread pool disturbs the other.
A worker is one of these files called as ``FILE --worker NAME ARGUMENTS``: it prepares itself, says
``ready`` and answers every line ``go`` with one line of JSON: the seconds that it needed, or a
dictionary of figures. Repeats are interleaved (A B A B …): a machine that slows down meanwhile
slows both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
IMPORT = [sys.executable, "-c", "import tensorflow, keras"]
PAUSE = 0.2  # seconds between two turns, in which the threads of the side before fall asleep


class Target(NamedTuple):
    """What a ratio should be: at least or at most a number."""

    at_least: float | None = None
    at_most: float | None = None

    def met(self, ratio: float) -> bool:
        return (self.at_least is None or ratio >= self.at_least) and (
            self.at_most is None or ratio <= self.at_most
        )

    def __str__(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


def row(
    what: str, reference: str, ratios: Sequence[float], target: Target | None = None, **more: Any
) -> dict[str, Any]:
    """One line of the table: the two sides; the median, lowest and highest of some ratios, each of
    two measurements that followed each other; what is wanted of the median; other figures."""
    middle = statistics.median(ratios)
    return {
        "what": what,
        "reference": reference,
        "ratio": round(middle, 4),
        "lowest": round(min(ratios), 4),
        "highest": round(max(ratios), 4),
        "repeats": len(ratios),
        "target": str(target) if target else None,
        "passed": target.met(middle) if target else None,
        **more,
    }


class Worker:
    """A process that measures one side: the worker of a name in a benchmark's own file."""

    def __init__(self, file: str, name: str, *arguments: Any) -> None:
        self._name = f"{Path(file).name} {name}"
        self._process = subprocess.Popen(
            [sys.executable, file, "--worker", name, *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip
        self._answer()

    def go(self) -> Any:
        """One measurement."""
        assert self._process.stdin is not None
        time.sleep(PAUSE)
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return json.loads(line)
        raise SystemExit(f"{self._name} ended with code {self._process.wait()}")

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def serve(workers: dict[str, Callable[..., Callable[[], Any]]]) -> bool:
    """Whether this process was started as a worker; if so it has done its work."""
    if sys.argv[1:2] != ["--worker"]:
        return False
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    measure = workers[sys.argv[2]](*sys.argv[3:])
    print(json.dumps("ready"), file=out, flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), file=out, flush=True)
    return True


def interleaved(sides: dict[str, Worker], repeats: int) -> dict[str, list[Any]]:
    """Every side's measurements, taken in turns."""
    turns = [{name: worker.go() for name, worker in sides.items()} for _ in range(repeats)]
    return {name: [turn[name] for turn in turns] for name in sides}


def in_turns(commands: dict[str, list[str]], repeats: int) -> dict[str, list[float]]:
    """Seconds of whole processes, from start to end, taken in turns.

    Raises:
        SystemExit: one of them fails.
    """
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            begin = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            seconds[name].append(time.perf_counter() - begin)
            if done.returncode:
                raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return seconds


def divided(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """The ratio of every pair that followed each other."""
    return [a / b for a, b in zip(above, below, strict=True)]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as Markdown."""
    lines = ["| what | against | ratio | range | wanted | met |"]
    lines.append("| --- | --- | ---: | ---: | ---: | --- |")
    for row in rows:
        ratio = f"{row['ratio']:.3g} {row.get('unit', '×')}"
        spread = f"{row['lowest']:.3g} to {row['highest']:.3g}"
        passed = {True: "yes", False: "**no**", None: ""}[row["passed"]]
        cells = [row["what"], row["reference"], ratio, spread, row["target"] or "", passed]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def show(rows: Sequence[dict[str, Any]]) -> None:
    print(table(rows))
