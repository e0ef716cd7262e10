"""Folders of runs that are damaged, or made of several: every file, every key, is used as it was
written or refused with one sentence, never with a traceback and never silently."""

from __future__ import annotations

import json
import random
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from conftest import write_experiment

import textgen
from textgen.core.errors import TextgenError
from textgen.report.comparison import Comparison
from textgen.runs.finished import Run

WORDS = 'tokenizer={kind="words", rare_words="unk", minimum_count=90}'
JSON = ["metrics.json", "tokenizer.json", "memory.json", "texts.json"]
NEEDED = [*JSON, "experiment.toml", "history.csv", "tokens.npz", "model.weights.h5"]
UNREAD = ["manifest.json", "samples.json", "samples.txt", "summary.md"]
"""Nothing that opens a finished run reads these but for the last, which is rewritten."""
WEIGHTS = "model.weights.h5"
DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus_folder) -> Path:
    """The folder of two finished runs, and of one of the same shape with another seed."""
    home = tmp_path_factory.mktemp("damage")
    path = write_experiment(home / "tiny.toml", corpus_folder)
    for name, setting in {"char": "seed=1", "words": WORDS, "other": "seed=2"}.items():
        changes = ["training.updates=10", setting]
        textgen.train(path, overrides=changes, name=name, runs_folder=home / "runs", quiet=True)
    return home / "runs"


@pytest.fixture
def copied(trained, tmp_path):
    """Copies a run."""

    def copy(name: str = "char") -> Path:
        return shutil.copytree(trained / name, tmp_path / name)

    return copy


def refusal(folder: Path) -> str:
    """The sentence that refuses a run, from all that is read of it without TensorFlow; "" if all of
    it can be used."""
    try:
        run = textgen.load_run(folder)
        run.check()
        run.tokenizer.encode("The tide left")
        assert repr(run)
        assert run._repr_html_()
        assert run.charged
        assert isinstance(run.tokenizer.render(np.arange(2, run.tokenizer.size)).text, str)
        return ""
    except TextgenError as error:
        message = str(error)
    assert len(message.splitlines()) <= 2, message
    assert len(message) < 4000
    return message


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


@pytest.mark.parametrize(("file", "harm"), product(NEEDED, HARMS))
def test_a_file_of_other_bytes_is_named(copied, file, harm):
    folder = copied()
    put(folder / file, HARMS[harm]((folder / file).read_bytes(), random.Random(harm)))
    # of two archives the last is read; weights are read when the network is used
    unread = (file, harm) == ("tokens.npz", "doubled") or (file == WEIGHTS and harm != "missing")
    assert (file in refusal(folder)) is not unread


@pytest.mark.parametrize("file", NEEDED)
def test_a_folder_in_place_of_a_file_is_named(copied, file):
    folder = copied()
    put(folder / file, None)
    (folder / file).mkdir()
    assert (file in refusal(folder)) is (file != WEIGHTS)


@pytest.mark.parametrize(("file", "harm"), product(UNREAD, ["empty", "noise", "deep"]))
def test_a_file_that_nothing_needs_is_not_missed(copied, file, harm):
    folder = copied()
    put(folder / file, HARMS[harm]((folder / file).read_bytes(), random.Random(harm)))
    assert refusal(folder) == ""


@pytest.mark.parametrize("file", ["metrics.json", "experiment.toml", "tokenizer.json"])
def test_every_command_refuses_a_damaged_run(copied, textgen, file):
    folder = copied()
    put(folder / file, "{")
    for command in (["generate"], ["score", "--text=The tide"], ["compare"]):
        if (command, file) != (["compare"], "tokenizer.json"):  # which a comparison does not need
            done = textgen(command[0], folder, *command[1:])
            assert (done.code, file in done.err) == (2, True), done.err
            assert "Traceback" not in done.err


@pytest.mark.parametrize(("file", "seed"), product(NEEDED, range(12)))
def test_a_few_flipped_bytes_are_never_used_silently(copied, file, seed):
    folder, draw = copied(), random.Random(f"{file} {seed}")
    content = bytearray((folder / file).read_bytes())
    for _ in range(1 + seed % 3):
        content[draw.randrange(len(content))] ^= draw.randrange(1, 256)
    put(folder / file, bytes(content))
    message = refusal(folder)
    if file in ("tokenizer.json", "memory.json", "history.csv"):  # which have a checksum
        assert file in message


def places(data, start=()):
    """The path of everything inside JSON data, at most three entries of a list."""
    items = data.items() if isinstance(data, dict) else ()
    if isinstance(data, list):
        items = list(enumerate(data))[:3]
    for key, inner in items:
        yield (*start, key)
        yield from places(inner, (*start, key))


WRONG = ["x", -1, None, [], {"a": 1}, float("nan"), 1e308, True, 10**30, [[["x"]]]]

WRONG = ["x", -1, None, [], {"a": 1}, float("nan"), 1e308, True, 10**30, [[["x"]]]]
TYPES = [("metrics.json", n, WRONG[n % len(WRONG)]) for n in range(130)]
TYPES += [("metrics.json", 4 * n, WRONG[(n + 5) % len(WRONG)]) for n in range(30)]
TYPES += [("texts.json", n, WRONG[n % len(WRONG)]) for n in range(24)]
TYPES += [("memory.json", n, WRONG[n % len(WRONG)]) for n in range(14)]


@pytest.mark.parametrize(("file", "number", "value"), TYPES, ids=lambda each: repr(each)[:20])
def test_another_type_at_any_key_is_named_or_of_no_effect(copied, file, number, value):
    folder = copied()
    data = json.loads((folder / file).read_text())
    every = [place for place in places(data) if place[0] != "settings"]  # others are drawn again
    *way, key = every[number % len(every)]
    inner = data
    for step in way:
        inner = inner[step]
    inner[key] = value
    put(folder / file, json.dumps(data))
    refusal(folder)


@pytest.mark.parametrize(("file", "number"), product(JSON, range(8)))
def test_a_key_that_is_missing_is_named_or_of_no_effect(copied, file, number):
    folder = copied("words")
    data = json.loads((folder / file).read_text())
    del data[list(data)[number % len(data)]]
    put(folder / file, json.dumps(data))
    refusal(folder)


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


@pytest.mark.parametrize(("column", "harm"), product(COLUMNS, ARRAYS))
def test_bits_of_tokens_that_cannot_be_are_named(copied, column, harm):
    folder = copied()
    with np.load(folder / "tokens.npz") as stored:
        arrays = dict(stored)
    arrays[column] = ARRAYS[harm](arrays[column])
    np.savez(folder / "tokens.npz", **{k: v for k, v in arrays.items() if v is not None})
    harmless = (column, harm) in {("names", "text"), ("model_with_memory", "missing")}
    assert bool(refusal(folder)) is not harmless


@pytest.mark.parametrize(("file", "other"), product(NEEDED, ["words", "other"]))
def test_a_file_of_another_run_is_named(copied, trained, file, other):
    folder, content = copied(), (trained / other / file).read_bytes()
    same = content == (folder / file).read_bytes()
    same |= other == "other" and file == "experiment.toml"
    put(folder / file, content)
    message = refusal(folder)
    if file not in (WEIGHTS, "history.csv", "texts.json"):
        assert bool(message) is not same, message


HARMED_WEIGHTS = "cut empty zeros noise deep flipped words other NaN folder".split()


@pytest.mark.parametrize("harm", HARMED_WEIGHTS)
def test_weights_that_are_not_the_runs_are_refused(copied, trained, textgen, harm):
    folder = copied()
    path = folder / WEIGHTS
    content = path.read_bytes()
    if harm == "NaN":
        network = Run(trained / "char").network
        network.set_weights([np.full_like(w, np.nan) for w in network.get_weights()])
        network.save_weights(path, overwrite=True)
    elif harm == "folder":
        put(path, None)
        path.mkdir()
    elif harm in ("words", "other"):
        put(path, (trained / harm / path.name).read_bytes())
    elif harm == "flipped":
        put(path, content[:-9] + bytes([content[-9] ^ 255]) + content[-8:])
    else:
        put(path, HARMS[harm](content, random.Random(harm)))
    for command in (["generate"], ["score", "--text=The tide"]):
        done = textgen(command[0], folder, *command[1:])
        assert (done.code, WEIGHTS in done.err) == (2, True), done.err
        assert "Traceback" not in done.err
        assert len(done.err.splitlines()) <= 2


def test_a_network_larger_than_the_machine_is_refused(copied, textgen):
    path = copied() / "experiment.toml"
    path.write_text(path.read_text().replace("24,", "3_000_000,"))
    done = textgen("generate", path.parent)
    assert (done.code, "backbone needs about" in done.err) == (2, True), done.err


@pytest.mark.parametrize("content", ["", "[]", "null", DEEP, '{"arms": 3}', "{", "1" * 5000])
def test_a_damaged_report_is_named(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(TextgenError, match=r"report\.json"):
        Comparison(tmp_path).arms  # noqa: B018 - read for what it raises
