"""Factors of compute of a grid, computed a second time from its records, with numpy and without
textgen.

    cd experiments/research
    python tools/recompute_factors.py words_or_characters/results/study_matched [GRID ...]
    python tools/recompute_factors.py --pooled GRID GRID [...]

For every contrast and every budget of a text but its first, it prints how many times the compute of
the arm that is ahead there the other needs: the factor, the set of factors that cannot be excluded,
and by how many times the budgets alone show it ahead.

With --pooled, an arm's budgets are those of all these grids on the same test documents, so that its
settings may change along the way and its budgets need not be those of the other arm. For every
contrast, A is then the second arm, at each of its budgets but its first, and B the first arm.

Compute is preparation plus updates times the planned seconds of one, or where no plan has these,
what the runs recorded. A is the arm behind at a budget, with compute C. B's bits of each document
run straight between its budgets in the logarithm of compute. The factor is C over the compute from
which B stays below A. The set holds C over every compute at which the 95% interval of the
difference contains 0; it is looked for at 60 places between any two budgets.

The interval is Student's t of a sum of errors, not a resampling. A document's error is its own
difference less that of all, by its length. The errors of documents add up squared. Where documents
are of several folds, those of a fold share networks: what the sums of folds vary beyond their
documents counts 1 + F / (F − 1) times (Nadeau & Bengio 2003), and at least 1 / (F − 1) of all that
they vary counts. Else, with several seeds an arm, the variance of the arms' means over seeds is
added. Degrees of freedom are Satterthwaite's.
"""

import json
import math
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

# Fewer documents give no interval.
FEWEST = 6
# Bits per character; a gain of less is none.
MARGIN = 0.01
# Places between two budgets.
PLACES = 60
STEPS = (3, 9, 27)
# A budget is a third of another also where whole updates make it this much more.
TOLERANCE = 1.01


class Recomputed(NamedTuple):
    """``value``: None outside the budgets; ``low``, ``high``: 0 and inf where the set is open;
    ``gains``: whether the arm behind gained from its last step; ``steps``: those of STEPS that
    hold."""

    behind: str
    ahead: str
    value: float | None
    low: float
    high: float
    gains: bool
    steps: list[int]


def compute(arm: dict) -> float | None:
    """Seconds of a training of an arm; None where they are not on record."""
    plan = arm["plan"]
    runs = arm["runs"]
    if plan.get("seconds_per_update") and runs:
        updates = sum(run["updates"] for run in runs) / len(runs)
        return plan["preparation_seconds"] + updates * plan["seconds_per_update"]
    measured = [run.get("compute") for run in runs]
    if not measured or None in measured:
        return None
    return sum(measured) / len(measured)


def student(freedom: float) -> float:
    """The 97.5th percentile of Student's t, from its density."""
    places = np.linspace(0, 100, 20_001)
    density = (1 + places**2 / freedom) ** (-(freedom + 1) / 2)
    mass = np.cumsum(density)
    return float(places[np.searchsorted(mass, 0.95 * mass[-1])])


def interval(
    first: np.ndarray, second: np.ndarray, units: np.ndarray, folds: np.ndarray
) -> tuple[float, float]:
    """The ends of the 95% interval of first − second, from bits (seeds, documents)."""
    whole = units.sum()
    gap = first.mean(axis=0) - second.mean(axis=0)
    value = gap.sum() / whole
    errors = (gap - value * units) / whole
    number = len(units)
    of_documents = float(np.sum(errors**2)) * number / (number - 1)
    others = list[tuple[float, float]]()  # variances, and their degrees of freedom
    names = np.unique(folds)
    if len(names) > 1:
        count = len(names)
        sums = np.array([errors[folds == name].sum() for name in names])
        of_folds = float(np.sum(sums**2)) * count / (count - 1)
        beyond = max(of_folds - of_documents, of_folds / (count - 1))
        others.append((beyond * (1 + count / (count - 1)), count - 1))
    elif min(len(first), len(second)) > 1:
        for bits in (first, second):
            figures = bits.sum(axis=1) / whole
            others.append((float(np.var(figures, ddof=1)) / len(bits), len(bits) - 1))
    variance = of_documents + sum(each for each, _ in others)
    equal = whole**2 / float(units @ units)  # documents of one length that would say as much
    parts = [(of_documents, max(equal - 1, 1)), *others]
    freedom = variance**2 / sum(each**2 / own for each, own in parts)
    reach = student(freedom) * math.sqrt(variance)
    return value - reach, value + reach


def is_below(bounds: tuple[float, float]) -> bool:
    """Whether a difference is below 0, and not only by less than the margin."""
    return bool(bounds[1] < 0 and bounds[0] < -MARGIN)


def on_the_chord(bits: np.ndarray, seconds: list[float], place: float) -> np.ndarray:
    """Bits (seeds, documents) after so many seconds, from (budgets, seeds, documents)."""
    for number, (before, after) in enumerate(pairwise(seconds)):
        if before <= place <= after:
            share = math.log(place / before) / math.log(after / before)
            return bits[number] + share * (bits[number + 1] - bits[number])
    raise ValueError(f"{place} s are outside the budgets")


class Ladder(NamedTuple):
    """The budgets of an arm in order of compute: what was planned, the seconds that each cost,
    which rise, and its bits (seeds, documents). A training that ends early may have cost less than
    one for a smaller budget."""

    budgets: list[float]
    seconds: list[float]
    bits: list[np.ndarray]


def ladder_of(cells: list[dict], arm: str, part: str) -> Ladder:
    """That of cells that differ in their budgets, in order of compute."""
    steps = list[tuple[float, float, np.ndarray]]()
    for cell in cells:
        seconds = compute(cell["arms"][arm])
        if seconds is not None:
            bits = np.sum(cell["arms"][arm]["test"][part], axis=2)
            steps.append((seconds, cell["budget"][1], bits))
    steps.sort(key=lambda step: step[:2])
    return Ladder(
        budgets=[budget for _, budget, _ in steps],
        seconds=[seconds for seconds, _, _ in steps],
        bits=[bits for _, _, bits in steps],
    )


def factor_at(cells: list[dict], arms: tuple[str, str], part: str, budget: float) -> Recomputed:
    """The factor at a planned budget of cells that differ in their budgets."""
    ladders = {arm: ladder_of(cells, arm, part) for arm in arms}
    numbers = {arm: ladders[arm].budgets.index(budget) for arm in arms}
    here = {arm: ladders[arm].bits[numbers[arm]].mean(axis=0).sum() for arm in arms}
    ahead, behind = sorted(arms, key=lambda arm: here[arm])
    documents = cells[0]["documents"]["test"]
    found = factor_of(ladders[behind], ladders[ahead], numbers[behind], documents)
    return found._replace(behind=behind, ahead=ahead)


def at_one_compute_once(ladder: Ladder) -> Ladder:
    """A ladder without the budgets that cost as much as the next one, which counts in their
    place."""
    last = {seconds: number for number, seconds in enumerate(ladder.seconds)}
    kept = [[each[number] for number in last.values()] for each in ladder]
    return Ladder(*kept)


def factor_of(behind: Ladder, ahead: Ladder, budget: int, documents: list) -> Recomputed:
    """The factor of two arms at a budget of the first, by its number in order of compute; neither
    is named."""
    units = np.array([characters + 1.0 for *_, characters in documents])
    folds = np.array([fold for fold, *_ in documents])
    ahead = at_one_compute_once(ahead)
    level = behind.bits[budget]
    spent = behind.seconds[budget]
    places = sorted(
        {
            float(place)
            for before, after in pairwise(ahead.seconds)
            for place in np.geomspace(before, after, PLACES)
        }
    )
    places = [min(max(place, ahead.seconds[0]), ahead.seconds[-1]) for place in places]
    scored = [on_the_chord(ahead.bits, ahead.seconds, place) for place in places]
    figures = np.array([each.mean(axis=0).sum() - level.mean(axis=0).sum() for each in scored])
    value = None
    if figures[-1] < 0 and np.any(figures > 0):
        last = int(np.flatnonzero(figures > 0)[-1])
        value = spent / places[last + 1]
    held = list[bool]()
    for each in scored:
        low, high = interval(each, level, units, folds)
        held.append(low <= 0 <= high)
    smallest, largest = places[0], places[-1]
    if any(held):
        first = held.index(True)
        final = len(held) - 1 - held[::-1].index(True)
        smallest = 0.0 if first == 0 else places[first]
        largest = math.inf if final == len(held) - 1 else places[final]
    elif figures[0] < 0:  # ahead from its first budget on
        smallest, largest = 0.0, places[0]
    else:
        smallest, largest = places[-1], math.inf
    steps = list[int]()
    for step in STEPS:
        small = [n for n, each in enumerate(ahead.seconds) if each <= TOLERANCE * spent / step]
        if not small or not is_below(interval(ahead.bits[small[-1]], level, units, folds)):
            break
        steps.append(step)
    gains = False
    if budget > 0:
        gains = is_below(interval(level, behind.bits[budget - 1], units, folds))
    return Recomputed(
        "",
        "",
        value,
        spent / largest,
        math.inf if smallest == 0 else spent / smallest,
        gains,
        steps,
    )


def factors(folder: Path) -> dict[tuple[str, str, str], Recomputed]:
    """(cell, first arm, second arm) → the factor, by the part of the grid."""
    grid = json.loads((folder / "grid.json").read_text("utf-8"))
    part = grid["part"]
    cells = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("cells/*.json"))]
    found = dict[tuple[str, str, str], Recomputed]()
    for asked in grid["contrasts"]:
        arms = (asked["first"], asked["second"])
        rows = defaultdict[str, list[dict]](list)
        for cell in cells:
            known = all(
                arm in cell["arms"]
                and part in cell["arms"][arm]["test"]
                and compute(cell["arms"][arm])
                for arm in arms
            )
            if known and len(cell["documents"]["test"]) >= FEWEST:
                alike = [cell["text"], cell["size"], cell["budget"][0], cell["documents"]["test"]]
                rows[json.dumps(alike)].append(cell)
        for row in rows.values():
            row.sort(key=lambda cell: cell["budget"][1])
            for cell in row[1:]:
                found[cell["name"], *arms] = factor_at(row, arms, part, cell["budget"][1])
    return found


def pooled_factors(
    folders: list[Path], pairs: Sequence[tuple[str, str]] = ()
) -> dict[tuple[float, str, str], Recomputed]:
    """(planned budget of the second arm, first arm, second arm) → the factor, of grids that have
    the same text, sizes and test documents and the same part; of the contrasts of these grids, or
    of other pairs of arms."""
    grids = [json.loads((folder / "grid.json").read_text("utf-8")) for folder in folders]
    cells = [
        json.loads(path.read_text("utf-8"))
        for folder in folders
        for path in sorted(folder.glob("cells/*.json"))
    ]
    parts = {grid["part"] for grid in grids}
    documents = cells[0]["documents"]["test"]
    texts = {
        json.dumps([cell["sha256"], cell["size"], cell["documents"]["test"]]) for cell in cells
    }
    if len(texts) > 1 or len(parts) > 1:
        raise ValueError(f"{folders}: grids of other texts, sizes, test documents or parts")
    (part,) = parts
    asked = {(each["first"], each["second"]) for grid in grids for each in grid["contrasts"]}
    found = dict[tuple[str, str, str], Recomputed]()
    for first, second in pairs or sorted(asked):
        known = {
            arm: [cell for cell in cells if part in cell["arms"].get(arm, {"test": {}})["test"]]
            for arm in (first, second)
        }
        ahead = ladder_of(known[first], first, part)
        behind = ladder_of(known[second], second, part)
        for number, budget in list(enumerate(behind.budgets))[1:]:
            one = factor_of(behind, ahead, number, documents)
            found[budget, first, second] = one._replace(behind=second, ahead=first)
    return found


def has_budgets(folder: Path) -> bool:
    """Whether a grid has several budgets of one text."""
    cells = [json.loads(path.read_text("utf-8")) for path in folder.glob("cells/*.json")]
    texts = [(cell["text"], cell["size"]) for cell in cells]
    return len(set(texts)) < len(texts)


def show(factors_found: Mapping[tuple[str | float, str, str], Recomputed]) -> None:
    for (cell, *_), found in factors_found.items():
        value = "outside" if found.value is None else f"{found.value:.2f}"
        said = f"{value}, set {found.low:.2f} to {found.high:.2f}, budgets alone {found.steps}"
        gained = "" if found.gains else "; its last step gained too little"
        print(f"{cell}: {found.behind} against {found.ahead}: {said}{gained}")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["--pooled"]:
        show(pooled_factors([Path(given) for given in arguments[1:]]))
    else:
        for given in arguments:
            show(factors(Path(given)))
