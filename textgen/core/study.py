"""A study file: arms × seeds under one budget, and the contrasts declared before any run.

title = "Words or characters?"    # of the report; optional
threads = 1                       # of each run
[budget]
seconds = 180                     # or characters, or updates; the same for every arm
parameters = 1_500_000            # optional: every arm must have as many, within 2 %
[arms.char]
experiment = "char.toml"          # beside the study file
seeds = 5                         # seeds 1 to 5; or a list, [1, 7]
set = ["backbone.dropout=0.1"]    # optional, as --set
[[contrasts]]
first = "word_rare_unk"
second = "char"
question = "Do words beat characters?"
yes = "first is lower"            # optional: when the answer is yes; or "second is lower"
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from textgen.core.errors import TextgenError
from textgen.core.experiment import TABLES, Experiment, find_experiment, load_experiment, read_toml
from textgen.core.settings import (
    BUDGETS,
    Count,
    Name,
    Positive,
    Seed,
    adapter,
    build,
    check_name,
    check_one_budget,
    suggestion,
)

REGIMES = ("seconds", "characters", "updates")
DECIDED = ["name", "seed", *(f"training.{key}" for key in ("threads", *BUDGETS))]
"""Settings that a study decides for all its arms."""
SeedCount = Annotated[int, Field(gt=0, le=1000)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)]


@dataclass(frozen=True)
class Budget:
    """What every arm gets: one of seconds, characters and updates; and how many parameters every
    arm must have, which is optional.

    Raises:
        ValueError: not exactly one of the three.
    """

    seconds: Positive | None = None
    characters: Count | None = None
    updates: Count | None = None
    parameters: Count | None = None

    def __post_init__(self) -> None:
        check_one_budget("budget", self, REGIMES)

    @property
    def regime(self) -> str:
        """``"seconds"``, ``"characters"`` or ``"updates"``."""
        return next(key for key in REGIMES if getattr(self, key) is not None)


@dataclass(frozen=True)
class StudyArm:
    """An experiment that is run with several seeds; ``set`` changes settings, as ``--set`` does.

    ``experiment`` is a path from the folder of the study file, or the name of an experiment that
    comes with textgen.

    Raises:
        ValueError: a setting that the study decides.
    """

    experiment: Path
    seeds: SeedCount | Seeds
    set: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in (text.partition("=")[0].strip() for text in self.set):
            if key in DECIDED:
                raise ValueError(f"set: the study decides {key} for every run")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The seeds one by one."""
        if isinstance(self.seeds, int):
            return tuple(range(1, self.seeds + 1))
        return tuple(dict.fromkeys(self.seeds))


@dataclass(frozen=True)
class Contrast:
    """A question declared before the runs; the difference first − second of two arms answers it.

    ``yes`` is for questions of yes or no: which arm has fewer bits where the answer is yes.
    """

    first: str
    second: str
    question: str = ""
    yes: Literal["", "first is lower", "second is lower"] = ""


@dataclass(frozen=True)
class Study:
    """A study file, checked; ``name`` and ``path`` are the file's.

    Raises:
        ValueError: no arm, or an invalid contrast.
    """

    name: str
    path: Path
    budget: Budget
    arms: dict[Name, StudyArm]
    contrasts: tuple[Contrast, ...] = ()
    title: str = ""
    threads: Count = 1

    def __post_init__(self) -> None:
        if not self.arms:
            raise ValueError('no arm, e.g. [arms.char] experiment = "char.toml" and seeds = 3')
        pairs: list[set[str]] = []
        for contrast in self.contrasts:
            pair = {contrast.first, contrast.second}
            for arm in sorted(pair - self.arms.keys()):
                raise ValueError(f"contrasts: no arm {arm!r}; {suggestion(arm, self.arms)}")
            if len(pair) == 1 or pair in pairs:
                names = f"{contrast.first} against {contrast.second}"
                raise ValueError(f"contrasts: {names} needs two different arms, each pair once")
            pairs.append(pair)

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
        own, regime = self.arms[arm], self.budget.regime
        seed = own.numbers[0] if seed is None else seed
        budget = f"training.{regime}={getattr(self.budget, regime)!r}"
        settings = [f"training.threads={self.threads}", budget, *overrides, f"seed={seed}"]
        file = find_experiment(own.experiment, self.path.parent)
        try:
            return load_experiment(file, [*own.set, *settings], run_name(arm, seed))
        except TextgenError as error:
            raise TextgenError(f"{self.path}: arms.{arm}: {error.message}", error.hint) from None


def run_name(arm: str, seed: int) -> str:
    """The name of an arm's run."""
    return f"{arm}-{seed}"


def load_study(path: str | Path) -> Study:
    """Read a study file and check all of it, the experiments it names included.

    Raises:
        TextgenError: whatever is wrong first, with file and setting.
    """
    path = find_experiment(path)
    data = read_toml(path)
    if foreign := {*TABLES} & data.keys():
        hint = "run one experiment with: textgen run"
        raise TextgenError(f"{path}: [{min(foreign)}] belongs into an experiment", hint)
    check_name(path.stem, str(path))
    own = {"name": path.stem, "path": str(path)}
    study: Study = build(Study, {"budget": {}, "arms": {}, **data, **own}, str(path))
    experiments = {arm: study.experiment(arm) for arm in study.arms}
    first, seen = next(iter(experiments)), dict[str, str]()
    for arm, experiment in experiments.items():
        if experiment.text_key != experiments[first].text_key:
            message = f"{path}: arms.{arm}: another [corpus] or [split] than that of arms.{first}"
            raise TextgenError(message, "put arms on other text into a study of their own")
        twin = seen.setdefault(json.dumps(experiment.arm, sort_keys=True), arm)
        if twin != arm:  # reports identify arms by their experiments
            hint = f'give {twin} more seeds, or change a setting with set = ["…"]'
            raise TextgenError(f"{path}: arms.{arm}: the same experiment as arms.{twin}", hint)
    return study


def json_schema(*, study: bool = False) -> dict[str, Any]:
    """The JSON schema of experiment files, or of study files."""
    cls = Study if study else Experiment
    definitions = adapter(cls).json_schema()["$defs"]
    root = definitions.pop(cls.__name__)
    settings = root["properties"]
    for name in ("name", "path") if study else ("options", "resolved", "left_out"):
        del settings[name]
    settings["include"] = {"type": "string", "description": "a file beside this one to start from"}
    for table in [] if study else settings["corpus"]["anyOf"]:
        if "properties" in table:
            table["properties"] |= definitions["CorpusOptions"]["properties"]
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, **_partial({**root, "$defs": definitions})}


def _partial(schema: Any) -> Any:
    """Without requirements other than those of a ``kind``."""
    if isinstance(schema, list):
        return [_partial(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    partial = {key: _partial(value) for key, value in schema.items() if key != "required"}
    return partial | ({"required": ["kind"]} if "kind" in schema.get("required", ()) else {})
