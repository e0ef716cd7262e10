"""The law that ``"auto"`` goes by (:mod:`textgen.training.sizing`), fitted to recorded trials.

    python experiments/search.py experiments/search/scaling_char.toml --workers 2
    (the same for scaling_subword.toml and scaling_word.toml)
    python experiments/scaling.py

How soon a text that is seen again has told all is common to all kinds of token; the rest is
theirs. Residuals of the bits count linearly beyond RELIABLE, as in Hoffmann et al. (2022), whose
powers are where the powers here are drawn to: so few trials, all of them short, hardly tell them.
The constants are written to ``textgen/training/scaling.json``; how well they fit is printed.
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
NAMES = ("floor", "size", "text", "size_power", "text_power", "at_once")
DRAWN = {"size_power": (0.34, 0.3), "text_power": (0.28, 0.3), "at_once": (10_000.0, 1.0)}
"""Where a constant is drawn to, and how far its logarithm is from there where that counts as much
as RELIABLE bits; the powers are those of Hoffmann et al. (2022, eq. 10)."""
LONG = 180.0
"""Seconds of a trial that counts in full."""
START, REPEATED = np.log([1.2, 10.0, 20.0, *(value for value, _ in DRAWN.values())]), np.log(4.0)


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
    """The laws with constants given by their logarithms: NAMES of each level, one of all."""
    values, found = np.exp(logs), dict[str, Law]()
    for (level, rows), own in zip(
        records.items(), values[:-1].reshape(-1, len(NAMES)), strict=True
    ):
        constants = dict(zip(NAMES, map(float, own), strict=True))
        length = float(np.median([row["characters_per_token"] for row in rows]))
        found[level] = Law(length, **constants, repeated=float(values[-1]), overhead=overhead(rows))
    return found


def predicted(law: Law, record: dict[str, Any]) -> float:
    """Bits per character that a law expects of a trial."""
    seen = record["updates"] * record["at_once"]
    return law.bits(record["weights"], seen, record["distinct"], record["at_once"])


def trust(record: dict[str, Any]) -> float:
    """How much a trial counts: as its seconds, for the law is asked about longer ones."""
    return min(1.0, record["updates"] * record["milliseconds_per_update"] / 1000 / LONG)


def fitted(records: dict[str, list[dict[str, Any]]]) -> dict[str, Law]:
    """The laws that trials follow most nearly."""

    def residuals(logs: np.ndarray) -> np.ndarray:
        made = laws(records, logs)
        pairs = ((made[level], row) for level, rows in records.items() for row in rows)
        bits = [(predicted(law, row) - row["validation"]) * trust(row) for law, row in pairs]
        drawn = [
            RELIABLE / spread * np.log(getattr(law, name) / value)
            for law in made.values()
            for name, (value, spread) in DRAWN.items()
        ]
        return np.array([*bits, *drawn])

    start = np.append(np.tile(START, len(records)), REPEATED)
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
