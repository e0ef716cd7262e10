"""What the benchmarks share: sides that take turns, ratios with their spread, the page's table.

Each side is a process of its own, so that neither thread pool disturbs the other. Repeats are
interleaved (A B A B …): a machine that slows down meanwhile slows both.
"""

import contextlib
import json
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- table: benchmarks -->", "<!-- end -->"
PAUSE = 0.2  # seconds between two turns, in which the threads of the side before fall asleep


def row(what, reference, ratios, target="", **more):
    """One line of the table: the two sides; the median, lowest and highest of some ratios; what is
    wanted of the median, as "≥ 1" or "≤ 0.3"; other figures."""
    middle, passed = statistics.median(ratios), None
    if target:
        sign, limit = target.split()
        passed = middle >= float(limit) if sign == "≥" else middle <= float(limit)
    figures = {"ratio": middle, "lowest": min(ratios), "highest": max(ratios)}
    figures = {name: round(figure, 4) for name, figure in figures.items()}
    wanted = {"repeats": len(ratios), "target": target or None, "passed": passed}
    return {"what": what, "reference": reference, **figures, **wanted, **more}


measured = []  # in a side's own process: its function


def prepare(side, arguments):
    measured.append(side(*arguments))


def turn():
    time.sleep(PAUSE)
    return measured[0]()


def interleaved(sides, arguments, repeats):
    """What functions find in turns that are made by ``sides``, each in its own process."""
    context = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        given = ((context, prepare, (side, arguments)) for side in sides)
        pools = [stack.enter_context(ProcessPoolExecutor(1, *each)) for each in given]
        turns = [[pool.submit(turn).result() for pool in pools] for _ in range(repeats)]
    return list(zip(*turns, strict=True))


def faster(sides, arguments, repeats, what, reference, target, **figures):
    """A row: how many times faster the first side is; other figures, functions of its seconds."""
    ours, theirs = interleaved(sides, arguments, repeats)
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


def page(parts):
    """README.md with everything that was measured so far of some parts."""
    paths = [path for name in parts if (path := PAGE.with_name(f"{name}.json")).exists()]
    rows = [row for path in paths for row in json.loads(path.read_text("utf-8"))["rows"]]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table(rows)}\n\n{END}{rest.partition(END)[2]}"
