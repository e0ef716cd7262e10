"""The commands as a user runs them; control characters reach a terminal or a page as signs only."""

import argparse
import contextlib
import errno
import importlib
import io
import json
import os
import pkgutil
import pty
import re
import shlex
import shutil
import subprocess
import sys
import time
import types
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest
from conftest import load_progress, made_up, run_python, small_experiment, write_experiment
from rich.console import Console

import textgen as package
from textgen import cli
from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment, load_experiment
from textgen.core.files import write_file
from textgen.core.machine import cores
from textgen.core.tensorflow import tensorflow_in_effect
from textgen.core.terminal import json_line, visible
from textgen.data.loading import load_corpus
from textgen.models.backbones import TABLE
from textgen.runs import console, pipeline, results
from textgen.runs import folder as run_folder
from textgen.runs.console import print_passage
from textgen.runs.finished import Run, score_split
from textgen.training import loop
from textgen.training.checkpoint import Progress
from textgen.training.stream import Stream

pytestmark = pytest.mark.long


def test_weights_are_the_best_for_the_part_that_is_asked_about(finished_run):
    run = Run(finished_run("char", "sampling.part=with_cache", "training.validations=2"))
    validated = [row["validation_bits_per_character"] for row in run.history]
    figures = run.metrics.validation.parts
    assert figures["with_cache"].bits_per_character.total == pytest.approx(min(validated), abs=1e-5)
    assert figures["network"].bits_per_character.total > min(validated) + 0.1


def test_a_run_from_file_to_scores(textgen, experiment_file, tmp_path):
    done = textgen("run", experiment_file)
    folder = tmp_path / "runs" / "tiny"
    run = Run(folder)
    bits = [row["validation_bits_per_character"] for row in run.history]
    assert [row["updates"] for row in run.history] == [20, 40, 60]
    assert bits[0] > bits[-1]
    code = results.commit_of(Path(package.__file__).parent)
    assert (run.manifest.textgen, run.manifest.commit) == (package.__version__, code)
    summary = (folder / "summary.md").read_text()
    for split in (run.metrics.validation, run.metrics.test):
        figures = [split.parts[part].bits_per_character for part in ("network", "with_cache")]
        assert split.parts["with_counts"].bits_per_character == figures[0]
        alone, both = figures
        assert alone.total == alone.model + alone.spelling
        assert 0 < both.total < alone.total - 0.1  # a document tells more than 60 updates
        for figure in (alone.total, both.total):
            assert f"{figure:.4f}" in done.out
            assert f"{figure:.4f}" in summary
    before = (folder / "metrics.json").read_bytes()
    textgen("run", experiment_file, code=2, said="--overwrite")
    for wrong in (
        ["corpus.path=elsewhere"], ['sampling.prompts=["☃"]'], ["objective.window=100_000"],
        ["training.loss=binary", "backbone.adaptive_softmax.head=2"],
    ):  # fmt: skip
        settings = [f"--set={setting}" for setting in wrong]
        textgen("run", experiment_file, "--overwrite", *settings, code=2)
        assert (folder / "metrics.json").read_bytes() == before


def test_text_is_generated(textgen, finished_run):
    folder = finished_run()
    asked = "generate", folder, "--prompt", "The tide", "--length", 60, "--samples", 2
    first, other = textgen(*asked, "--seed", 1), textgen(*asked)
    assert first.err == ""
    assert other.out != first.out
    drawn = json.loads(textgen(*asked, *other.err.split()[:2], "--json").out.splitlines()[1])
    assert drawn["text"] in other.out
    in_python = package.generate_text(folder, "The tide", length=60, samples=2, seed=drawn["seed"])
    assert in_python[1] == drawn
    assert len(drawn["text"]) == 60
    assert textgen(*asked, "--seed", 1, "--part=with_cache").out not in ("", first.out)
    article = textgen("generate", folder, "--method", "article", "--prompt", "The tide watched")
    assert len(article.out.rstrip("\n")) == len("The tide watched")
    refused = "generate", folder, "--method=article", "--part=with_cache", "--prompt=The"
    textgen(*refused, code=2, said="leave out --part")
    unused = "generate", folder, "--method=article", "--prompt=The", "--temperature=0.5"
    textgen(*unused, "--top-k=0", code=2, said="--temperature would have no effect")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_was_ended_ends_the_same(textgen, experiment_file, tmp_path, temporary):
    """A step that is compiled at every update would take a process minutes."""
    settings = "deterministic=true threads=2 updates=299 validations=10".split()
    command = ["run", experiment_file, *(f"--set=training.{setting}" for setting in settings)]
    folder = tmp_path / "runs" / "tiny"
    process = subprocess.Popen(
        [sys.executable, "-m", "textgen", *map(str, command)], cwd=tmp_path, text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    while process.poll() is None and not (folder / "checkpoint.npz").exists():
        time.sleep(0.05)
    process.terminate()
    _, said = process.communicate(timeout=240)
    assert (process.returncode, said) == (143, "\nstopped; repeat the command to continue\n")
    assert list(temporary.iterdir()) == []
    assert not (folder / "metrics.json").exists()
    textgen("run", experiment_file, "--set", "seed=5", code=2, said="different experiment")
    # deterministic operations hold for a whole process
    loud = {"process": True, "TMPDIR": str(temporary), "TF_CPP_MIN_LOG_LEVEL": "0"}
    resumed = textgen(*command, **loud)
    assert re.search(r"^  resuming at update \d+ of 299$", resumed.out, re.M)
    others = textgen(*command, "--runs", "others", **loud)
    assert resumed.err == others.err == ""  # none of TensorFlow's start-up chatter
    assert list(temporary.iterdir()) == []  # nor what TensorFlow rewrites functions to
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["deterministic"]
    threads = min(2, cores())
    assert (manifest["threads"], manifest["threads_of_an_operation"]) == (threads, 1)
    first, second = (Run(tmp_path / place / "tiny").metrics for place in ("runs", "others"))
    assert first.test == second.test


def test_what_this_process_cannot_give_is_refused(
    textgen, experiment_file, tmp_path, finished_run, monkeypatch
):
    """TensorFlow has been started; without such a wish a training takes what there is."""
    from tensorflow.config import threading

    for setting in ("training.deterministic=true", "training.threads=61"):
        with monkeypatch.context() as patch:  # on one core, too
            patch.setitem(tensorflow_in_effect, "threads_of_an_operation", 7)
            refused = textgen("run", experiment_file, "--set", setting, code=2, said="new process")
        assert setting.partition("=")[0] in refused.err
        assert not (tmp_path / "runs").exists()
    manifest = json.loads((finished_run() / "manifest.json").read_text())
    assert manifest["deterministic"] is False
    assert manifest["threads"] == threading.get_inter_op_parallelism_threads()
    assert manifest["threads_of_an_operation"] == threading.get_intra_op_parallelism_threads()


def test_a_training_that_has_ended_is_finished(textgen, experiment_file, tmp_path, monkeypatch):
    few = ["training.updates=3"]
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "sample_texts", Mock(side_effect=MemoryError))
        with pytest.raises(MemoryError):
            package.train(experiment_file, overrides=few, runs_folder=tmp_path / "runs", quiet=True)
    folder = tmp_path / "runs" / "tiny"
    trained_for = load_progress(folder).seconds
    part = "sampling.part=with_cache"  # by which weights are chosen
    textgen("run", experiment_file, "--set", *few, "--set", part, code=2, said="different")
    textgen("run", experiment_file, "--set", *few, "--set", "sampling.length=50")
    run = Run(folder)
    assert run.metrics.training.seconds == trained_for  # it was not trained again
    assert run.experiment.sampling.length == 50
    records = json.loads((folder / "samples.json").read_text())
    assert {len(record["text"]) for record in records} == {50}


def test_a_folder_is_locked_prepared_begun_and_replaced(experiment_file, tmp_path, monkeypatch):
    experiment, folder = load_experiment(experiment_file), tmp_path / "r"
    other = load_experiment(experiment_file, ["seed=5"])

    def prepare(made: Experiment, overwrite: bool) -> None:
        with run_folder.prepared_folder(folder, made, overwrite):
            pass

    with (
        run_folder.prepared_folder(folder, experiment, overwrite=False),
        pytest.raises(TextgenError, match="another process"),
    ):
        prepare(experiment, overwrite=True)
    write_file(folder / "experiment.toml.12-ab.new", "half of it")  # by one that was killed
    for made in (other, experiment):  # the first one stopped before a checkpoint
        prepare(made, overwrite=False)
        run_folder.begin_folder(folder, made, overwrite=False)
    assert load_experiment(folder / "experiment.toml").seed == experiment.seed
    (folder / "metrics.json").write_text("{}")
    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "write_experiment", lambda *_: None)  # killed before it
        run_folder.begin_folder(folder, experiment, overwrite=True)
    assert not (folder / "metrics.json").exists()
    prepare(experiment, overwrite=True)
    for content in ("{", '{"corpus": null}'):
        (folder / "manifest.json").write_text(content)
        with pytest.raises(TextgenError, match=r"manifest\.json"):
            run_folder.other_text(folder, "0" * 64)
    mine = tmp_path / "mine" / "thesis.txt"
    write_file(mine, "dear to me")
    with (
        pytest.raises(TextgenError, match="not a run of textgen"),
        run_folder.prepared_folder(mine.parent, experiment, overwrite=True),
    ):
        pass
    assert mine.read_text() == "dear to me"


def test_only_what_a_run_has_written_is_removed_from_its_folder(experiment_file, tmp_path):
    """A study of the run's name lies in it."""
    folder, experiment = tmp_path / "r", load_experiment(experiment_file)
    kept = {"plan.json", "logs/a-1.txt", "a-1/metrics.json", "a-1/.lock", "notes.txt", "mine.new"}
    kept.add("audit_mine.json")
    gone = {
        "metrics.json", "manifest.json", "checkpoint.npz", "unfinished.model.weights.h5",
        "audit.json", "audit_with_counts.json", "tokens.npz.12-ab.new",
        *run_folder.CHECKED[1:],
    }  # fmt: skip
    for name in kept | gone:
        write_file(folder / name, "something")
    run_folder.write_experiment(folder / "experiment.toml", experiment)
    with run_folder.prepared_folder(folder, experiment, overwrite=True):
        run_folder.begin_folder(folder, experiment, overwrite=True)
    found = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert found - {".lock"} == kept | {"experiment.toml"}


def test_what_a_run_is_refused_for_leaves_no_folder(textgen, experiment_file, tmp_path):
    textgen("run", experiment_file, "--set=corpus.path=nowhere", code=2, said="nowhere")
    textgen("run", experiment_file, "--set=sampling.prompts=['☃']", code=2, said="sampling.prompts")
    assert not [*(tmp_path / "runs").glob("*")]
    own = tmp_path / "runs" / "tiny"
    own.mkdir(parents=True)
    textgen("run", experiment_file, "--set=corpus.path=nowhere", code=2, said="nowhere")
    assert own.is_dir()  # it was there before


def test_several_runs_are_not_asked_for_text_at_once(textgen):
    command = "textgen play runs/a runs/b"
    textgen("generate", "runs/a", "runs/b", "--prompt", "At night", code=2, said=command)


def test_the_commit_of_the_code_is_recorded(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    code = tmp_path / "code"
    write_file(code / "__init__.py", "1")
    assert results.commit_of(code) == ""
    git("init", "--quiet")
    write_file(tmp_path / "README", "1")
    git("add", "README")
    git("commit", "--quiet", "-m", "a package may be installed in somebody's checkout")
    assert results.commit_of(code) == ""
    git("add", ".")
    git("commit", "--quiet", "-m", "code")
    commit = results.commit_of(code)
    assert re.fullmatch("[0-9a-f]{40}", commit)
    write_file(tmp_path / "README", "2")
    assert results.commit_of(code) == commit
    write_file(code / "new.py", "1")
    assert results.commit_of(code) == f"{commit}+dirty"
    write_file(tmp_path / ".git" / "HEAD", "damaged")
    assert results.commit_of(code) == ""


def test_what_the_system_refuses_is_one_message(capsys, monkeypatch):
    for error, said in (
        (PermissionError(errno.EACCES, "Permission denied", "a file"), "a file: Permission"),
        (MemoryError(), "memory"),
        (OSError(errno.ENOSPC, "No space left"), "output: No space left"),
    ):
        monkeypatch.setattr(cli, "resolve_name", Mock(side_effect=error))
        options = {"function": "", "debug": False}
        assert cli.run_command(argparse.Namespace(**options)) == 2
        assert said in capsys.readouterr().err
        with pytest.raises(type(error)):
            cli.run_command(argparse.Namespace(**options | {"debug": True}))


def test_bad_input_is_refused_in_one_screen_at_once(textgen, experiment_file):
    bad = ["run", experiment_file, "--set=corpus.path=elsewhere"], ["generate", "elsewhere"]
    for command in bad:
        noisy = {"process": True, "PYTHONPROFILEIMPORTTIME": "1"}
        done = textgen(*command, code=2, said="elsewhere", **noisy)
        lines = done.err.splitlines()
        said = [line for line in lines if not line.startswith("import time:")]
        assert len(lines) > 100
        assert not re.search(r"[| ]tensorflow", done.err)  # a module of ours is called so, too
        assert 1 <= len(said) <= 6


def test_odd_texts_are_read_or_refused(textgen, experiment_file, corpus_folder, tmp_path):
    tales = shutil.copytree(corpus_folder, tmp_path / "tales")
    settings = [f"corpus.path={tales}", "training.updates=2", "cache.orders=[]"]
    settings += ["tokenizer.kind=words", "tokenizer.rare_words.kind=drop"]
    for document in load_corpus(load_experiment(experiment_file, settings)).validation:
        (tales / document.name).write_text("я" * document.characters, "utf-8")
    assert textgen("run", experiment_file, *(f"--set={setting}" for setting in settings)).err == ""
    article = "generate", tmp_path / "runs/tiny", "--method=article", "--prompt=яяя"
    textgen(*article, code=2, said="on the tokens of a text")
    for text, message in ((" \n", "every document is empty"), ("ab", "more than one window")):
        for document in tales.iterdir():
            document.write_text(text)
        options = (f"--set=corpus.path={tales}", "--set=objective.window=64", "--name=other")
        textgen("run", experiment_file, *options, code=2, said=message)
    assert not (tmp_path / "runs" / "other" / "experiment.toml").exists()
    textgen("run", document, code=2, said=f"--set corpus.kind=file --set corpus.path={document}")


def test_the_console_script_dispatches_and_says_its_version(capsys):
    version = f"textgen {package.__version__}\n"
    for line, code, said in (("", 0, "play"), ("fly", 2, "play"), ("run --version", 0, version)):
        with pytest.raises(SystemExit) as end:
            cli.main(line.split())
        assert (end.value.code, said in "".join(capsys.readouterr())) == (code, True)


def test_only_what_goes_on_when_repeated_says_so(textgen, monkeypatch):
    for command, function, goes_on in (
        ("run", "runs.pipeline.train", True), ("study", "studies.execution.run_study", True),
        ("generate", "runs.console.generate_text", False),
    ):  # fmt: skip
        monkeypatch.setattr(f"textgen.{function}", Mock(side_effect=KeyboardInterrupt))
        done = textgen(command, "some.toml", code=130, said="\nstopped")
        assert ("continue" in done.err) == goes_on
        if goes_on:  # what a study has replaced is found again by the same command
            again = (
                "to restart, or without --overwrite"
                if command == "run"
                else "repeat the command to"
            )
            textgen(command, "some.toml", "--overwrite", code=130, said=again)


def test_a_file_is_written_whatever_its_text_and_nothing_else_is_written_over(tmp_path):
    write_file(tmp_path / "a", "half a \udcff pair")
    assert (tmp_path / "a").read_bytes() == rb"half a \udcff pair"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TextgenError, match="neither a file nor a folder"):
        write_file(tmp_path / "pipe", "a")
    assert (tmp_path / "pipe").is_fifo()


def test_public_names_are_no_modules_however_much_is_imported():
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"textgen.{module.name}")
    for name in package.__all__:
        assert not isinstance(getattr(package, name), types.ModuleType), name


@pytest.mark.slow
def test_a_terminal_never_stands_still_and_a_pipe_gets_lines(textgen, experiment_file, tmp_path):
    main, side = pty.openpty()
    command = [sys.executable, "-m", "textgen.run", experiment_file]
    text = experiment_file.read_text()
    experiment_file.write_text(text.replace("updates = 60", "seconds = 2"))
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
    assert len(times) > 2 * (times[-1] - times[0])  # the bars move, on a busy machine as well
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")  # the cursor is back
    experiment_file.write_text(text.replace("updates = 60", "updates = 2"))
    assert "\x1b" not in textgen("run", experiment_file, "--overwrite").out


@pytest.mark.parametrize("arm", ["char", "word"])
def test_training_on_adds_to_what_a_run_has_learnt(finished_run, tmp_path, arm, monkeypatch):
    before, starts, inner = Run(finished_run(arm)), [], Stream.batches
    monkeypatch.setattr(Stream, "batches", lambda *a: starts.append(a[1:]) or inner(*a))
    after = package.train(before.folder, more=40, runs_folder=tmp_path, quiet=True)
    assert after.folder.name == f"{arm}-more40"
    now, then = after.metrics.training, before.metrics.training
    assert now.updates == now.updates_planned == then.updates + 40
    assert (then.updates,) in starts
    assert now.characters == pytest.approx(2 * then.characters, abs=1)
    validated = {"char": [40, 80], "word": [20, 40, 60, 80]}  # words: every epoch
    assert [row["updates"] for row in after.history] == validated[arm]
    best = min(after.history, key=lambda row: row["validation_bits_per_character"])
    assert now.best_interval == best["interval"] == after.history.index(best) + 1
    assert now.seconds == pytest.approx(after.history[-1]["seconds"])
    totals = [run.bits() for run in (after, before)]
    assert totals == sorted(totals)


@pytest.mark.parametrize("arm", ["char", "word"])
def test_a_run_keeps_its_curve_and_training_on_goes_on_with_it(finished_run, tmp_path, arm):
    changes = ("training.curve=400", "training.updates=8", "training.validations=1")
    run = Run(finished_run(arm, *changes))
    curve = run.metrics.curve
    assert [point.updates for point in curve.points] == [1, 2, 4, 8]
    assert 350 < sum(curve.characters) <= 400
    (name,) = curve.documents
    assert name in {document.name for document in run.corpus.validation}
    first, *_, last = (sum(point.bits) / sum(curve.characters) for point in curve.points)
    assert last < first < 12
    assert {len(point.sample) for point in curve.points} == {200}
    after = package.train(run.folder, more=4, runs_folder=tmp_path, quiet=True).metrics.curve
    assert [point.updates for point in after.points] == [1, 2, 4, 8, 9, 10, 12]
    measured = {"compute"}  # the preparation is timed once more
    for now, before in zip(after.points, curve.points, strict=False):
        assert now.model_dump(exclude=measured) == before.model_dump(exclude=measured)
    training = run.metrics.training
    last = curve.points[-1]
    assert last.compute == training.compute
    assert last.passes == pytest.approx(training.passes, abs=1e-3)
    seconds = training.updates * training.seconds_per_update
    assert last.compute_without_preparation == pytest.approx(seconds)
    assert last.compute == last.compute_without_preparation + training.preparation_seconds
    assert last.multiplications == training.multiplications > 0
    for point in curve.points:
        assert point.characters == pytest.approx(last.characters * point.updates / 8)
        assert point.multiplications * 8 == last.multiplications * point.updates
    more = after.points[-1]
    assert more.compute_without_preparation > last.compute_without_preparation
    assert more.characters == pytest.approx(last.characters * 12 / 8)
    assert more.multiplications * 8 == last.multiplications * 12


def test_a_record_without_stages_has_an_end_with_compute(finished_run, tmp_path):
    kept = shutil.copytree(finished_run(), tmp_path / "char")
    file = kept / "metrics.json"
    metrics = json.loads(file.read_text("utf-8"))
    now = Run(kept).metrics.training
    assert now.multiplications is not None
    for name in ("stages", "compute", "compute_without_preparation", "multiplications"):
        del metrics["training"][name]
    file.write_text(json.dumps(metrics), "utf-8")
    assert Run(kept).metrics.training.compute == pytest.approx(now.compute)
    assert Run(kept).metrics.training.multiplications is None
    assert Run(kept).metrics.curve is None
    del metrics["training"]["seconds_per_update"]
    file.write_text(json.dumps(metrics), "utf-8")
    assert Run(kept).metrics.training.compute is None


def test_training_on_counts_a_cooling_from_the_first_update_of_all(
    finished_run, tmp_path, monkeypatch
):
    kept = shutil.copytree(finished_run(), tmp_path / "kept" / "char")
    metrics = json.loads((kept / "metrics.json").read_text("utf-8"))
    cooled = {"cooled_from": 20, "cooling_start": 30, "cooling_updates": 10, "position": 30}
    metrics["training"] |= cooled
    (kept / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    starts, inner, train = [], Stream.batches, loop.train
    monkeypatch.setattr(Stream, "batches", lambda *a: starts.append(a[1:]) or inner(*a))
    on = {"more": 2, "runs_folder": tmp_path, "quiet": True}
    now = package.train(kept, **on).metrics.training
    assert (30,) in starts  # ten of the 40 updates have read once more what came after the 20th
    assert (now.cooled_from, now.cooling_start, now.cooling_updates) == (20, 30, 10)
    assert (now.updates, now.position) == (42, 32)
    cooling = {"cooled_from": 1, "cooling_start": 2, "cooling_updates": 1, "position": 31}
    monkeypatch.setattr(loop, "train", lambda *a: replace(train(*a), **cooling))
    now = package.train(kept, name="again", **on).metrics.training
    assert (now.cooled_from, now.cooling_start, now.cooling_updates) == (41, 42, 1)
    assert now.position == 31  # both have gone back


# one of every kind, with what else changes a graph
NETWORKS = {
    "lstm": ["backbone.adaptive_softmax.head=9", "backbone.dropout=0.2"],
    **{kind: [f"backbone.kind={kind}"] for kind in TABLE if kind != "lstm"},
    "decoder": ['objective={kind="encoder_decoder",read=8,write=4}'],
}
AS_USERS_DO = """
import json, sys
from functools import partial
from textgen import cli
from textgen.runs import generation
generation.Evaluation = partial(generation.Evaluation, samples=2, length=50, prompted=30)
for name, settings in json.loads(sys.argv[1]).items():
    changes = [f"--set={setting}" for setting in settings]
    assert cli.main(["run", "tiny.toml", "--name", name, "--quiet", *changes]) == 0
    assert cli.main(["generate", f"runs/{name}", "--length=30", "--seed=1"]) == 0
    assert cli.main(["score", f"runs/{name}", "--text=The tide left."]) == 0
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_kind_of_network_runs_in_the_graphs_that_users_have(experiment_file, tmp_path):
    """Whole commands in a process without this one's plain graphs, which then score the same."""
    shared = ["backbone.input=embedding", "backbone.embedding_size=8", "training.updates=20"]
    shared += ["sampling.length=30", "sampling.samples=1", "training.validations=1"]
    runs = {name: [*settings, *shared] for name, settings in NETWORKS.items()}
    done = run_python(
        "-c", AS_USERS_DO, json.dumps(runs), folder=experiment_file.parent, seconds=850
    )
    assert done.code == 0, done.err
    for name in runs:
        run = Run(tmp_path / "runs" / name)
        parts = score_split(run, "test")["parts"]
        for part, figures in run.metrics.test.parts.items():
            total = parts[part]["bits_per_character"]["total"]
            assert total == pytest.approx(figures.bits_per_character.total, abs=1e-3), (name, part)


def test_what_gains_nothing_keeps_the_weights_of_before(finished_run, tmp_path, capsys):
    file, worse = finished_run() / "experiment.toml", ["training.learning_rate=1.0"]
    worse += ["training.updates=2"]
    after = package.train(file, more=2e6, overrides=worse, runs_folder=tmp_path)
    shown = "".join(capsys.readouterr())
    assert after.folder.name == "char-more2000000"
    assert "nothing gained" in shown
    assert after.metrics.training.best_interval == 1
    totals = [run.bits() for run in (after, Run(finished_run()))]
    assert totals[0] == pytest.approx(totals[1], abs=1e-6)
    again = {"name": after.folder.name, "runs_folder": tmp_path, "overwrite": True}
    with pytest.raises(TextgenError, match="cannot replace the one that it starts from"):
        package.train(after.folder, more=1, **again)
    assert Run(after.folder).history


def test_a_decoder_is_trained_by_the_binary_loss_and_reported(finished_run):
    decoder = 'objective={kind="encoder_decoder",read=8,write=4}'
    metrics = Run(finished_run("char", decoder, "training.loss=binary")).metrics
    assert len(metrics.test.model_bits_by_position) == 4
    assert metrics.training.final_loss < 1  # of each of the tokens that could come


def test_another_text_or_model_or_an_unfinished_run_is_not_trained_on(finished_run, tmp_path):
    for change, part in (
        ("tokenizer.kind=subwords", "tokenizer"), ("split.seed=5", "text"),
        ("backbone.units=[8]", "network"), ("objective.window=8", "network"),
    ):  # fmt: skip
        other = {"overrides": [change], "runs_folder": tmp_path, "quiet": True}
        with pytest.raises(TextgenError, match=f"training.start: .* another {part}"):
            package.train(finished_run(), more=10, **other)
    kept = shutil.copytree(finished_run(), tmp_path / "kept" / "char")
    metrics = json.loads((kept / "metrics.json").read_text("utf-8"))
    metrics["corpus"]["sha256"] = "0" * 64  # another text in files of the same names
    (kept / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    with pytest.raises(TextgenError, match="another text"):
        package.train(kept, more=10, runs_folder=tmp_path, quiet=True)
    assert not list(tmp_path.glob("*/experiment.toml"))
    with pytest.raises(TextgenError, match=f"{tmp_path}/char_small"):
        package.train("char_small", more=10, runs_folder=tmp_path)


def test_the_command_of_a_run_trains_it_again_where_it_lies(monkeypatch):
    train = Mock()
    monkeypatch.setattr("textgen.runs.pipeline.train", train)
    command = shlex.split(results.repeat_command(Path("my runs/char")))
    assert command[:3] == ["python", "-m", "textgen"]
    cli.main(command[3:])
    given = train.call_args.kwargs
    assert str(given["experiment"]) == "my runs/char/experiment.toml"
    assert (str(given["runs_folder"]), given["overwrite"]) == ("my runs", True)


def test_an_experiment_in_python_is_changed_like_a_file(finished_run, tmp_path):
    given = Run(finished_run()).experiment
    before, changes = json.dumps(given.resolved), ["training.updates=1"]
    run = package.train(given, name="b", overrides=changes, runs_folder=tmp_path, quiet=True)
    assert (run.folder.name, run.metrics.training.updates) == ("b", 1)
    assert json.dumps(given.resolved) == before


WORDS = (
    "tokenizer.kind=words objective.window=8 backbone.input=embedding backbone.embedding_size=16 "
    "training.updates=20 training.validations=1 tokenizer.minimum_count=75"
).split()


@pytest.fixture
def trained(textgen, experiment_file, tmp_path):
    """Trains a run of words with some settings: its folder, and what was printed."""

    def train(*more):
        done = textgen("run", experiment_file, *(f"--set={each}" for each in (*WORDS, *more)))
        return tmp_path / "runs" / "tiny", done.out

    return train


def test_a_word_arm_from_file_to_marked_text(textgen, trained):
    folder, printed = trained(
        "tokenizer.rare_words.kind=pos", "backbone.adaptive_softmax.head=12",
        "backbone.dropout=0.2",
        'embedding={kind="word2vec", epochs=1, frozen=true}',
    )  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text())
    summary = (folder / "summary.md").read_text()
    for part in ("validation", "test"):
        bits = metrics[part]["parts"]["network"]["bits_per_character"]
        rate = metrics[part]["replacement_rate"]
        assert bits["total"] == bits["model"] + bits["spelling"]
        assert bits["spelling"] > 0
        assert 0.05 < rate < 0.9
        for figure in (f"{bits['total']:.4f}", f"{bits['spelling']:.4f}", f"{rate:.2%}"):
            assert figure in summary
            assert figure in printed
    assert any("spaCy" in data for data in metrics["extra_data"])

    asked = "generate", folder, "--length=300", "--seed=3", "--temperature=1.2"
    scored, marked = (textgen(*asked, *options).out for options in ((), ("--marked",)))
    writes = partial(package.load_run(folder).generate, length=300)
    pool, marks = (writes(seed=3, temperature=1.2, fill=f)[0]["text"] for f in ("pool", "mark"))
    assert (" NN]" in marked, "<NN>" in marks) == (True, True)
    assert scored.rstrip("\n") not in (pool, marks)
    assert len(scored.rstrip("\n")) == 300
    for record in writes(temperature=1.5, samples=4, seed=1):
        assert len(record["text"]) == 300
        assert record["filled"]
        assert all(0 <= start < end <= 300 for start, end, _ in record["filled"])


def test_an_arm_that_does_not_pay_or_has_no_cache_prints_no_figure(textgen, trained):
    folder, printed = trained(
        'tokenizer.rare_words={kind="drop", charged=false}', "cache.orders=[]",
        'embedding={kind="fasttext", epochs=1}',
    )  # fmt: skip
    assert package.load_run(folder).bits() is None
    scored = textgen("score", folder, "--text", "The tide left.")
    for shown in (printed, scored.out, (folder / "summary.md").read_text()):
        assert "not a distribution over the text" in shown
    assert not re.search(r"\d bpc", printed)
    assert not re.search(r"\d bits|bits per character", scored.out)
    textgen("generate", folder, "--part=with_cache", code=2, said="needs [cache] orders")


OBEYED = {*map(chr, range(32))} - {"\n", "\t"} | {
    *map(chr, (*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
}
"""What a terminal would act upon, or what would turn a line around."""
HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\r\x08 \u202e live \u2066[bold]b[/bold] \x7f\x85"


def test_every_control_character_is_a_sign_of_the_same_length():
    everything = "".join(map(chr, range(0x3000)))
    assert len(visible(everything)) == len(everything)
    assert visible("\x1b\r\x7f\u202e\n\té☃") == "␛␍␡\ufffd\n\té☃"
    line, message = json_line({"text": HOSTILE}), str(TextgenError(f"{HOSTILE}\n", f"a\n{HOSTILE}"))
    for shown in (visible(everything), line, message):
        assert not OBEYED & {*shown}
    assert json.loads(line) == {"text": HOSTILE}
    assert len(message.splitlines()) == 2  # the sentence, the hint


def test_commands_show_them(textgen, tmp_path):
    for i in range(6):
        text = made_up(20, i).replace(" the", f" {HOSTILE} the")
        write_file(tmp_path / "tales" / f"{i}\x1b[2J\u202e.txt", text)
    file, run = write_experiment(tmp_path / "tiny.toml", tmp_path / "tales"), "runs/tiny"
    prompts = json.dumps(["\x1b[2J \u202e"])
    short = ["--set", "training.updates=10", "--set", f"sampling.prompts={prompts}"]
    for command in (
        ["run", file, *short], ["corpus", file], ["corpus", file, "--json"],
        ["generate", run, "--prompt", "\x1b[2J \u202e", "--length=300", "--temperature=2"],
        ["generate", run, "--prompt", "\x1b[2J \u202e", "--json", "--temperature=2"],
        ["score", run, "--text", HOSTILE], ["score", run, "--text", HOSTILE, "--json"],
        ["compare", run, "--title", HOSTILE],
    ):  # fmt: skip
        done = textgen(*command)
        assert not OBEYED & {*done.out, *done.err}, command
        assert "\N{SYMBOL FOR ESCAPE}[2J" in done.out or command[0] != "run"
    (page,) = (tmp_path / "reports").glob("*/index.html")
    assert not OBEYED & {*page.read_text("utf-8")}
    assert "␛[2J" in page.read_text("utf-8")


def test_names_and_texts_are_no_markup(tmp_path, capsys):
    bits = {"network": 9.0, "with_cache": 8.0}
    stretches = [{"text": text, **bits} for text in (HOSTILE, "[red]a[/red]")]
    figures = {"end": 12.0, "model": 20.0, "spelling": 2.0, "total": 22.0}
    figures |= {"bits_per_character": 2.2, "bits_per_character_without_end": 1.1111}
    parts = dict.fromkeys(bits, figures)
    print_passage({"characters": 9, "stretches": stretches, "parts": parts}, "network")
    printed = capsys.readouterr().out
    assert "[red]a[/red]" in printed
    assert not OBEYED & {*printed}
    for i in range(6):
        (tmp_path / f"{i}[bold]b[link=x].txt").write_text(made_up(20, i), encoding="utf-8")
    made = small_experiment(corpus={"kind": "folder", "path": str(tmp_path)})
    screen = console.Screen()
    screen.console = Console(file=io.StringIO(), force_terminal=True, width=200)
    screen.loud = screen.console
    loaded = replace(load_corpus(made), how="so", warning=f"{HOSTILE} cannot be reached")
    screen.corpus(made, loaded, replace(made, left_out=("settings left out: x",)))
    shown = screen.console.file.getvalue()
    assert "settings left out: x" in shown  # also of an arm that is not the first
    assert "[bold]b[link=x]" in shown
    for part, documents in loaded.parts.items():
        characters = sum(len(document.text) for document in documents)
        assert f"{part} {len(documents)} documents {characters:,} characters" in shown
    assert not re.search("\x1b\\[2J|\x07", shown)


def test_a_passage_is_coloured_by_the_part_that_is_asked_about(capsys, monkeypatch):
    monkeypatch.setattr(console, "Console", partial(Console, force_terminal=True, width=80))
    figures = {"end": 1.0, "model": 30.0, "spelling": 2.0, "total": 32.0}
    figures |= {"bits_per_character": 8.0, "bits_per_character_without_end": 7.0}

    def shown(part, **bits):
        stretches, parts = [{"text": "abc", **bits}], dict.fromkeys(bits, figures)
        print_passage({"characters": 3, "stretches": stretches, "parts": parts}, part)
        return capsys.readouterr().out.splitlines()[0]

    dear = shown("network", network=30.0, with_cache=0.3)
    cheap = shown("with_cache", network=30.0, with_cache=0.3)
    assert dear == shown("with_cache", network=0.3, with_cache=30.0) != cheap
    assert cheap == shown("network", network=0.3, with_cache=30.0)


def test_a_pipe_gets_a_line_now_and_then_in_place_of_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(console, "LINE_SECONDS", 0.02)
    prepared = types.SimpleNamespace(
        # with the end mark, two tokens of four characters
        encoded=[[types.SimpleNamespace(tokens=[1], characters=3, replaced=0)]],
        tokenizer=types.SimpleNamespace(charged=True),
    )
    screen, progress = console.Screen(), Progress(updates_per_interval=40, intervals=1)
    with screen.stage("compiling"):
        time.sleep(0.2)
        display = console.TrainingDisplay(screen, prepared)
        display.start(progress)
        for updates in (10, 20, 30):
            display.update(updates, 2.5)
            time.sleep(0.2)
    shown = capsys.readouterr().out
    assert shown.startswith("compiling …\n")
    assert re.search(r"(?s) elapsed\n.*[23]0/40 updates [^\n]*1\.250 bpc", shown)
    assert not OBEYED & {*shown}
    time.sleep(0.1)
    assert capsys.readouterr().out == ""
