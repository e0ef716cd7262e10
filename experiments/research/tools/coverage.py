"""How often do intervals over three folds hold the lead, where the folds share training text?

    python experiments/research/tools/coverage.py [TIMES]

It writes what_predicts/results/coverage_of_folds.json.

Made-up leads of one arm over another, in bits per character, on documents of the lengths of two
texts: the tales, dealt to folds as evenly as can be, and a testament in the folds of the studies,
whose three longest documents are one of them. Documents vary, and the networks of a fold move its
documents together; two folds are correlated by 1/3 (Nadeau & Bengio 2003).
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core.files import write_json
from textgen.evaluation import significance
from textgen.evaluation.units import markdown_table

RESEARCH = Path(__file__).parents[1]
MAP = RESEARCH / "log" / "results" / "the_map"
WRITTEN = RESEARCH / "what_predicts" / "results" / "coverage_of_folds.json"
FOLDS = 3


def documents_of(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Characters + 1 and the fold of each document of a text: (D,) each, fold by fold."""
    rows = dict[str, tuple[int, float]]()
    for path in MAP.glob(f"{text}-*-characters.json"):
        fold = int(path.stem.split("-")[1]) - 1
        for cell in json.loads(path.read_text("utf-8"))["cells"].values():
            rows |= {name: (fold, row[0]) for name, row in cell["documents"].items()}
    folds, units = np.array(sorted(rows.values())).T
    if folds.max() >= FOLDS:  # of another study
        units, sums = np.sort(units)[::-1], np.zeros(FOLDS)
        for index, length in enumerate(units):
            folds[index] = sums.argmin()
            sums[sums.argmin()] += length
    order = np.argsort(folds, kind="stable")
    return units[order], folds[order].astype(int)


def coverage(case: dict[str, Any], times: int) -> float:
    """How often the interval holds the lead that documents of this kind have on average."""
    (units, folds), rng = documents_of(case["text"]), np.random.default_rng(1)
    mean, held = case["slope"] * np.log2(units), 0
    truth = np.sum(mean * units) / units.sum()
    for _ in range(times):
        own, shared = rng.normal(0, case["folds"], FOLDS), rng.normal(0, case["folds"])
        shifts = own * (1 - 1 / FOLDS) ** 0.5 + shared / FOLDS**0.5
        leads = mean + rng.normal(0, case["documents"], len(units)) + shifts[folds]
        bits = (leads * units)[np.newaxis]
        found = significance.compare_arms(bits, 0 * bits, units, folds)
        held += found.low <= truth <= found.high
    return held / times


def main(times: int = 2000) -> None:
    significance.RESAMPLES = 2**10
    texts, names = ("tales", "ukrainian"), ("text", "slope", "documents", "folds")
    rows = product(texts, (0, -0.02), (0.01, 0.03), (0, 0.004, 0.012, 0.03))
    cases = [dict(zip(names, row, strict=True)) for row in rows]
    for case in cases:
        case["coverage"] = coverage(case, times)
    write_json(WRITTEN, {"times": times, "cases": cases})
    heads = ["text", "change per doubling of length", "SD of documents", "SD of folds", "coverage"]
    print(markdown_table(heads, [[*map(str, case.values())] for case in cases]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
