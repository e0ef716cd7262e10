"""Finished runs read back for a comparison, and put together into arms.

An arm is one experiment under several seeds. Nothing here needs TensorFlow.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from textgen import config, evaluation
from textgen.config import Experiment
from textgen.corpora.loading import Loaded
from textgen.document_cache import Cache
from textgen.errors import UNREADABLE, TextgenError
from textgen.evaluation import SymbolBits
from textgen.runs import NEEDED, check_finished, load_cache, read_metrics

FILES = (*NEEDED, "history.csv", evaluation.SYMBOLS, evaluation.TEXTS)


@dataclass(frozen=True)
class Finished:
    """A finished run: its settings, figures, cache, curve, bits by symbol and texts."""

    folder: Path
    experiment: Experiment
    metrics: dict[str, Any]
    cache: Cache | None
    history: list[dict[str, float]]
    symbols: list[SymbolBits]
    texts: dict[str, Any]

    @property
    def charged(self) -> bool:
        """Whether its bits are those of a distribution over the text."""
        return self.metrics["test"]["bits_per_character"] is not None


def read_run(folder: Path) -> Finished:
    """Read a run folder whose evaluation is there.

    Raises:
        TextgenError: something is missing, damaged, or does not add up.
    """
    check_finished(folder, FILES)
    try:
        metrics = read_metrics(folder)
        with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
            history = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        experiment = config.load(folder / "experiment.toml")
        run = Finished(
            folder,
            experiment,
            metrics,
            load_cache(folder, experiment),
            history,
            evaluation.read_symbols(folder),
            evaluation.read_texts(folder),
        )
        _check_sum(run)
    except UNREADABLE as error:
        raise TextgenError(
            str(folder), found=f"a damaged run ({type(error).__name__}: {error})",
            expected="the files as textgen wrote them",
            hint="train it again with --overwrite; it is left out here",
        ) from None  # fmt: skip
    return run


def _check_sum(run: Finished) -> None:
    """The bits of all symbols are those of ``metrics.json``.

    Raises:
        ValueError: they are not.
    """
    if not run.charged:
        return
    bits = sum(float(d.model.sum() + d.spelling.sum()) for d in run.symbols)
    unit = sum(d.characters + 1 for d in run.symbols)
    told = run.metrics["test"]["bits_per_character"]["total"]
    if abs(bits / unit - told) > 1e-3:
        raise ValueError(f"{evaluation.SYMBOLS} adds up to {bits / unit:.4f}, not {told:.4f}")


@dataclass(frozen=True)
class Arm:
    """One experiment under one or more seeds, all scored on the same documents."""

    name: str
    runs: tuple[Finished, ...]

    @property
    def first(self) -> Finished:
        return self.runs[0]

    @property
    def charged(self) -> bool:
        return self.first.charged

    @property
    def seeds(self) -> list[int]:
        return [run.experiment.seed for run in self.runs]

    @cached_property
    def bits(self) -> np.ndarray:
        """(seeds, documents) float64: total bits of each held-out document."""
        return np.array(
            [[float(d.model.sum() + d.spelling.sum()) for d in run.symbols] for run in self.runs]
        )

    @cached_property
    def units(self) -> np.ndarray:
        """(documents,) int64: characters and one end mark."""
        return np.array([d.characters + 1 for d in self.first.symbols])

    @cached_property
    def per_character(self) -> list[np.ndarray]:
        """(characters + 1,) float64 a document: mean over seeds of what each character costs."""
        documents = zip(*(run.symbols for run in self.runs), strict=True)
        return [np.mean([d.per_character() for d in each], axis=0) for each in documents]


def group(runs: Sequence[Finished]) -> list[Arm]:
    """Runs of the same experiment, but for name and seed, in the order in which they come.

    Raises:
        TextgenError: the same experiment and seed twice.
    """
    arms: dict[str, list[Finished]] = {}
    for run in runs:
        arms.setdefault(
            json.dumps([run.experiment.arm, run.metrics["corpus"]["sha256"]]), []
        ).append(run)
    found, names = [], set[str]()
    for members in arms.values():
        seeds = [run.experiment.seed for run in members]
        if len(set(seeds)) < len(seeds):
            raise TextgenError(
                " and ".join(str(run.folder) for run in members),
                found="the same experiment with the same seed more than once",
                expected="each run once",
                hint="leave one of them out, or train it with --set seed=N",
            )
        name = _free(_common_name(members), members[0].folder, names)
        names.add(name)
        found.append(Arm(name, tuple(sorted(members, key=lambda run: run.experiment.seed))))
    return found


def _free(name: str, folder: Path, taken: set[str]) -> str:
    """The name, or with so much of where it lies that no other arm is called so."""
    above = folder.absolute().parent.parts
    for depth in range(1, len(above) + 1):
        if name in taken:
            name = f"{name.partition(' (')[0]} ({'/'.join(above[-depth:])})"
    while name in taken:
        name += "'"
    return name


def _common_name(members: Sequence[Finished]) -> str:
    """``char`` for the runs of a study char-1 and char-2; else the first run's name."""
    stems = {run.experiment.name.removesuffix(f"-{run.experiment.seed}") for run in members}
    return stems.pop() if len(stems) == 1 else members[0].experiment.name


def is_on(arm: Arm, loaded: Loaded) -> bool:
    """Whether an arm was trained and scored on this text, split like this."""
    told = arm.first.metrics["corpus"]
    return all(told[key] == loaded.description[key] for key in ("sha256", "split_sha256"))


def check_comparable(arms: Sequence[Arm], anyway: bool) -> list[str]:
    """Arms on different texts or splits are not compared.

    Args:
        anyway: only warn.

    Returns:
        Warnings.

    Raises:
        TextgenError: they differ.
    """
    keys = dict[tuple[str, str], list[str]]()
    for arm in arms:
        corpus = arm.first.metrics["corpus"]
        keys.setdefault((corpus["sha256"], corpus["split_sha256"]), []).append(
            f"{arm.name} ({corpus['kind']}, text {corpus['sha256'][:12]}…, "
            f"split {corpus['split_sha256'][:12]}…)"
        )
    if len(keys) <= 1:
        return []
    groups = "; ".join(" + ".join(names) for names in keys.values())
    if not anyway:
        raise TextgenError(
            "compare", found=f"runs on different texts or splits: {groups}",
            expected="the same text and the same split for all",
            hint="leave some out, or ask for it with --different-texts: they are then flagged",
        )  # fmt: skip
    return [f"NOT COMPARABLE: different texts or splits. {groups}"]
