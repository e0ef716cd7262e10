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

And its plan: how many updates each arm trains for, measured once and kept in ``plan.json``. All
seeds and folds of an arm train for as many. So they are comparable, and the results depend neither
on what else the machine was doing nor on whether the study was interrupted.

A study with axes is a grid. Each cell is a study without axes, of one text, size and budget. What
an update takes is measured once for each arm, on one text at its whole size, and holds for all.
"""

import contextlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, product
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from textgen.core.errors import TextgenError
from textgen.core.experiment import TABLES, Experiment, load_experiment
from textgen.core.files import write_json
from textgen.core.machine import processor
from textgen.core.progress import Say, ignore
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
from textgen.report.arms import flat_settings
from textgen.report.contrast import Contrast
from textgen.runs.folder import is_finished, write_experiment
from textgen.runs.results import read_content
from textgen.studies.workers import Processes, Worker, as_they_end

# What a budget may be in → what its amounts end in, in the names of cells.
REGIMES = {"seconds": "s", "characters": "c", "updates": "u"}
# Settings that a study decides for all its arms.
DECIDED = ["name", "seed", "sampling.part", *(f"training.{key}" for key in ("threads", *BUDGETS))]
Size = Count | Literal["all"]  # of training text in characters
Several = Field(min_length=1)
SeedCount = Annotated[int, Field(gt=0, le=1000)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)]
PLAN_FILE = "plan.json"
TURNS = 3
# Updates are timed for so long at least, or for this share of a budget that is smaller.
TIMED_SECONDS = 10.0
TIMED_SHARE = 0.05
PARAMETERS_TOLERANCE = 0.02


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


def _check_free(overrides: Iterable[str], where: str = "set") -> None:
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key in DECIDED:
            raise ValueError(f"{where}: the study decides {key} for every run")


@dataclass(frozen=True)
class StudyArm:
    """An experiment that is run with several seeds.

    Args:
        experiment: a path from the folder of the study file, or the name of an experiment that
            comes with textgen.
        seeds: number of seeds, counted from 1, or a list of seeds.
        set: settings of this arm, as ``--set`` takes them.

    Raises:
        ValueError: a setting that the study decides.
    """

    experiment: Path
    seeds: SeedCount | Seeds
    set: tuple[str, ...] = ()

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

    def runs_of_first_seed(self, arm: str) -> list[str]:
        """The names of an arm's runs with its first seed: one in each fold, or a single one."""
        names = list(self.runs(arm))
        number = 1 if self.folds is None else self.folds
        return names[:number]

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


@dataclass(frozen=True)
class ArmPlan:
    """An arm's plan, and the measurements behind it.

    Attributes:
        experiment: resolved, under the study's budget, without name and seed.
        updates: of each run; None if the budget is in characters.
        declared: the questions that the study asked before a run of this arm was finished.
        processor: of the machine that measured.
        preparation_seconds: see :class:`textgen.training.preparation.Prepared`.
        seconds_per_update: on one thread by the processor's own clock, for which other work on the
            machine does not count.
        parameters: of the network. All three are None if nothing had to be measured.
    """

    experiment: dict[str, Any]
    updates: int | None
    processor: str
    preparation_seconds: float | None = None
    seconds_per_update: float | None = None
    parameters: int | None = None
    declared: tuple[Contrast, ...] = ()


def plan_study(
    study: Study,
    folder: Path,
    overwrite: bool = False,
    workers: int = 1,
    say: Say = ignore,
    place: Processes | None = None,
) -> dict[str, ArmPlan]:
    """The plan of every arm: the one stored in ``folder``, or a new one, which is stored there.

    Args:
        study: the study.
        folder: of its runs.
        overwrite: make a new plan for an arm whose experiment has changed.
        workers: arms prepared at once; more than one only if a run has a single thread, which is
            timed by the processor's own clock. One is timed at a time.
        say: called with a line before arms are planned, and one for each, with what was measured.
        place: keeps the processes of as many arms as there are workers, for the first run of each.
            Without it all of them end.

    Raises:
        TextgenError: an experiment has changed, the stored plan is damaged, or it was measured on
            another kind of machine; or, when all others are planned, the arms that cannot be.
    """
    path, failures = folder / PLAN_FILE, list[str]()
    plans = read_plans(path)
    declared = {arm: plan.declared for arm, plan in plans.items()}
    for arm in study.arms:
        # runs of a grid lie in the folders of its cells
        if not any(is_finished(p) for name in study.runs(arm) for p in folder.rglob(name)):
            declared[arm] = study.contrasts
    plans = {arm: replace(plan, declared=declared[arm]) for arm, plan in plans.items()}
    for arm in plans.keys() & study.arms.keys():
        changes = differences(plans[arm].experiment, study.experiment(arm).arm)
        if changes and not overwrite:
            message = f"arms.{arm} was planned from other settings: {'; '.join(changes)}"
            raise TextgenError(f"{path}: {message}", "plan and run it again with --overwrite")
        if changes:
            del plans[arm]
    missing = [arm for arm in study.arms if arm not in plans]
    machines = {plan.processor for plan in plans.values()} - {processor()}
    if study.seconds is not None and missing and machines:
        message = f"timed on {', '.join(machines)}, but arms.{missing[0]} would be on {processor()}"
        raise TextgenError(f"{path}: {message}", "add it on that one, or use another --runs folder")
    write_json(path, {arm: asdict(plan) for arm, plan in plans.items()})
    if missing:
        say(f"planning {', '.join(missing)} …")
    at_once = workers if study.threads == 1 else 1
    with contextlib.ExitStack() as stack:
        processes = place or stack.enter_context(Processes())
        for first in range(0, len(missing), at_once):
            arms = missing[first : first + at_once]
            for arm, measured in _measured(study, arms, folder, processes).items():
                try:
                    plan = _plan_arm(study, arm, measured)
                except TextgenError as error:
                    failures.append(f"{arm}: {error.message}")
                    continue
                plans[arm] = replace(plan, declared=declared.get(arm, ()))
                write_json(path, {name: asdict(plans[name]) for name in plans})
                if plan.seconds_per_update is not None:
                    updates = f"{plan.updates:,} updates of {1000 * plan.seconds_per_update:.1f} ms"
                    say(f"  {arm}: {plan.preparation_seconds:.1f} s of preparation, then {updates}")
            processes.keep(workers)
    if failures:
        message = f"{len(failures)} of {len(study.arms)} arms cannot be planned; no run was started"
        hint = "correct each arm and repeat the command; the other plans are kept"
        raise TextgenError(f"{study.path}: {message}: {'; '.join(failures)}", hint)
    return {arm: plans[arm] for arm in study.arms}


def _measured(
    study: Study, arms: Sequence[str], folder: Path, processes: Processes
) -> dict[str, dict[str, Any] | TextgenError]:
    """What is measured of arms, or why one cannot be: ``parameters``, ``preparation_seconds``, and
    if the budget is in seconds ``seconds_per_update``; nothing if nothing has to be.

    All are prepared side by side; but while one is timed, nothing else is done. They are timed in
    turns, so that a machine that slows down for a while slows all of them; of its turns an arm's
    fastest counts. The process of each is kept for its first run.
    """
    measured = dict[str, dict[str, Any] | TextgenError]((arm, {}) for arm in arms)
    if study.seconds is None and study.budget.parameters is None:
        return measured
    workers = dict[str, Worker]()

    def log_of(arm: str) -> Path:
        return folder / "logs" / f"{arm}.txt"

    def begin(arm: str) -> None:
        log = log_of(arm)
        write_experiment(log.with_suffix(".toml"), study.experiment(arm))
        try:
            workers[arm] = processes.start(log)
            path = str(log.with_suffix(".toml"))
            measured[arm] = workers[arm].do("begin", log, experiment=path)
        except TextgenError as error:
            measured[arm] = error

    for _ in as_they_end(begin, arms, len(arms)):
        pass
    paces = {arm: list[float]() for arm in arms}
    if study.seconds is not None:
        seconds = min(TIMED_SECONDS, TIMED_SHARE * study.seconds) / TURNS
        for _, arm in product(range(TURNS), arms):
            if isinstance(measured[arm], TextgenError):
                continue
            try:
                paces[arm].append(workers[arm].do("time", log_of(arm), seconds=seconds))
            except TextgenError as error:
                measured[arm] = error
    for arm, found in measured.items():
        if isinstance(found, TextgenError):
            continue
        if paces[arm]:
            found["seconds_per_update"] = min(paces[arm])
        first_run = folder / next(iter(study.runs(arm)))
        processes.kept[first_run.resolve()] = workers[arm]
    return measured


def read_plans(path: Path) -> dict[str, ArmPlan]:
    """The plans in a file; none if there is no file.

    Raises:
        TextgenError: the file is damaged.
    """
    hint = "restore the file, or move the folder away and start the study again"
    return read_content(path, dict[str, ArmPlan], hint) if path.exists() else {}


def _plan_arm(study: Study, arm: str, measured: dict[str, Any] | TextgenError) -> ArmPlan:
    """One arm's plan, from what was measured or why nothing could be.

    Raises:
        TextgenError: why it cannot be made.
    """
    if isinstance(measured, TextgenError):
        raise measured
    wanted = study.budget.parameters
    parameters = measured.get("parameters", 0)
    if wanted is not None and abs(parameters - wanted) > PARAMETERS_TOLERANCE * wanted:
        within = f"change backbone.units until the two agree within {PARAMETERS_TOLERANCE:.0%}"
        message = f"{wanted:,}, but this arm has {parameters:,}: {within}"
        raise TextgenError(f"budget.parameters: {message}")
    plan = ArmPlan(study.experiment(arm).arm, None, processor(), **measured)
    return under_budget(study, arm, plan)


def under_budget(study: Study, arm: str, plan: ArmPlan) -> ArmPlan:
    """A plan with the experiment and the updates of this study's arm.

    Raises:
        TextgenError: no update fits into the budget.
    """
    (amount,) = study.budget.amounts
    preparation = plan.preparation_seconds or 0.0
    updates = int(amount) if study.budget.regime == "updates" else None
    if study.seconds is not None:
        update = plan.seconds_per_update or math.inf
        updates = int((amount - preparation) / update)
        if updates < 1:
            message = f"{amount:g}, but the preparation alone takes {preparation:.1f}"
            enough = f"give more, e.g. seconds = {preparation * 3 + update * 100:.0f}"
            raise TextgenError(f"budget.seconds: {message}: {enough}")
    return replace(plan, experiment=study.experiment(arm).arm, updates=updates)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """``table.key: old → new`` for every setting that differs."""
    before = dict(flat_settings(old))
    after = dict(flat_settings(new))
    changes = list[str]()
    for key in {**before, **after}:
        first, second = before.get(key, "not set"), after.get(key, "not set")
        if first != second:
            changes.append(f"{key}: {first} → {second}")
    return changes
