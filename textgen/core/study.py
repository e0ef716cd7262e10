"""A study file: arms × seeds under one budget, and the contrasts declared before any run.

title = "Words or characters?"    # of the report; optional
threads = 1                       # of each run
[budget]
seconds = 180                     # or characters, or updates; the same for every arm
parameters = 1_500_000            # optional: units are solved for until every arm has as many
[arms.char]
experiment = "char.toml"          # beside the study file
seeds = 5                         # seeds 1 to 5; or a list, [1, 7]
set = ["backbone.dropout=0.1"]    # optional, as --set
[[contrasts]]
first = "word_rare_unk"
second = "char"
question = "Do words beat characters?"
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from textgen.core.errors import TextgenError
from textgen.core.experiment import NAME, Experiment, build, load_experiment
from textgen.core.registry import suggestion
from textgen.core.settings import Count, Positive
from textgen.core.toml import BUDGETS, read_toml

REGIMES = ("seconds", "characters", "updates")
STUDY_TABLES = ("title", "budget", "arms", "contrasts", "threads")
DECIDED = (
    "name", "seed", "training.threads", "training.strategy",
    *(f"training.{b}" for b in BUDGETS),
)  # fmt: skip
"""Settings that a study decides for all its arms."""
Seed = Annotated[int, Field(ge=0, lt=2**31)]


@dataclass(frozen=True)
class Budget:
    """What every arm is given: one of seconds, characters and updates; parameters if wanted."""

    seconds: Positive | None = None
    characters: Count | None = None
    updates: Count | None = None
    parameters: Count | None = None

    @property
    def regime(self) -> str:
        """``"seconds"``, ``"characters"`` or ``"updates"``."""
        return next(key for key in REGIMES if getattr(self, key) is not None)

    @property
    def override(self) -> str:
        """The budget as an experiment's setting."""
        return f"training.{self.regime}={getattr(self, self.regime)!r}"


@dataclass(frozen=True)
class StudyArm:
    """An experiment that is run with several seeds; ``set`` changes settings, as ``--set`` does."""

    experiment: Path
    seeds: Count | Annotated[tuple[Seed, ...], Field(min_length=1)]
    set: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The seeds one by one."""
        if isinstance(self.seeds, int):
            return tuple(range(1, self.seeds + 1))
        return tuple(dict.fromkeys(self.seeds))


@dataclass(frozen=True)
class Contrast:
    """A question put before the runs, answered by the difference first − second of two arms."""

    first: str
    second: str
    question: str = ""


@dataclass(frozen=True)
class Study:
    """A study file, checked. ``arms`` and ``contrasts`` are in the order of the file."""

    name: str
    title: str
    path: Path
    budget: Budget
    threads: int
    arms: dict[str, StudyArm]
    contrasts: tuple[Contrast, ...]

    def experiment(
        self, arm: str, seed: int | None = None, overrides: Sequence[str] = ()
    ) -> Experiment:
        """An arm's experiment under the study's budget and threads.

        Args:
            arm: one of ``arms``.
            seed: the run's seed; the arm's first if None.
            overrides: further settings, of a plan.

        Raises:
            TextgenError: the file or one of its settings is wrong; arm and file are named.
        """
        made = self.arms[arm]
        seed = made.numbers[0] if seed is None else seed
        own = [f"training.threads={self.threads}", "training.strategy=one", self.budget.override]
        named = [f"seed={seed}", f'name="{arm}-{seed}"']
        try:
            return load_experiment(made.experiment, [*made.set, *own, *overrides, *named])
        except TextgenError as error:
            raise TextgenError(
                f"{self.path}: arms.{arm} → {error.where}",
                found=error.found,
                expected=error.expected,
                hint=error.hint,
            ) from None


def load_study(path: str | Path) -> Study:
    """Read a study file and check all of it, the experiments it names included.

    Raises:
        TextgenError: whatever is wrong first, with file and setting.
    """
    path = Path(path)
    data = read_toml(path)
    for key in data:
        _check_known(str(path), key, STUDY_TABLES)
    _check_name(path.stem, str(path))
    tables = _table(data.get("arms", {}), f"{path}: arms")
    if not tables:
        raise TextgenError(
            f"{path}: arms",
            found="none",
            expected="at least one arm",
            hint='for example: [arms.char] experiment = "char.toml" and seeds = 3',
        )
    study = Study(
        name=path.stem,
        title=_title(data.get("title", ""), path),
        path=path,
        budget=_budget(_table(data.get("budget", {}), f"{path}: budget"), path),
        threads=_threads(data.get("threads", 1), path),
        arms={name: _arm(name, values, path) for name, values in tables.items()},
        contrasts=_contrasts(data.get("contrasts", []), path, tables),
    )
    made = {arm: study.experiment(arm) for arm in study.arms}
    _check_same_text(study, made)
    check_different(study, {arm: experiment.arm for arm, experiment in made.items()})
    return study


def _check_same_text(study: Study, experiments: Mapping[str, Experiment]) -> None:
    first, keys = next(iter(experiments)), {a: e.text_key for a, e in experiments.items()}
    for arm, key in keys.items():
        if key != keys[first]:
            raise TextgenError(
                f"{study.path}: arms.{arm}",
                found=f"another [corpus] or [split] than that of arms.{first}",
                expected="the same text, divided alike, in all arms of a study",
                hint="put arms on other text into a study of their own",
            )


def check_different(study: Study, origins: Mapping[str, Any]) -> None:
    """Reports tell arms apart by their experiments.

    Args:
        study: named in errors.
        origins: arm → what it is, without name and seed.

    Raises:
        TextgenError: two arms are the same.
    """
    seen: dict[str, str] = {}
    for arm, origin in origins.items():
        other = seen.setdefault(json.dumps(origin, sort_keys=True), arm)
        if other != arm:
            raise TextgenError(
                f"{study.path}: arms.{arm}",
                found=f"the same experiment as arms.{other}",
                expected="arms that differ in more than their seeds",
                hint=f'give {other} more seeds, or change a setting with set = ["…"]',
            )


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TextgenError(where, found=repr(value), expected=f"a table: [{where.split(': ')[-1]}]")
    return value


def _check_known(where: str, key: str, known: Sequence[str]) -> None:
    if key not in known:
        raise TextgenError(
            f"{where}: {key}",
            found=f"unknown setting {key!r}",
            expected=suggestion(key, known),
            hint="correct the name or remove the line; arms name experiment files, which are run "
            "one by one with python -m textgen.run",
        )


def _check_name(name: str, where: str) -> None:
    if not NAME.fullmatch(name):
        raise TextgenError(
            where,
            found=f"the name {name!r}",
            expected="letters, digits, '.', '_' and '-': it names a folder",
        )


def _title(value: Any, path: Path) -> str:
    if not isinstance(value, str):
        raise TextgenError(
            f"{path}: title", found=repr(value), expected="text: the heading of the report"
        )
    return value


def _threads(value: Any, path: Path) -> int:
    if type(value) is not int or value < 1:
        raise TextgenError(
            f"{path}: threads",
            found=repr(value),
            expected="a whole number of at least 1: threads of each run",
        )
    return value


def _budget(values: Mapping[str, Any], path: Path) -> Budget:
    budget: Budget = build(Budget, values, f"{path}: budget")
    given = [key for key in REGIMES if getattr(budget, key) is not None]
    if len(given) != 1:
        raise TextgenError(
            f"{path}: budget",
            found=" and ".join(given) or "none",
            expected=f"exactly one of {', '.join(REGIMES)}",
            hint="for example: [budget] seconds = 180",
        )
    return budget


def _arm(name: str, values: Any, path: Path) -> StudyArm:
    where = f"{path}: arms.{name}"
    _check_name(name, where)
    values = dict(_table(values, where))
    if isinstance(seeds := values.get("seeds"), (str, float, bool)):
        raise TextgenError(
            f"{where}.seeds", found=repr(seeds), expected="how many, or a list such as [1, 7]"
        )
    arm: StudyArm = build(StudyArm, values, where)
    for text in arm.set:
        if (key := text.partition("=")[0].strip()) in DECIDED:
            raise TextgenError(
                f"{where}.set",
                found=f"{text!r}",
                expected="a setting that arms may differ in",
                hint=f"the study decides {key} for every run: see [budget], threads and seeds",
            )
    return replace(arm, experiment=path.parent / arm.experiment)


def _contrasts(value: Any, path: Path, arms: Mapping[str, Any]) -> tuple[Contrast, ...]:
    if not isinstance(value, list):
        raise TextgenError(f"{path}: contrasts", found=repr(value), expected="[[contrasts]] tables")
    made: list[Contrast] = []
    for place, values in enumerate(value, start=1):
        where = f"{path}: contrasts {place}"
        contrast: Contrast = build(Contrast, _table(values, where), where)
        for key in ("first", "second"):
            if (name := getattr(contrast, key)) not in arms:
                raise TextgenError(
                    f"{where}.{key}",
                    found=f"no arm {name!r} in this study",
                    expected=suggestion(name, arms),
                )
        pair = {contrast.first, contrast.second}
        if len(pair) == 1 or any(pair == {c.first, c.second} for c in made):
            raise TextgenError(
                where,
                found=f"{contrast.first} against {contrast.second}"
                + (", declared before" if len(pair) > 1 else ""),
                expected="two different arms, each pair once: every contrast costs power",
            )
        made.append(contrast)
    return tuple(made)
