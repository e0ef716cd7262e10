"""How often do intervals over three folds hold the lead, where the folds share training text?

    python experiments/coverage.py [TIMES]     # writes results/coverage/folds.json

Made-up leads of one arm over another, in bits per character, on documents of the lengths of two
texts. Documents vary, and the networks of a fold move its documents together; two folds are
correlated by 1/3 (Nadeau & Bengio 2003).
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core.system import write_json
from textgen.evaluation import significance
from textgen.evaluation.units import markdown_table

RESULTS, FOLDS = Path(__file__).parent / "results", 3


def lengths_of(text: str) -> np.ndarray:
    """Characters + 1 of each document of a text: (D,), the longest first."""
    units = dict[str, float]()
    for path in RESULTS.glob(f"map/{text}-*-characters.json"):
        for cell in json.loads(path.read_text("utf-8"))["cells"].values():
            units |= {name: row[0] for name, row in cell["documents"].items()}
    return np.sort([*units.values()])[::-1]


def coverage(case: dict[str, Any], times: int) -> float:
    """How often the interval holds the lead that documents of this kind have on average."""
    units, rng = lengths_of(case["text"]), np.random.default_rng(1)
    folds, sums = np.zeros(len(units), int), np.zeros(FOLDS)
    for index, length in enumerate(units):  # as even as can be
        folds[index] = sums.argmin()
        sums[folds[index]] += length
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
    write_json(RESULTS / "coverage" / "folds.json", {"times": times, "cases": cases})
    heads = ["text", "change per doubling of length", "SD of documents", "SD of folds", "coverage"]
    print(markdown_table(heads, [[*map(str, case.values())] for case in cases]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
