"""One list of settings for every arm of a study: the best of each arm, and what suits all of them.

title = "…"                            # a study file, whose [budget] the report's runs would have
[tune]
settings = 32                          # drawn once, for every arm
seed = 1
seconds = [60, 300]                    # of a training: of all settings, then of the best ones
keep = 4                               # the best of each arm, that all arms go on with
matched = ["characters", "words"]      # optional: the arms that a matched setting must suit
[tune.space]                           # values of settings of experiment files
"training.learning_rate" = [4e-3, 8e-3]
span = [64, 128]                       # of a window, in characters: as many tokens as those take
[[tune.more]]                          # optional: the list goes on, from another space
settings = 8
space = { "training.learning_rate" = [8e-3, 16e-3], span = [128, 256] }

A setting is scored on validation text, by the network alone. *Tuned* is the best setting of each
arm. *Matched* is the one with the least mean regret: the bits above the best setting of an arm,
averaged over arms. Both are written as experiment files.
"""

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import tomli_w
from scipy.stats import qmc

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment
from textgen.core.files import write_file, write_json
from textgen.core.machine import processor
from textgen.core.reading import SettingsReader, find_experiment
from textgen.data.loading import load_corpus
from textgen.evaluation.units import markdown_table
from textgen.runs.console import Screen
from textgen.runs.results import Content, read_content
from textgen.studies.execution import lock_study
from textgen.studies.study import Budget, Search, Study, load_study
from textgen.studies.workers import Processes, as_they_end

FILE = "tune.json"
SPAN = "span"  # the setting of a space that is a window in characters
# tables of a study's own settings that no tuned network needs
UNTUNED = {"corpus", "split", "language", "training_counts", "cache", "sampling"}


@dataclass(frozen=True)
class Trial:
    """One training of an arm.

    Attributes:
        arm, setting: the setting by its index in the list.
        seconds: of the training, its preparation included.
        bits: per character of the whole validation text; None where the loss was no number.
        window: of the objective, in tokens.
        updates, parameters: of the training and its network.
        preparation_seconds: of one thread.
        curve: bits per character at each validation, on a part of that text.
        processor: that of the machine.
    """

    arm: str
    setting: int
    seconds: float
    bits: float | None
    window: int
    updates: int
    parameters: int
    preparation_seconds: float
    curve: list[float]
    processor: str

    @property
    def cost(self) -> float:
        return math.inf if self.bits is None else self.bits


class Stored(Content):
    """``tune.json``."""

    text: str
    arms: dict[str, dict[str, Any]]
    settings: list[dict[str, Any]]
    trials: list[Trial]


@dataclass(frozen=True)
class Tuning:
    """What has been tried.

    Attributes:
        study: whose arms they are.
        search: that of the study.
        settings: the list.
        trials: those that have ended.
    """

    study: Study
    search: Search
    settings: list[dict[str, Any]]
    trials: list[Trial]

    def costs(self, seconds: float) -> dict[str, dict[int, float]]:
        """Arm → setting → bits per character after so many seconds, the least first."""
        ended = sorted((t for t in self.trials if t.seconds == seconds), key=lambda t: t.cost)
        return {arm: {t.setting: t.cost for t in ended if t.arm == arm} for arm in self.study.arms}

    def tuned(self, seconds: float) -> dict[str, int]:
        """Arm → its best setting."""
        return {arm: next(iter(costs)) for arm, costs in self.costs(seconds).items()}

    def regrets(self, seconds: float) -> dict[int, float]:
        """Setting → bits above the best one, a mean over the arms to match, the least first."""
        costs, arms = self.costs(seconds), self.search.matched or tuple(self.study.arms)
        least = {arm: min(costs[arm].values()) for arm in arms}
        regrets = dict[int, float]()
        for setting in costs[arms[0]]:
            if all(setting in costs[arm] for arm in arms):
                above = sum(costs[arm][setting] - least[arm] for arm in arms)
                regrets[setting] = above / len(arms)
        return {setting: regrets[setting] for setting in sorted(regrets, key=regrets.__getitem__)}

    def kept(self, seconds: float) -> list[int]:
        """The settings that are among the best of any arm, the least mean regret first."""
        best = set[int]()
        for costs in self.costs(seconds).values():
            best.update(list(costs)[: self.search.keep])
        return [setting for setting in self.regrets(seconds) if setting in best]


def draw_settings(search: Search) -> list[dict[str, Any]]:
    """The list of settings, in which each value stands about equally often (a Latin hypercube,
    McKay, Beckman & Conover 1979)."""
    drawn = list[dict[str, Any]]()
    for part in (search, *search.more):
        points = qmc.LatinHypercube(len(part.space), seed=part.seed).random(part.settings)
        for point in points:
            setting = dict[str, Any]()
            for (name, values), place in zip(part.space.items(), point, strict=True):
                setting[name] = values[int(place * len(values))]
            drawn.append(setting)
    return drawn


def tune(
    path: str | Path,
    *,
    reports_folder: str | Path = "reports",
    workers: int = 1,
    overwrite: bool = False,
    quiet: bool = False,
) -> Tuning:
    """Train every arm of a study at every setting of one list, and write what came of it into a
    folder that is named after the study: ``tune.json``, ``tune.md``, ``tune.svg``, and experiment
    files in ``matched/`` and ``tuned/``. A search that was interrupted is resumed.

    Args:
        path: a study file with a table ``[tune]``.
        reports_folder: where the folder lies.
        workers: training runs at once.
        overwrite: begin again, whatever is there.
        quiet: no progress on the terminal.

    Raises:
        TextgenError: anything wrong with the file or one of the settings, before any training;
            another search in that folder; or a training that failed.
    """
    study, screen = load_study(path), Screen(quiet)
    if (search := study.tune) is None:
        raise TextgenError(f"{study.path}: no [tune]", "[tune] says which settings to try")
    if study.cells:
        raise TextgenError(f"{path}: [tune] takes one text, size, budget", "leave out the others")
    if workers < 1:
        raise TextgenError(f"--workers: {workers} is less than 1")
    settings = draw_settings(search)
    for values, arm in product(settings, study.arms):  # all of them before any training
        first = _experiment(study, arm, values)
    folder = Path(reports_folder) / study.name
    with lock_study(folder):
        text = load_corpus(first)
        searched = {
            "text": text.sha256,
            "arms": {arm: study.experiment(arm).arm for arm in study.arms},
            "settings": settings,
        }
        trials = [] if overwrite else _read_trials(folder / FILE, searched)
        tuning = Tuning(study, search, settings, trials)
        chosen = list(range(len(settings)))
        for seconds in search.seconds:
            done = {(t.arm, t.setting) for t in trials if t.seconds == seconds}
            missing = [(arm, n) for n, arm in product(chosen, study.arms) if (arm, n) not in done]
            screen.say(f"{len(missing)} training runs of {seconds:g} s, {len(done)} done already")
            with Processes() as processes:  # when one fails, the others end, too
                run = partial(_run_trial, tuning, folder / "logs", seconds, processes)
                for trial in as_they_end(run, missing, workers):
                    trials.append(trial)
                    write_json(folder / FILE, {**searched, "trials": [asdict(t) for t in trials]})
                    bits = "the loss is not a number" if trial.bits is None else f"{trial.bits:.4f}"
                    screen.say(f"  {trial.arm}, setting {trial.setting}: {bits}")
            chosen = tuning.kept(seconds)
        _write_results(folder, tuning, text.sha256)
    screen.say((folder / "tune.md").read_text(encoding="utf-8"))
    return tuning


def _experiment(study: Study, arm: str, values: Mapping[str, Any]) -> Experiment:
    """An arm at a setting, but for a span, whose tokens are not known yet."""
    changes = [f"{name}={json.dumps(value)}" for name, value in values.items() if name != SPAN]
    return study.experiment(arm, extra=changes)


def _read_trials(path: Path, searched: Mapping[str, Any]) -> list[Trial]:
    """Those of the same search that have ended; none if there is no file. A list that has grown
    is the same search.

    Raises:
        TextgenError: the file is damaged, or of another search.
    """
    if not path.exists():
        return []
    stored = read_content(path, Stored, "restore the file, or begin again with --overwrite")
    before = json.loads(json.dumps(searched, default=str))
    before["settings"] = before["settings"][: len(stored.settings)]
    if other := [key for key in searched if getattr(stored, key) != before[key]]:
        message = f"{path}: a search with other {' and '.join(other)}"
        raise TextgenError(message, "begin again with --overwrite, or rename the study file")
    return stored.trials


def _run_trial(
    tuning: Tuning, logs: Path, seconds: float, processes: Processes, cell: tuple[str, int]
) -> Trial:
    """A trial in a process of its own.

    Raises:
        TextgenError: it failed; arm and setting are named.
    """
    arm, setting = cell
    values = tuning.settings[setting]
    log = logs / f"{arm}-{setting}-{seconds:g}.txt"
    study = replace(tuning.study, budget=Budget(seconds=seconds))
    experiment = _experiment(study, arm, values)
    span = values.get(SPAN, 0)
    try:
        measured = processes.measure("textgen.training.trial", experiment, span, log)
    except TextgenError as error:
        raise TextgenError(f"{arm}, setting {setting}: {error.message}", error.hint) from None
    return Trial(arm, setting, seconds, processor=processor(), **measured)


def summary(tuning: Tuning, budgets: Sequence[float]) -> str:
    """Which settings are matched and tuned after the last of some budgets, in seconds, and a table
    of all settings that had one of these, in Markdown."""
    arms = tuning.study.arms
    rows = list[list[Any]]()
    names = [*dict.fromkeys(name for values in tuning.settings for name in values)]
    for seconds in reversed(budgets):
        costs = tuning.costs(seconds)
        for setting, regret in tuning.regrets(seconds).items():
            values = [json.dumps(tuning.settings[setting].get(name)) for name in names]
            bits = [f"{costs[arm][setting]:.4f}" for arm in arms]
            rows.append([f"{seconds:g}", setting, *values, *bits, f"{regret:.4f}"])
    heads = ["seconds", "setting", *(name.rpartition(".")[2] for name in names), *arms]
    table = markdown_table([*heads, "mean regret"], rows)
    best = ", ".join(f"{arm} {setting}" for arm, setting in tuning.tuned(budgets[-1]).items())
    matched = next(iter(tuning.regrets(budgets[-1])))
    number = len(tuning.settings)
    return f"Matched: setting {matched}. Tuned: {best}. {number} settings an arm.\n\n{table}\n"


def _write_results(folder: Path, tuning: Tuning, sha256: str) -> None:
    """The table, the picture, and the experiment files."""
    last = tuning.search.seconds[-1]
    write_file(folder / "tune.md", summary(tuning, tuning.search.seconds))
    _draw(folder / "tune.svg", tuning)
    trials = {(t.arm, t.setting): t for t in tuning.trials if t.seconds == last}
    matched = next(iter(tuning.regrets(last)))
    for arm, setting in tuning.tuned(last).items():
        path = folder / "tuned" / f"{arm}.toml"
        _write_arm(path, tuning, trials[arm, setting], "tuned", sha256)
    for arm in tuning.study.arms:
        path = folder / "matched" / f"{arm}.toml"
        _write_arm(path, tuning, trials[arm, matched], "matched", sha256)


def _write_arm(path: Path, tuning: Tuning, trial: Trial, kind: str, sha256: str) -> None:
    """The experiment file of an arm at a setting. The text is that of the arm's own file."""
    study = tuning.study
    arm = study.arms[trial.arm]
    changes = [each for each in study.set if re.split("[.= ]", each.strip())[0] not in UNTUNED]
    changes += arm.set
    for name, value in tuning.settings[trial.setting].items():
        if name != SPAN:
            changes.append(f"{name}={json.dumps(value)}")
    changes.append(f"objective.window={trial.window}")
    data = SettingsReader().override({}, changes)
    base = find_experiment(arm.experiment, study.path.parent).resolve()
    about = f"""\
# {kind.capitalize()}: setting {trial.setting} of {len(tuning.settings)} that `textgen tune
# {study.path.name}` tried: {trial.cost:.4f} bits per character of the network on validation text
# (of the text {sha256[:8]}) after {trial.seconds:g} s of one thread of {trial.processor}.

"""
    include = os.path.relpath(base, path.parent.resolve())
    write_file(path, about + tomli_w.dumps({"include": Path(include).as_posix(), **data}))


def _draw(path: Path, tuning: Tuning) -> None:
    """Bits above an arm's best setting, a panel for each number of seconds."""
    from matplotlib.figure import Figure

    seconds = tuning.search.seconds
    figure = Figure(figsize=(7, 1 + 2.5 * len(seconds)), layout="constrained")
    for axes, each in zip(figure.subplots(len(seconds), squeeze=False)[:, 0], seconds, strict=True):
        order = [*map(str, tuning.regrets(each))]
        for arm, costs in tuning.costs(each).items():
            least = min(costs.values())
            axes.plot(order, [costs[int(n)] - least for n in order], "o", label=arm)
        axes.set_ylim(-0.01, 0.3)
        axes.set_ylabel(f"bits above the best, {each:g} s")
    axes.set_xlabel("setting, the least mean regret first")
    axes.legend()
    figure.savefig(path)
