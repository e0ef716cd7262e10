"""The law that ``"auto"`` goes by (:mod:`textgen.training.sizing`), fitted to recorded trials.

    python experiments/search.py experiments/search/scaling_char.toml --workers 2
    (the same for scaling_subword.toml and scaling_word.toml)
    python experiments/scaling.py

The floor, the two amounts and the overhead are those of each kind of token, the powers and the
size of an update that counts for half are common to all. Residuals of the bits count linearly
beyond RELIABLE, as in Hoffmann et al. (2022). The constants are written to
``textgen/training/scaling.json``; how well they fit is printed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from textgen.training.sizing import FILE, PASSES, Law

RESULTS = Path(__file__).parent / "results" / "search"
LEVELS = ("char", "subword", "word")
RELIABLE = 0.01
"""Bits per character."""
STARTS = np.log([1.2, 3.0, 30.0]), np.log([0.3, 0.3, 4000.0])


def trials(level: str) -> list[dict[str, Any]]:
    """Those that were trained."""
    found = json.loads((RESULTS / f"scaling_{level}.json").read_text(encoding="utf-8"))
    return [trial for trial in found.values() if "validation" in trial]


def overhead(records: list[dict[str, Any]]) -> float:
    """An update's time over that of its products: the median of the trials."""
    products = [PASSES * r["multiplications"] * r["multiplication_seconds"] for r in records]
    took = [r["milliseconds_per_update"] / 1000 for r in records]
    return float(np.median(np.divide(took, products)))


def laws(records: dict[str, list[dict[str, Any]]], logs: np.ndarray) -> dict[str, Law]:
    """The laws with constants given by their logarithms: three of each level, three of all."""
    values, names = np.exp(logs), ("size_power", "text_power", "at_once")
    shared = dict(zip(names, map(float, values[-3:]), strict=True))
    found = dict[str, Law]()
    for i, (level, rows) in enumerate(records.items()):
        floor, size, text = map(float, values[3 * i : 3 * i + 3])
        length = float(np.median([row["characters_per_token"] for row in rows]))
        found[level] = Law(length, floor, size, text, **shared, overhead=overhead(rows))
    return found


def predicted(law: Law, record: dict[str, Any]) -> float:
    """Bits per character that a law expects of a trial."""
    seen = record["updates"] * record["at_once"]
    return law.bits(record["weights"], seen, record["distinct"], record["at_once"])


def fitted(records: dict[str, list[dict[str, Any]]]) -> dict[str, Law]:
    """The laws that trials follow most nearly."""

    def residuals(logs: np.ndarray) -> np.ndarray:
        made = laws(records, logs)
        pairs = ((made[level], row) for level, rows in records.items() for row in rows)
        return np.array([predicted(law, row) - row["validation"] for law, row in pairs])

    start = np.concatenate([*[STARTS[0]] * len(records), STARTS[1]])
    best = least_squares(residuals, start, loss="huber", f_scale=RELIABLE, max_nfev=20_000)
    return laws(records, best.x)


def main() -> None:
    records = {level: trials(level) for level in LEVELS}
    found = fitted(records)
    for level, rows in records.items():
        for row in rows:
            print(f"{level}: {predicted(found[level], row):.4f}, was {row['validation']:.4f}")
    content = {
        level: {key: float(f"{value:.4g}") for key, value in vars(law).items()}
        for level, law in found.items()
    }
    FILE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
