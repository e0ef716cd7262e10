"""A grid: its cells on record, a JSON file each; leads, learning curves and factors of compute,
computed from these files alone; and the page of all.

A lead is a difference of two arms on the same test documents. Two arms of one cell were trained on
the same text. Of two cells they were trained on other amounts of it or for other budgets: a step of
a learning curve.
"""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.files import write_file
from textgen.core.settings import PARTS, PartName
from textgen.core.terminal import visible
from textgen.data.documents import corpus_hash
from textgen.data.loading import Corpus
from textgen.evaluation.factor import Factor, Learning, at_least, factor
from textgen.evaluation.significance import (
    FEWEST,
    Difference,
    Lead,
    Verdict,
    compare_arms,
    tested,
    what_would_tell,
)
from textgen.evaluation.units import PART_LABELS
from textgen.report import schema
from textgen.report.arms import Arm
from textgen.report.building import CLASSES, Plan, Words, class_bits, cut_words
from textgen.report.contrast import Contrast
from textgen.report.page import (
    HUES,
    LogScale,
    Scale,
    page_template,
    rewrite_report,
    scale_of,
)
from textgen.report.schema import Report
from textgen.report.sentences import disagreement_cautions
from textgen.runs.finished import Run
from textgen.runs.results import Content, read_content
from textgen.runs.stored import TokenBits

GRID_FILE, CELLS_FOLDER = "grid.json", "cells"
PAGES = {"summary.md": "grid.txt", "index.html": "grid.html"}
AGAIN = "restore the file, or delete it and repeat the study"
HeldOut = Literal["validation", "test"]
SPLITS: tuple[HeldOut, ...] = ("validation", "test")
# Bits of a document, of which there are thousands, are recorded to so many decimals.
DECIMALS = 3


# (cell, first arm, second arm) → what comes of a contrast.
Leads = dict[tuple[str, str, str], Lead]
# Part of the model → bits of model and spelling, (seeds, documents, 2).
BitsByPart = dict[PartName, list[list[list[float]]]]


class RunRecord(Content):
    """A run of a cell.

    Attributes:
        subset: the sha256 of its training text.
        compute: see :mod:`textgen.training.compute`; None where that is not on record.
        characters: of training text that were read, with repeats; None where that is not on record.
    """

    name: str
    seed: int
    fold: int | None
    subset: str
    updates: int
    processor: str
    compute: float | None = None
    characters: float | None = None


class ArmRecord(Content):
    """An arm of a cell.

    Attributes:
        plan: see :class:`textgen.studies.planning.ArmPlan`.
        runs: in turn of each fold.
        where: (seeds, documents, classes), the network's bits of test documents.
        validation, test: bits of held-out parts; empty if they are no distribution over the text.
    """

    plan: Plan
    runs: list[RunRecord]
    where: list[list[list[float]]]
    validation: BitsByPart
    test: BitsByPart


class CellRecord(Content):
    """``cells/NAME.json``: what is kept of a cell.

    Attributes:
        size: characters of training text; "all"; None where sizes are no axis.
        budget: what it is in, and how much.
        sha256: of the whole text.
        documents: validation or test part → fold, name and characters of its documents, fold by
            fold.
        classes: of words.
        arms: by their names.
    """

    name: str
    text: str
    size: int | Literal["all"] | None
    budget: tuple[str, float]
    sha256: str
    documents: dict[str, list[tuple[int, str, int]]]
    classes: list[str]
    arms: dict[str, ArmRecord]

    @property
    def training_text(self) -> str:
        """How much of the text was trained on; empty where that is no axis."""
        return f"{self.size:,} characters" if isinstance(self.size, int) else self.size or ""

    @property
    def title(self) -> str:
        """The text, and how much of it was trained on; empty where neither is an axis."""
        return ", ".join(filter(None, (self.text, self.training_text)))

    @property
    def runs(self) -> set[str]:
        """The names of all runs."""
        return {run.name for arm in self.arms.values() for run in arm.runs}

    def parts(self, arm: str) -> list[PartName]:
        """The parts of an arm's models that have bits; none if there is no such arm."""
        return list(self.arms[arm].test) if arm in self.arms else []

    def bits(self, arm: str, part: PartName = "network", split: HeldOut = "test") -> np.ndarray:
        """(seeds, documents, 2) float64: bits of model and spelling.

        Raises:
            TextgenError: there is no such arm, or it has no such part.
        """
        if part not in self.parts(arm):
            hint = f"arms: {', '.join(self.arms)}"
            raise TextgenError(f"{self.name}: no bits of {arm!r} under the part {part!r}", hint)
        bits = self.arms[arm].test if split == "test" else self.arms[arm].validation
        return np.array(bits[part])

    def compute(self, arm: str) -> float | None:
        """Seconds that a training of an arm cost, as its plan has timed them, or else as its runs
        have; None where neither is on record."""
        record = self.arms[arm]
        if record.plan.get("seconds_per_update") and record.runs:
            updates = float(np.mean([run.updates for run in record.runs]))
            preparation = float(record.plan["preparation_seconds"])
            return preparation + updates * float(record.plan["seconds_per_update"])
        computes = [run.compute for run in record.runs if run.compute is not None]
        if not computes or len(computes) < len(record.runs):
            return None
        return float(np.mean(computes))

    def folds(self) -> np.ndarray:
        """(D,) int64: the fold that each test document is of."""
        return np.array([fold for fold, *_ in self.documents["test"]])

    def units(self, split: HeldOut = "test") -> np.ndarray:
        """(documents,) int64: characters and one end mark."""
        return np.array([characters + 1 for *_, characters in self.documents[split]])


def record_cell(
    arms: Sequence[Arm],
    texts: Sequence[Corpus],
    plans: Mapping[str, Plan],
    *,
    name: str,
    text: str,
    size: int | Literal["all"] | None,
    budget: tuple[str, float],
) -> CellRecord:
    """What is kept of a cell.

    Args:
        arms: with their finished runs.
        texts: of the folds, in their order.
        plans: by arm.
        name, text, size, budget: as :class:`CellRecord` has them.
    """
    words = cut_words(texts)
    return CellRecord(
        sha256=texts[0].sha256,
        documents={split: _documents(texts, split) for split in SPLITS},
        classes=list(CLASSES),
        arms={arm.name: _record_arm(arm, texts, plans[arm.name], words) for arm in arms},
        name=name,
        text=text,
        size=size,
        budget=budget,
    )


def _record_arm(arm: Arm, texts: Sequence[Corpus], plan: Plan, words: Words) -> ArmRecord:
    runs = list[RunRecord]()
    for repeat in arm.repeats:
        for run, text in zip(repeat, texts, strict=True):
            runs.append(_record_run(run, text))
    return ArmRecord(
        plan=plan,
        runs=runs,
        where=class_bits(arm, words).round(DECIMALS).tolist(),
        validation=_bits_by_part(arm, "validation") if arm.charged else {},
        test=_bits_by_part(arm, "test") if arm.charged else {},
    )


def _bits_by_part(arm: Arm, split: HeldOut) -> BitsByPart:
    tables = [[run.read_token_bits(split) for run in runs] for runs in arm.repeats]
    return {
        part: [[_bits(document) for table in folds for document in table[part]] for folds in tables]
        for part in arm.parts
    }


def _documents(texts: Sequence[Corpus], split: str) -> list[tuple[int, str, int]]:
    """Fold, name and characters of the documents of a held-out part, fold by fold."""
    return [
        (fold, document.name, document.characters)
        for fold, text in enumerate(texts, start=1)
        for document in text.parts[split]
    ]


def _record_run(run: Run, text: Corpus) -> RunRecord:
    return RunRecord(
        name=run.experiment.name,
        seed=run.experiment.seed,
        fold=run.experiment.split.fold,
        subset=corpus_hash(text.train),
        updates=run.metrics.training.updates,
        processor=run.manifest.processor,
        compute=run.metrics.training.compute,
        characters=run.metrics.training.characters,
    )


def _bits(document: TokenBits) -> list[float]:
    return [round(float(bits.sum()), DECIMALS) for bits in (document.model, document.spelling)]


def compare_cells(
    first: CellRecord, arm: str, second: CellRecord, other: str, part: PartName = "network"
) -> Difference:
    """An arm's bits per character in the first cell minus another's in the second, which may have
    been trained on another amount of text, or for another budget.

    Raises:
        TextgenError: no such arm or part, or other test documents.
    """
    bits = first.bits(arm, part).sum(axis=2), second.bits(other, part).sum(axis=2)
    texts = [(cell.sha256, cell.documents["test"]) for cell in (first, second)]
    if texts[0] != texts[1]:
        message = f"{first.name} and {second.name} were tested on different documents"
        raise TextgenError(message, "compare cells of one text, in the same folds")
    return compare_arms(*bits, first.units(), first.folds())


class CellFactor(NamedTuple):
    """How many times the compute of one arm another needs, in a cell.

    Attributes:
        slower, faster: the arms; the slower one has more bits there.
        lead: of the faster one, bits per character.
        found: the factor.
        steps: see :func:`textgen.evaluation.factor.at_least`.
    """

    slower: str
    faster: str
    lead: float
    found: Factor
    steps: dict[int, Difference]

    def __str__(self) -> str:
        """Empty where nothing is known."""
        start = f"{self.slower} against {self.faster}: "
        found = self.found
        if not found.gains:
            gain = f"{self.slower} gained too little from the budget before for a factor"
            return f"{start}{gain}; {self.lead:.3f} behind"
        said = list[str]()
        if found.low > 0 and found.high < math.inf:
            value = f"{found.value:.1f} times" if found.value else "times"
            said.append(f"{value} ({found.low:.1f} to {found.high:.1f})")
        elif found.low > 0:
            said.append(f"at least {found.low:.1f} times")
        elif found.high < math.inf:
            said.append(f"at most {found.high:.1f} times")
        if self.steps:
            said.append(f"by budgets alone at least {max(self.steps)} times")
        return start + "; ".join(said) if said else ""


class Chart(NamedTuple):
    """What arms scored on one text in trainings for several budgets, each to its end.

    Attributes:
        title: the text, and how much of it was trained on.
        axis: what the lines are over: compute, or the budget where that is not on record.
        across, up: the two scales.
        lines: arm → compute and bits per character of test text, by rising budget.
    """

    title: str
    axis: str
    across: LogScale
    up: Scale
    lines: dict[str, list[tuple[float, float]]]


class Contents(Content):
    """``grid.json``: what a study is about.

    Attributes:
        cells: those that are planned.
        timed: the plans whose timing holds for all.
        tuned: seconds after which the settings of all arms were best; None where that is not known.
        tuned_otherwise: cells for whose budgets other settings are better.
    """

    title: str
    part: PartName
    contrasts: list[Contrast]
    cells: list[str]
    timed: dict[str, dict[str, Any]]
    tuned: int | None = None
    tuned_otherwise: tuple[str, ...] = ()

    def late(self, contrast: Contrast) -> str:
        """What is said of a question that was not there before the runs."""
        planned = [self.timed[arm]["declared"] for arm in (contrast.first, contrast.second)]
        if all(vars(contrast) in questions for questions in planned):
            return ""
        return " This question is not in the plan."


class Grid:
    """The cells of a study that are on record.

    Args:
        folder: of the study's reports, with ``grid.json`` and ``cells``.

    Attributes:
        folder: the same.
        contents: of ``grid.json``.
        cells: name → cell, as far as they are done.

    Raises:
        TextgenError: there is no such file, or one is damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.contents = read_content(self.folder / GRID_FILE, Contents, AGAIN)
        self.cells = dict[str, CellRecord]()
        for name in self.contents.cells:
            file = self.folder / CELLS_FOLDER / f"{name}.json"
            if file.exists():
                self.cells[name] = read_content(file, CellRecord, AGAIN)

    def leads(self, part: PartName | None = None) -> Leads:
        """(cell, first arm, second arm) → what comes of a contrast, in every cell where both arms
        have the part, that of the study if None. Holm's correction is over all contrasts in all
        planned cells."""
        part = part or self.contents.part
        contrasts = self.contents.contrasts
        found = dict[tuple[str, str, str], Difference]()
        for contrast, (name, cell) in product(contrasts, self.cells.items()):
            first, second = contrast.first, contrast.second
            if part in cell.parts(first) and part in cell.parts(second):
                found[name, first, second] = compare_cells(cell, first, cell, second, part)
        return tested(found, len(contrasts) * len(self.contents.cells))

    def curves(self, split: HeldOut = "test") -> dict[tuple[str, str, PartName], float]:
        """(cell, arm, part) → bits per character of a held-out part, mean over seeds."""
        found = dict[tuple[str, str, PartName], float]()
        for name, cell in self.cells.items():
            units = cell.units(split).sum()
            for arm in cell.arms:
                for part in cell.parts(arm):
                    bits = cell.bits(arm, part, split).sum(axis=(1, 2)).mean()
                    found[name, arm, part] = bits / units
        return found

    def charts(self) -> list[Chart]:
        """A chart for each text and size of which several budgets are on record, under the part of
        the study."""
        part = self.contents.part
        curves = self.curves()
        found = list[Chart]()
        for names in self._by_budget():
            cells = [self.cells[name] for name in names]
            first = cells[0]
            arms = [arm for arm in first.arms if all((name, arm, part) in curves for name in names)]
            if len(cells) < 2 or not arms:
                continue
            axis = f"{first.budget[0]} of budget"
            is_timed = all(cell.compute(arm) for cell in cells for arm in arms)
            if is_timed:
                axis = "seconds of compute"
            lines = dict[str, list[tuple[float, float]]]()
            for arm in arms:
                lines[arm] = []
                for cell in cells:
                    compute = cell.compute(arm)
                    spent = compute if is_timed and compute else cell.budget[1]
                    lines[arm].append((spent, curves[cell.name, arm, part]))
            places = [place for line in lines.values() for place, _ in line]
            across = LogScale(0.9 * min(places), max(places))
            up = scale_of(bits for line in lines.values() for _, bits in line)
            found.append(Chart(first.title or self.contents.title, axis, across, up, lines))
        return found

    def _by_budget(self) -> list[list[str]]:
        """Names of cells that differ in their budgets alone, which rise."""
        groups = dict[str, list[str]]()
        for name, cell in self.cells.items():
            alike = [cell.text, cell.size, cell.budget[0], cell.sha256, cell.documents["test"]]
            groups.setdefault(json.dumps(alike), []).append(name)
        for names in groups.values():
            names.sort(key=lambda name: self.cells[name].budget[1])
        return list(groups.values())

    def budget_lines(self) -> list[str]:
        """How the first question is answered after each budget, how many times the compute the arm
        that is behind needs, and for which budgets other settings are better; nothing for a grid
        that has other axes, too."""
        groups = self._by_budget()
        if len(groups) != 1 or len(groups[0]) < 2 or not self.contents.contrasts:
            return []
        (names,) = groups
        contrast = self.contents.contrasts[0]
        leads = self.leads()
        factors = self.factors()
        answers = list[str]()
        factor = ""
        for name in names:
            key = (name, contrast.first, contrast.second)
            if key not in leads:
                continue
            lead = leads[key]
            less = "fewer" if lead.found.difference < 0 else "more"
            regime, amount = self.cells[name].budget
            budget = f"{amount:,.12g} {regime}"
            bits = f"{abs(lead.found.difference):.3f} {less}"
            answers.append(f"{bits} after {budget} ({lead.verdict})")
            # there is none at the first budget; and where nothing can be told it says nothing
            if key in factors and str(factors[key]):
                factor = f"Compute needed at {budget}, {factors[key]}."
        needed = f"Bits per character that {contrast.first} need beside {contrast.second}"
        lines = [f"{needed}: {', '.join(answers)}."] if answers else []
        if factor:
            lines.append(factor)
        if otherwise := self._tuned_otherwise(names):
            lines.append(otherwise)
        return lines

    def _tuned_otherwise(self, names: Sequence[str]) -> str:
        """Which cells have settings that were best for another budget, and what to do; empty where
        none has."""
        cells = [self.cells[name] for name in names if name in self.contents.tuned_otherwise]
        if not cells:
            return ""
        budgets = " and ".join(f"{cell.budget[1]:,.12g}" for cell in cells)
        return (
            f"After {budgets} seconds each model may be worse than it could be, because all have "
            f"the settings that are best after {self.contents.tuned} seconds: for better settings, "
            "repeat that textgen try with --overwrite, or with --name OTHER to keep this study."
        )

    def factors(self, part: PartName | None = None) -> dict[tuple[str, str, str], CellFactor]:
        """(cell, first arm, second arm) → the factor of compute of a contrast, in every cell that
        has a smaller budget of the same text before it and documents enough, by the part of the
        study if None."""
        part = part or self.contents.part
        found = dict[tuple[str, str, str], CellFactor]()
        for contrast in self.contents.contrasts:
            arms = (contrast.first, contrast.second)
            for ladder in self._ladders(part, arms):
                for budget, name in list(enumerate(ladder))[1:]:
                    found[name, *arms] = self._factor(ladder, budget, arms, part)
        return found

    def _ladders(self, part: PartName, arms: tuple[str, str]) -> list[list[str]]:
        """As :meth:`_by_budget`, of cells that have the arms, with as many seeds of each."""
        ladders = list[list[str]]()
        for names in self._by_budget():
            by_seeds = dict[tuple[int, ...], list[str]]()
            for name in names:
                cell = self.cells[name]
                has_all = all(part in cell.parts(arm) and cell.compute(arm) for arm in arms)
                if has_all and len(cell.documents["test"]) >= FEWEST:
                    seeds = tuple(len(cell.arms[arm].test[part]) for arm in arms)
                    by_seeds.setdefault(seeds, []).append(name)
            ladders += by_seeds.values()
        return ladders

    def _factor(
        self, ladder: Sequence[str], budget: int, arms: tuple[str, str], part: PartName
    ) -> CellFactor:
        cells = [self.cells[name] for name in ladder]
        units = cells[0].units()
        learnt = dict[str, Learning]()
        # Where the budget stands by compute: a training that ends early may cost less than one for
        # a smaller budget.
        places = dict[str, int]()
        for arm in arms:
            computes = np.array([cell.compute(arm) for cell in cells], dtype=np.float64)
            bits = np.array([cell.bits(arm, part).sum(axis=2) for cell in cells])
            order = np.argsort(computes, kind="stable")
            learnt[arm] = Learning(computes[order], bits[order])
            places[arm] = order.tolist().index(budget)
        levels = {arm: float(learnt[arm].levels(units)[places[arm]]) for arm in arms}
        faster, slower = sorted(arms, key=lambda arm: levels[arm])
        both = (learnt[slower], learnt[faster], places[slower], units, cells[0].folds())
        return CellFactor(
            slower, faster, levels[slower] - levels[faster], factor(*both), at_least(*both)
        )

    def write_page(self) -> None:
        """Write ``index.html`` and ``summary.md`` into the folder, and the reports of cells again,
        where their verdicts are corrected over fewer questions."""
        leads = {part: self.leads(part) for part in PARTS}
        for name in self.cells:
            self._correct_report(name, leads)
        curves = self.curves()
        parts = {part for _, _, part in curves}
        said = {key: str(found) for key, found in self.factors().items()}
        about = {
            "grid": self,
            "charts": self.charts(),
            "hues": HUES,
            "curves": curves,
            "leads": leads,
            "factors": {key: line for key, line in said.items() if line},
            "labels": {part: label for part, label in PART_LABELS.items() if part in parts},
        }
        for name, template in PAGES.items():
            page = page_template(template).render(about)
            write_file(self.folder / name, visible(page))

    def _correct_report(self, name: str, leads: Mapping[PartName, Leads]) -> None:
        """Give the report of a cell, if there is one, the verdicts that the grid has: a cell alone
        knows of no other question."""
        folder = self.folder / CELLS_FOLDER / name
        file = folder / "report.json"
        if not file.exists():
            return
        report = read_content(file, Report, AGAIN)
        before = report.model_copy(deep=True)
        disagreements = list(disagreement_cautions(report.contrasts, report.part))
        report.cells = len(self.contents.cells)
        report.questions = len(self.contents.contrasts) * report.cells
        for row in report.contrasts:
            for difference in (row, *row.parts.values()):
                lead = leads[difference.part].get((name, row.first, row.second))
                if lead:
                    _correct(difference, lead, report.questions)
        rest = [caution for caution in report.warnings if caution not in disagreements]
        report.warnings = [*rest, *disagreement_cautions(report.contrasts, report.part)]
        if report != before:
            rewrite_report(folder, report, AGAIN)


def _correct(difference: schema.Difference, lead: Lead, questions: int) -> None:
    difference.p_adjusted = lead.p_adjusted
    difference.verdict = lead.verdict
    difference.needed = None
    if lead.verdict is Verdict.TOO_CLOSE:
        difference.needed = what_would_tell(lead.found, questions)
