"""A study file: arms × seeds under one budget, and the contrasts declared before any run.

title = "Words or characters?"    # of the report; optional
threads = 1                       # of each run
folds = 5                         # optional: each run once in each, with a seed of its own
part = "with_counts"              # optional: of the models, that is compared; else the network
set = ["cache.orders=[]"]         # optional: in every arm, as --set
sizes = [145_000, "all"]          # optional axis: characters of training text, random in each fold
timed_on = "tales"                # of several texts: where an update is timed
[budget]
seconds = 180                     # or characters, or updates; the same for every arm. Another axis
                                  # if it is a list: [20, 60, 180]
parameters = 1_500_000            # optional: every arm must have as many, within 2%
[texts.tales]                     # optional axis
set = ["corpus.kind=lovecraft"]   # chooses corpus, split and language
sizes = [145_000, "all"]          # optional: in place of the study's
[arms.char]
experiment = "char.toml"          # beside the study file
seeds = 5                         # seeds 1 to 5; or a list, [1, 7]
set = ["backbone.dropout=0.1"]    # optional: in this one
[[contrasts]]
first = "word_rare_unk"
second = "char"
question = "Do words beat characters?"
yes = "first is lower"            # optional: when the answer is yes; or "second is lower"
[resources]                       # optional: what a run takes on a cluster
gpus = 1                          # [arms.char.resources] has those of an arm

A study with axes is a grid. Each cell is a study without axes, of one text, size and budget. What
an update takes is measured once for each arm, on one text at its whole size, and holds for all.
"""

import copy
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, product
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from textgen.core.errors import TextgenError
from textgen.core.experiment import TABLES, Experiment, load_experiment
from textgen.core.reading import SettingsReader, find_experiment
from textgen.core.registry import suggestion
from textgen.core.settings import (
    BUDGETS,
    Count,
    Name,
    PartName,
    Positive,
    Seed,
    check_name,
    check_one_budget,
    check_rising,
)
from textgen.core.validation import build
from textgen.report.contrast import Contrast

# What a budget may be in → what its amounts end in, in the names of cells.
REGIMES = {"seconds": "s", "characters": "c", "updates": "u"}
# Settings that a study decides for all its arms.
DECIDED = ["name", "seed", "sampling.part", *(f"training.{key}" for key in ("threads", *BUDGETS))]
# Seconds of a training → the folder of experiments with the settings that were best after so many.
TUNED = {60: "tuned_60s", 300: "tuned"}
Size = Count | Literal["all"]  # of training text in characters
Several = Field(min_length=1)
SeedCount = Annotated[int, Field(gt=0, le=1000)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)]


@dataclass(frozen=True)
class Budget:
    """The budget of every arm: one of seconds, characters and updates, in one or ascending amounts.

    Args:
        seconds: time of each training, converted into updates once for each arm.
        characters: characters seen in each training, repeats included.
        updates: number of updates of each training.
        parameters: number of parameters of every arm, within 2%.

    Raises:
        ValueError: not exactly one of the three, or amounts that do not rise.
    """

    seconds: Positive | Annotated[tuple[Positive, ...], Several] | None = None
    characters: Count | Annotated[tuple[Count, ...], Several] | None = None
    updates: Count | Annotated[tuple[Count, ...], Several] | None = None
    parameters: Count | None = None

    def __post_init__(self) -> None:
        check_one_budget("budget", self, tuple(REGIMES))
        check_rising(self.regime, self.amounts)

    @property
    def regime(self) -> str:
        """What the budget is in: seconds, characters or updates."""
        return next(name for name in REGIMES if getattr(self, name) is not None)

    @property
    def amounts(self) -> tuple[float, ...]:
        """How much of it: one amount, or those of an axis."""
        stated = getattr(self, self.regime)
        return stated if isinstance(stated, tuple) else (stated,)

    def with_amount(self, amount: float) -> "Budget":
        """The same budget in one amount."""
        changes: dict[str, Any] = {self.regime: amount}
        return replace(self, **changes)


def nearest_tuned(seconds: float) -> int:
    """Of the seconds after which settings are known to be best, those nearest in the logarithm."""
    return min(TUNED, key=lambda known: abs(math.log(known / seconds)))


def _check_free(overrides: Iterable[str], where: str = "set") -> None:
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key in DECIDED:
            raise ValueError(f"{where}: the study decides {key} for every run")


@dataclass(frozen=True)
class Resources:
    """What a run takes of a cluster's node; a run on this machine takes a worker.

    Args:
        cores: of the processor; the study's threads if not stated.
        gpus: graphics processors, also a part of one. Without one, a run sees none.
        memory: in gigabytes; whatever it needs if not stated.
    """

    cores: Count | None = None
    gpus: Annotated[float, Field(ge=0)] = 0
    memory: Positive | None = None

    def times(self, number: int) -> "Resources":
        """What so many runs at once take."""
        return Resources(
            cores=self.cores and number * self.cores,
            gpus=number * self.gpus,
            memory=self.memory and number * self.memory,
        )


@dataclass(frozen=True)
class StudyArm:
    """An experiment that is run with several seeds.

    Args:
        experiment: a path from the folder of the study file, or the name of an experiment that
            comes with textgen.
        seeds: number of seeds, counted from 1, or a list of seeds.
        set: settings of this arm, as ``--set`` takes them.
        resources: of its runs, in place of the study's.

    Raises:
        ValueError: a setting that the study decides.
    """

    experiment: Path
    seeds: SeedCount | Seeds
    set: tuple[str, ...] = ()
    resources: Resources | None = None

    def __post_init__(self) -> None:
        _check_free(self.set)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The seeds one by one."""
        if isinstance(self.seeds, int):
            return tuple(range(1, self.seeds + 1))
        return tuple(dict.fromkeys(self.seeds))


Values = Annotated[tuple[Any, ...], Several]  # of a setting, whose own type checks them


@dataclass(frozen=True)
class Settings:
    """Settings of a list that ``textgen tune`` tries.

    Args:
        space: values to try for settings; ``span`` is the length of a window in characters.
        settings: how many to draw, the same ones for every arm.
        seed: seed of the draw.

    Raises:
        ValueError: a setting that the study decides, or a span that is no number of characters.
    """

    space: Annotated[dict[str, Values], Field(min_length=1)]
    settings: Annotated[int, Field(gt=0, le=10_000)] = 32
    seed: Seed = 1

    def __post_init__(self) -> None:
        _check_free(self.space, "tune.space")
        for span in self.space.get("span", ()):
            if not isinstance(span, int) or span < 1:
                raise ValueError(f"tune.space: span: {span!r} is no number of characters")


@dataclass(frozen=True)
class Search(Settings):
    """Which settings ``textgen tune`` tries, see :mod:`textgen.studies.tuning`.

    Args:
        seconds: per training, ascending: first for all settings, then for the best ones.
        keep: how many of each arm's best settings all arms continue with.
        matched: the arms that a matched setting must suit; all if none is named.
        more: further settings of the list, from spaces of their own.

    Raises:
        ValueError: budgets that do not rise.
    """

    seconds: Annotated[tuple[Positive, ...], Several] = (60, 300)
    keep: Count = 4
    matched: tuple[Name, ...] = ()
    more: tuple[Settings, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rising("seconds", self.seconds)


@dataclass(frozen=True)
class StudyText:
    """A text of a grid.

    Args:
        set: corpus, split and language, as ``--set`` takes them.
        sizes: sizes for this text, in place of the study's.

    Raises:
        ValueError: a setting that the study decides, or sizes that do not rise.
    """

    set: tuple[str, ...]
    sizes: tuple[Size, ...] | None = None

    def __post_init__(self) -> None:
        _check_free(self.set)
        check_rising("sizes", self.sizes or ())


class Cell(NamedTuple):
    """A cell of a grid, which is a study without axes; ``text`` is empty and ``size`` None where
    that is no axis."""

    name: str
    text: str
    size: Size | None
    budget: tuple[str, float]
    study: "Study"


@dataclass(frozen=True)
class Study:
    """A study file, checked.

    Args:
        title: title of the report.
        threads: number of threads of each run.
        folds: folds of a cross-validation; each arm is trained once in each.
        part: the part of the models that is compared.
        set: settings of every arm, as ``--set`` takes them.
        sizes: an axis: characters of training text, ascending; ``"all"`` is the whole text.
        timed_on: with several texts, the one on which updates are timed for all.
        embed: the report's page holds the models, for readers to prompt.
        resources: what a run takes on a cluster.

    Raises:
        ValueError: no arm, an invalid contrast, folds or sizes that settings choose, too, a seed 0
            with folds, sizes that do not rise, or several texts of which none is to be timed on.
    """

    path: Path
    budget: Budget
    arms: dict[Name, StudyArm]
    contrasts: tuple[Contrast, ...] = ()
    title: str = ""
    threads: Count = 1
    folds: Annotated[int, Field(ge=2, le=1000)] | None = None
    part: PartName = "network"
    set: tuple[str, ...] = ()
    tune: Search | None = None
    sizes: tuple[Size, ...] = ()
    texts: dict[Name, StudyText] = field(default_factory=dict)
    timed_on: str = ""
    embed: bool = False
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        _check_free(self.set)
        matched = self.tune.matched if self.tune else ()
        for name in matched:
            if name not in self.arms:
                raise ValueError(f"tune.matched: no arm {name!r}; {suggestion(name, self.arms)}")
        check_rising("sizes", self.sizes)
        others: list[StudyArm | StudyText] = [*self.arms.values(), *self.texts.values()]
        given = [text.strip() for text in chain(self.set, *(each.set for each in others))]
        if self.folds and any(text.startswith("split.fold") for text in given):
            raise ValueError("set: the study has all folds: leave split.fold and split.folds out")
        if self.sizes and any(text.startswith("split.train_characters") for text in given):
            raise ValueError("set: the study has sizes: leave split.train_characters out")
        if (self.timed_on or (self.texts and self.seconds)) and self.timed_on not in self.texts:
            message = f"timed_on = {self.timed_on!r} is not one of [texts]"
            raise ValueError(f"{message}; {suggestion(self.timed_on, self.texts)}")
        for name, arm in self.arms.items():
            if self.folds and 0 in arm.numbers:
                message = f"arms.{name}: seeds: 0 has no seeds for {self.folds} folds"
                raise ValueError(f"{message}; with folds, seeds are 1 or more")
        if not self.arms:
            raise ValueError('no arm, e.g. [arms.char] experiment = "char.toml" and seeds = 3')
        pairs = list[set[str]]()
        for contrast in self.contrasts:
            pair = {contrast.first, contrast.second}
            unknown = sorted(pair - self.arms.keys())
            if unknown:
                message = f"contrasts: no arm {unknown[0]!r}"
                raise ValueError(f"{message}; {suggestion(unknown[0], self.arms)}")
            if len(pair) == 1 or pair in pairs:
                names = f"{contrast.first} against {contrast.second}"
                raise ValueError(f"contrasts: {names} needs two different arms, each pair once")
            pairs.append(pair)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def seconds(self) -> float | None:
        """The budget, or the largest, in seconds; None if it is in something else."""
        return self.budget.amounts[-1] if self.budget.regime == "seconds" else None

    @property
    def cells(self) -> list[Cell]:
        """The cells of a grid; none of a study without axes."""
        if not (self.texts or self.sizes or len(self.budget.amounts) > 1):
            return []
        return [
            self.cell(text, size, amount)
            for text in self.texts or ("",)
            for size in self._sizes_of(text) or (None,)
            for amount in self.budget.amounts
        ]

    @property
    def tuned(self) -> int | None:
        """Seconds of a training after which the settings of all arms were best, as ``textgen try``
        states them; None where the arms are others."""
        stated = [arm.experiment.as_posix() for arm in self.arms.values()]
        for seconds, folder in TUNED.items():
            if stated == [f"{folder}/{name}" for name in self.arms]:
                return seconds
        return None

    @property
    def tuned_otherwise(self) -> list[str]:
        """Names of cells for whose budgets other settings are known to be better."""
        tuned = self.tuned
        if tuned is None or self.budget.regime != "seconds":
            return []
        return [cell.name for cell in self.cells if nearest_tuned(cell.budget[1]) != tuned]

    def _sizes_of(self, text: str) -> tuple[Size, ...]:
        """A text's own sizes, or the study's."""
        if text and (stated := self.texts[text].sizes) is not None:
            return stated
        return self.sizes

    def cell(self, text: str, size: Size | None, amount: float) -> Cell:
        """The cell of a text, a size and a budget."""
        regime = self.budget.regime
        settings = list(self.set)
        names = list[str]()
        if text:
            settings += self.texts[text].set
            names.append(text)
        if size is not None:
            settings.append("split.train_subset=random")
            names.append(str(size))
        if isinstance(size, int):
            settings.append(f"split.train_characters={size}")
        if len(self.budget.amounts) > 1:
            names.append(f"{amount:.12g}{REGIMES[regime]}")
        name = "-".join(names)
        title = self.title or self.name
        study = replace(
            self,
            sizes=(),
            texts={},
            timed_on="",
            title=f"{title}: {name}" if name else title,
            budget=self.budget.with_amount(amount),
            set=tuple(settings),
        )
        return Cell(name, text, size, (regime, amount), study)

    def runs(self, arm: str) -> dict[str, list[str]]:
        """Name → settings of each run of an arm. No two have the same seed, in folds either."""
        numbers = self.arms[arm].numbers
        folds = self.folds
        if not folds:
            return {f"{arm}-{seed}": [f"seed={seed}"] for seed in numbers}
        result = dict[str, list[str]]()
        for number, fold in product(numbers, range(1, folds + 1)):
            seed = (number - 1) * folds + fold
            settings = [f"seed={seed}", f"split.fold={fold}", f"split.folds={folds}"]
            result[f"{arm}-{seed}-fold{fold}"] = settings
        return result

    def resources_of(self, arm: str) -> Resources:
        """What a run of an arm takes."""
        stated = self.arms[arm].resources or self.resources
        return replace(stated, cores=stated.cores or self.threads)

    def runs_of_first_seed(self, arm: str) -> list[str]:
        """The names of an arm's runs with its first seed: one in each fold, or a single one."""
        names = list(self.runs(arm))
        number = 1 if self.folds is None else self.folds
        return names[:number]

    def resolved_runs(self, arm: str, updates: int | None) -> dict[str, dict[str, Any]]:
        """Run → the settings of its experiment, for all runs of an arm: the same as those of
        :meth:`experiment`, which reads the arm's file for each."""
        shared = self.experiment(arm, updates=updates).resolved
        found = dict[str, dict[str, Any]]()
        for name, settings in self.runs(arm).items():
            resolved = copy.deepcopy(shared)
            resolved["name"] = name
            for setting in settings:
                key, _, value = setting.partition("=")
                table, _, inner = key.rpartition(".")
                holder = resolved[table] if table else resolved
                holder[inner] = int(value)
            found[name] = resolved
        return found

    def experiment(
        self, arm: str, name: str = "", updates: int | None = None, extra: Sequence[str] = ()
    ) -> Experiment:
        """An arm's experiment under the study's budget.

        Args:
            arm: one of ``arms``.
            name: of the run; its first if empty.
            updates: those of a plan, in place of the budget.
            extra: further settings, as ``--set`` takes them.

        Raises:
            TextgenError: the file or one of its settings is wrong; arm and file are named.
        """
        stated = self.arms[arm]
        file = find_experiment(stated.experiment, self.path.parent)
        runs = self.runs(arm)
        name = name or next(iter(runs))
        budget = {key: getattr(self.budget, key) for key in REGIMES}
        if updates is not None:
            budget = {"updates": updates}
        settings = [
            *self.set,
            *stated.set,
            *extra,
            *(f"training.{key}={value}" for key, value in budget.items() if value),
            f"training.threads={self.threads}",
            f"sampling.part={self.part}",
            *runs[name],
        ]
        try:
            return load_experiment(file, settings, name)
        except TextgenError as error:
            raise TextgenError(f"{self.path}: arms.{arm}: {error.message}", error.hint) from None


def load_study(path: str | Path) -> Study:
    """Read a study file and check all of it, the experiments it names included.

    Raises:
        TextgenError: whatever is wrong first, with file and setting.
    """
    path = find_experiment(path)
    data = SettingsReader(studies=True).read(path)
    if foreign := {*TABLES} & data.keys():
        hint = "run one experiment with: textgen run"
        raise TextgenError(f"{path}: [{min(foreign)}] belongs in an experiment file", hint)
    check_name(path.stem, str(path))
    content = {"budget": {}, "arms": {}, **data, "path": str(path)}
    study: Study = build(Study, content, str(path))
    for text in study.texts or ("",):
        _check_arms(study.cell(text, None, study.budget.amounts[0]).study)
    return study


def _check_arms(study: Study) -> None:
    """Check that all arms of a study without axes are on one text, and different.

    Raises:
        TextgenError: they are not.
    """
    experiments = {arm: study.experiment(arm) for arm in study.arms}
    first = next(iter(experiments))
    arm_of = dict[str, str]()
    for arm, experiment in experiments.items():
        place = f"{study.path}: arms.{arm}"
        if experiment.text_key != experiments[first].text_key:
            message = f"{place}: its [corpus] or [split] differs from that of arms.{first}"
            raise TextgenError(message, "put arms on other text into a study of their own")
        key = json.dumps(experiment.arm, sort_keys=True)
        if key in arm_of:  # reports identify arms by their experiments
            hint = f'give {arm_of[key]} more seeds, or change a setting with set = ["…"]'
            raise TextgenError(f"{place}: the same experiment as arms.{arm_of[key]}", hint)
        arm_of[key] = arm
