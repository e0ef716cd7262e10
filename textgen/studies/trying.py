"""From a folder of texts to an answer: characters, subwords and words for the same few minutes."""

import hashlib
import json
import math
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w

from textgen.core.errors import CorpusUnavailable, TextgenError
from textgen.core.files import PathKind, as_utf8, found_at, kind_of, write_file
from textgen.core.machine import cores
from textgen.core.reading import SettingsReader, find_experiment
from textgen.core.settings import Split, check_name, check_pattern
from textgen.core.terminal import command_line
from textgen.data.assigned import find_groups, found_parts, name_some
from textgen.data.corpora import File, Folder, Lovecraft, Wikipedia
from textgen.data.documents import Document, count_characters, read_documents
from textgen.data.language import code_of, find_language, foreign_language
from textgen.data.loading import left_out_lines
from textgen.data.splits import divide
from textgen.evaluation.significance import fewest_documents
from textgen.report import sentences
from textgen.report.comparison import Comparison, closing_lines, show
from textgen.report.grid import AGAIN, CELLS_FOLDER, GRID_FILE, Grid
from textgen.report.headline import seconds_to_read_twice
from textgen.report.page import rewrite_report
from textgen.report.schema import NextStep, Texts
from textgen.runs.console import Screen
from textgen.runs.folder import other_text
from textgen.runs.results import read_content
from textgen.studies.execution import run_study
from textgen.studies.jobs import (
    Kind,
    StudyFiles,
    cells_of,
    done_jobs,
    folder_options,
    list_jobs,
    study_command,
)
from textgen.studies.pages import load_folds
from textgen.studies.preparing import overhead
from textgen.studies.sharing import lock_study
from textgen.studies.study import TUNED, load_study, nearest_tuned

# Of all characters: validation and test text together, as base.toml divides a text.
HELD_OUT = 0.2
# Of all texts: with fewer characters there is nothing to compare,
MIN_CHARACTERS = 60_000
# and from so many on a model learns to write.
GOOD_CHARACTERS = 300_000
# What a training needs,
MIN_TRAINING_SECONDS = 10
# and what more for each million characters, to prepare them.
PREPARATION_SECONDS = 3
# A document of which a larger share stands in another one, too, is left out.
MAX_SHARED = 0.5
# Lines of so many characters are no accident where they come again,
LONG_LINE = 40
# and a text is warned of if they make up more than this share of it.
MAX_REPEATED = 0.05
# Of the name of texts, in that of their folders.
MAX_NAME_CHARACTERS = 40
# Parts of names that texts of one author, speaker or book often share: a folder, what is before a
# number, and what is behind one.
GROUPS = (r"^(.+)/", r"^(\D+)\d", r"^\d[\d_. -]*(\D+)\.")
GROUP_HINT = r"a regular expression, such as '^(\D+)\d' for what is before a number"
REPLACING = "--overwrite replaces it, --name OTHER keeps it"
HOW_TO_CHANGE = """\
# To be surer of the answer, give every arm more seeds (seeds = 3) or more time (seconds, of each
# training), and then: {}

"""


def try_texts(
    texts: str | Path | None = None,
    *,
    minutes: float = 3.0,
    seeds: int = 1,
    language: str | None = None,
    name: str | None = None,
    group: str | None = None,
    runs_folder: str | Path = "runs",
    reports_folder: str | Path = "reports",
    overwrite: bool = False,
    quiet: bool = False,
) -> Comparison:
    """Train models of characters, subwords and words on the same texts, and compare them.

    All three get the same time. The study file beside the report repeats the comparison, with more
    time or seeds if wanted. A second call resumes what was interrupted, or shows the answer again.
    With other minutes it adds a budget to a finished study, which becomes a grid: nothing that is
    there is timed or trained anew.

    Args:
        texts: a folder of text files, or a file; if None, Lovecraft's tales, or Wikipedia articles
            if the tales cannot be downloaded.
        minutes: total time on this machine.
        seeds: training runs of each level; with two or more, the answer covers other training runs.
        language: language of the texts: a name such as ``"Swahili"`` or an ISO 639 code such as
            ``"sw"``; detected if None.
        name: of the study, its runs and its report; that of the texts if None.
        group: a regular expression: texts in whose names it finds the same, such as a speaker, are
            all for training, all for validation or all for the test.
        runs_folder, reports_folder: where the runs and the report go.
        overwrite: replace a study of this name that differs, with its runs.
        quiet: print only warnings.

    Returns:
        The comparison after so many minutes.

    Raises:
        TextgenError: no text, too little of it, too little time, or another study of this name, or
            one that is not finished and has other minutes.
    """
    screen = Screen(quiet)
    if seeds < 1 or not math.isfinite(minutes):
        raise TextgenError(f"--seeds {seeds} --minutes {minutes:g}: expected numbers above 0")
    if language:
        language = code_of(language)
    if name:
        check_name(name, "--name")
    if group is not None:
        try:
            check_pattern(group)
        except ValueError as error:
            raise TextgenError(f"--group: {error}", GROUP_HINT) from None
    again = _command(texts, language, name, group, runs_folder, reports_folder)
    study = SettingsReader().read(find_experiment("study_try"))
    if texts is None:
        title, settings, characters = _published(screen)
        if group is not None:
            settings.append(_group_setting(group))
    else:
        title = _name_of(Path(texts))
        fewest = fewest_documents(len(study["contrasts"]))
        settings, characters = _text_settings(Path(texts), fewest, language, group, screen)
    if language:
        settings.append(f"language={language}")
    workers = len(study["arms"])  # on two cores, too: in turns, one would idle during the last
    rounds = seeds * max(1.0, workers / cores())
    seconds = training_seconds(minutes, rounds, characters)
    for stated in study["arms"].values():
        stated["seeds"] = seeds
    study["title"] += f": {name or title}"
    name = name or folder_name(title)
    study["set"] += settings
    path = Path(reports_folder) / name / f"{name}.toml"
    command = study_command(path, runs_folder, reports_folder)
    with lock_study(Path(runs_folder) / name):  # where another process works, nothing is replaced
        folders = (Path(runs_folder), Path(reports_folder))
        plan = _choose_plan(path, study, seconds, command, folders, overwrite)
        write_file(path, _study_file(study, plan, command))
    best = f"with its best settings after {plan.tuned} s"
    screen.say(f"{seconds} s of training for each level, {best}")
    if nearest_tuned(seconds) != plan.tuned:
        screen.warn(
            f"After {seconds} s other settings are better: a level may be worse than it could be. "
            f"For its best settings: --minutes {minutes:g} --overwrite, or --name OTHER."
        )
    others = [f"{other} s" for other in plan.seconds if other != seconds]
    if others:
        screen.say(f"This study has other budgets, too: {', '.join(others)}")
    report = run_study(
        path,
        runs_folder=runs_folder,
        reports_folder=reports_folder,
        workers=workers,
        overwrite=overwrite,
        quiet=quiet,
    )
    runs = Path(runs_folder) / name
    if isinstance(report, Grid):
        (cell,) = (each for each in load_study(path).cells if each.budget[1] == seconds)
        comparison = Comparison(report.folder / CELLS_FOLDER / cell.name)
        texts_shown = read_content(comparison.folder / "texts.json", Texts, AGAIN)
        show(screen, comparison.folder, comparison.report, texts_shown)
        runs /= cell.name
    else:
        comparison = report
    some_runs = command_line([str(runs)])
    screen.say(
        f"for more text from the word model: textgen generate {some_runs}/words-1 --prompt …"
    )
    screen.say(
        f"for the surprisal of words: textgen score {some_runs}/*-1 --text … --words words.csv"
    )
    screen.say(f"for a study of your own, change {path} and run: {command}")
    purpose, options = _what_to_do(comparison, minutes, seeds, rounds, characters, plan.tuned)
    if "--overwrite" in options:
        purpose += ", in place of this page"
    next_step = NextStep(purpose=purpose, command=f"{again} {options}")
    comparison.report.next_step = next_step
    rewrite_report(comparison.folder, comparison.report, AGAIN)
    answer, *others = closing_lines(comparison.report)
    screen.say(answer, "bold")
    for line in others:
        screen.say(line)
    if isinstance(report, Grid):
        for line in report.budget_lines():
            screen.say(line)
        screen.say(f"All budgets beside each other: {report.folder}/index.html")
    return comparison


def _what_to_do(
    comparison: Comparison,
    minutes: float,
    seeds: int,
    rounds: float,
    characters: int,
    tuned: int,
) -> tuple[str, str]:
    """What makes an answer surer, and the options of the command for it; the arguments are those of
    the last command, and as for :func:`training_seconds` and :class:`TryPlan`."""

    def longer(enough: float) -> str:
        options = f"--minutes {enough:g}"
        if seeds > 1:
            options += f" --seeds {seeds}"
        # a budget that is added has the settings of this one, others may be better after so long
        is_as_good = nearest_tuned(training_seconds(enough, rounds, characters)) == tuned
        return options if is_as_good else f"{options} --overwrite"

    unread = [arm for arm in comparison.arms if arm.passes < 1]
    if unread:
        enough = minutes_needed(max(map(seconds_to_read_twice, unread)), rounds, characters)
        return "To read all of the text twice", longer(enough)
    if nearest_tuned(training_seconds(minutes, rounds, characters)) != tuned:
        return "With the settings that are best after so long", longer(minutes)
    report = comparison.report
    if any(sentences.better_by_counting(arm, report.references) for arm in report.scored):
        return "To train three times as long", longer(3 * minutes)
    if seeds < 3:
        three = f"--minutes {3 * minutes:g} --seeds 3 --overwrite"
        return "For a surer answer, three training runs of each level", three
    return "For a surer answer, three times as long", longer(3 * minutes)


def _command(
    texts: str | Path | None,
    language: str | None,
    name: str | None,
    group: str | None,
    runs_folder: str | Path,
    reports_folder: str | Path,
) -> str:
    """What tries the same texts again, but for minutes and seeds."""
    words = ["textgen", "try"]
    if texts is not None:
        words.append(str(texts))
    for option, value in (("--language", language), ("--name", name), ("--group", group)):
        if value is not None:
            words += [option, value]
    return command_line([*words, *folder_options(runs_folder, reports_folder)])


class TryPlan(NamedTuple):
    """How long levels are trained, and with which settings.

    Attributes:
        tuned: seconds after which the settings were best, see TUNED.
        seconds: of each training, ascending; with several, the study is a grid.
    """

    tuned: int
    seconds: tuple[int, ...]


def _study_file(study: dict[str, Any], plan: TryPlan, command: str) -> str:
    """The content of the file of a study, which has all but this plan."""
    arms = dict[str, Any]()
    for arm, stated in study["arms"].items():
        arms[arm] = stated | {"experiment": f"{TUNED[plan.tuned]}/{arm}"}
    seconds = plan.seconds[0] if len(plan.seconds) == 1 else list(plan.seconds)
    planned = study | {"budget": {"seconds": seconds}, "arms": arms}
    return HOW_TO_CHANGE.format(command) + tomli_w.dumps(planned)


def _stored_plan(path: Path, study: dict[str, Any], command: str) -> TryPlan | None:
    """The plan in a file that has been written for this study; None of one that was written for
    another study, or edited."""
    try:
        amounts = load_study(path).budget.amounts
    except TextgenError:
        return None
    for tuned in TUNED:
        plan = TryPlan(tuned, tuple(int(amount) for amount in amounts))
        if path.read_bytes() == as_utf8(_study_file(study, plan, command)):
            return plan
    return None


def _choose_plan(
    path: Path,
    study: dict[str, Any],
    seconds: int,
    command: str,
    folders: tuple[Path, Path],
    overwrite: bool,
) -> TryPlan:
    """The plan of a study in which each training takes so many seconds, or, where a finished study
    is there, one more budget is so long.

    Args:
        path: of the study's file.
        study: all of it but the plan.
        seconds: of a training.
        command: that continues the study.
        folders: of runs and reports.
        overwrite: replace a study that differs.

    Raises:
        TextgenError: the study that is there differs in more, or is not finished.
    """
    new = TryPlan(nearest_tuned(seconds), (seconds,))
    if not path.exists():
        return new
    stored = _stored_plan(path, study, command)
    if stored and seconds in stored.seconds and not (overwrite and stored.tuned != new.tuned):
        return stored
    if overwrite:
        with suppress(TextgenError):  # one that was edited
            _remove_cells(StudyFiles(load_study(path), *folders))
        return new
    if stored is None:
        message = f"{path} exists with other texts, language or seeds, or was edited"
        raise TextgenError(message, f"to continue that study: {command}; {REPLACING}")
    _check_finished(StudyFiles(load_study(path), *folders))
    return TryPlan(stored.tuned, tuple(sorted((*stored.seconds, seconds))))


def _check_finished(files: StudyFiles) -> None:
    """Check that a budget can be added to a study.

    Raises:
        TextgenError: a run is missing, or is on other text than there is now.
    """
    study = files.study
    jobs = list_jobs(study)
    done = done_jobs(files, jobs)
    (text, *_) = load_folds(cells_of(study)[0].study)
    for job in jobs:
        if job.kind is not Kind.RUN:
            continue
        if job.name not in done:
            message = f"{study.path}: other minutes can be added once this study is finished"
            raise TextgenError(message, f"to continue it: {files.command()}; {REPLACING}")
        if other := other_text(files.run(job), text.sha256):
            raise TextgenError(f"{files.run(job)} is {other}", REPLACING)


def _remove_cells(files: StudyFiles) -> None:
    """Remove what a grid has beside the files of a study without axes."""
    for cell in files.study.cells:
        shutil.rmtree(files.runs / cell.name, ignore_errors=True)
    shutil.rmtree(files.reports / CELLS_FOLDER, ignore_errors=True)
    for left in (GRID_FILE, "summary.md"):
        (files.reports / left).unlink(missing_ok=True)


def folder_name(name: str) -> str:
    """What the folders of texts of this name are called: the same where a folder can be called so;
    else what is left of the name, and a hash that keeps it apart from all others."""
    composed = unicodedata.normalize("NFC", name)
    if len(composed) <= MAX_NAME_CHARACTERS:
        with suppress(TextgenError):
            check_name(composed, "")
            return composed
    letters = [c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)]
    left = re.sub("[^A-Za-z0-9_-]+", "_", "".join(letters)).strip("_-")
    digest = hashlib.sha256(composed.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{left[:MAX_NAME_CHARACTERS] or 'texts'}-{digest[:8]}"


def _name_of(texts: Path) -> str:
    """The name of a folder, or of a file without what its kind is called by."""
    full = texts.resolve()
    return full.stem if kind_of(texts) is PathKind.FILE else full.name


def _published(screen: Screen) -> tuple[str, list[str], int]:
    """A name, what sets an experiment to the text, and its characters: Lovecraft's tales, or where
    these cannot be downloaded, which is said, articles of Wikipedia."""
    try:
        return "tales", [], count_characters(Lovecraft().documents())
    except CorpusUnavailable as error:
        instead = "these results are for articles of Wikipedia."
        screen.warn(f"Could not download Lovecraft's tales: {instead}\n{error.message}")
    settings = ['corpus={kind="wikipedia"}', "split.groups=[]"]
    return "wikipedia", settings, count_characters(Wikipedia().documents())


def training_seconds(minutes: float, rounds: float, characters: int) -> int:
    """Seconds for each training, so that all of it, in so many rounds, takes so many minutes.

    Raises:
        TextgenError: there is no time for training.
    """
    run, study = _overhead(characters)
    needed = MIN_TRAINING_SECONDS + math.ceil(PREPARATION_SECONDS * characters / 1e6)
    seconds = math.floor((60 * minutes - study) / rounds - run)
    if seconds < needed:
        least = minutes_needed(needed, rounds, characters)
        hint = f"this machine needs at least --minutes {least:g}"
        message = f"too little time to train three models on {characters:,} characters"
        raise TextgenError(f"--minutes {minutes:g}: {message}", hint)
    return seconds


def _overhead(characters: int) -> tuple[float, float]:
    return overhead(characters, round(HELD_OUT * characters))


def minutes_needed(seconds: float, rounds: float, characters: int) -> float:
    """Minutes, in halves, that leave so many seconds for each training, see
    :func:`training_seconds`."""
    run, study = _overhead(characters)
    return math.ceil(2 * (study + rounds * (run + math.ceil(seconds))) / 60) / 2


def _group_setting(pattern: str) -> str:
    return f"split.groups={json.dumps(pattern, ensure_ascii=False)}"


def _text_settings(
    path: Path, test_documents: int, stated: str | None, group: str | None, screen: Screen
) -> tuple[list[str], int]:
    """What sets an experiment to these texts, as ``--set`` does, in whole documents where the test
    part then has so many of them, else in blocks; and their characters. What is left out is
    printed.

    Raises:
        TextgenError: no such path, no text file, or too little text, also of whole groups to test.
    """
    full = path.resolve()
    reasons = dict[str, str]()
    not_read = dict[str, str]()
    match kind_of(path):
        case PathKind.FILE:
            corpus: dict[str, Any] = {"kind": "file", "path": str(full), "pieces": 1}
            documents = File(full, pieces=1).documents()
        case PathKind.FOLDER:
            corpus = {"kind": "folder", "path": str(full)}
            documents = read_documents(Folder(full).files(), "auto", refused=reasons)
            not_read = Folder(full).not_read()
        case _:
            raise TextgenError(f"{path}: {found_at(path)}", "name a folder of texts, or a file")
    reasons |= _reasons_to_leave_out(documents)
    documents = [document for document in documents if document.name not in reasons]
    total = count_characters(documents)
    found = "1 text" if len(documents) == 1 else f"{len(documents)} texts"
    found += f", {total:,} characters"
    if documents:  # else there is no language to be recognised
        found += f", {find_language(documents, stated)}"
    screen.say(f"{path}: {found}")
    if corpus["kind"] == "folder":
        corpus["leave_out"] = list(reasons)
    for line in left_out_lines(reasons | not_read):
        screen.say(line)
    if (share := _repeated(documents)) > MAX_REPEATED:
        seen = "a model that has seen one copy is tested on another. Remove duplicates."
        screen.warn(f"{share:.0%} of this text is repeated lines: {seen}")
    if total < MIN_CHARACTERS:
        hint = f"{MIN_CHARACTERS:,} are needed; with {GOOD_CHARACTERS:,} a model learns to write"
        message = f"{path}: {total:,} characters are too little text to compare models on"
        raise TextgenError(message, hint)
    settings = [f"corpus.{k}={json.dumps(v, ensure_ascii=False)}" for k, v in corpus.items()]
    settings.append('sampling.prompts=[""]')  # the letters of other prompts may be foreign to them
    names = [document.name for document in documents]
    if group is not None:
        split = find_groups(Split(groups=group), names, "--group")
        tested = len(divide(documents, split).test)
        screen.say(f"kept together: {_groups_in_words(group, names)}")
        if tested < test_documents:
            message = f"--group {group}: whole groups leave {tested} texts to test"
            hint = f"{test_documents} are needed; without --group, passages of texts are tested"
            raise TextgenError(message, hint)
        return [*settings, _group_setting(group)], total
    for pattern in GROUPS:
        if _would_group(documents, pattern, test_documents):
            shared = f"share a part of their names: {_groups_in_words(pattern, names)}"
            advice = f"If they are by one author or of one book: --group '{pattern}'"
            screen.advise(f"Texts {shared}. {advice} keeps each group out of what tests it.")
            break
    with suppress(TextgenError):
        division = divide(documents, Split())
        if division.is_prescribed or len(division.test) >= test_documents:
            return settings, total
    return [*settings, "split.method=blocks"], total


def _would_group(documents: list[Document], pattern: str, test_documents: int) -> bool:
    """Whether most documents share what a pattern finds in their names with others, and enough are
    left to test if these are kept together."""
    names = [document.name for document in documents]
    groups = found_parts(pattern, names).values()
    sharing = sum(len(group) for group in groups if len(group) > 1)
    if sharing <= len(names) / 2:
        return False
    try:
        division = divide(documents, find_groups(Split(groups=pattern), names))
    except TextgenError:
        return False
    return not division.is_prescribed and len(division.test) >= test_documents


def _groups_in_words(pattern: str, names: Sequence[str]) -> str:
    """The groups that a pattern finds, the largest first."""
    groups = found_parts(pattern, names)
    parts = sorted(groups, key=lambda part: -len(groups[part]))
    return name_some([f"{part} ({len(groups[part])})" for part in parts])


def _reasons_to_leave_out(documents: Sequence[Document]) -> dict[str, str]:
    """Names of documents → why they are left out."""
    language = find_language(documents)
    place = dict[str, str]()  # line → the first document that has it
    reasons = dict[str, str]()
    for document in sorted(documents, key=lambda d: (len(d.name), d.name)):  # copies come later
        lines = {line for line in map(str.strip, document.text.splitlines()) if line}
        shared = Counter[str]()
        for line in lines & place.keys():
            shared[place[line]] += len(line)
        twin = max(shared, key=lambda name: (shared[name], name), default="")
        same = shared[twin]  # characters; 0 without a twin
        whole = sum(map(len, lines))
        if not lines:
            reasons[document.name] = "empty"
        elif same > MAX_SHARED * whole:
            reasons[document.name] = f"{same / whole:.0%} of it is also in {twin}"
        elif foreign := foreign_language(document, language):
            reasons[document.name] = f"in {foreign.name}, while the rest is in {language.name}"
        else:
            place |= dict.fromkeys(lines - place.keys(), document.name)
    return reasons


def _repeated(documents: Sequence[Document]) -> float:
    """The share of documents that long lines make up which have come before."""
    counts = Counter[str]()
    for document in documents:
        counts.update(line.strip() for line in document.text.splitlines())
    repeated = 0
    for line, count in counts.items():
        if len(line) >= LONG_LINE:
            repeated += len(line) * (count - 1)
    return repeated / max(1, count_characters(documents))
