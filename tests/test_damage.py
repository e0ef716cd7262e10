"""Damaged run folders: a file is used as it was written, or refused in one message."""

import json
import random

import pytest
from conftest import COUNTED

import textgen as package
from textgen.core.errors import TextgenError
from textgen.report.comparison import Comparison
from textgen.runs.folder import CHECKED
from textgen.runs.results import METRICS_FILE

DEEP = "[" * 100_000


def refusal(folder):
    """The message with which a run is refused; empty if all of it can be read."""
    try:
        run = package.load_run(folder)
        run.check()
        assert repr(run)
        assert all((run.history, run.token_bits, run.texts, run.tokenizer))
        return ""
    except TextgenError as error:
        message = str(error)
    assert len(message.splitlines()) <= 5
    return message


DRAW = random.Random(1)
HARMS = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: DRAW.randrange(1, max(2, len(content) - 1))],
    "doubled": lambda content: content + content,
    "flipped": lambda content: content[:-9] + bytes([content[-9] ^ 255]) + content[-8:],
    "noise": lambda content: DRAW.randbytes(len(content)),
    "not UTF-8": lambda content: b"\xff\xfe" + content,
    "deep": lambda content: DEEP.encode(),
    "list": lambda content: b"[]",
    "number": lambda content: b"1" * 5000,
}


@pytest.mark.parametrize("file", [METRICS_FILE, *CHECKED])
def test_a_file_that_is_not_as_the_run_wrote_it_is_named(copied_run, finished_run, file):
    folder = copied_run("char", COUNTED)
    path, content = folder / file, (folder / file).read_bytes()
    for harm in HARMS.values():
        path.write_bytes(harm(content))
        assert file in refusal(folder)
    path.unlink()
    assert file in refusal(folder) or file == "experiment.toml"
    assert refusal(folder)
    path.mkdir()
    assert file in refusal(folder)
    path.rmdir()
    other = (finished_run("char", "seed=2", COUNTED) / file).read_bytes()
    path.write_bytes(other)
    assert bool(refusal(folder)) is (other != content)
    path.write_bytes(content)
    assert not refusal(folder)


@pytest.mark.parametrize("found", [1, 9, None])
def test_a_folder_of_another_format_is_refused_with_both_numbers(copied_run, found):
    folder = copied_run()
    metrics = json.loads((folder / METRICS_FILE).read_text()) | {"format": found}
    if found is None:  # as folders had none at first
        del metrics["format"]
    (folder / METRICS_FILE).write_text(json.dumps(metrics))
    assert f"of format {found or 1}; this version of textgen reads format 3" in refusal(folder)


def test_a_file_that_nothing_needs_is_not_missed(copied_run):
    folder = copied_run()
    for file in ("manifest.json", "samples.json", "summary.md"):
        (folder / file).write_bytes(b"\xff\xfe")
        assert refusal(folder) == ""
        (folder / file).unlink()
        assert refusal(folder) == ""


def test_commands_refuse_a_damaged_run(copied_run, textgen):
    folder = copied_run()
    path = folder / "model.weights.h5"
    path.write_bytes(HARMS["flipped"](path.read_bytes()))
    for command, *options in (["generate"], ["score", "--text=The tide"], ["compare"]):
        textgen(command, folder, *options, code=2, said=path.name)


def places(data):
    """(container, key) of everything inside JSON data, at most three entries of a list."""
    items = data.items() if isinstance(data, dict) else ()
    items = [*enumerate(data)][:3] if isinstance(data, list) else items
    return [place for key, inner in items for place in ((data, key), *places(inner))]


WRONG = ["x", -1, None, [], {"a": 1}, float("nan"), True, 10**30, [[["x"]]]]


def test_figures_of_another_type_or_missing_are_named_or_of_no_effect(copied_run):
    folder, named = copied_run(), 0
    path, content = folder / METRICS_FILE, (folder / METRICS_FILE).read_text()
    for number in range(len(places(json.loads(content)))):
        changed = json.loads(content)
        inner, key = places(changed)[number]
        inner[key] = WRONG[number % len(WRONG)]
        if inner[key] is None:
            del inner[key]
        path.write_text(json.dumps(changed))
        message = refusal(folder)
        assert METRICS_FILE in message or not message
        named += bool(message)
    assert named > number / 2


@pytest.mark.parametrize("content", ["", "[]", "null", DEEP, '{"arms": 3}', "{", "1" * 5000])
def test_a_damaged_report_is_named(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(TextgenError, match=r"report\.json"):
        Comparison(tmp_path).arms  # noqa: B018 - read for what it raises
