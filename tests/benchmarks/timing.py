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
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
IMPORT = [sys.executable, "-c", "import tensorflow, keras"]
PAUSE = 0.2  # seconds between two turns, in which the threads of the side before fall asleep


def row(what, reference, ratios, target="", **more):
    """One line of the table: the two sides; the median, lowest and highest of some ratios, each of
    two measurements that followed each other; what is wanted of the median, as "≥ 1" or "≤ 0.3";
    other figures."""
    middle, passed = statistics.median(ratios), None
    if target:
        sign, limit = target.split()
        passed = middle >= float(limit) if sign == "≥" else middle <= float(limit)
    figures = {"ratio": middle, "lowest": min(ratios), "highest": max(ratios)}
    figures = {name: round(figure, 4) for name, figure in figures.items()}
    wanted = {"repeats": len(ratios), "target": target or None, "passed": passed}
    return {"what": what, "reference": reference, **figures, **wanted, **more}


@contextlib.contextmanager
def worker(file, name, *arguments):
    """A process that is the worker of a name in a benchmark's own file, as a function that lets it
    measure once."""
    process = subprocess.Popen(
        [sys.executable, file, "--worker", name, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip

    def answer():
        if line := process.stdout.readline():
            return json.loads(line)
        raise SystemExit(f"{Path(file).name} {name} ended with code {process.wait()}")

    def go():
        time.sleep(PAUSE)
        process.stdin.write("go\n")
        process.stdin.flush()
        return answer()

    try:
        answer()
        yield go
    finally:
        process.communicate()


def serve(workers):
    """Be the worker that is named on the command line."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    measure = workers[sys.argv[2]](*sys.argv[3:])
    print(json.dumps("ready"), file=out, flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), file=out, flush=True)


def interleaved(file, sides, arguments, repeats):
    """What the workers of some names measure, in turns."""
    with contextlib.ExitStack() as stack:
        go = {side: stack.enter_context(worker(file, side, *arguments)) for side in sides}
        turns = [{side: measure() for side, measure in go.items()} for _ in range(repeats)]
    return [[turn[side] for turn in turns] for side in sides]


def faster(file, other, arguments, repeats, *labels, **figures):
    """A row: how many times faster ``textgen`` is than another worker; what it is against, what is
    wanted; other figures, as functions of its seconds."""
    ours, theirs = interleaved(file, ("textgen", other), arguments, repeats)
    what, reference, target = labels
    more = {name: figure(statistics.median(ours)) for name, figure in figures.items()}
    return row(what, reference, np.divide(theirs, ours).tolist(), target, **more)


def timed(work, units):
    """A function that measures the seconds of one unit of some work, compiled by then."""

    def measure():
        begin = time.perf_counter()
        work()
        return (time.perf_counter() - begin) / units

    measure()
    return measure


def in_turns(commands, repeats):
    """Seconds of whole processes, from start to end, taken in turns."""
    seconds = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            begin = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            seconds[name].append(time.perf_counter() - begin)
            if done.returncode:
                raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return seconds


def table(rows):
    lines = ["| what | against | ratio | range | wanted | met |"]
    lines.append("| --- | --- | ---: | ---: | ---: | --- |")
    for row in rows:
        ratio = f"{row['ratio']:.3g} {row.get('unit', '×')}"
        spread = f"{row['lowest']:.3g} to {row['highest']:.3g}"
        passed = {True: "yes", False: "**no**", None: ""}[row["passed"]]
        cells = [row["what"], row["reference"], ratio, spread, row["target"] or "", passed]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
