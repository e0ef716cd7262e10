"""The commands as a user runs them, on a small corpus written by the tests."""

from __future__ import annotations

import argparse
import contextlib
import csv
import errno
import importlib
import io
import itertools
import json
import math
import os
import pkgutil
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import types

import pytest
from rich.console import Console
from rich.progress import Progress

import textgen as package
from textgen import cli
from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.data.loading import load_corpus
from textgen.models import footprint
from textgen.runs import console, results
from textgen.runs import folder as run_folder
from textgen.runs.finished import Run
from textgen.training.checkpoint import load_progress

FILES = """experiment.toml manifest.json tokenizer.json memory.json model.weights.h5 history.csv
metrics.json tokens.npz texts.json samples.json samples.txt summary.md""".split()


def test_a_run_from_file_to_text(textgen, experiment_file, tmp_path, temporary):
    done = textgen("run", experiment_file, process=True, TMPDIR=str(temporary))
    assert done.code == 0, done.err
    assert list(temporary.iterdir()) == []  # nor what TensorFlow rewrites functions to
    folder = tmp_path / "runs" / "tiny"
    for name in FILES:
        assert (folder / name).stat().st_size > 0
    assert not (folder / "checkpoint.npz").exists()
    metrics = json.loads((folder / "metrics.json").read_text())
    bits = metrics["test"]["bits_per_character"]["total"]
    assert metrics["test"]["with_memory"]["bits_per_character"]["total"] < bits
    with (folder / "history.csv").open(newline="") as file:
        rounds = list(csv.DictReader(file))
    assert [int(row["updates"]) for row in rounds] == [20, 40, 60]
    first, last = (float(rounds[i]["validation_bits_per_character"]) for i in (0, -1))
    assert first > last
    assert done.err == ""  # none of TensorFlow's start-up chatter
    assert re.search(r"\n  3/3  update 60  \d+ s  train \d.*  validation \d.* bpc", done.out)
    command = "python -m textgen run runs/tiny/experiment.toml --runs runs --overwrite"
    assert json.loads((folder / "manifest.json").read_text())["command"] == command
    assert command in (folder / "summary.md").read_text()

    metrics = json.loads((folder / "metrics.json").read_text())
    for part in ("validation", "test"):
        bits = metrics[part]["bits_per_character"]
        assert bits["total"] == bits["model"] + bits["spelling"]
        assert 0 < bits["total"] < 6
        assert metrics[part]["documents"] >= 1
        assert metrics[part]["characters"] > 100
        assert f"{bits['total']:.4f}" in done.out
        assert f"{bits['total']:.4f}" in (folder / "summary.md").read_text()
        both = metrics[part]["with_memory"]["bits_per_character"]
        assert both["total"] < bits["total"] - 0.1  # a document tells more than 60 updates
    for shown in (done.out, (folder / "summary.md").read_text()):
        assert f"{both['total']:.4f}" in shown
    assert metrics["training"]["memory_seconds"] > 0
    training = metrics["training"]
    assert training["updates"] == 60
    train = load_corpus(load_experiment(experiment_file)).train
    windows = sum(math.ceil((d.characters + 1) / 16) for d in train)  # the last one is rarely full
    everything = training["characters_of_training_text"]
    assert training["characters"] == round(60 * 8 * everything / windows)
    assert training["parameters"] > 1000
    assert training["seconds"] > 0

    before = (folder / "metrics.json").read_bytes()
    again = textgen("run", experiment_file)
    assert (again.code, "finished run" in again.err, "--overwrite" in again.err) == (2, True, True)
    assert (folder / "metrics.json").read_bytes() == before
    for wrong in ("corpus.path=elsewhere", 'sampling.prompts=["☃"]', "objective.window=100_000"):
        refused = textgen("run", experiment_file, "--overwrite", "--set", wrong)
        assert refused.code == 2
        assert (folder / "metrics.json").read_bytes() == before
    binary = ("--set", "training.loss=binary", "--set", "backbone.adaptive_softmax.head=2")
    refused = textgen("run", experiment_file, "--overwrite", *binary)
    assert (refused.code, "training.loss" in refused.err) == (2, True)
    assert (folder / "metrics.json").read_bytes() == before
    assert (folder / "model.weights.h5").exists()
    nothing = textgen("generate", folder, "--method", "article")
    assert (nothing.code, "--prompt" in nothing.err) == (2, True)
    far = textgen("generate", folder, "--seed", 2**31)
    assert (far.code, "--seed" in far.err) == (2, True)

    asked = "generate", folder, "--prompt", "The tide", "--length", 60, "--samples", 2
    first = textgen(*asked, "--seed", 1)
    second = textgen(*asked, "--seed", 1)
    assert first.code == 0
    assert first.err == ""
    assert first.out == second.out
    other, another = textgen(*asked), textgen(*asked)
    assert other.out != another.out
    assert textgen(*asked, *another.err.split()[:2]).out == another.out
    drawn = json.loads(textgen(*asked, "--json").out.splitlines()[1])
    assert (
        package.generate_text(folder, "The tide", length=60, samples=2, seed=drawn["seed"])[1]
        == drawn
    )
    assert first.out.count("The tide") >= 2
    other = textgen(
        "generate", folder, "--prompt", "The tide", "--length", 60, "--seed", 9, "--json"
    )
    record = json.loads(other.out)
    assert len(record["text"]) == 60
    article = textgen("generate", folder, "--method", "article", "--prompt", "The tide watched")
    assert len(article.out.rstrip("\n")) == len("The tide watched")

    both = textgen("generate", folder, "--method", "article", "--memory", "--prompt", "The tide")
    assert (both.code, "--method article" in both.err) == (2, True)

    unknown = textgen("generate", folder, "--prompt", "The ☃ tide")
    assert unknown.code == 2
    assert "'☃' (U+2603)" in unknown.err
    with pytest.raises(TextgenError, match=r"--method(.|\n)*sample or article"):
        package.generate_text(folder, method="Article")
    cold = textgen("generate", folder, "--temperature", -1)
    assert cold.code == 2
    assert "generate.temperature" in cold.err

    in_python = package.generate_text(folder, "The tide", length=60, seed=9)
    assert in_python[0]["text"] == record["text"]

    remembered = textgen(*asked, "--seed", 1, "--memory")
    assert (remembered.code, remembered.err) == (0, "")
    assert remembered.out != first.out
    _scores_are_those_of_the_run(folder, metrics)
    (folder / "memory.json").write_text('{"orders": [1, 2]}')
    other = textgen("score", folder, "--text", "The tide")
    assert (other.code, "memory.json" in other.err) == (2, True)
    (folder / "memory.json").unlink()
    gone = textgen("score", folder, "--text", "The tide")
    assert (gone.code, "memory.json" in gone.err) == (2, True)
    settings = folder / "experiment.toml"
    orders = re.search(
        r"\[memory\]\norders = \[.*?\]\nlearning_rate = .*?\n",
        settings.read_text(),
        flags=re.DOTALL,
    )
    settings.write_text(settings.read_text().replace(orders[0], ""))
    assert package.score_text(folder, "The tide")["with_memory"] is None
    none = textgen("generate", folder, "--memory")
    assert (none.code, "no memory of the document" in none.err) == (2, True)
    for name in ("tokenizer.json", "metrics.json"):
        content = (folder / name).read_bytes()
        for damage in ("null", "[]", "{", '{"schema": 1}'):
            (folder / name).write_text(damage)
            with pytest.raises(TextgenError, match=r"a damaged run|an older textgen"):
                _ = Run(folder).tokenizer
        (folder / name).write_bytes(content)
    whole = (folder / "model.weights.h5").read_bytes()
    (folder / "model.weights.h5").write_bytes(whole[: len(whole) // 2])
    broken = textgen("generate", folder)
    assert (broken.code, "damaged run" in broken.err) == (2, True)
    (folder / "metrics.json").unlink()
    unfinished = textgen("generate", folder)
    assert (unfinished.code, "no metrics.json" in unfinished.err) == (2, True)


def _scores_are_those_of_the_run(folder, metrics):
    loaded = load_corpus(load_experiment(folder / "experiment.toml"))
    scores = [package.score_text(folder, document.text) for document in loaded.test]
    unit = sum(len(document.text) + 1 for document in loaded.test)
    for found, told in (
        (scores, metrics["test"]),
        ([each["with_memory"] for each in scores], metrics["test"]["with_memory"]),
    ):
        bits = sum(each["total"] for each in found) / unit
        assert bits == pytest.approx(told["bits_per_character"]["total"], abs=1e-5)


DETERMINISTIC = ("training.deterministic=true", "training.threads=2")


@pytest.mark.xla
@pytest.mark.parametrize("settings", [(), DETERMINISTIC], ids=["", "deterministic"])
def test_a_killed_run_goes_on_and_ends_with_the_same_figures(
    textgen, experiment_file, tmp_path, settings
):
    """SIGKILL after the first checkpoint, then the same command again. Were a step compiled anew at
    every update, which deterministic operations once led to, a process would take minutes."""
    command = [sys.executable, "-m", "textgen.run", str(experiment_file)]
    command += [part for each in settings for part in ("--set", each)]
    command += ["--set", "training.updates=299", "--set", "training.validations=10"]
    folder = tmp_path / "runs" / "tiny"
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    for _ in range(1200):
        if (folder / "checkpoint.npz").exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "metrics.json").exists()
    stranger = textgen("run", experiment_file, "--set", "seed=5")
    assert (stranger.code, "different experiment" in stranger.err) == (2, True)
    apart = bool(settings)  # deterministic operations hold for a whole process
    resumed = textgen("run", *command[3:], process=apart)
    assert resumed.code == 0
    assert re.search(r"^tiny: goes on from update \d+ of 299$", resumed.out, re.M)
    whole = textgen("run", *command[3:], "--runs", "others", process=apart)
    assert whole.code == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["deterministic"] is apart
    if apart:
        assert (manifest["threads"], manifest["threads_of_an_operation"]) == (2, 1)
    first, second = (
        json.loads((tmp_path / place / "tiny" / "metrics.json").read_text())
        for place in ("runs", "others")
    )
    assert first["test"] == second["test"]
    assert first["training"]["updates"] == second["training"]["updates"] == 299


@pytest.mark.parametrize("setting", ["deterministic=true", "threads=61"])
def test_what_this_process_cannot_give_any_more_is_refused(
    textgen, experiment_file, tmp_path, setting
):
    """TensorFlow has been started; without such a wish a training takes what there is."""
    refused = textgen("run", experiment_file, "--set", f"training.{setting}")
    assert (refused.code, (tmp_path / "runs").exists()) == (2, False)
    assert f"training.{setting.partition('=')[0]}: " in refused.err
    assert "start a new process" in refused.err
    import tensorflow as tf

    assert textgen("run", experiment_file, "--set", "training.updates=5").code == 0
    manifest = json.loads((tmp_path / "runs" / "tiny" / "manifest.json").read_text())
    has = tf.config.threading
    assert manifest["deterministic"] is False
    assert manifest["threads"] == has.get_inter_op_parallelism_threads()
    assert manifest["threads_of_an_operation"] == has.get_intra_op_parallelism_threads()


def test_sigterm_ends_a_training_as_ctrl_c_does(experiment_file, tmp_path, temporary):
    command = [sys.executable, "-m", "textgen.run", str(experiment_file), "--quiet"]
    command += ["--set", "training.updates=100000", "--set", "training.validations=5000"]
    environment = os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    for _ in range(1200):
        if (tmp_path / "runs" / "tiny" / "checkpoint.npz").exists():
            break
        time.sleep(0.05)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (
        143, "\nstopped; repeat the command to continue\n"
    )  # fmt: skip
    assert list(temporary.iterdir()) == []


def test_what_the_system_refuses_is_one_message(capsys):
    def denied(given):
        raise PermissionError(errno.EACCES, "Permission denied", "some file")

    def too_large(given):
        raise MemoryError

    for command, told in ((denied, "some file: Permission"), (too_large, "memory: ")):
        assert cli.run_command(command, argparse.Namespace(debug=False)) == 2
        assert capsys.readouterr().err.startswith(f"textgen: {told}")
        with pytest.raises((OSError, MemoryError)):
            cli.run_command(command, argparse.Namespace(debug=True))


def test_a_training_that_has_ended_is_finished_with_other_settings_of_samples(
    textgen, experiment_file, tmp_path, monkeypatch
):
    def full(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(results, "sample_texts", full)
        with pytest.raises(MemoryError):
            package.train(experiment_file, runs_folder=tmp_path / "runs", quiet=True)
    folder = tmp_path / "runs" / "tiny"
    began = (folder / "checkpoint.npz").read_bytes()
    trained_for = load_progress(folder).seconds
    stranger = textgen("run", experiment_file, "--set", "backbone.units=[25]")
    assert (stranger.code, "different experiment" in stranger.err) == (2, True)
    assert (folder / "checkpoint.npz").read_bytes() == began
    done = textgen("run", experiment_file, "--set", "sampling.length=50")
    assert done.code == 0, done.err
    assert Run(folder).metrics.training.seconds == trained_for  # it was not trained again
    records = json.loads((folder / "samples.json").read_text())
    assert {len(record["text"]) for record in records if record["method"] == "sample"} == {50}
    assert Run(folder).experiment.sampling.length == 50


def test_what_does_not_fit_is_refused_before_it_is_trained_or_drawn(
    textgen, experiment_file, tmp_path, monkeypatch
):
    done = textgen("run", experiment_file, "--quiet")
    assert done.code == 0, done.err
    for option, told in (
        (f"--length={10**22}", "generate.length"), ("--samples=10001", "generate.samples"),
        ("--temperature=inf", "generate.temperature"), ("--top-p=nan", "generate.top_p"),
    ):  # fmt: skip
        refused = textgen("generate", tmp_path / "runs/tiny", option)
        assert (refused.code, told in refused.err) == (2, True), refused.err
    monkeypatch.setattr(footprint, "_free_memory", lambda: 40_000)
    refused = textgen("generate", tmp_path / "runs/tiny", "--samples=100")
    assert (refused.code, "100 texts at once" in refused.err) == (2, True)
    monkeypatch.setattr("textgen.runs.pipeline._train", None)
    early = textgen("run", experiment_file, "--name=b", "--set", "sampling.samples=100")
    assert (early.code, "sampling.samples" in early.err) == (2, True)


def test_two_processes_do_not_share_a_folder(experiment_file, tmp_path):
    experiment = load_experiment(experiment_file)
    lock = run_folder.prepare_folder(tmp_path / "r", experiment, overwrite=False)
    with pytest.raises(TextgenError, match="another process"):
        run_folder.prepare_folder(tmp_path / "r", experiment, overwrite=True)
    lock.release()


def test_a_run_that_is_killed_while_it_is_replaced_can_be_replaced_again(
    experiment_file, tmp_path, monkeypatch
):
    experiment, folder = load_experiment(experiment_file), tmp_path / "r"
    run_folder.prepare_folder(folder, experiment, overwrite=False).release()
    (folder / "experiment.toml.12-ab.new").write_text("half of it")
    run_folder.prepare_folder(folder, experiment, overwrite=False).release()
    run_folder.begin_folder(folder, experiment, overwrite=False)
    (folder / "metrics.json").write_text("{}")
    monkeypatch.setattr(run_folder, "write_experiment", lambda *_: None)  # killed before it
    run_folder.begin_folder(folder, experiment, overwrite=True)
    assert not (folder / "metrics.json").exists()
    run_folder.prepare_folder(folder, experiment, overwrite=True).release()


def test_who_stops_a_run_that_replaces_another_is_told_how_to_go_on(capsys):
    def stopped(given):
        raise KeyboardInterrupt

    for overwrite, told in ((False, "repeat the command to"), (True, "without --overwrite to")):
        assert cli.run_command(stopped, argparse.Namespace(debug=False, overwrite=overwrite)) == 130
        assert told in capsys.readouterr().err


@pytest.mark.parametrize("late", [False, True])
def test_a_full_disk_behind_what_is_printed_is_told(capsys, monkeypatch, tmp_path, late):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def command(given):
        print("text so far")
        if not late:
            full()

    with (tmp_path / "text").open("w") as file:
        stream = types.SimpleNamespace(write=len, flush=full, fileno=file.fileno)
        monkeypatch.setattr(sys, "stdout", stream if late else file)  # late: it fails at the end
        assert cli.run_command(command, argparse.Namespace(debug=False)) == 2
    if not late:  # another file is at fault: what was printed is not lost
        assert (tmp_path / "text").read_text() == "text so far\n"
    told = capsys.readouterr().err
    assert "standard output: it could not be written: No space left" in told
    assert "free some space and repeat the command" in told


def test_the_cursor_comes_back_however_a_training_ends():
    screen = console.Screen()
    screen.console = Console(file=io.StringIO(), force_terminal=True)
    with contextlib.suppress(KeyboardInterrupt), screen:
        screen.begin_phase("a phase")
        screen.end_live()
        screen.show_bar(Progress(console=screen.console))
        raise KeyboardInterrupt
    written = screen.console.file.getvalue()
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")  # shown after hidden


def test_what_is_shown_changes_no_training(experiment_file, tmp_path):
    shown, quiet = (
        package.train(experiment_file, name=str(quiet), runs_folder=tmp_path, quiet=quiet)
        for quiet in (False, True)
    )
    assert shown.metrics.test == quiet.metrics.test


@pytest.mark.parametrize("content", ["{", "[]", '{"corpus": null}', "{}"])
def test_a_damaged_manifest_is_told_of(tmp_path, content):
    (tmp_path / "checkpoint.npz").touch()
    assert run_folder.text_of(tmp_path) is None
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(TextgenError, match=r"manifest\.json(.|\n)*a damaged run"):
        run_folder.check_same_text(tmp_path, "0" * 64)


def test_a_folder_that_is_no_run_is_left_alone(experiment_file, tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.txt").write_text("dear to me")
    experiment = load_experiment(experiment_file)
    with pytest.raises(TextgenError, match="not a run of textgen"):
        run_folder.prepare_folder(tmp_path / "r", experiment, overwrite=True)
    assert (tmp_path / "r" / "thesis.txt").read_text() == "dear to me"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["run", "none.toml"], ["none.toml", "no such file"]),
        (["run", "{file}", "--set", "training.bach=3"], ["training.bach", "'batch'"]),
        (["run", "{file}", "--set", "backbone.units=[-3]"], ["backbone.units", "greater than 0"]),
        (["run", "{file}", "--set", "corpus.path=elsewhere"], ["elsewhere", "no such folder"]),
        (["run", "{file}", "--set", "tokenizer.kind=bytes"], ["unknown tokenizer", "characters"]),
        (["run", "{file}", "--set", "tokenizer.size=9"], ["unknown setting 'size'", "none: there"]),
        (
            ["run", "{file}", "--set", "backbone.units=[]"],
            ["backbone.units", "at least 1 item"],
        ),
        (["run", "{file}", "--set", "arms.a=1"], ["this is a study", "textgen study"]),
        (["run", "{file}", "--runs", "/proc"], ["could not be written", "choose a folder"]),
        (["run", "{file}", "--set", "=1"], ["no name before `=`"]),
        (["generate", "."], ["a folder that is no run"]),
        (["generate", "{file}"], ["a file", "the folder of a finished run"]),
        (["generate", "nowhere"], ["nowhere", "no such folder"]),
        (["corpus", "atlantis"], ["atlantis", "wikipedia"]),
    ],
)
def test_bad_input_is_told_in_one_screen_at_once(textgen, experiment_file, arguments, parts):
    begin = time.perf_counter()
    given = (a.format(file=experiment_file) for a in arguments[1:])
    done = textgen(arguments[0], *given, process=True)
    assert time.perf_counter() - begin < 5  # TensorFlow alone takes longer on a busy machine
    assert done.code == 2
    for part in parts:
        assert part in done.err
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) <= 6


def test_an_empty_corpus_and_a_short_one(textgen, experiment_file, tmp_path):
    tales = tmp_path / "tales"
    tales.mkdir()
    for i in range(4):
        (tales / f"{i}.txt").write_text(" \n")
    empty = textgen("run", experiment_file, "--set", f"corpus.path={tales}")
    assert (empty.code, "every document is empty" in empty.err) == (2, True)
    for i in range(4):
        (tales / f"{i}.txt").write_text("ab")
    short = textgen("run", experiment_file, "--set", f"corpus.path={tales}", "--name", "other")
    assert (short.code, "more than one window" in short.err) == (2, True)


@pytest.mark.parametrize(
    "more", [(), ("tokenizer.kind=words", "tokenizer.rare_words.kind=drop")], ids=["char", "drop"]
)
def test_a_validation_text_in_letters_never_seen(
    textgen, experiment_file, corpus_folder, tmp_path, more
):
    tales = tmp_path / "tales"
    shutil.copytree(corpus_folder, tales)
    settings = [f"corpus.path={tales}", "training.updates=2", *more]
    loaded = load_corpus(load_experiment(experiment_file, overrides=settings))
    for document in loaded.validation:
        (tales / document.name).write_text("я" * document.characters, "utf-8")
    done = textgen("run", experiment_file, *(f"--set={setting}" for setting in settings))
    assert (done.code, done.err) == (0, "")
    records = json.loads((tmp_path / "runs" / "tiny" / "samples.json").read_text())
    assert {record["method"] for record in records} == {"sample"}
    if more:
        empty = textgen("generate", tmp_path / "runs/tiny", "--method=article", "--prompt", "яяя")
        assert (empty.code, "no token of this run" in empty.err) == (2, True)


def test_a_run_that_was_refused_leaves_its_name_free(textgen, experiment_file, tmp_path):
    wrong = textgen("run", experiment_file, "--set", 'sampling.prompts=["The ☃"]')
    assert (wrong.code, "sampling.prompts" in wrong.err, "U+2603" in wrong.err) == (2, True, True)
    folder = tmp_path / "runs" / "tiny"
    assert not (folder / "experiment.toml").exists()
    other = load_experiment(experiment_file, overrides=["seed=5"])
    run_folder.begin_folder(folder, other, overwrite=False)  # stopped before a checkpoint
    experiment = load_experiment(experiment_file)
    run_folder.prepare_folder(folder, experiment, overwrite=False).release()
    run_folder.begin_folder(folder, experiment, overwrite=False)
    assert run_folder.stored_experiment(folder).seed == experiment.seed


@pytest.mark.parametrize("command", ["run", "generate", "corpus"])
def test_help_names_every_option(textgen, command):
    done = textgen(command, "--help", process=True)
    assert done.code == 0
    assert f"usage: textgen {command}" in done.out


def test_the_console_script_dispatches(capsys):
    for words, code in ((["--help"], 0), (["fly"], 2), ([], 0)):
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        assert end.value.code == code
        assert "generate" in "".join(capsys.readouterr())
    assert cli.main(["corpus"]) == 0
    assert "lovecraft" in capsys.readouterr().out


def test_corpus_statistics(corpus_folder):
    found = package.corpus_statistics({"corpus": {"kind": "folder", "path": str(corpus_folder)}})
    assert found["documents"] == 12
    texts = [path.read_text() for path in corpus_folder.iterdir()]
    assert found["characters"] == sum(map(len, texts))
    assert found["distinct_characters"] == len(set("".join(texts)))
    assert found["words"] == len(" ".join(texts).split())
    rates = list(found["outside_vocabulary"].values())
    assert rates == sorted(rates)


@pytest.mark.parametrize(
    ("command", "function", "goes_on"),
    [
        ("run", "runs.train", True),
        ("study", "studies.run_study", True),
        ("generate", "runs.generate_text", False),
    ],
)
def test_only_what_goes_on_when_repeated_says_so(textgen, monkeypatch, command, function, goes_on):
    def stopped(*given, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"textgen.{function}", stopped)
    done = textgen(command, "some.toml")
    assert done.code == 130
    assert done.err.startswith("\nstopped")
    assert ("continue" in done.err) == goes_on


def test_public_names_are_no_modules_however_much_is_imported(tmp_path):
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"textgen.{module.name}")
    for name in package.__all__:
        assert not isinstance(getattr(package, name), types.ModuleType), name
    with pytest.raises(TextgenError):
        package.train(tmp_path / "no.toml")
    with pytest.raises(TextgenError):
        package.generate_text(tmp_path / "no")


def test_something_moves_all_the_time_in_a_terminal_and_a_pipe_gets_whole_lines(
    experiment_file, tmp_path
):
    """Of a run, from its first line on, hardly any time passes without a sign of life."""
    main, side = pty.openpty()
    command = [sys.executable, "-m", "textgen.run", experiment_file, "--name", "moving"]
    text = experiment_file.read_text().replace("updates = 60", "seconds = 8")
    experiment_file.write_text(text)
    running = subprocess.Popen(
        command, cwd=tmp_path, stdin=side, stdout=side, stderr=side,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    os.close(side)
    seen, times = b"", list[float]()
    with contextlib.suppress(OSError):  # the other side is closed: the end
        while part := os.read(main, 4096):
            seen += part
            times.append(time.monotonic())
    os.close(main)
    assert running.wait() == 0, seen.decode(errors="replace")
    still = [after - before for before, after in itertools.pairwise(times) if after - before > 3]
    assert sum(still) < 0.03 * (times[-1] - times[0]), still
    for text in ("preparing the text", "scoring every", "measuring the samples"):
        assert text in seen.decode()
    again = subprocess.run([*command[:-1], "piped"], cwd=tmp_path, capture_output=True, text=True)
    assert "\x1b" not in again.stdout
    assert "preparing the text …\n" in again.stdout


def test_settings_that_another_kind_leaves_out_are_told_in_one_line(experiment_file, capsys):
    text = experiment_file.read_text(encoding="utf-8")
    own = text.replace("[backbone]", "[backbone]\nweight_drop = 0.1")
    experiment_file.write_text(own, encoding="utf-8")
    including = experiment_file.with_name("gru.toml")
    including.write_text('include = "tiny.toml"\nbackbone = "gru"\n', encoding="utf-8")
    experiment = load_experiment(including)
    console.Screen().corpus(experiment, load_corpus(experiment))
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "left out" in line]
    assert line.startswith("warning: ")
    assert "gru.toml: backbone.kind" in line
    assert "weight_drop" in line
