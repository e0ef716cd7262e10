"""Folders of runs that are damaged, or made of several: every file, every key, is used as it was
written or refused with one message, never with a traceback and never silently."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import write_experiment

import textgen
from textgen import cli
from textgen.core.errors import TextgenError
from textgen.report import arms, building
from textgen.report.comparison import Comparison, read_runs
from textgen.runs.console import Screen
from textgen.runs.finished import Run

NAMES = ("char", "words")
WORDS = 'tokenizer={kind="words", rare_words="unk", minimum_count=90}'
JSON = ["metrics.json", "tokenizer.json", "memory.json", "texts.json"]
NEEDED = [*JSON, "experiment.toml", "history.csv", "tokens.npz", "model.weights.h5"]
UNREAD = ["manifest.json", "samples.json", "samples.txt", "summary.md"]
"""Nothing that opens a finished run reads these but for the last, which is made anew."""
BEFORE_TENSORFLOW = ["metrics.json", "tokenizer.json", "experiment.toml"]
"""What ``generate`` and ``score`` read first."""
DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus_folder) -> Path:
    """The folder of two finished runs, and of one of the same shape with another seed."""
    home = tmp_path_factory.mktemp("damage")
    path = write_experiment(home / "tiny.toml", corpus_folder)
    settings = {"char": ["training.updates=10"], "words": ["training.updates=10", WORDS]}
    settings["other"] = ["training.updates=10", "seed=2"]
    for name, changes in settings.items():
        given = {"name": name, "runs_folder": home / "runs", "quiet": True}
        textgen.train(path, overrides=changes, **given)
    return home / "runs"


@pytest.fixture
def copied(trained, tmp_path):
    """Copies a run; what it holds is linked, not copied."""

    def copy(name: str = "char") -> Path:
        folder = tmp_path / name
        shutil.copytree(trained / name, folder)
        return folder

    return copy


def opened(folder: Path) -> SimpleNamespace:
    """All that is read of a run without TensorFlow, then the same for a comparison. What is wrong
    is told in one screen and makes the run one that is left out."""
    err = io.StringIO()
    try:
        run = textgen.load_run(folder)
        run.check()
        run.tokenizer.encode("The tide left")
        assert repr(run)
        assert run._repr_html_()
        assert run.charged
        used = run.tokenizer.render(np.arange(2, run.tokenizer.size)).text
        assert isinstance(used, str)
    except TextgenError as error:
        told = str(error)
        assert len(told.splitlines()) <= 5, told
        assert len(told) < 3000
    else:
        told = ""
    if "texts.json" in told or "no tokens.npz" in told:
        return SimpleNamespace(told=told, compared=True)  # made again, by the network
    with contextlib.redirect_stderr(err):
        unasked = told.startswith(str(folder / "tokenizer.json"))
        if told and not unasked:
            assert cli.main(["compare", str(folder)]) == 2
            assert "no run that can be read among 1" in err.getvalue()
        else:
            runs, loaded, _ = read_runs([folder], Screen(quiet=True))
            (arm,) = arms.group_runs(runs)
            assert building.arm_row(arm, "", arms.is_on(arm, loaded))
        if any(f"{name}\n" in told for name in BEFORE_TENSORFLOW):
            for command in (["generate"], ["score", "--text", "The tide"]):
                assert cli.main([command[0], str(folder), *command[1:]]) == 2
    said = err.getvalue()
    assert "Traceback" not in said
    assert len(said.splitlines()) < 30
    return SimpleNamespace(told=told, compared="LEFT OUT" not in said)


def put(path: Path, content: bytes | str | None) -> None:
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


HARMS = {
    "empty": lambda content, draw: b"",
    "missing": lambda content, draw: None,
    "cut": lambda content, draw: content[: draw.randrange(1, max(2, len(content) - 1))],
    "doubled": lambda content, draw: content + content,
    "zeros": lambda content, draw: bytes(len(content)),
    "noise": lambda content, draw: draw.randbytes(len(content)),
    "not UTF-8": lambda content, draw: b"\xff\xfe" + content,
    "NUL": lambda content, draw: content[:20] + b"\0" + content[20:],
    "deep": lambda content, draw: DEEP.encode(),
    "deep table": lambda content, draw: b'{"a":' * 100_000,
    "list": lambda content, draw: b"[]",
    "null": lambda content, draw: b"null",
    "number": lambda content, draw: b"1" * 5000,
    "NaN": lambda content, draw: b"NaN",
    "long field": lambda content, draw: b"updates,a\n1," + b"9" * 200_000,
    "other": lambda content, draw: b"other" + content[5:],
}


@pytest.mark.parametrize(("file", "harm"), itertools.product(NEEDED, HARMS))
def test_a_file_of_other_bytes_is_named(copied, file, harm):
    folder = copied()
    path = folder / file
    put(path, HARMS[harm](path.read_bytes(), random.Random(harm)))
    found = opened(folder)
    if (file, harm) == ("tokens.npz", "doubled"):
        return  # of two archives the last is read
    if file != "model.weights.h5" or harm == "missing":
        assert file in found.told, found.told
    if file not in ("tokenizer.json", "model.weights.h5", "texts.json"):  # not read, or made again
        assert not found.compared or (file, harm) == ("tokens.npz", "missing")


@pytest.mark.parametrize("file", NEEDED)
def test_a_folder_in_place_of_a_file_is_named(copied, file):
    folder = copied()
    (folder / file).unlink()
    (folder / file).mkdir()
    found = opened(folder)
    assert (file in found.told) is (file != "model.weights.h5")


@pytest.mark.parametrize(("file", "harm"), itertools.product(UNREAD, ["empty", "noise", "deep"]))
def test_a_file_that_nothing_needs_is_not_missed(copied, file, harm):
    folder = copied()
    path = folder / file
    put(path, HARMS[harm](path.read_bytes(), random.Random(harm)))
    assert opened(folder).told == ""


@pytest.mark.parametrize(("file", "seed"), itertools.product(NEEDED, range(12)))
def test_a_few_flipped_bytes_are_never_used_silently(copied, trained, file, seed):
    folder, draw = copied(), random.Random(f"{file} {seed}")
    path = folder / file
    content = bytearray(path.read_bytes())
    for _ in range(1 + seed % 3):
        content[draw.randrange(len(content))] ^= draw.randrange(1, 256)
    put(path, bytes(content))
    found = opened(folder)
    if file in ("tokenizer.json", "memory.json", "history.csv"):
        assert file in found.told


def places(data, start=()):
    """The path of everything inside JSON data, at most three entries of a list."""
    items = data.items() if isinstance(data, dict) else ()
    if isinstance(data, list):
        items = list(enumerate(data))[:3]
    for key, inner in items:
        yield (*start, key)
        yield from places(inner, (*start, key))


WRONG = ["x", -1, None, [], {"a": 1}, float("nan"), 1e308, True, 10**30, [[["x"]]]]


def cases():
    for file, most in (("metrics.json", 130), ("texts.json", 24), ("memory.json", 14)):
        yield from ((file, "char", n, WRONG[n % len(WRONG)]) for n in range(most))
    for number in range(30):
        yield "metrics.json", "char", 4 * number, WRONG[(number + 5) % len(WRONG)]


@pytest.mark.parametrize(
    ("file", "name", "number", "value"), cases(), ids=lambda each: repr(each)[:20]
)
def test_another_type_at_any_key_is_named_or_of_no_effect(copied, file, name, number, value):
    folder = copied(name)
    path = folder / file
    data = json.loads(path.read_text())
    every = [place for place in places(data) if place[0] != "settings"]  # others are drawn anew
    *way, key = every[number % len(every)]
    inner = data
    for step in way:
        inner = inner[step]
    inner[key] = value
    put(path, json.dumps(data))
    opened(folder)


@pytest.mark.parametrize(("file", "number"), itertools.product(JSON, range(8)))
def test_a_key_that_is_missing_is_named_or_of_no_effect(copied, file, number):
    folder = copied("words")
    path = folder / file
    data = json.loads(path.read_text())
    key = list(data)[number % len(data)]
    del data[key]
    put(path, json.dumps(data))
    opened(folder)


COLUMNS = "names sizes ends model spelling model_with_memory spelling_with_memory".split()
ARRAYS = {
    "missing": lambda array: None,
    "short": lambda array: array[:-1],
    "none": lambda array: array[:0],
    "flat": lambda array: array[:1].reshape(()),
    "deep": lambda array: array[None],
    "text": lambda array: array.astype("U"),
    "whole": lambda array: np.arange(len(array)),
    "negative": lambda array: -1 - np.arange(len(array)),
    "NaN": lambda array: np.full(len(array), np.nan, np.float32),
    "bytes": lambda array: np.array([b"a"] * len(array)),
    "huge": lambda array: np.full(len(array), 2**31 - 1, np.int32),
}


@pytest.mark.parametrize(("column", "harm"), itertools.product(COLUMNS, ARRAYS))
def test_bits_of_tokens_that_cannot_be_are_named(copied, column, harm):
    folder = copied()
    with np.load(folder / "tokens.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    arrays[column] = ARRAYS[harm](arrays[column])
    np.savez(folder / "tokens.npz", **{k: v for k, v in arrays.items() if v is not None})
    harmless = (column, harm) in {("names", "text"), ("model_with_memory", "missing")}
    assert bool(opened(folder).told) is not harmless


@pytest.mark.parametrize("file", NEEDED)
@pytest.mark.parametrize("other", ["words", "other"])
def test_a_file_of_another_run_is_named(copied, trained, file, other):
    folder = copied()
    put(folder / file, (trained / other / file).read_bytes())
    found = opened(folder)
    same = other == "other" and file in ("history.csv", "texts.json", "experiment.toml")
    equal = (trained / other / file).read_bytes() == (trained / "char" / file).read_bytes()
    if file not in ("model.weights.h5", "history.csv", "texts.json"):
        assert bool(found.told) is not (same or equal), found.told


WEIGHTS = ["cut", "empty", "zeros", "noise", "deep", "flipped", "words", "other", "NaN", "folder"]


@pytest.mark.parametrize("harm", WEIGHTS)
def test_weights_that_are_not_the_runs_are_refused(copied, trained, textgen, harm):
    folder = copied()
    path = folder / "model.weights.h5"
    content = bytearray(path.read_bytes())
    if harm == "NaN":
        run = Run(trained / "char")
        run.network.set_weights([np.full_like(w, np.nan) for w in run.network.get_weights()])
        run.network.save_weights(path, overwrite=True)
    elif harm == "folder":
        path.unlink()
        path.mkdir()
    elif harm in ("words", "other"):
        put(path, (trained / harm / path.name).read_bytes())
    elif harm == "flipped":
        content[-9] ^= 255
        put(path, bytes(content))
    else:
        put(path, HARMS[harm](bytes(content), random.Random(harm)))
    for command in (["generate"], ["score", "--text=The tide"]):
        done = textgen(command[0], folder, *command[1:])
        assert (done.code, "model.weights.h5" in done.err) == (2, True), done.err
        assert "Traceback" not in done.err
        assert len(done.err.splitlines()) <= 5


def test_a_network_larger_than_the_machine_is_refused(copied, textgen):
    folder = copied()
    path = folder / "experiment.toml"
    path.write_text(path.read_text().replace("24,", "3_000_000,"))
    done = textgen("generate", folder)
    assert (done.code, "backbone needs about" in done.err) == (2, True), done.err


@pytest.mark.parametrize("content", ["", "[]", "null", DEEP, '{"arms": 3}', "{", "1" * 5000])
def test_a_damaged_report_is_named(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(TextgenError, match=r"report\.json"):
        Comparison(tmp_path).arms  # noqa: B018 - read for what it raises
