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

All seeds of an arm train for the same number of updates, the planned one. So the seeds are
comparable, and the results depend neither on what else the machine was doing nor on whether the
study was interrupted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

import textgen
from textgen.core.errors import UNREADABLE, TextgenError
from textgen.core.experiment import (
    TABLES,
    Experiment,
    SettingsReader,
    find_experiment,
    load_experiment,
)
from textgen.core.settings import (
    BUDGETS,
    Contrast,
    Count,
    Name,
    Positive,
    Seed,
    build,
    check_name,
    check_one_budget,
    suggestion,
)
from textgen.core.system import processor, start_tensorflow, write_json
from textgen.data.loading import load_corpus
from textgen.report.arms import flat_settings
from textgen.runs.folder import write_experiment
from textgen.studies.workers import Processes, printed, scratch_in
from textgen.training.preparation import prepare

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
class Study:
    """A study file, checked.

    Raises:
        ValueError: no arm, or an invalid contrast.
    """

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

    @property
    def name(self) -> str:
        return self.path.stem

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
    data = SettingsReader().read(path)
    if foreign := {*TABLES} & data.keys():
        hint = "run one experiment with: textgen run"
        raise TextgenError(f"{path}: [{min(foreign)}] belongs into an experiment", hint)
    check_name(path.stem, str(path))
    study: Study = build(Study, {"budget": {}, "arms": {}, **data, "path": str(path)}, str(path))
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


FILE = "plan.json"
SECONDS = 10.0
"""Timed updates take at least so long."""
CALLS = 3
"""Calls that are timed, however long they take."""
PARAMETERS_TOLERANCE = 0.02


@dataclass(frozen=True)
class ArmPlan:
    """An arm's plan, and the measurements behind it.

    Attributes:
        experiment: resolved, under the study's budget, without name and seed.
        updates: of each run; None if the budget is in characters.
        preparation_seconds, seconds_per_update, calls, parameters: as :func:`measure` returns them;
            None if nothing had to be measured.
        threads: used for the measurement and by all runs.
        processor, textgen: the machine and the version that measured.
    """

    experiment: dict[str, Any]
    updates: int | None
    threads: int
    processor: str
    textgen: str
    preparation_seconds: float | None = None
    seconds_per_update: float | None = None
    calls: int | None = None
    parameters: int | None = None

    @property
    def overrides(self) -> list[str]:
        """The plan as settings of a run."""
        return [f"training.updates={self.updates}"] if self.updates is not None else []


def plan_study(
    study: Study,
    folder: Path,
    *,
    overwrite: bool = False,
    report: Callable[[str, ArmPlan | None], None] = lambda arm, plan: None,
) -> tuple[dict[str, ArmPlan], dict[str, str]]:
    """The plan of every arm: the one stored in ``folder``, or a new one, which is stored there.

    Args:
        folder: of the study's runs.
        overwrite: make a new plan for an arm whose experiment has changed.
        report: called before an arm is planned, with None, and afterwards with its plan.

    Returns:
        The plans of the arms that could be planned, and for each other arm what its measurement
        printed.

    Raises:
        TextgenError: an experiment has changed, the stored plan is damaged, or it was measured on
            another kind of machine.
    """
    path = folder / FILE
    plans, failures = read(path), dict[str, str]()
    for arm in plans.keys() & study.arms.keys():
        changes = differences(plans[arm].experiment, study.experiment(arm).arm)
        if changes and not overwrite:
            message = f"arms.{arm} was planned from other settings: {'; '.join(changes)}"
            raise TextgenError(f"{path}: {message}", "plan and run it again with --overwrite")
        if changes:
            del plans[arm]
    missing = [arm for arm in study.arms if arm not in plans]
    others = {plan.processor for plan in plans.values()} - {processor()}
    if study.budget.seconds is not None and missing and others:  # which are of one machine alone
        message = f"timed on {', '.join(others)}, but arms.{missing[0]} would be on {processor()}"
        raise TextgenError(f"{path}: {message}", "add the arm there, or use another --runs folder")
    for arm in missing:
        report(arm, None)
        plan = _plan_arm(study, arm, folder)
        if isinstance(plan, str):
            failures[arm] = plan
            continue
        plans[arm] = plan
        write_json(path, {name: asdict(plans[name]) for name in plans})
        report(arm, plan)
    return {arm: plans[arm] for arm in study.arms if arm in plans}, failures


def read(path: Path) -> dict[str, ArmPlan]:
    """The plans in a file; none if there is no file.

    Raises:
        TextgenError: the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        return TypeAdapter(dict[str, ArmPlan]).validate_json(path.read_bytes())
    except UNREADABLE as error:
        hint = "restore the file, or move the folder away and start the study again"
        raise TextgenError(f"{path}: a damaged plan: {error}", hint) from None


def _plan_arm(study: Study, arm: str, folder: Path) -> ArmPlan | str:
    """One arm's plan or, if it cannot be made, why not."""
    experiment, budget = study.experiment(arm), study.budget
    updates, measured = budget.updates, dict[str, Any]()
    if budget.seconds is not None or budget.parameters is not None:
        log = _measure_apart(experiment, folder, SECONDS if budget.seconds is not None else 0.0)
        if isinstance(log, str):
            return log
        measured = log
    wanted, parameters = budget.parameters, measured.get("parameters", 0)
    if wanted is not None and abs(parameters - wanted) > PARAMETERS_TOLERANCE * wanted:
        within = f"change its backbone.units until they agree within {PARAMETERS_TOLERANCE:.0%}"
        return f"budget.parameters: {wanted:,}, but this arm has {parameters:,}: {within}"
    if budget.seconds is not None:
        preparation = measured["preparation_seconds"]
        per_update = measured["seconds_per_update"]
        updates = updates_within(budget.seconds, preparation, per_update)
        if updates < 1:
            enough = f"{preparation * 3 + per_update * 100:.0f}"
            message = f"{budget.seconds:g}, but the preparation alone takes {preparation:.1f}"
            return f"budget.seconds: {message}: give more, e.g. seconds = {enough}"
    return ArmPlan(
        experiment=experiment.arm,
        updates=updates,
        threads=study.threads,
        processor=processor(),
        textgen=textgen.__version__,
        **measured,
    )


def updates_within(seconds: float, preparation: float, per_update: float) -> int:
    """How many updates a budget leaves time for."""
    return max(0, int((seconds - preparation) / per_update))


def _measure_apart(experiment: Experiment, folder: Path, seconds: float) -> dict[str, Any] | str:
    """:func:`measure` in a process of its own, for a study in a folder; if it fails, what that
    process printed."""
    with scratch_in(folder) as scratch, Processes() as processes:
        settings, output, log = scratch / "arm.toml", scratch / "measured.json", scratch / "log.txt"
        write_experiment(settings, experiment)
        if code := processes.run([__name__, str(settings), str(seconds), str(output)], log):
            return printed(log, code)
        return json.loads(output.read_text(encoding="utf-8"))


def measure(experiment: Experiment, *, seconds: float = SECONDS) -> dict[str, Any]:
    """Prepare an experiment, build its network, and time updates that change no weight: on one
    thread by the processor's own clock, for which other work on the machine does not count.

    Args:
        experiment: with as many threads as the runs will have.
        seconds: how long updates are timed, at least; 0 times none.

    Returns:
        ``parameters``, ``preparation_seconds``, and if updates were timed ``seconds_per_update``,
        the median over ``calls`` calls of several updates each.

    Raises:
        TextgenError: an unusable corpus.
    """
    from textgen.training.loop import new_network, new_step, time_updates, windows_of

    settings = experiment.training
    prepared = prepare(experiment, load_corpus(experiment))
    threads = start_tensorflow(settings.threads, settings.deterministic, parts=True)
    network = new_network(experiment, prepared)
    measured = {"parameters": network.count_params(), "preparation_seconds": prepared.seconds}
    if seconds:
        windows = windows_of(prepared.encoded[0], experiment.objective)
        step = new_step(network, experiment, windows, threads)
        batches = windows.training(settings.batch, experiment.seed)
        clock = time.process_time if threads == 1 else time.perf_counter
        per_update, calls = time_updates(step, batches, seconds, CALLS, clock)
        measured |= {"seconds_per_update": per_update, "calls": calls}
    return measured


def main(arguments: Sequence[str]) -> int:
    """Measure the experiment of a file, for a number of seconds, and write a file."""
    experiment, seconds, output = arguments
    try:
        measured = measure(load_experiment(experiment), seconds=float(seconds))
    except TextgenError as error:
        print(f"textgen: {error}")
        return 2
    write_json(Path(output), measured)
    return 0


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """``table.key: old → new`` for every setting that differs."""
    before, after = dict(flat_settings(old)), dict(flat_settings(new))
    values = [(k, before.get(k, "not set"), after.get(k, "not set")) for k in {**before, **after}]
    return [f"{key}: {first} → {second}" for key, first, second in values if first != second]
