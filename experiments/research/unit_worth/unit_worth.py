"""Curves and factors of compute of the study, from the records of all grids of one text.

    python experiments/research/unit_worth/unit_worth.py GRID GRID [...]

An arm's budgets are those of all grids that are given, which have to share their text, size, folds
and test documents: settings change between 60 and 180 seconds, and characters have a budget that no
other arm has. It prints bits per character of networks after every budget; then for every
contrast, at every budget of the second arm but its first, how many times the compute of the first
arm the second one needs, the set of factors that cannot be excluded, and by how many times the
budgets alone show it. ``tools/recompute_factors.py --pooled`` computes the same without textgen.
"""

import math
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from textgen.core.settings import PartName
from textgen.evaluation.factor import Factor, Learning, at_least, factor
from textgen.report.grid import CellRecord, Grid


class Pool(NamedTuple):
    """The cells of several grids of one text.

    Attributes:
        learning: arm → its budgets, in order of compute.
        units: (D,) characters + 1 of each test document.
        folds: (D,) the fold that each is of.
        contrasts: (first arm, second arm), each once.
    """

    learning: dict[str, Learning]
    units: np.ndarray
    folds: np.ndarray
    contrasts: list[tuple[str, str]]


class PooledFactor(NamedTuple):
    """The factor at a budget of the second arm, and the steps that its budgets show alone."""

    found: Factor
    steps: list[int]


def pooled(folders: list[Path], part: PartName = "network") -> Pool:
    """The budgets of every arm in some grids.

    Raises:
        ValueError: they are not of one text, size and split.
    """
    grids = [Grid(folder) for folder in folders]
    cells = [cell for grid in grids for cell in grid.cells.values()]
    first, *others = cells
    for cell in others:
        if _text(cell) != _text(first):
            raise ValueError(f"{cell.name} has another text, size or split than {first.name}")
    learning = {arm: _learning(cells, arm, part) for cell in cells for arm in cell.arms}
    asked = [(each.first, each.second) for grid in grids for each in grid.contents.contrasts]
    folds = np.array([fold for fold, *_ in first.documents["test"]])
    return Pool(learning, first.units(), folds, list(dict.fromkeys(asked)))


def _text(cell: CellRecord) -> tuple[object, ...]:
    return cell.sha256, cell.size, cell.documents["test"]


def _learning(cells: list[CellRecord], arm: str, part: PartName) -> Learning:
    steps = list[tuple[float, np.ndarray]]()
    for cell in cells:
        seconds = cell.compute(arm) if arm in cell.arms else None
        if seconds is not None:
            steps.append((seconds, cell.bits(arm, part).sum(axis=2)))
    steps.sort(key=lambda step: step[0])
    computes = np.array([seconds for seconds, _ in steps])
    return Learning(computes, np.array([bits for _, bits in steps]))


def factors(pool: Pool) -> dict[tuple[int, str, str], PooledFactor]:
    """(number of a budget of the second arm, first arm, second arm) → the factor."""
    found = dict[tuple[int, str, str], PooledFactor]()
    for first, second in pool.contrasts:
        slower = pool.learning[second]
        faster = pool.learning[first]
        for budget in range(1, len(slower.computes)):
            both = (slower, faster, budget, pool.units, pool.folds)
            found[budget, first, second] = PooledFactor(factor(*both), [*at_least(*both)])
    return found


def _said(one: PooledFactor) -> str:
    found = one.found
    value = "outside" if found.value is None else f"{found.value:.1f}"
    high = "open" if found.high == math.inf else f"{found.high:.1f}"
    low = "open" if found.low == 0 else f"{found.low:.1f}"
    gains = "" if found.gains else "; the second arm's last step gained too little"
    return f"{value} (set {low} to {high}; budgets alone {one.steps}{gains})"


def main(folders: list[Path]) -> None:
    pool = pooled(folders)
    for arm, learning in pool.learning.items():
        levels = learning.levels(pool.units)
        steps = zip(learning.computes, levels, strict=True)
        print(f"{arm}: " + ", ".join(f"{level:.3f} after {each:.0f} s" for each, level in steps))
    for (budget, first, second), one in factors(pool).items():
        seconds = pool.learning[second].computes[budget]
        print(f"{second} against {first} at {seconds:.0f} s: {_said(one)}")


if __name__ == "__main__":
    main([Path(given) for given in sys.argv[1:]])
