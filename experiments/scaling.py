"""The law that ``"auto"`` goes by (:mod:`textgen.training.sizing`), fitted to recorded trials.

    python experiments/search.py experiments/search/scaling_char.toml --workers 2
    (the same for scaling_subword.toml and scaling_word.toml)
    python experiments/scaling.py

Floor, amounts, powers and overhead are those of each kind of token; the size of an update that
counts for half, and how soon a text that is seen again has told all, are common to them. Residuals
of the bits count linearly beyond RELIABLE, as in Hoffmann et al. (2022), whose powers are where the
powers here are drawn to: so few trials, all of them short, hardly tell them. The constants are
written to ``textgen/training/scaling.json``; how well they fit is printed.
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
PUBLISHED = (0.34, 0.28)
"""The powers of size and text (Hoffmann et al. 2022, eq. 10)."""
SPREAD = 0.3
"""Of the logarithm of a power around the published one: so much counts as RELIABLE bits."""
LONG = 180.0
"""Seconds of a trial that counts in full."""
START = np.log([1.2, 10.0, 20.0, *PUBLISHED])
SHARED = np.log([4000.0, 4.0])
"""Where ``at_once`` and ``repeated`` start."""


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
    """The laws with constants given by their logarithms: five of each level, two of all."""
    values, found = list(map(float, np.exp(logs))), dict[str, Law]()
    names = ("floor", "size", "text", "size_power", "text_power")
    for i, (level, rows) in enumerate(records.items()):
        own = dict(zip(names, values[5 * i : 5 * i + 5], strict=True))
        length = float(np.median([row["characters_per_token"] for row in rows]))
        shared = {"at_once": values[-2], "repeated": values[-1]}
        found[level] = Law(length, **own, **shared, overhead=overhead(rows))
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
        powers = logs[:-2].reshape(-1, 5)[:, 3:] - np.log(PUBLISHED)
        return np.concatenate([bits, RELIABLE / SPREAD * powers.ravel()])

    start = np.append(np.tile(START, len(records)), SHARED)
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
