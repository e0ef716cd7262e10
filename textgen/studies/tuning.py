"""One list of settings for every arm of a study: the best of each arm, and what suits all of them.

title = "…"                            # a study file, whose [budget] the report's runs would have
[tune]
settings = 24                          # drawn once, for every arm; no two are alike
seed = 1
seconds = [60, 300]                    # of a training: of all settings, then of the best ones
keep = 4                               # the best of each arm, that all arms go on with
matched = ["characters", "words"]      # optional: the arms that a matched setting must suit
[tune.space]                           # values of settings of experiment files
"training.learning_rate" = [4e-3, 8e-3]
"backbone.ngrams" = [false, { orders = [2, 3], rows = 65_536 }]
span = [64, 128]                       # of a window, in characters: as many tokens as those take
[[tune.more]]                          # optional: the list goes on, from another space
settings = 8
space = { "training.learning_rate" = [8e-3, 16e-3], span = [128, 256] }

Updates are timed first, as those of a study: a training makes as many as its seconds hold beside
the preparation, however busy the machine is meanwhile. It is scored on validation text, by the
network alone. *Tuned* is the best setting of each arm. *Matched* is the one with the least mean
regret: the bits above the best setting of an arm, averaged over arms. Both are written as
experiment files, for each number of seconds.

A training whose loss is no number counts as the worst of its arm. One that fails for another reason
is named, is left out of everything, and is made again when the command is repeated.
"""

import json
import math
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock
from scipy.stats import qmc

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment
from textgen.core.files import scratch_of, write_file, write_json
from textgen.core.machine import processor
from textgen.core.reading import SettingsReader, find_experiment
from textgen.core.terminal import command_line
from textgen.data.loading import load_corpus
from textgen.evaluation.units import markdown_table
from textgen.runs.console import Screen
from textgen.runs.folder import write_experiment
from textgen.runs.results import Content, read_content
from textgen.studies.cluster import Cluster
from textgen.studies.execution import open_place
from textgen.studies.jobs import Job, Kind, State
from textgen.studies.places import Doer, PlaceCrew, Processes
from textgen.studies.planning import with_defaults
from textgen.studies.queue import Queue, work_off
from textgen.studies.sharing import LOCKS, at_work, check_alone, is_taken, planning_lock
from textgen.studies.study import Budget, Search, Settings, Study, load_study

FILE = "tune.json"
SPAN = "span"  # the setting of a space that is a window in characters
BEGIN_AGAIN = "begin again, by the search's own command with --overwrite"
MAX_DRAWS = 100  # of a whole list, until its settings differ
# tables of a study's own settings that no tuned network needs
UNTUNED = {"corpus", "split", "language", "training_counts", "cache", "sampling"}


@dataclass(frozen=True)
class Trial:
    """One training of an arm.

    Attributes:
        arm, setting: the setting by its index in the list.
        seconds: that preparation and updates may take.
        bits: per character of the whole validation text; None where the loss was no number.
        window: of the objective, in tokens.
        updates, parameters: of the training and its network.
        preparation_seconds, seconds_per_update: of one thread. Updates are timed before the
            training, and the fastest timing of the setting counts; None in searches before
            2026-12-02, whose trainings ended by the clock.
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
    seconds_per_update: float | None = None

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

    def finite_costs(self, seconds: float) -> dict[str, dict[int, float]]:
        """As :meth:`costs`, without trainings whose loss was no number."""
        finite = dict[str, dict[int, float]]()
        for arm, costs in self.costs(seconds).items():
            finite[arm] = {n: cost for n, cost in costs.items() if math.isfinite(cost)}
        return finite

    def tuned(self, seconds: float) -> dict[str, int]:
        """Arm → its best setting; arms without any figure are left out."""
        costs = self.finite_costs(seconds)
        return {arm: next(iter(costs[arm])) for arm in costs if costs[arm]}

    def regrets(self, seconds: float) -> dict[int, float]:
        """Setting → bits above the best one, a mean over the arms to match, the least first. An arm
        without any figure decides nothing, and a setting that one of the others lacks is left
        out."""
        costs = self.finite_costs(seconds)
        arms = [arm for arm in self.search.matched or self.study.arms if costs[arm]]
        least = {arm: min(costs[arm].values()) for arm in arms}
        regrets = dict[int, float]()
        for setting in range(len(self.settings)):
            above = [costs[arm].get(setting, math.inf) - least[arm] for arm in arms]
            if above and math.isfinite(sum(above)):
                regrets[setting] = sum(above) / len(above)
        return {setting: regrets[setting] for setting in sorted(regrets, key=regrets.__getitem__)}

    def kept(self, seconds: float) -> list[int]:
        """The settings that are among the best of any arm, those of the list that come first
        first."""
        best = set[int]()
        for costs in self.finite_costs(seconds).values():
            best.update(list(costs)[: self.search.keep])
        return sorted(best)

    @property
    def processors(self) -> list[str]:
        """Those on which there have been trainings."""
        return sorted({trial.processor for trial in self.trials})


def draw_settings(search: Search) -> list[dict[str, Any]]:
    """The list of settings, no two of them alike.

    Raises:
        TextgenError: a space has fewer settings than are asked for.
    """
    drawn = list[dict[str, Any]]()
    for part in (search, *search.more):
        drawn += _different_settings(part, drawn)
    return drawn


def _different_settings(part: Settings, before: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Settings from one space that differ from each other and from those before. Each value stands
    about equally often in a draw (a Latin hypercube, McKay, Beckman & Conover 1979): taken is the
    first draw without a repetition, or what differs in all draws if there is none.

    Raises:
        TextgenError: the space has fewer.
    """
    sampler = qmc.LatinHypercube(len(part.space), seed=part.seed)
    different = list[dict[str, Any]]()
    for _ in range(MAX_DRAWS):
        draw = list[dict[str, Any]]()
        for point in sampler.random(part.settings):
            setting = dict[str, Any]()
            for (name, values), place in zip(part.space.items(), point, strict=True):
                setting[name] = values[int(place * len(values))]
            if setting not in draw and setting not in before:
                draw.append(setting)
        if len(draw) == part.settings:
            return draw
        different += [setting for setting in draw if setting not in different]
    if len(different) < part.settings:
        message = f"[tune]: {part.settings} settings are asked for, and {len(different)} differ"
        raise TextgenError(message, "ask for fewer, or give more values")
    return different[: part.settings]


def tune(
    path: str | Path,
    *,
    reports_folder: str | Path = "reports",
    workers: int | None = None,
    address: str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Tuning:
    """Train every arm of a study at every setting of one list, and write what came of it into a
    folder that is named after the study: ``tune.json``, ``tune.md``, ``tune.svg``, and experiment
    files in ``matched/`` and ``tuned/``. A search that was interrupted is resumed.

    Args:
        path: a study file with a table ``[tune]``.
        reports_folder: where the folder lies.
        workers: training runs at once; if None, one for each GPU, or else as many as the cores
            suffice for.
        address: address of a Ray cluster for the trainings; its machines must share this folder.
        overwrite: begin again, whatever is there.
        quiet: no progress on the terminal.

    Raises:
        TextgenError: anything wrong with the file or one of the settings, before any training;
            another search in that folder; or that no training of an arm has a figure.
    """
    screen = Screen(quiet)
    study = load_search(path)
    folder = Path(reports_folder) / study.name
    with ExitStack() as work:
        with planning_lock(folder, screen.say):
            if overwrite:
                check_alone(folder)
                (folder / FILE).unlink(missing_ok=True)
            opened = open_search(study, reports_folder)
            work.enter_context(at_work(folder))
        tuning = opened.tuning
        chosen = list(range(len(tuning.settings)))
        with open_place(study, workers, address, screen) as place:
            processors = {processor()}
            if isinstance(place, Cluster):
                place.check(list_trials(study, tuning.search.seconds[0], chosen), folder)
                processors = place.processors
            _warn_of_others(tuning.processors, processors, screen)
            for seconds in tuning.search.seconds:
                _train(opened, seconds, list_trials(study, seconds, chosen), place, screen)
                chosen = tuning.kept(seconds)
        _write_results(folder, tuning, opened.searched["text"])
    screen.say((folder / "tune.md").read_text(encoding="utf-8"))
    if without := study.arms.keys() - tuning.tuned(tuning.search.seconds[-1]).keys():
        message = f"{study.path}: {' and '.join(sorted(without))}: no training has a figure"
        raise TextgenError(message, f"see their logs in {folder / 'logs'}")
    return tuning


def _warn_of_others(before: Collection[str], now: Collection[str], screen: Screen) -> None:
    """Warn where earlier trainings were made on other processors than those that make the next."""
    if others := sorted(set(before) - set(now)):
        screen.warn(
            f"Earlier trainings of this search were made on {', '.join(others)}, and the next "
            f"are on {', '.join(sorted(now))}: the same seconds are not the same training."
        )


@dataclass(frozen=True)
class OpenedSearch:
    """A search whose trials can begin.

    Attributes:
        tuning: what has been tried.
        searched: what ``tune.json`` says of the search.
        folder: of its files.
    """

    tuning: Tuning
    searched: dict[str, Any]
    folder: Path

    def lock(self, job: Job) -> Path:
        """A job's lock."""
        return self.folder / LOCKS / f"{job.name}.lock"

    def ended(self) -> dict[str, Trial]:
        """Job → its trial, as the file says, of the settings in this list."""
        stored = _read_stored(self.folder / FILE, self.searched)
        trials = stored.trials if stored else []
        listed = len(self.tuning.settings)
        return {_job_of(trial): trial for trial in trials if trial.setting < listed}


def load_search(path: str | Path) -> Study:
    """Read a study file that has a search.

    Raises:
        TextgenError: anything wrong with the file, or it has no search.
    """
    study = load_study(path)
    if study.tune is None:
        raise TextgenError(f"{study.path}: no [tune]", "[tune] says which settings to try")
    if study.cells:
        raise TextgenError(f"{path}: [tune] takes one text, size, budget", "leave out the others")
    return study


def open_search(study: Study, reports_folder: str | Path) -> OpenedSearch:
    """The search of a study that has one, and what has been tried.

    Raises:
        TextgenError: one of the settings is wrong; or another search is in the folder.
    """
    search = study.tune
    assert search is not None
    settings = draw_settings(search)
    for values, arm in product(settings, study.arms):  # all of them before any training
        first = _experiment(study, arm, values)
    folder = Path(reports_folder) / study.name
    text = load_corpus(first)
    searched = {
        "text": text.sha256,
        "arms": {arm: study.experiment(arm).arm for arm in study.arms},
        "settings": settings,
    }
    stored = _read_stored(folder / FILE, searched)
    if stored and len(stored.settings) > len(settings):
        raise _other_search(folder / FILE, "settings")
    trials = stored.trials if stored else []
    return OpenedSearch(Tuning(study, search, settings, trials), searched, folder)


def known_jobs(opened: OpenedSearch) -> list[Job]:
    """The jobs of a search as far as they are known: those of a budget when those of the budget
    before have ended."""
    tuning = opened.tuning
    ended = opened.ended()
    jobs = list[Job]()
    chosen = list(range(len(tuning.settings)))
    for seconds in tuning.search.seconds:
        trials = list_trials(tuning.study, seconds, chosen)
        jobs += trials
        if any(job.name not in ended for job in trials):
            break
        chosen = tuning.kept(seconds)
    return jobs


def is_of_a_later_budget(opened: OpenedSearch, name: str, known: Sequence[Job]) -> bool:
    """Whether a job may come to be when all those that are known have ended."""
    tuning = opened.tuning
    every = range(len(tuning.settings))
    for seconds in tuning.search.seconds:
        if seconds > known[-1].seconds:
            later = list_trials(tuning.study, seconds, every)
            if any(job.name == name for job in later):
                return True
    return False


def trial_states(opened: OpenedSearch, jobs: Sequence[Job]) -> dict[str, State]:
    """Job → its state."""
    ended = opened.ended()
    found = dict[str, State]()
    for job in jobs:
        if job.name in ended:
            found[job.name] = State.DONE
        else:
            found[job.name] = State.RUNNING if is_taken(opened.lock(job)) else State.READY
    return found


def tune_command(opened: OpenedSearch, reports_folder: str | Path, *options: str) -> str:
    """The command of a search with further options."""
    words = ["textgen", "tune", str(opened.tuning.study.path), *options]
    if str(reports_folder) != "reports":
        words.append(f"--reports={reports_folder}")
    return command_line(words)


def list_trials(study: Study, seconds: float, chosen: Sequence[int]) -> list[Job]:
    """The trainings of a search for so many seconds: every arm at the chosen settings."""
    jobs = list[Job]()
    for setting, arm in product(chosen, study.arms):
        name = f"{Kind.TRIAL}/{seconds:g}s/{arm}/{setting}"
        resources = study.resources_of(arm)
        run = f"{arm}-{setting}-{seconds:g}"
        job = Job(name, Kind.TRIAL, (setting,), resources, arm=arm, run=run, seconds=seconds)
        jobs.append(job)
    return jobs


def _train(
    opened: OpenedSearch,
    seconds: float,
    jobs: Sequence[Job],
    place: Processes | Cluster,
    screen: Screen,
) -> None:
    """Make the trials that are missing, also beside other processes. Those that end are on file,
    and then in ``opened``."""
    done = opened.ended().keys() & {job.name for job in jobs}
    queue = Queue(jobs, done)
    screen.say(f"{len(queue.waiting)} training runs of {seconds:g} s, {len(done)} done already")

    def do(job: Job) -> None:
        make_trial(opened, job, place)

    def is_done(job: Job) -> bool:
        return job.name in opened.ended()

    with closing(PlaceCrew(place, do, opened.lock, is_done)) as crew:
        for ended in work_off(queue, crew):
            job = ended.job
            name = f"{job.arm}, setting {job.order[0]}"
            if ended.failure is not None:
                screen.warn(f"FAILED: {name}: {ended.failure}")
                continue
            trial = opened.ended()[job.name]
            bits = "the loss is not a number" if trial.bits is None else f"{trial.bits:.4f}"
            screen.say(f"  {name}: {bits}")
    opened.tuning.trials[:] = opened.ended().values()


def make_trial(opened: OpenedSearch, job: Job, place: Doer) -> None:
    """Make a trial, and write it into the file.

    Raises:
        TextgenError: it has failed, for another reason than its loss.
    """
    trial = _run_trial(opened.tuning, opened.folder / "logs", job, place)
    file = opened.folder / FILE
    (opened.folder / LOCKS).mkdir(parents=True, exist_ok=True)
    with FileLock(opened.folder / LOCKS / FILE):
        searched = dict(opened.searched)
        trials = [trial]
        if stored := _read_stored(file, searched):
            trials = [*stored.trials, trial]
            # another process may have gone on with a longer list
            searched["settings"] = max(searched["settings"], stored.settings, key=len)
        write_json(file, {**searched, "trials": [asdict(each) for each in trials]})


def _job_of(trial: Trial) -> str:
    """The name of a trial's job."""
    return f"{Kind.TRIAL}/{trial.seconds:g}s/{trial.arm}/{trial.setting}"


def _experiment(study: Study, arm: str, values: Mapping[str, Any]) -> Experiment:
    """An arm at a setting, but for a span, whose tokens are not known yet."""
    return study.experiment(arm, extra=_overrides(values))


def _overrides(values: Mapping[str, Any]) -> list[str]:
    """A setting as ``--set`` takes it, without its span."""
    return [f"{name}={_inline(value)}" for name, value in values.items() if name != SPAN]


def _inline(value: Any) -> str:
    """A value as TOML has it on a single line."""
    if isinstance(value, Mapping):
        pairs = [f"{name} = {_inline(inner)}" for name, inner in value.items()]
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(_inline(inner) for inner in value)}]"
    return json.dumps(value)


def _read_stored(path: Path, searched: Mapping[str, Any]) -> Stored | None:
    """What is on file of the same search; None if there is no file. A list that has grown is the
    same search.

    Raises:
        TextgenError: the file is damaged, or of another search.
    """
    if not path.exists():
        return None
    stored = read_content(path, Stored, f"restore the file, or {BEGIN_AGAIN}")
    now = json.loads(json.dumps(searched, default=str))
    arms = {arm: with_defaults(settings) for arm, settings in stored.arms.items()}
    common = min(len(stored.settings), len(now["settings"]))
    other = list[str]()
    if stored.text != now["text"]:
        other.append("text")
    if json.loads(json.dumps(arms, default=str)) != now["arms"]:
        other.append("arms")
    if stored.settings[:common] != now["settings"][:common]:
        other.append("settings")
    if other:
        raise _other_search(path, " and ".join(other))
    return stored


def _other_search(path: Path, what: str) -> TextgenError:
    message = f"{path}: a search with other {what}"
    return TextgenError(message, f"{BEGIN_AGAIN}, or rename the study file")


def _run_trial(tuning: Tuning, logs: Path, job: Job, place: Doer) -> Trial:
    """A trial in a process of its own.

    Raises:
        TextgenError: it has failed, for another reason than its loss.
    """
    (setting,) = job.order
    values = tuning.settings[setting]
    log = (logs / f"{job.run}.txt").resolve()
    study = replace(tuning.study, budget=Budget(seconds=job.seconds))
    experiment = _experiment(study, job.arm, values)
    settings = log.with_suffix(".toml")
    write_experiment(settings, experiment)
    scratch = scratch_of(settings)
    shutil.rmtree(scratch, ignore_errors=True)  # of a search that was killed
    scratch.mkdir()
    arguments = {
        "experiment": str(settings),
        "scratch": str(scratch),
        "span": values.get(SPAN, 0),
        "seconds": job.seconds,
        "known": _fastest_updates(tuning, job.arm, setting),
    }
    try:
        measured = place.do(job, "try_setting", log, **arguments)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Trial(job.arm, setting, job.seconds, **measured)


def _fastest_updates(tuning: Tuning, arm: str, setting: int) -> dict[str, float]:
    """Processor → seconds of an update in the fastest timing of an arm at a setting there."""
    fastest = dict[str, float]()
    for trial in tuning.trials:
        pace = trial.seconds_per_update
        if (trial.arm, trial.setting) == (arm, setting) and pace is not None:
            fastest[trial.processor] = min(pace, fastest.get(trial.processor, pace))
    return fastest


def summary(tuning: Tuning, budgets: Sequence[float]) -> str:
    """Which settings are matched and tuned after the last of some budgets, in seconds, and a table
    of all settings that had one of these, in Markdown; those that some arms lack come last."""
    arms = tuning.study.arms
    rows = list[list[Any]]()
    names = [*dict.fromkeys(name for values in tuning.settings for name in values)]
    for seconds in reversed(budgets):
        costs = tuning.costs(seconds)
        regrets = tuning.regrets(seconds)
        tried = {setting for of_arm in costs.values() for setting in of_arm}
        for setting in [*regrets, *sorted(tried - regrets.keys())]:
            values = [_inline(tuning.settings[setting].get(name, "")) for name in names]
            bits = [_figure(costs[arm].get(setting)) for arm in arms]
            regret = _figure(regrets.get(setting))
            rows.append([f"{seconds:g}", setting, *values, *bits, regret])
    heads = ["seconds", "setting", *(name.rpartition(".")[2] for name in names), *arms]
    table = markdown_table([*heads, "mean regret"], rows)
    lines = list[str]()
    for seconds in budgets:
        best = ", ".join(f"{arm} {setting}" for arm, setting in tuning.tuned(seconds).items())
        regrets = tuning.regrets(seconds)
        matched = f"setting {next(iter(regrets))}" if regrets else "none suits all arms"
        lines.append(f"After {seconds:g} s: matched: {matched}. Tuned: {best}.")
    lines.append(f"{len(tuning.settings)} settings an arm, on {' and '.join(tuning.processors)}.")
    return "\n".join([*lines, "", table, ""])


def _figure(bits: float | None) -> str:
    return "–" if bits is None else f"{bits:.4f}"


def _write_results(folder: Path, tuning: Tuning, sha256: str) -> None:
    """The table, the picture, and the experiment files."""
    write_file(folder / "tune.md", summary(tuning, tuning.search.seconds))
    _draw(folder / "tune.svg", tuning)
    for seconds in tuning.search.seconds:
        trials = {(t.arm, t.setting): t for t in tuning.trials if t.seconds == seconds}
        for arm, setting in tuning.tuned(seconds).items():
            path = folder / f"tuned_{seconds:g}s" / f"{arm}.toml"
            _write_arm(path, tuning, trials[arm, setting], "tuned", sha256)
        matched = next(iter(tuning.regrets(seconds)), -1)
        for arm in tuning.study.arms:
            if (arm, matched) in trials:
                path = folder / f"matched_{seconds:g}s" / f"{arm}.toml"
                _write_arm(path, tuning, trials[arm, matched], "matched", sha256)


def _write_arm(path: Path, tuning: Tuning, trial: Trial, kind: str, sha256: str) -> None:
    """The experiment file of an arm at a setting. The text is that of the arm's own file."""
    study = tuning.study
    arm = study.arms[trial.arm]
    changes = [each for each in study.set if re.split("[.= ]", each.strip())[0] not in UNTUNED]
    changes += arm.set
    changes += _overrides(tuning.settings[trial.setting])
    changes.append(f"objective.window={trial.window}")
    data = SettingsReader().override({}, changes)
    base = find_experiment(arm.experiment, study.path.parent).resolve()
    threads = "one thread" if study.threads == 1 else f"{study.threads} threads"
    about = f"""\
# {kind.capitalize()}: setting {trial.setting} of {len(tuning.settings)} that `textgen tune
# {study.path.name}` tried: {trial.cost:.4f} bits per character of the network on validation text
# (of the text {sha256[:8]}) after {trial.seconds:g} s of {threads} of {trial.processor}.

"""
    include = os.path.relpath(base, path.parent.resolve())
    write_file(path, about + tomli_w.dumps({"include": Path(include).as_posix(), **data}))


def _draw(path: Path, tuning: Tuning) -> None:
    """Bits above an arm's best setting, a panel for each number of seconds."""
    from matplotlib.figure import Figure

    seconds = tuning.search.seconds
    figure = Figure(figsize=(7, 1 + 2.5 * len(seconds)), layout="constrained")
    for axes, each in zip(figure.subplots(len(seconds), squeeze=False)[:, 0], seconds, strict=True):
        order = list(tuning.regrets(each))
        for arm, costs in tuning.finite_costs(each).items():
            if costs:
                above = [costs.get(n, math.nan) - min(costs.values()) for n in order]
                axes.plot([str(n) for n in order], above, "o", label=arm)
        axes.set_ylim(-0.01, 0.3)
        axes.set_ylabel(f"bits above the best, {each:g} s")
    axes.set_xlabel("setting, the least mean regret first")
    axes.legend()
    write_file(path, lambda file: figure.savefig(file, format="svg"))
