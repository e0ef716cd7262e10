"""Folders of runs that are damaged, or made of several: every file is used as it was written or
refused with one message, never with a traceback and never silently."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from pathlib import Path

import pytest
from conftest import write_experiment

import textgen as package
from textgen.core.errors import TextgenError
from textgen.report.comparison import Comparison
from textgen.runs.folder import CHECKED, METRICS_FILE

WORDS = 'tokenizer={kind="words", rare_words="unk", minimum_count=90}'
NEEDED = [METRICS_FILE, *CHECKED]
UNREAD = ["manifest.json", "samples.json", "summary.md"]
"""Nothing that opens a finished run reads these."""
DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus_folder) -> Path:
    """The folder of two finished runs, and of one of the same shape with another seed."""
    home = tmp_path_factory.mktemp("damage")
    path = write_experiment(home / "tiny.toml", corpus_folder)
    short = ["training.updates=4", "training.validations=1", "sampling.length=40"]
    settings = {"char": short, "words": [*short, WORDS], "other": [*short, "seed=2"]}
    for name, changes in settings.items():
        package.train(path, overrides=changes, name=name, runs_folder=home / "runs", quiet=True)
    return home / "runs"


@pytest.fixture
def copied(trained, tmp_path):
    """Copies a run."""

    def copy(name: str = "char") -> Path:
        return Path(shutil.copytree(trained / name, tmp_path / name))

    return copy


def refusal(folder: Path) -> str:
    """The message with which a run is refused; empty if all of it can be read."""
    message = ""
    try:
        run = package.load_run(folder)
        run.check()
        assert repr(run)
        assert all((run.history, run.memory, run.token_bits, run.texts, run.tokenizer))
    except TextgenError as error:
        message = str(error)
    assert len(message.splitlines()) <= 5
    assert len(message) < 3000
    return message


HARMS = {
    "empty": lambda content, draw: b"",
    "missing": lambda content, draw: None,
    "folder": lambda content, draw: ...,
    "cut": lambda content, draw: content[: draw.randrange(1, max(2, len(content) - 1))],
    "doubled": lambda content, draw: content + content,
    "flipped": lambda content, draw: content[:-9] + bytes([content[-9] ^ 255]) + content[-8:],
    "noise": lambda content, draw: draw.randbytes(len(content)),
    "not UTF-8": lambda content, draw: b"\xff\xfe" + content,
    "deep": lambda content, draw: DEEP.encode(),
    "list": lambda content, draw: b"[]",
    "number": lambda content, draw: b"1" * 5000,
}


def harm(path: Path, how: str) -> None:
    content = HARMS[how](path.read_bytes(), random.Random(how))
    path.unlink()
    if content is ...:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)


@pytest.mark.parametrize(("file", "how"), itertools.product(NEEDED, HARMS))
def test_a_file_of_other_bytes_is_named(copied, file, how):
    folder = copied()
    harm(folder / file, how)
    assert file in refusal(folder) or (file, how) == ("experiment.toml", "missing")
    assert refusal(folder)


@pytest.mark.parametrize("file", NEEDED)
def test_a_file_of_another_run_is_named(copied, trained, file):
    folder = copied()
    shutil.copy(trained / "other" / file, folder / file)
    same = (trained / "other" / file).read_bytes() == (trained / "char" / file).read_bytes()
    assert bool(refusal(folder)) is not same


@pytest.mark.parametrize(("file", "how"), itertools.product(UNREAD, ["missing", "noise"]))
def test_a_file_that_nothing_needs_is_not_missed(copied, file, how):
    folder = copied()
    harm(folder / file, how)
    assert refusal(folder) == ""


def test_commands_refuse_a_damaged_run_and_a_comparison_leaves_it_out(copied, textgen):
    folder, whole = copied(), copied("words")
    harm(folder / "model.weights.h5", "flipped")
    for command in (["generate", folder], ["score", folder, "--text=The tide"]):
        done = textgen(*command)
        assert (done.code, "model.weights.h5" in done.err) == (2, True), done.err
    alone = textgen("compare", folder)
    assert (alone.code, "no run that can be read among 1" in alone.err) == (2, True)
    harm(folder / METRICS_FILE, "cut")
    both = textgen("compare", folder, whole)
    assert (both.code, "LEFT OUT" in both.err, METRICS_FILE in both.err) == (0, True, True)


def places(data, start=()):
    """The path of everything inside JSON data, at most three entries of a list."""
    items = data.items() if isinstance(data, dict) else ()
    if isinstance(data, list):
        items = list(enumerate(data))[:3]
    for key, inner in items:
        yield (*start, key)
        yield from places(inner, (*start, key))


WRONG = ["x", -1, None, [], {"a": 1}, float("nan"), True, 10**30, [[["x"]]]]


@pytest.mark.parametrize("number", range(40))
def test_figures_of_another_type_or_missing_are_named_or_of_no_effect(copied, number):
    folder, wrong = copied(), WRONG[number % len(WRONG)]
    path = folder / METRICS_FILE
    data = json.loads(path.read_text())
    every = list(places(data))
    for place in every[number::40]:
        changed = json.loads(path.read_text())
        *way, key = place
        inner = changed
        for step in way:
            inner = inner[step]
        if wrong is None:
            del inner[key]
        else:
            inner[key] = wrong
        (folder / METRICS_FILE).write_text(json.dumps(changed))
        refusal(folder)
        path.write_text(json.dumps(data))


@pytest.mark.parametrize("content", ["", "[]", "null", DEEP, '{"arms": 3}', "{", "1" * 5000])
def test_a_damaged_report_is_named(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(TextgenError, match=r"report\.json"):
        Comparison(tmp_path).arms  # noqa: B018 - read for what it raises
