"""The quantities of the study on units (log/2026-11-29-what-predicts.md), what four texts predict
of each for a fifth, and what became of it.

    python experiments/what_predicts.py     prints all tables from the records in results/grids
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from textgen.core.settings import PartName
from textgen.evaluation.significance import Difference
from textgen.evaluation.units import PART_LABELS, markdown_table
from textgen.report.grid import CellRecord, Grid, compare_cells

GRIDS = Path(__file__).parent / "results" / "grids"
ARMS = ("characters", "subwords", "words", "word_spell")
SEEN, UNSEEN = ("tales", "wikipedia", "swahili", "ukrainian"), "speeches"
Measure = Callable[[CellRecord], float]


def difference(first: str, second: str, part: PartName = "network") -> Callable[..., Difference]:
    return lambda cell: compare_cells(cell, first, cell, second, part)


def lead(first: str, second: str, part: PartName = "network") -> Measure:
    return lambda cell: difference(first, second, part)(cell).difference


def share(part: Measure, whole: Measure) -> Measure:
    return lambda cell: part(cell) / whole(cell)


def lead_in_frequent_words(cell: CellRecord) -> float:
    """The words' bits in frequent words minus the characters' there, per character of the text."""
    words, characters = (
        np.array(cell.arms[arm]["where"]).mean(axis=0).sum(axis=0)[cell.classes.index("frequent")]
        for arm in ("words", "characters")
    )
    return float(words - characters) / cell.units().sum()


class Quantity(NamedTuple):
    """A row of the protocol: in which cells it is measured, and how. ``arms`` are those whose
    difference it is; without them it is a share, which has a range but no interval."""

    number: int
    name: str
    size: str
    seconds: int
    measure: Measure
    arms: tuple[str, str] | None = None

    def cell(self, text: str) -> str:
        return f"{text}-{self.size}-{self.seconds}s"


def _of_arms(number: int, first: str, second: str, size: str, seconds: int) -> Quantity:
    name = f"`{first}` − `{second}`"
    return Quantity(number, name, size, seconds, lead(first, second), (first, second))


def _of_lead(number: int, what: str, part: Measure) -> Quantity:
    name = f"of the lead of `words`, what {what}"
    return Quantity(number, name, "all", 180, share(part, OVER_CHARACTERS))


OVER_CHARACTERS = lead("words", "characters")
QUANTITIES = [
    *(_of_arms(1, "words", "characters", size, 180) for size in ("145000", "360000", "all")),
    _of_arms(2, "word_spell", "characters", "145000", 20),
    _of_arms(3, "word_spell", "characters", "all", 180),
    _of_lead(4, "n-grams that spell are worth", lead("words", "word_spell")),
    *(_of_arms(5, "subwords", "characters", "all", seconds) for seconds in (20, 180)),
    _of_arms(6, "word_spell", "subwords", "all", 180),
    _of_lead(7, "is left with counts", lead("words", "characters", "with_counts")),
    _of_lead(8, "lies in frequent words", lead_in_frequent_words),
]


class Prediction(NamedTuple):
    """For one more text: ``sign`` is 0 where the texts disagree in it."""

    sign: int
    low: float
    high: float


def predict(values: Sequence[float]) -> Prediction:
    """Mean ± t(n − 1, 0.975) · s · √(1 + 1/n): a 95 % prediction interval for one more value."""
    number = len(values)
    reach = stats.t.ppf(0.975, number - 1) * statistics.stdev(values) * math.sqrt(1 + 1 / number)
    signs = {int(np.sign(value)) for value in values}
    sign = signs.pop() if len(signs) == 1 else 0
    return Prediction(sign, statistics.mean(values) - reach, statistics.mean(values) + reach)


def outcome(quantity: Quantity, prediction: Prediction, cell: CellRecord) -> str:
    """What became of a prediction: of its range, and of its sign where there is one to refute."""
    value = quantity.measure(cell)
    words = ["in the range" if prediction.low <= value <= prediction.high else "missed the range"]
    if quantity.arms and prediction.sign:
        found = difference(*quantity.arms)(cell)
        ends = {prediction.sign * int(np.sign(end)) for end in (found.low, found.high)}
        words.append({(1,): "sign as predicted", (-1,): "sign refuted"}.get((*ends,), "sign open"))
    return ", ".join(words)


def rows(cells: Mapping[str, CellRecord]) -> list[list[str]]:
    """Of both tables: number and name, cell, values on the texts seen, sign, range, and where the
    unseen text is on record its value and what became of the prediction."""
    result = []
    for quantity in QUANTITIES:
        names = [quantity.cell(text) for text in SEEN]
        values = [quantity.measure(cells[name]) for name in names if name in cells]
        if len(values) < 2:
            continue
        shown = [f"{quantity.measure(cells[n]):+.3f}" if n in cells else "" for n in names]
        prediction = predict(values)
        sign = {1: "above 0", -1: "below 0", 0: "none"}[prediction.sign] if quantity.arms else ""
        row = [f"{quantity.number}", quantity.name, quantity.cell("").lstrip("-"), *shown, sign]
        row.append(f"{prediction.low:+.3f} to {prediction.high:+.3f}")
        if test := cells.get(quantity.cell(UNSEEN)):
            row += [f"{quantity.measure(test):+.3f}", outcome(quantity, prediction, test)]
        result.append(row)
    return result


def records() -> dict[str, CellRecord]:
    found = (GRIDS / name for name in ("what_predicts", "what_predicts_test"))
    return {n: c for folder in found if folder.exists() for n, c in Grid(folder).cells.items()}


def predictions_table() -> str:
    """The quantities on the texts seen, and what they predict."""
    head = ["", "quantity", "training text, budget", *SEEN, "sign", "range"]
    return markdown_table(head, [row[: len(head)] for row in rows(records())]) + "\n"


def outcomes_table() -> str:
    """What was predicted for the unseen text, and what became of it."""
    head = ["", "quantity", "training text, budget", "sign", "range", UNSEEN, "outcome"]
    chosen = [[*row[:3], *row[3 + len(SEEN) :]] for row in rows(records())]
    return markdown_table(head, chosen) + "\n"


def account_table() -> str:
    """Of every text, the whole, 180 seconds: what the networks need, the lead of words under every
    part of the models, and what of the networks' lead n-grams that spell are worth."""
    table, cells, spelled = [], records(), share(lead("words", "word_spell"), OVER_CHARACTERS)
    for text in (text for text in (*SEEN, UNSEEN) if f"{text}-all-180s" in cells):
        cell = cells[f"{text}-all-180s"]
        units = cell.units().sum()
        bits = [f"{cell.bits(arm).sum(axis=(1, 2)).mean() / units:.3f}" for arm in ARMS]
        leads = [f"{lead('words', 'characters', part)(cell):+.3f}" for part in PART_LABELS]
        table.append([text, *bits, *leads, f"{spelled(cell):.0%}"])
    leads = [f"`words` − `characters`, {label}" for label in PART_LABELS.values()]
    head = ["text", *(f"`{arm}`" for arm in ARMS), *leads, "lead owed to n-grams that spell"]
    return markdown_table(head, table) + "\n"


def budgets_table(first: str, second: str) -> str:
    """A difference of networks (rows: text and training text) after every budget."""
    table, cells = list[list[str]](), records()
    for text, size in product((*SEEN, UNSEEN), ("145000", "360000", "all")):
        names = [f"{text}-{size}-{seconds}s" for seconds in (20, 60, 180)]
        if found := [difference(first, second)(cells[n]) for n in names if n in cells]:
            shown = [f"{d.difference:+.3f} ({d.low:+.3f} to {d.high:+.3f})" for d in found]
            table.append([text, size, *shown, *[""] * (len(names) - len(shown))])
    head = ["text", "training text", *(f"after {seconds} s" for seconds in (20, 60, 180))]
    return markdown_table(head, table) + "\n"


if __name__ == "__main__":
    leads = [budgets_table(first, "characters") for first in ("words", "word_spell", "subwords")]
    print(account_table(), *leads, predictions_table(), outcomes_table(), sep="\n")
