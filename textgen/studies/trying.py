"""From a folder of texts to an answer: characters, subwords and words for the same few minutes."""

from __future__ import annotations

import json
import math
import re
import webbrowser
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomli_w

from textgen.core.errors import TextgenError
from textgen.core.experiment import resolve_text
from textgen.core.settings import Split
from textgen.core.system import cores, kind_of, write_file
from textgen.data.documents import Document, count_characters
from textgen.data.language import find_language, foreign_language
from textgen.data.splits import MIN_TEST_DOCUMENTS, divide
from textgen.report.comparison import Comparison
from textgen.runs.console import Screen
from textgen.studies.execution import run_study

ARMS = {"characters": "char_small", "subwords": "subword_small", "words": "word_small"}
QUESTIONS = {
    ("words", "characters"): "Do words write these texts better than characters?",
    ("subwords", "characters"): "Do subwords write them better than characters?",
    ("words", "subwords"): "Do words write them better than subwords?",
}
MIN_CHARACTERS, GOOD_CHARACTERS = 60_000, 300_000
"""Of all texts: below the first there is nothing to compare, from the second on a model learns."""
STUDY_SECONDS, RUN_SECONDS, MIN_TRAINING_SECONDS = 40, 25, 10
"""About what planning and report take, what a run takes beside its training, and what it needs."""


def try_texts(
    texts: str | Path | None = None,
    *,
    minutes: float = 3.0,
    runs_folder: str | Path = "runs",
    reports_folder: str | Path = "reports",
    overwrite: bool = False,
    open: bool = False,
    quiet: bool = False,
) -> Comparison:
    """Train characters, subwords and words on the same texts for as long, and compare them.

    The study file that repeats it, with more time or seeds if wanted, lies beside the report.
    Called again, it goes on where it was interrupted, or shows the answer again.

    Args:
        texts: a folder of text files, or a file; Lovecraft's tales if None.
        minutes: for all of it, on this machine.
        runs_folder, reports_folder: where the runs and the report go.
        overwrite: replace a study of this name that is of other texts or minutes, with its runs.
        open: show the report in a browser.
        quiet: print only warnings.

    Raises:
        TextgenError: no text, too little of it, too little time, or another study of this name.
    """
    screen = Screen(quiet)
    name = "tales" if texts is None else _name(Path(texts))
    tables = {} if texts is None else _tables(Path(texts), screen)
    workers = min(cores(), len(ARMS))
    rounds = math.ceil(len(ARMS) / workers)
    seconds = math.floor((60 * minutes - STUDY_SECONDS) / rounds - RUN_SECONDS)
    if seconds < MIN_TRAINING_SECONDS:
        least = (STUDY_SECONDS + rounds * (RUN_SECONDS + MIN_TRAINING_SECONDS)) / 60
        raise TextgenError(
            f"--minutes {minutes:g}: too little time for three models",
            hint=f"on this machine it takes --minutes {math.ceil(2 * least) / 2:g} at least",
        )
    path = Path(reports_folder) / name / f"{name}.toml"
    content = _study(name, tables, seconds)
    if not overwrite and path.exists() and path.read_text(encoding="utf-8") != content:
        raise TextgenError(
            f"{path}: a study of other texts or minutes, or one that was changed",
            hint="--overwrite replaces it and its runs; --runs and --reports leave it alone",
        )
    write_file(path, content)
    found = run_study(
        path,
        runs_folder=runs_folder,
        reports_folder=reports_folder,
        workers=workers,
        overwrite=overwrite,
        quiet=quiet,
    )
    screen.say(f"more time, more seeds: change {path}, then: textgen study {path}")
    if open:
        webbrowser.open((found.folder / "index.html").resolve().as_uri())
    return found


def _name(path: Path) -> str:
    """That of the study: of the folder or file, as a name that a run can have."""
    return re.sub(r"\W+", "_", path.resolve().stem).strip("_")[:40] or "texts"


def _tables(path: Path, screen: Screen) -> dict[str, Any]:
    """The tables of an experiment that decide on the text; what is left out is printed.

    Raises:
        TextgenError: no such path, no text file, or too little text.
    """
    kind = {"a folder": "folder", "a file": "file"}.get(kind_of(path))
    if kind is None:
        raise TextgenError(
            f"{path}: {kind_of(path)}", hint="name a folder of .txt files, or a file"
        )
    corpus: dict[str, Any] = {"kind": kind, "path": str(path.resolve())}
    if kind == "file":
        corpus["pieces"] = 1
    documents = resolve_text({"corpus": corpus}).corpus.documents()
    reasons = _reasons_to_leave_out(documents)
    documents = [document for document in documents if document.name not in reasons]
    total = count_characters(documents)
    texts = f"{len(documents)} text{'s' * (len(documents) != 1)}"
    screen.say(f"{path}: {texts}, {total:,} characters, {find_language(documents)}")
    if kind == "folder":
        corpus["leave_out"] = list(reasons)
        files = sorted(file for file in path.rglob("*") if file.is_file())
        unread = [file.relative_to(path).as_posix() for file in files if file.suffix != ".txt"]
        reasons |= dict.fromkeys(unread, "only .txt files are read")
    for name, reason in reasons.items():
        screen.say(f"left out: {name} ({reason})")
    if total < MIN_CHARACTERS:
        raise TextgenError(
            f"{path}: {total:,} characters are too little text to compare models on",
            hint=f"{MIN_CHARACTERS:,} are needed, {GOOD_CHARACTERS:,} teach a model to write",
        )
    return {"corpus": corpus, "split": _split(documents)}


def _split(documents: list[Document]) -> dict[str, str]:
    """Whole documents where the test part then has enough of them; else blocks of all of them."""
    with suppress(TextgenError):
        division = divide(documents, Split())
        if division.given or len(division.test) >= MIN_TEST_DOCUMENTS:
            return {}
    return {"method": "blocks"}


def _study(name: str, tables: Mapping[str, Any], seconds: int) -> str:
    """The study file as TOML."""
    settings = [f"{key}={_inline(table)}" for key, table in tables.items() if table]
    if tables:  # the letters of other prompts may be foreign to these texts
        settings.append('sampling.prompts=[""]')
    study = {
        "title": f"Characters, subwords or words: {name}",
        "threads": 1,
        "budget": {"seconds": seconds},
        "arms": {
            arm: {"experiment": file, "seeds": 1, "set": settings} for arm, file in ARMS.items()
        },
        "contrasts": [
            {"first": first, "second": second, "question": question, "yes": "first is lower"}
            for (first, second), question in QUESTIONS.items()
        ],
    }
    return tomli_w.dumps(study)


def _inline(table: Mapping[str, Any]) -> str:
    """A table of strings, numbers and lists of strings on one line of TOML."""
    return "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items()) + "}"


def _reasons_to_leave_out(documents: Sequence[Document]) -> dict[str, str]:
    """Names of documents → why they are left out."""
    language, first, reasons = find_language(documents), dict[str, str](), dict[str, str]()
    for document in documents:
        text = document.text.strip()
        if not text:
            reasons[document.name] = "empty"
        elif text in first:
            reasons[document.name] = f"the same text as {first[text]}"
        elif foreign := foreign_language(document, language):
            reasons[document.name] = f"{foreign.name}, and the rest is {language.name}"
        else:
            first[text] = document.name
    return reasons
