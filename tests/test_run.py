"""The commands as a user runs them, on a small corpus written by the tests."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
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

import textgen as package
from textgen import cli
from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.data.loading import load_corpus
from textgen.runs import folder as run_folder
from textgen.runs import pipeline
from textgen.runs.finished import Run
from textgen.training.checkpoint import load_progress

FILES = """experiment.toml manifest.json tokenizer.json memory.json model.weights.h5 history.csv
metrics.json tokens.npz texts.json samples.json summary.md""".split()


def test_a_run_from_file_to_text(textgen, experiment_file, tmp_path, temporary):
    done = textgen("run", experiment_file, process=True, TMPDIR=str(temporary))
    assert done.code == 0, done.err
    assert list(temporary.iterdir()) == []  # nor what TensorFlow rewrites functions to
    assert done.err == ""  # none of TensorFlow's start-up chatter
    folder = tmp_path / "runs" / "tiny"
    assert {path.name for path in folder.iterdir()} - {".lock"} == {*FILES}
    assert all((folder / name).stat().st_size > 0 for name in FILES)
    again = textgen("generate", folder, "--length=20", process=True)
    assert len(again.err.splitlines()) == 1  # the seed
    run = Run(folder)
    bits = [row["validation_bits_per_character"] for row in run.history]
    assert [row["updates"] for row in run.history] == [20, 40, 60]
    assert bits[0] > bits[-1]
    assert f"validation {bits[-1]:.3f} bpc" in done.out
    command = "python -m textgen run runs/tiny/experiment.toml --runs runs --overwrite"
    assert json.loads((folder / "manifest.json").read_text())["command"] == command
    summary = (folder / "summary.md").read_text()
    assert command in summary
    for part in (run.metrics.validation, run.metrics.test):
        alone, both = part.bits_per_character, part.with_memory.bits_per_character
        assert alone.total == alone.model + alone.spelling
        assert 0 < both.total < alone.total - 0.1  # a document tells more than 60 updates
        assert part.documents >= 1
        assert part.characters > 100
        for figure in (alone.total, both.total):
            assert f"{figure:.4f}" in done.out
            assert f"{figure:.4f}" in summary
    training = run.metrics.training
    assert (training.updates, training.memory_seconds > 0) == (60, True)
    train = load_corpus(load_experiment(experiment_file)).train
    windows = sum(math.ceil((d.characters + 1) / 16) for d in train)  # the last one is rarely full
    everything = training.characters_of_training_text
    assert training.characters == round(60 * 8 * everything / windows)

    before = (folder / "metrics.json").read_bytes()
    again = textgen("run", experiment_file)
    assert (again.code, "finished run" in again.err, "--overwrite" in again.err) == (2, True, True)
    for wrong in (
        ["corpus.path=elsewhere"], ['sampling.prompts=["☃"]'], ["objective.window=100_000"],
        ["training.loss=binary", "backbone.adaptive_softmax.head=2"],
    ):  # fmt: skip
        settings = [part for setting in wrong for part in ("--set", setting)]
        refused = textgen("run", experiment_file, "--overwrite", *settings)
        assert refused.code == 2
        assert (folder / "metrics.json").read_bytes() == before
    assert (folder / "model.weights.h5").exists()
    _text_is_generated(textgen, folder)
    _scores_are_those_of_the_run(folder, run.metrics)


def _text_is_generated(textgen, folder):
    asked = "generate", folder, "--prompt", "The tide", "--length", 60, "--samples", 2
    first, second = textgen(*asked, "--seed", 1), textgen(*asked, "--seed", 1)
    assert (first.code, first.err) == (0, "")
    assert first.out == second.out
    other, another = textgen(*asked), textgen(*asked)
    assert other.out != another.out
    assert textgen(*asked, *another.err.split()[:2]).out == another.out
    drawn = json.loads(textgen(*asked, "--json").out.splitlines()[1])
    in_python = package.generate_text(folder, "The tide", length=60, samples=2, seed=drawn["seed"])
    assert in_python[1] == drawn
    assert len(drawn["text"]) == 60
    with_memory = textgen(*asked, "--seed", 1, "--memory")
    assert (with_memory.code, with_memory.err) == (0, "")
    assert with_memory.out != first.out
    article = textgen("generate", folder, "--method", "article", "--prompt", "The tide watched")
    assert len(article.out.rstrip("\n")) == len("The tide watched")
    for options, part in (
        (["--method=article"], "--prompt"),
        (["--method=article", "--memory", "--prompt=The"], "--method article"),
        (["--prompt=The ☃ tide"], "'☃' (U+2603)"), (["--temperature=-1"], "generate: temperature"),
    ):  # fmt: skip
        refused = textgen("generate", folder, *options)
        assert (refused.code, part in refused.err) == (2, True), refused.err
    with pytest.raises(TextgenError, match="sample or article"):
        package.generate_text(folder, method="Article")


def _scores_are_those_of_the_run(folder, metrics):
    loaded = load_corpus(load_experiment(folder / "experiment.toml"))
    scores = [package.score_text(folder, document.text) for document in loaded.test]
    unit = sum(len(document.text) + 1 for document in loaded.test)
    for found, figures in (
        (scores, metrics.test),
        ([score["with_memory"] for score in scores], metrics.test.with_memory),
    ):
        bits = sum(score["total"] for score in found) / unit
        assert bits == pytest.approx(figures.bits_per_character.total, abs=1e-5)


def test_a_run_without_a_memory_says_so(textgen, experiment_file, tmp_path):
    done = textgen("run", experiment_file, "--set", "memory.orders=[]", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert package.score_text(tmp_path / "runs/tiny", "The tide")["with_memory"] is None
    none = textgen("generate", tmp_path / "runs/tiny", "--memory")
    assert (none.code, "no memory of the document" in none.err) == (2, True)


DETERMINISTIC = ("--set=training.deterministic=true", "--set=training.threads=2")


@pytest.mark.xla
@pytest.mark.parametrize(("settings", "how"), [((), "TERM"), (DETERMINISTIC, "KILL")])
def test_a_run_that_was_ended_goes_on_and_ends_with_the_same_figures(
    textgen, experiment_file, tmp_path, temporary, settings, how
):
    """A step that is compiled at every update, as deterministic operations once were, would take a
    process minutes."""
    command = ["run", experiment_file, *settings]
    command += ["--set=training.updates=299", "--set=training.validations=10"]
    folder = tmp_path / "runs" / "tiny"
    process = subprocess.Popen(
        [sys.executable, "-m", "textgen", *map(str, command)], cwd=tmp_path, text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    for _ in range(1200):
        if (folder / "checkpoint.npz").exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.Signals[f"SIG{how}"])
    _, said = process.communicate(timeout=60)
    if how == "TERM":
        assert (process.returncode, said) == (143, "\nstopped; repeat the command to continue\n")
        assert list(temporary.iterdir()) == []
    assert not (folder / "metrics.json").exists()
    stranger = textgen("run", experiment_file, "--set", "seed=5")
    assert (stranger.code, "different experiment" in stranger.err) == (2, True)
    apart = bool(settings)  # deterministic operations hold for a whole process
    resumed = textgen(*command, process=apart)
    assert resumed.code == 0
    assert re.search(r"^tiny: goes on from update \d+ of 299$", resumed.out, re.M)
    whole = textgen(*command, "--runs", "others", process=apart)
    assert whole.code == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["deterministic"] is apart
    if apart:
        assert (manifest["threads"], manifest["threads_of_an_operation"]) == (2, 1)
    first, second = (Run(tmp_path / place / "tiny").metrics for place in ("runs", "others"))
    assert first.test == second.test
    assert first.training.updates == second.training.updates == 299


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


def test_a_training_that_has_ended_is_finished_with_other_settings_of_samples(
    textgen, experiment_file, tmp_path, monkeypatch
):
    def full(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "sample_texts", full)
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
    assert {len(record["text"]) for record in records} == {50}
    assert Run(folder).experiment.sampling.length == 50


def test_what_does_not_fit_is_refused_before_it_is_trained_or_drawn(
    textgen, experiment_file, tmp_path, monkeypatch
):
    done = textgen("run", experiment_file, "--quiet")
    assert done.code == 0, done.err
    for option, setting in (
        (f"--length={10**22}", "generate: length"), ("--samples=10001", "generate: samples"),
        ("--temperature=inf", "generate: temperature"), ("--top-p=nan", "generate: top_p"),
    ):  # fmt: skip
        refused = textgen("generate", tmp_path / "runs/tiny", option)
        assert (refused.code, setting in refused.err) == (2, True), refused.err
    monkeypatch.setattr("textgen.core.system.free_memory", lambda: 40_000)
    refused = textgen("generate", tmp_path / "runs/tiny", "--samples=100")
    assert (refused.code, "100 texts at once" in refused.err) == (2, True)
    monkeypatch.setattr("textgen.runs.pipeline._train", None)
    early = textgen("run", experiment_file, "--name=b", "--set", "sampling.samples=100")
    assert (early.code, "sampling.samples" in early.err) == (2, True)


def test_a_folder_is_locked_prepared_begun_and_replaced(experiment_file, tmp_path, monkeypatch):
    experiment, folder = load_experiment(experiment_file), tmp_path / "r"
    other = load_experiment(experiment_file, ["seed=5"])
    lock = run_folder.prepare_folder(folder, experiment, overwrite=False)
    with pytest.raises(TextgenError, match="another process"):
        run_folder.prepare_folder(folder, experiment, overwrite=True)
    lock.release()
    (folder / "experiment.toml.12-ab.new").write_text("half of it")  # by one that was killed
    for made in (other, experiment):  # the first one stopped before a checkpoint
        run_folder.prepare_folder(folder, made, overwrite=False).release()
        run_folder.begin_folder(folder, made, overwrite=False)
    assert run_folder.stored_experiment(folder).seed == experiment.seed
    (folder / "metrics.json").write_text("{}")
    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "write_experiment", lambda *_: None)  # killed before it
        run_folder.begin_folder(folder, experiment, overwrite=True)
    assert not (folder / "metrics.json").exists()
    run_folder.prepare_folder(folder, experiment, overwrite=True).release()
    (folder / "checkpoint.npz").touch()
    for content in ("{", '{"corpus": null}'):
        (folder / "manifest.json").write_text(content)
        with pytest.raises(TextgenError, match=r"manifest\.json"):
            run_folder.check_same_text(folder, "0" * 64)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear to me")
    with pytest.raises(TextgenError, match="not a run of textgen"):
        run_folder.prepare_folder(tmp_path / "mine", experiment, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "dear to me"


def test_what_the_system_refuses_is_one_message(capsys):
    def fails(error):
        def command(given):
            print("text so far")
            raise error

        return command

    denied = PermissionError(errno.EACCES, "Permission denied", "some file")
    full = OSError(errno.ENOSPC, "No space left on device")
    for error, parts in (
        (denied, ["some file: Permission"]), (MemoryError(), ["memory"]),
        (full, ["standard output: No space left", "free some space"]),
    ):  # fmt: skip
        assert cli.run_command(fails(error), argparse.Namespace(debug=False)) == 2
        shown = capsys.readouterr()
        assert shown.out == "text so far\n"
        for part in parts:
            assert part in shown.err
        with pytest.raises(type(error)):
            cli.run_command(fails(error), argparse.Namespace(debug=True))
        capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["run", "none.toml"], "no such file"),
        (["run", "{file}", "--set", "training.bach=3"], "'batch'"),
        (["run", "{file}", "--set", "corpus.path=elsewhere"], "elsewhere"),
        (["run", "{file}", "--runs", "/proc"], "could not be written"),
        (["generate", "."], "a folder that is no run"),
        (["generate", "{file}"], "the folder of a finished run"),
        (["generate", "nowhere"], "no such folder"),
    ],
)
def test_bad_input_is_refused_in_one_screen_at_once(textgen, experiment_file, arguments, part):
    before = os.times().children_user
    options = (argument.format(file=experiment_file) for argument in arguments[1:])
    done = textgen(arguments[0], *options, process=True)
    assert os.times().children_user - before < 4  # TensorFlow alone takes longer
    assert done.code == 2
    assert part in done.err
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) <= 6


def test_odd_texts_are_read_or_refused(textgen, experiment_file, corpus_folder, tmp_path):
    tales = tmp_path / "tales"
    shutil.copytree(corpus_folder, tales)
    settings = [f"corpus.path={tales}", "training.updates=2"]
    settings += ["tokenizer.kind=words", "tokenizer.rare_words.kind=drop"]
    for document in load_corpus(load_experiment(experiment_file, settings)).validation:
        (tales / document.name).write_text("я" * document.characters, "utf-8")
    done = textgen("run", experiment_file, *(f"--set={setting}" for setting in settings))
    assert (done.code, done.err) == (0, "")
    empty = textgen("generate", tmp_path / "runs/tiny", "--method=article", "--prompt", "яяя")
    assert (empty.code, "no token of this run" in empty.err) == (2, True)
    for text, message in ((" \n", "every document is empty"), ("ab", "more than one window")):
        for document in tales.iterdir():
            document.write_text(text)
        options = (f"--set=corpus.path={tales}", "--set=objective.window=64", "--name=other")
        refused = textgen("run", experiment_file, *options)
        assert (refused.code, message in refused.err) == (2, True)
    assert not (tmp_path / "runs" / "other" / "experiment.toml").exists()


def test_the_console_script_dispatches(capsys):
    for words, code in ((["--help"], 0), (["fly"], 2), ([], 0), (["generate", "--help"], 0)):
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
        ("run", "runs.pipeline.train", True),
        ("study", "studies.execution.run_study", True),
        ("generate", "runs.console.generate_text", False),
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
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")  # the cursor is back
    assert "preparing the text …\n" in again.stdout
