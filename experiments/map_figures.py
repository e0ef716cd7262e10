"""What the map says, from ``results/map/*.json`` alone: leads, predictions, tables and the picture.

    python experiments/map_figures.py            # draws results/map/map.svg
    python experiments/map_figures.py coverage   # simulates how often the intervals hold the lead

A lead is the difference of two networks' bits over all documents of all folds, divided by their
characters. Its interval: documents are resampled by subsets, as in reports; folds, each of which
has networks of its own, add what they vary beyond their documents, times Student's t.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

RESULTS = Path(__file__).parent / "results" / "map"
WHOLE = 10**9
SIZES = (145_000, 360_000, 900_000, WHOLE)
SECONDS = ("20", "60", "180")
LEVELS = ("words", "subwords", "characters")
LANGUAGES = ("basque", "cherokee", "estonian", "gujarati", "swahili", "ukrainian")
RESAMPLES = 2**13


class Term(NamedTuple):
    """One model in a lead: of a level, after some seconds (or its n-grams), at a size."""

    level: str
    seconds: str = "180"
    size: int = WHOLE
    sign: int = 1

    @property
    def minus(self) -> Term:
        return self._replace(sign=-self.sign)


class Lead(NamedTuple):
    """Terms added up, as bits per character: below 0 the first of two is better.

    Attributes:
        difference: over all documents.
        low, high, p: 95 % interval, and two-sided, of no difference.
        percent: the difference in per cent of the second term's bits.
        folds: of each fold.
        macro: mean over documents.
        without: the smallest and the largest when one document is left out.
        agreeing: documents whose own difference has the sign of the whole.
        documents: how many.
        equal: documents of one length that would say as much (Kish).
    """

    difference: float
    low: float
    high: float
    p: float
    percent: float
    folds: tuple[float, ...]
    macro: float
    without: tuple[float, float]
    agreeing: int
    documents: int
    equal: float


@cache
def record(text: str, fold: int, size: int, level: str) -> dict[str, Any]:
    """What is kept of a level at a place; empty where there is nothing yet."""
    name = f"{text}-{fold}-{'whole' if size == WHOLE else size}-{level}.json"
    path = RESULTS / name
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def bits_of(text: str, fold: int, size: int, model: tuple[str, str]) -> dict[str, list[float]]:
    """Document → [characters + 1, bits …] of a level after some seconds, or of its n-grams."""
    level, seconds = model
    kept = record(text, fold, size, level)
    cell = kept.get("ngrams") if seconds == "ngrams" else kept.get("cells", {}).get(seconds)
    return cell["documents"] if cell else {}


def interval(
    bits: np.ndarray, units: np.ndarray, folds: np.ndarray, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """Low, high and p of Σ bits / Σ units, (D,) each; ``folds`` says which fold has a document."""
    rng = np.random.default_rng(0)
    whole, total = bits.sum() / units.sum(), units.sum()
    chosen = rng.integers(0, 2, (resamples, len(bits))).astype(np.float64)
    draws = (chosen @ bits) / np.maximum(chosen @ units, 1.0)
    names = sorted(set(folds))
    places = [folds == name for name in names]
    error = (bits - whole * units) / total
    own = [(bits[p] - units[p] * bits[p].sum() / units[p].sum()) / total for p in places]
    count = len(names)
    between = sum(error[p].sum() ** 2 for p in places) * count / (count - 1)
    between -= sum(float(np.sum(e**2)) for e in own)
    shifts = math.sqrt(max(0.0, between)) * rng.standard_t(count - 1, resamples)
    draws = np.concatenate([draws + shifts, draws - shifts])
    low, high = np.quantile(draws, (0.025, 0.975))
    p = 2 * (min(np.sum(draws <= 0), np.sum(draws >= 0)) + 1) / (len(draws) + 1)
    return float(low), float(high), min(1.0, float(p))


def lead(text: str, folds: int, *terms: Term) -> Lead | None:
    """Terms added up, document by document, in all folds; None where a cell is missing."""
    rows = list[tuple[float, ...]]()
    for fold in range(1, folds + 1):
        found = [bits_of(text, fold, term.size, (term.level, term.seconds)) for term in terms]
        if not all(found):
            return None
        assert len({frozenset(documents) for documents in found}) == 1
        rows += [(fold, found[0][d][0], *(each[d][1] for each in found)) for d in found[0]]
    fold_of, units, *costs = np.array(rows).T
    bits = sum(term.sign * cost for term, cost in zip(terms, costs, strict=True))
    whole = float(bits.sum() / units.sum())
    without = (bits.sum() - bits) / (units.sum() - units)
    return Lead(
        whole,
        *interval(bits, units, fold_of),
        100 * float(bits.sum() / costs[1].sum()),
        tuple(float(bits[fold_of == f].sum() / units[fold_of == f].sum()) for f in set(fold_of)),
        float(np.mean(bits / units)),
        (float(without.min()), float(without.max())),
        int(np.sum(bits * whole > 0)),
        len(bits),
        float(units.sum() ** 2 / np.sum(units**2)),
    )


def simulate_coverage(
    units: np.ndarray, folds: np.ndarray, slope: float, spread: float, between: float, times: int
) -> float:
    """How often the interval holds the lead of made-up differences on documents of these lengths.

    Args:
        units, folds: (D,) of real documents.
        slope: what a document of twice the length adds to the lead.
        spread: standard deviation of a document's lead, bits per character.
        between: standard deviation of what a fold's two networks add to all its documents.
        times: simulations.
    """
    rng = np.random.default_rng(1)
    mean = slope * np.log2(units)
    truth, held, names = np.sum(mean * units) / units.sum(), 0, np.unique(folds)
    for _ in range(times):
        shifts = dict(zip(names, rng.normal(0, between, len(names)), strict=True))
        leads = mean + rng.normal(0, spread, len(units)) + [shifts[f] for f in folds]
        low, high, _ = interval(leads * units, units, folds, 2**10)
        held += low <= truth <= high
    return held / times
