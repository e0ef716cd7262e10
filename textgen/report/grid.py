"""A grid: its cells on record, a JSON file each; leads and learning curves, computed from these
files alone; and the page of all.

A lead is a difference of two arms on the same test documents. Two arms of one cell were trained on
the same text. Of two cells they were trained on other amounts of it or for other budgets: a step of
a learning curve.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.files import write_file
from textgen.core.settings import PARTS, PartName
from textgen.core.terminal import visible
from textgen.data.documents import corpus_hash
from textgen.data.loading import Corpus
from textgen.evaluation.significance import Difference, Lead, compare_arms, tested
from textgen.evaluation.units import PART_LABELS
from textgen.report.arms import Arm
from textgen.report.building import CLASSES, Plan, Words, class_bits, cut_words
from textgen.report.contrast import Contrast
from textgen.report.page import page_template
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


# Part of the model → bits of model and spelling, (seeds, documents, 2).
BitsByPart = dict[PartName, list[list[list[float]]]]


class RunRecord(Content):
    """A run of a cell; ``subset`` is the sha256 of its training text."""

    name: str
    seed: int
    fold: int | None
    subset: str
    updates: int
    processor: str


class ArmRecord(Content):
    """An arm of a cell.

    Attributes:
        plan: see :class:`textgen.studies.study.ArmPlan`.
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
    documents = first.documents["test"]
    if (first.sha256, documents) != (second.sha256, second.documents["test"]):
        message = f"{first.name} and {second.name} were tested on different documents"
        raise TextgenError(message, "compare cells of one text, in the same folds")
    return compare_arms(*bits, first.units(), np.array([fold for fold, *_ in documents]))


class Contents(Content):
    """``grid.json``: what a study is about. ``cells`` are those that are planned, ``timed`` the
    plans whose timing holds for all."""

    title: str
    part: PartName
    contrasts: list[Contrast]
    cells: list[str]
    timed: dict[str, dict[str, Any]]

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

    def leads(self, part: PartName | None = None) -> dict[tuple[str, str, str], Lead]:
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

    def write_page(self) -> None:
        """Write ``index.html`` and ``summary.md`` into the folder."""
        leads = {part: self.leads(part) for part in PARTS}
        about = {"grid": self, "curves": self.curves(), "leads": leads, "labels": PART_LABELS}
        for name, template in PAGES.items():
            page = page_template(template).render(about)
            write_file(self.folder / name, visible(page))
