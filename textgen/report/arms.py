"""Finished runs grouped into arms. An arm is one experiment under several seeds.

Nothing here needs TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from textgen.core import TextgenError
from textgen.data import Corpus
from textgen.runs import Run


@dataclass(frozen=True)
class Arm:
    """One experiment under one or more seeds, all scored on the same documents."""

    name: str
    runs: tuple[Run, ...]

    @property
    def first(self) -> Run:
        return self.runs[0]

    @property
    def charged(self) -> bool:
        return self.first.charged

    @property
    def seeds(self) -> list[int]:
        return [run.experiment.seed for run in self.runs]

    @cached_property
    def bits(self) -> np.ndarray:
        """(seeds, documents) float64: bits of each held-out document under the network alone."""
        return np.array([[d.total for d in run.token_bits] for run in self.runs])

    @cached_property
    def remembered(self) -> np.ndarray | None:
        """The same with a memory of the document; None if the arm has none."""
        rows = [[d.remembered and d.remembered.total for d in run.token_bits] for run in self.runs]
        return None if any(bits is None for row in rows for bits in row) else np.array(rows)

    @cached_property
    def units(self) -> np.ndarray:
        """(documents,) int64: characters and one end mark."""
        return np.array([d.characters + 1 for d in self.first.token_bits])

    @cached_property
    def per_character(self) -> list[np.ndarray]:
        """(characters + 1,) float64 per document: bits of each character, mean over seeds."""
        documents = zip(*(run.token_bits for run in self.runs), strict=True)
        return [np.mean([d.per_character() for d in each], axis=0) for each in documents]


def group(runs: Sequence[Run]) -> list[Arm]:
    """Arms of runs that differ in name and seed only, in the order of their first runs.

    Raises:
        TextgenError: the same experiment and seed twice.
    """
    arms: dict[str, list[Run]] = {}
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
    """The name, followed by as much of the path as makes it different from those taken."""
    above = folder.absolute().parent.parts
    for depth in range(1, len(above) + 1):
        if name in taken:
            name = f"{name.partition(' (')[0]} ({'/'.join(above[-depth:])})"
    while name in taken:
        name += "'"
    return name


def _common_name(members: Sequence[Run]) -> str:
    """``char`` for the runs of a study char-1 and char-2; else the first run's name."""
    stems = {run.experiment.name.removesuffix(f"-{run.experiment.seed}") for run in members}
    return stems.pop() if len(stems) == 1 else members[0].experiment.name


def is_on(arm: Arm, loaded: Corpus) -> bool:
    """Whether an arm was trained and scored on this text, split like this."""
    told = arm.first.metrics["corpus"]
    return all(told[key] == loaded.description[key] for key in ("sha256", "split_sha256"))


def check_comparable(arms: Sequence[Arm], anyway: bool) -> list[str]:
    """Check that all arms are on the same text and split.

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
            hint="leave some out, or use --different-texts (in Python different_texts=True): they "
            "are then flagged",
        )  # fmt: skip
    return [f"NOT COMPARABLE: different texts or splits. {groups}"]
