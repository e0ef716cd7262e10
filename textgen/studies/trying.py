"""From a folder of texts to an answer: characters, subwords and words for the same few minutes."""

import hashlib
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import tomli_w

from textgen.core.errors import CorpusUnavailable, TextgenError
from textgen.core.files import PathKind, as_utf8, found_at, kind_of, write_file
from textgen.core.machine import cores
from textgen.core.reading import SettingsReader, find_experiment
from textgen.core.settings import Split, check_name
from textgen.core.terminal import command_line
from textgen.data.corpora import File, Folder, Lovecraft, Wikipedia
from textgen.data.documents import Document, count_characters, read_documents
from textgen.data.language import code_of, find_language, foreign_language
from textgen.data.loading import left_out_lines
from textgen.data.splits import divide
from textgen.evaluation.significance import fewest_documents
from textgen.report.comparison import Comparison, closing_lines
from textgen.report.headline import seconds_to_read_twice
from textgen.runs.console import Screen
from textgen.studies.execution import run_study
from textgen.studies.jobs import lock_study, study_command
from textgen.studies.preparing import overhead

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
# Seconds of a training → the folder of experiments with the settings that were best after so many.
TUNED = {60: "tuned_60s", 300: "tuned"}
# Lines of so many characters are no accident where they come again,
LONG_LINE = 40
# and a text is warned of if they make up more than this share of it.
MAX_REPEATED = 0.05
# Of the name of texts, in that of their folders.
MAX_NAME_CHARACTERS = 40
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
    runs_folder: str | Path = "runs",
    reports_folder: str | Path = "reports",
    overwrite: bool = False,
    quiet: bool = False,
) -> Comparison:
    """Train models of characters, subwords and words on the same texts, and compare them.

    All three get the same time. The study file beside the report repeats the comparison, with more
    time or seeds if wanted. A second call resumes what was interrupted, or shows the answer again.

    Args:
        texts: a folder of text files, or a file; if None, Lovecraft's tales, or Wikipedia articles
            if the tales cannot be downloaded.
        minutes: total time on this machine.
        seeds: training runs of each level; with two or more, the answer covers other training runs.
        language: language of the texts: a name such as ``"Swahili"`` or an ISO 639 code such as
            ``"sw"``; detected if None.
        name: of the study, its runs and its report; that of the texts if None.
        runs_folder, reports_folder: where the runs and the report go.
        overwrite: replace a study of this name that differs, with its runs.
        quiet: print only warnings.

    Raises:
        TextgenError: no text, too little of it, too little time, or another study of this name.
    """
    screen = Screen(quiet)
    if seeds < 1 or not math.isfinite(minutes):
        raise TextgenError(f"--seeds {seeds} --minutes {minutes:g}: expected numbers above 0")
    if language:
        language = code_of(language)
    if name:
        check_name(name, "--name")
    study = SettingsReader().read(find_experiment("study_try"))
    if texts is None:
        title, settings, characters = _published(screen)
    else:
        title = _name_of(Path(texts))
        fewest = fewest_documents(len(study["contrasts"]))
        settings, characters = _text_settings(Path(texts), fewest, language, screen)
    if language:
        settings.append(f"language={language}")
    workers = len(study["arms"])  # on two cores, too: in turns, one would idle during the last
    rounds = seeds * max(1.0, workers / cores())
    seconds = training_seconds(minutes, rounds, characters)
    tuned = nearest_tuned(seconds)
    screen.say(f"{seconds} s of training for each level, with its best settings after {tuned} s")
    for arm, stated in study["arms"].items():
        stated["experiment"] = f"{TUNED[tuned]}/{arm}"
        stated["seeds"] = seeds
    study["title"] += f": {name or title}"
    name = name or folder_name(title)
    study["budget"] = {"seconds": seconds}
    study["set"] += settings
    path = Path(reports_folder) / name / f"{name}.toml"
    command = study_command(path, runs_folder, reports_folder)
    content = HOW_TO_CHANGE.format(command) + tomli_w.dumps(study)
    with lock_study(Path(runs_folder) / name):  # where another process works, nothing is replaced
        if not overwrite and path.exists() and path.read_bytes() != as_utf8(content):
            message = f"{path} exists with other texts, language, minutes or seeds, or was edited"
            continuing = f"to continue that study: {command}"
            hint = f"{continuing}; --overwrite replaces it, --name OTHER keeps it"
            raise TextgenError(message, hint)
        write_file(path, content)
    report = run_study(
        path,
        runs_folder=runs_folder,
        reports_folder=reports_folder,
        workers=workers,
        overwrite=overwrite,
        quiet=quiet,
    )
    runs = command_line([str(Path(runs_folder) / name)])
    screen.say(f"for more text from the word model: textgen generate {runs}/words-1 --prompt …")
    screen.say(f"for the surprisal of words: textgen score {runs}/*-1 --text … --words words.csv")
    comparison = cast(Comparison, report)  # that of a study without axes
    screen.say(f"for a study of your own, change {path} and run: {command}")
    unread = [arm for arm in comparison.arms if arm.passes < 1]
    if unread:
        enough = minutes_needed(max(map(seconds_to_read_twice, unread)), rounds, characters)
        what_to_do = f"To read all of the text twice: --minutes {enough:g} --overwrite"
    elif seeds < 3:
        longer = f"--minutes {3 * minutes:g} --seeds 3 --overwrite"
        what_to_do = f"For a surer answer, three training runs of each level: {longer}"
    else:
        longer = f"--minutes {3 * minutes:g} --seeds {seeds} --overwrite"
        what_to_do = f"For a surer answer, three times as long: {longer}"
    answer, *others = closing_lines(comparison.report, what_to_do)
    screen.say(answer, "bold")
    for line in others:
        screen.say(line)
    return comparison


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
    run, study = overhead(characters)
    needed = MIN_TRAINING_SECONDS + math.ceil(PREPARATION_SECONDS * characters / 1e6)
    seconds = math.floor((60 * minutes - study) / rounds - run)
    if seconds < needed:
        least = minutes_needed(needed, rounds, characters)
        hint = f"this machine needs at least --minutes {least:g}"
        message = f"too little time to train three models on {characters:,} characters"
        raise TextgenError(f"--minutes {minutes:g}: {message}", hint)
    return seconds


def minutes_needed(seconds: float, rounds: float, characters: int) -> float:
    """Minutes, in halves, that leave so many seconds for each training, see
    :func:`training_seconds`."""
    run, study = overhead(characters)
    return math.ceil(2 * (study + rounds * (run + math.ceil(seconds))) / 60) / 2


def nearest_tuned(seconds: float) -> int:
    """Of the seconds after which settings are known to be best, those nearest in the logarithm."""
    return min(TUNED, key=lambda known: abs(math.log(known / seconds)))


def _text_settings(
    path: Path, test_documents: int, stated: str | None, screen: Screen
) -> tuple[list[str], int]:
    """What sets an experiment to these texts, as ``--set`` does, in whole documents where the test
    part then has so many of them, else in blocks; and their characters. What is left out is
    printed.

    Raises:
        TextgenError: no such path, no text file, or too little text.
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
    with suppress(TextgenError):
        division = divide(documents, Split())
        if division.is_prescribed or len(division.test) >= test_documents:
            return settings, total
    return [*settings, "split.method=blocks"], total


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
