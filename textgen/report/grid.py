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
from textgen.report.building import CLASSES, class_bits, cut_words
from textgen.report.contrast import Contrast
from textgen.report.page import page_template
from textgen.runs.finished import Run
from textgen.runs.results import Content, read_content
from textgen.runs.stored import TokenBits

GRID_FILE, CELLS_FOLDER = "grid.json", "cells"
PAGES = {"summary.md": "grid.txt", "index.html": "grid.html"}
AGAIN = "restore the file, or delete it and repeat the study"
SPLITS = ("validation", "test")
# Of bits of a document, which has thousands.
DECIMALS = 3


class CellRecord(Content):
    """``cells/NAME.json``: what is kept of a cell.

    Attributes:
        size: characters of training text; "all"; None where sizes are no axis.
        budget: what it is in, and how much.
        sha256: of the whole text.
        documents: validation or test part → fold, name and characters of its documents, fold by
            fold.
        classes: of words.
        arms: name → ``plan``, see :class:`textgen.studies.study.ArmPlan`; ``runs``, with ``name``,
            ``seed``, ``fold``, ``updates``, ``processor`` and ``subset``, the sha256 of the
            training text, in turn of each fold; ``validation`` and ``test``: part of the model →
            bits (seeds, documents, 2) of model and spelling, unless they are no distribution over
            the text; ``where``: the network's bits (seeds, documents, classes) of test documents.
    """

    name: str
    text: str
    size: int | Literal["all"] | None
    budget: tuple[str, float]
    sha256: str
    documents: dict[str, list[tuple[int, str, int]]]
    classes: list[str]
    arms: dict[str, dict[str, Any]]

    def parts(self, arm: str) -> list[PartName]:
        """Those of an arm's models that have bits; none if there is no such arm."""
        return list(self.arms.get(arm, {"test": ()})["test"])

    def bits(self, arm: str, part: PartName = "network", split: str = "test") -> np.ndarray:
        """(seeds, documents, 2) float64: bits of model and spelling.

        Raises:
            TextgenError: there is no such arm, or it has no such part.
        """
        if part not in self.parts(arm):
            hint = f"arms: {', '.join(self.arms)}"
            raise TextgenError(f"{self.name}: no bits of {arm!r} under the part {part!r}", hint)
        return np.array(self.arms[arm][split][part])

    def units(self, split: str = "test") -> np.ndarray:
        """(documents,) int64: characters and one end mark."""
        return np.array([characters + 1 for *_, characters in self.documents[split]])


def record_cell(
    arms: Sequence[Arm], texts: Sequence[Corpus], plans: Mapping[str, Any], **about: Any
) -> CellRecord:
    """What is kept of a cell.

    Args:
        arms: with their finished runs.
        texts: of the folds, in their order.
        plans: by arm.
        about: name, text, size and budget.
    """
    words, kept, documents = cut_words(texts), dict[str, dict[str, Any]](), dict[str, Any]()
    for arm in arms:
        rows = [_run_row(*pair) for runs in arm.repeats for pair in zip(runs, texts, strict=True)]
        where = class_bits(arm, words).round(DECIMALS).tolist()
        kept[arm.name] = {"plan": plans[arm.name], "runs": rows, "where": where}
        for split in SPLITS:
            tables = [[run.read_token_bits(split) for run in runs] for runs in arm.repeats]
            kept[arm.name][split] = {
                part: [[_bits(d) for table in own for d in table[part]] for own in tables]
                for part in (arm.parts if arm.charged else ())
            }
    for split, (fold, text) in product(SPLITS, enumerate(texts, start=1)):
        own = documents.setdefault(split, [])
        own += ((fold, d.name, d.characters) for d in text.parts[split])
    sha256, classes = texts[0].sha256, list(CLASSES)
    return CellRecord(sha256=sha256, documents=documents, classes=classes, arms=kept, **about)


def _run_row(run: Run, text: Corpus) -> dict[str, Any]:
    return {
        "name": run.experiment.name,
        "seed": run.experiment.seed,
        "fold": run.experiment.split.fold,
        "subset": corpus_hash(text.train),
        "updates": run.metrics.training.updates,
        "processor": run.manifest.processor,
    }


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
        plans = (self.timed[arm]["declared"] for arm in (contrast.first, contrast.second))
        return " This question is not in the plan." * any(vars(contrast) not in p for p in plans)


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
        files = ((n, self.folder / CELLS_FOLDER / f"{n}.json") for n in self.contents.cells)
        self.cells = {n: read_content(p, CellRecord, AGAIN) for n, p in files if p.exists()}

    def leads(self, part: PartName | None = None) -> dict[tuple[str, str, str], Lead]:
        """(cell, first arm, second arm) → what comes of a contrast, in every cell where both arms
        have the part, that of the study if None. Holm's correction is over all contrasts in all
        planned cells."""
        part, contrasts = part or self.contents.part, self.contents.contrasts
        found = {
            (name, c.first, c.second): compare_cells(cell, c.first, cell, c.second, part)
            for c, (name, cell) in product(contrasts, self.cells.items())
            if part in cell.parts(c.first) and part in cell.parts(c.second)
        }
        return tested(found, len(contrasts) * len(self.contents.cells))

    def curves(self, split: str = "test") -> dict[tuple[str, str, PartName], float]:
        """(cell, arm, part) → bits per character of a held-out part, mean over seeds."""
        return {
            (name, arm, part): cell.bits(arm, part, split).sum(axis=(1, 2)).mean() / units
            for name, cell in self.cells.items()
            for units in [cell.units(split).sum()]
            for arm in cell.arms
            for part in cell.parts(arm)
        }

    def write_page(self) -> None:
        """Write ``index.html`` and ``summary.md`` into the folder."""
        leads = {part: self.leads(part) for part in PARTS}
        about = {"grid": self, "curves": self.curves(), "leads": leads, "labels": PART_LABELS}
        for name, template in PAGES.items():
            page = page_template(template).render(about)
            write_file(self.folder / name, visible(page))
