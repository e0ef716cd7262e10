"""Curves and factors of compute of the study, from the records of grids of one text, and its family
of questions.

    python experiments/research/unit_worth/unit_worth.py [--updates] GRID [GRID ...]
    python experiments/research/unit_worth/unit_worth.py --family REPORTS

An arm's budgets are those of all grids that are given, which have to share their text, size, folds
and test documents, and should share their settings. It prints bits per character of networks after
every budget; then for every contrast, at every budget of the second arm but its first, how many
times the compute of the first arm the second one needs, the set of factors that cannot be excluded,
the same where timings are a fifth off, and by how many times the budgets alone show it.
``tools/recompute_factors.py --pooled`` computes the same without textgen. With --updates, compute
is without preparation.

With --family, it prints the difference, interval and p of every question in FAMILY whose grids are
in the folder REPORTS, and the interaction of the causes.
"""

import functools
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from textgen.core.settings import PartName
from textgen.evaluation.factor import Factor, Learning, at_least, factor
from textgen.evaluation.significance import (
    Difference,
    Lead,
    Verdict,
    compare_arms,
    verdict,
)
from textgen.report.grid import GRID_FILE, CellRecord, Grid

# One arm timed a fifth too slow, the other a fifth too fast: 1.2 / 0.8. Every point of a curve
# moves by at most that, and so does every factor.
TIMINGS_OFF = 1.5


class Question(NamedTuple):
    """Whether an arm needs fewer bits than another.

    Attributes:
        study: the name of its grid.
        seconds: the budget.
        first: the arm.
        others: the other arm; of two, the mean of their bits.
    """

    study: str
    seconds: float
    first: str
    others: tuple[str, ...]


# Of each text, the largest budget first.
CURVES = [
    [("tales_curves_300s", 540), ("tales_curves_300s", 180), ("tales_curves_60s", 60)],
    [("speeches_curves_300s", 540), ("speeches_curves_300s", 180), ("speeches_curves_60s", 60)],
    [("swahili_curves_300s", 180), ("swahili_curves_60s", 60)],
]
CAUSES = [
    [("tales_causes_300s", 180), ("tales_causes_60s", 60)],
    [("speeches_causes_300s", 180), ("speeches_causes_60s", 60)],
    [("swahili_causes_300s", 180)],
]
# Seconds → characters with rare words replaced: as all arms of the causes are set and, where this
# is another setting, as characters are best.
REPLACED = {
    60: ("characters_replaced",),
    180: ("characters_replaced", "characters_replaced_tuned"),
}
LENGTHS = "tales_causes_300s", 180
# One question is of the other sign than its step says: short subwords are behind the mean.
OF_LENGTH = [
    (
        Question(*LENGTHS, "subwords", ("subwords_short",)),
        Question(*LENGTHS, "subwords_short", ("subwords", "subwords_2000")),
    )
]
# A step holds if all of its questions do, and a chain ends at the first step that does not.
Chain = list[tuple[Question, ...]]
FAMILY: list[Chain] = [
    *(
        [(Question(*where, first, ("characters",)),) for where in budgets]
        for first in ("word_spell", "words")
        for budgets in CURVES
    ),
    *(
        [
            tuple(Question(study, seconds, "words", (other,)) for other in REPLACED[seconds])
            for study, seconds in budgets
        ]
        for budgets in CAUSES
    ),
    OF_LENGTH,
]


class Pool(NamedTuple):
    """The cells of several grids of one text.

    Attributes:
        learning: arm → its trainings, in order of compute.
        budgets: arm → the seconds that were planned for each of them. A training that ends early
            may have cost less than one for a smaller budget.
        units: (D,) characters + 1 of each test document.
        folds: (D,) the fold that each is of.
        contrasts: (first arm, second arm), each once.
    """

    learning: dict[str, Learning]
    budgets: dict[str, list[float]]
    units: np.ndarray
    folds: np.ndarray
    contrasts: list[tuple[str, str]]


class PooledFactor(NamedTuple):
    """The factor at a budget of the second arm, and the steps that its budgets show alone.

    Attributes:
        found: the factor.
        steps: those of the budgets alone.
        smallest, largest: factors that the first arm's budgets can show there.
        is_ahead: whether the first arm's last budget has fewer bits.
    """

    found: Factor
    steps: list[int]
    smallest: float
    largest: float
    is_ahead: bool


def pooled(
    folders: list[Path], part: PartName = "network", without_preparation: bool = False
) -> Pool:
    """The budgets of every arm in some grids, whose compute may be without preparation.

    Raises:
        ValueError: they are not of one text, size and split, or an arm has two cells of a budget.
    """
    grids = [Grid(folder) for folder in folders]
    cells = [cell for grid in grids for cell in grid.cells.values()]
    first, *others = cells
    for cell in others:
        if _text(cell) != _text(first):
            raise ValueError(f"{cell.name} has another text, size or split than {first.name}")
    trained = [(arm, cell.budget) for cell in cells for arm in cell.arms]
    if len(set(trained)) < len(trained):
        raise ValueError("an arm has a budget twice: give grids of one list of settings at a time")
    learning = dict[str, Learning]()
    budgets = dict[str, list[float]]()
    for arm in dict.fromkeys(arm for arm, _ in trained):
        learning[arm], budgets[arm] = _learning(cells, arm, part, without_preparation)
    asked = [(each.first, each.second) for grid in grids for each in grid.contents.contrasts]
    return Pool(learning, budgets, first.units(), first.folds(), list(dict.fromkeys(asked)))


def _text(cell: CellRecord) -> tuple[object, ...]:
    return cell.sha256, cell.size, cell.documents["test"]


def _learning(
    cells: list[CellRecord], arm: str, part: PartName, without_preparation: bool
) -> tuple[Learning, list[float]]:
    """What an arm scored, and its planned budgets."""
    steps = list[tuple[float, float, np.ndarray]]()
    for cell in cells:
        seconds = cell.compute(arm) if arm in cell.arms else None
        if seconds is not None and without_preparation:
            seconds -= float(cell.arms[arm].plan["preparation_seconds"])
        if seconds is not None:
            steps.append((seconds, cell.budget[1], cell.bits(arm, part).sum(axis=2)))
    steps.sort(key=lambda step: step[:2])
    computes = np.array([seconds for seconds, _, _ in steps])
    bits = np.array([of_step for _, _, of_step in steps])
    return Learning(computes, bits), [budget for _, budget, _ in steps]


def factors(pool: Pool) -> dict[tuple[float, str, str], PooledFactor]:
    """(planned budget of the second arm, first arm, second arm) → the factor."""
    found = dict[tuple[float, str, str], PooledFactor]()
    for first, second in pool.contrasts:
        slower = pool.learning[second]
        faster = pool.learning[first]
        for number, budget in list(enumerate(pool.budgets[second]))[1:]:
            both = (slower, faster, number, pool.units, pool.folds)
            spent = slower.computes[number]
            level = slower.levels(pool.units)[number]
            found[budget, first, second] = PooledFactor(
                factor(*both),
                [*at_least(*both)],
                smallest=float(spent / faster.computes[-1]),
                largest=float(spent / faster.computes[0]),
                is_ahead=bool(faster.levels(pool.units)[-1] < level),
            )
    return found


def family(reports: Path) -> dict[Question, Lead]:
    """The lead of every question of FAMILY that has an answer on record.

    Chains are corrected by Bonferroni, and a chain's steps are tested in turn, so that a step's p
    is never below that of the step before (Maurer, Hothorn & Lehmacher 1995).
    """
    leads = dict[Question, Lead]()
    for chain in FAMILY:
        p = 0.0
        for step in chain:
            found = {question: answer(reports, question) for question in step}
            answers = {question: each for question, each in found.items() if each is not None}
            p = max(p, _p_of_step(step, answers))
            of_step = {each: Lead(d, p, verdict(d, p)) for each, d in answers.items()}
            leads |= of_step
            if not all(lead.verdict is Verdict.BETTER for lead in of_step.values()):
                p = 1.0  # the next steps are not asked
    return leads


def _p_of_step(step: Sequence[Question], answers: Mapping[Question, Difference]) -> float:
    """By Bonferroni over the chains; 1 where a question has no answer."""
    if len(answers) < len(step):
        return 1.0
    return min(1.0, len(FAMILY) * max(each.p for each in answers.values()))


def answer(reports: Path, question: Question) -> Difference | None:
    """Bits of a question's first arm minus those of the other, or minus the mean of the others;
    None if an arm has not been recorded."""
    cell = cell_of(reports, question.study, question.seconds)
    if cell is None or not {question.first, *question.others} <= set(cell.arms):
        return None
    return _difference(cell, question)


@functools.cache
def cells_of(folder: Path) -> list[CellRecord]:
    """The recorded cells of a study, by rising budget; none if the study has no records."""
    if not (folder / GRID_FILE).exists():
        return []
    return sorted(Grid(folder).cells.values(), key=lambda cell: cell.budget[1])


def cell_of(reports: Path, study: str, seconds: float) -> CellRecord | None:
    """The recorded cell of a study for a budget; None if there is none."""
    for cell in cells_of(reports / study):
        if cell.budget == ("seconds", seconds):
            return cell
    return None


def interaction(cell: CellRecord) -> Difference | None:
    """What replacing rare words gains the network of words, minus what it gains characters; None
    where an arm is missing."""
    if not {"word_spell", "words", "characters", "characters_replaced"} <= cell.arms.keys():
        return None
    written = cell.bits("word_spell") - cell.bits("words")
    read = cell.bits("characters") - cell.bits("characters_replaced")
    return compare_arms(written.sum(axis=2), read.sum(axis=2), cell.units(), cell.folds())


def _difference(cell: CellRecord, question: Question) -> Difference:
    first = cell.bits(question.first).sum(axis=2)
    others = np.mean([cell.bits(arm).sum(axis=2) for arm in question.others], axis=0)
    return compare_arms(first, others, cell.units(), cell.folds())


def value_in_words(one: PooledFactor) -> str:
    """A factor; a bound where it lies outside the budgets."""
    if one.found.value is not None:
        return f"{one.found.value:.1f}"
    if one.is_ahead:
        return f"> {one.largest:.1f}"
    return f"< {one.smallest:.1f}"


def set_in_words(low: float, high: float) -> str:
    """A set of factors; an end may be open."""
    said = ["open" if low == 0 else f"{low:.1f}", "open" if high == math.inf else f"{high:.1f}"]
    return " to ".join(said)


def widened_set_in_words(one: PooledFactor) -> str:
    """The set if the timings of both arms were wrong, see ``TIMINGS_OFF``."""
    return set_in_words(one.found.low / TIMINGS_OFF, one.found.high * TIMINGS_OFF)


def _said(one: PooledFactor) -> str:
    gains = "" if one.found.gains else "; the second arm's last step gained too little"
    alone = f"budgets alone {one.steps}{gains}"
    narrow = set_in_words(one.found.low, one.found.high)
    wide = widened_set_in_words(one)
    return f"{value_in_words(one)} (set {narrow}; timings a fifth off {wide}; {alone})"


def main(folders: list[Path], without_preparation: bool) -> None:
    pool = pooled(folders, without_preparation=without_preparation)
    for arm, learning in pool.learning.items():
        levels = learning.levels(pool.units)
        steps = zip(learning.computes, levels, strict=True)
        print(f"{arm}: " + ", ".join(f"{level:.3f} after {each:.0f} s" for each, level in steps))
    for (budget, first, second), one in factors(pool).items():
        print(f"{second} against {first} at {budget:.0f} s: {_said(one)}")


def show_family(reports: Path) -> None:
    for question, lead in family(reports).items():
        others = " and ".join(question.others)
        where = f"{question.study}, {question.seconds:.0f} s"
        said = f"p corrected {lead.p_adjusted:.3f}, {lead.verdict}"
        print(f"{where}: {question.first} − {others}: {_interval(lead.found)}, {said}")
    for study, seconds in (where for budgets in CAUSES for where in budgets):
        cell = cell_of(reports, study, seconds)
        found = None if cell is None else interaction(cell)
        if found is not None:
            print(f"{study}, {seconds:.0f} s: interaction {_interval(found)}")


def _interval(found: Difference) -> str:
    return f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["--family"]:
        show_family(Path(arguments[1]))
    else:
        folders = [Path(given) for given in arguments if given != "--updates"]
        main(folders, without_preparation="--updates" in arguments)
