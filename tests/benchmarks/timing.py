"""What the benchmarks share: workers that take turns, ratios with their spread.

Each side of a comparison is a process of its own, so that neither thread pool disturbs the other.
A worker is one of these files called as ``FILE --worker NAME ARGUMENTS``: it prepares itself, says
``ready`` and answers every line ``go`` with one line of JSON: the seconds that it needed, or a
dictionary of figures. Repeats are interleaved (A B A B …): a machine that slows down meanwhile
slows both.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
IMPORT = [sys.executable, "-c", "import tensorflow, keras"]
PAUSE = 0.2  # seconds between two turns, in which the threads of the side before fall asleep


def row(
    what: str, reference: str, ratios: Sequence[float], target: str = "", **more: Any
) -> dict[str, Any]:
    """One line of the table: the two sides; the median, lowest and highest of some ratios, each of
    two measurements that followed each other; what is wanted of the median, as "≥ 1" or "≤ 0.3";
    other figures."""
    middle, passed = statistics.median(ratios), None
    if target:
        sign, limit = target.split()
        passed = middle >= float(limit) if sign == "≥" else middle <= float(limit)
    return {
        "what": what,
        "reference": reference,
        "ratio": round(middle, 4),
        "lowest": round(min(ratios), 4),
        "highest": round(max(ratios), 4),
        "repeats": len(ratios),
        "target": target or None,
        "passed": passed,
        **more,
    }


@contextlib.contextmanager
def worker(file: str, name: str, *arguments: Any) -> Iterator[Callable[[], Any]]:
    """A process that measures one side: the worker of a name in a benchmark's own file. What is
    given makes one measurement."""
    process = subprocess.Popen(
        [sys.executable, file, "--worker", name, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None

    def answer() -> Any:
        if line := process.stdout.readline():
            return json.loads(line)
        raise SystemExit(f"{Path(file).name} {name} ended with code {process.wait()}")

    def go() -> Any:
        time.sleep(PAUSE)
        process.stdin.write("go\n")
        process.stdin.flush()
        return answer()

    try:
        answer()
        yield go
    finally:
        process.communicate()


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


def interleaved(file: str, sides: dict[str, tuple[Any, ...]], repeats: int) -> dict[str, list[Any]]:
    """Every side's measurements, taken in turns; a side is a worker's name and its arguments."""
    with contextlib.ExitStack() as stack:
        go = {name: stack.enter_context(worker(file, *side)) for name, side in sides.items()}
        turns = [{name: measure() for name, measure in go.items()} for _ in range(repeats)]
    return {name: [turn[name] for turn in turns] for name in sides}


def in_turns(commands: dict[str, list[str]], repeats: int) -> dict[str, list[float]]:
    """Seconds of whole processes, from start to end, taken in turns."""
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
