"""A finished run as an object: read lazily, loaded once, shown in one line or as a table."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, write_experiment

import textgen
from textgen import cli, models
from textgen.core.errors import TextgenError
from textgen.data.loading import load_corpus
from textgen.runs.finished import Run
from textgen.runs.results import describe_run
from textgen.runs.schemas import Bits, Figures
from textgen.runs.scoring import SHOWN, Tokens, html_table, score_part

OVERRIDES = ['tokenizer={kind="words", rare_words="unk", minimum_count=90}']
TEXT = "The tide left a zymurgical ☃ bell."


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus_folder) -> Run:
    home = tmp_path_factory.mktemp("finished")
    path = write_experiment(home / "tiny.toml", corpus_folder)
    return textgen.train(path, overrides=OVERRIDES, runs_folder=home / "runs", quiet=True)


@pytest.fixture(scope="module")
def weak(tmp_path_factory, corpus_folder) -> Run:
    """A run that knows how often each character occurs and nothing of what came before."""
    home = tmp_path_factory.mktemp("weak")
    path = write_experiment(home / "weak.toml", corpus_folder)
    own = ["training.updates=10", "training.learning_rate=1e-9", "sampling.length=500"]
    own += ['sampling.prompts=["", "The tide"]']
    return textgen.train(path, overrides=own, runs_folder=home / "runs", quiet=True)


def assert_nothing_shared(texts, characters=60):
    """No two of some texts have a stretch of so many characters in common."""
    seen = {}
    for number, text in enumerate(texts):
        for start in range(len(text) - characters + 1):
            stretch = text[start : start + characters]
            assert seen.setdefault(stretch, number) == number, stretch


def test_the_python_example_runs_after_the_first_step_of_the_tour(
    tmp_path, corpus_folder, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    for units, name in enumerate(("char_small", "word_small"), start=20):
        path = write_experiment(tmp_path / f"experiments/{name}.toml", corpus_folder)
        assert cli.main(["run", str(path), "--quiet", "--set", f"backbone.units=[{units}]"]) == 0
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall("## In Python\n\n```python\n(.*?)```", readme, flags=re.DOTALL)
    for _ in range(2):
        exec(code.replace("updates=500", "updates=20"), {})
    with pytest.raises(TextgenError, match="overwrite=True"):
        textgen.train("experiments/char_small.toml")


@pytest.mark.parametrize("memory", [False, True])
def test_texts_of_other_prompts_and_samples_are_drawn_with_other_random_numbers(weak, memory):
    prompts = ("The tide", "The old harbour", "")
    settings = {"length": 400, "memory": memory, "samples": 2, "seed": 1}
    records = [record for prompt in prompts for record in weak.generate(prompt, **settings)]
    assert_nothing_shared(record["text"] for record in records)
    (alone,) = weak.generate(prompts[0], **{**settings, "samples": 1})
    assert alone["text"] == records[0]["text"]


def test_the_texts_that_a_run_writes_at_its_end_share_no_random_numbers(weak):
    own = json.loads((weak.folder / "samples.json").read_text())
    texts = [record["text"] for record in own if record["method"] == "sample"]
    texts += [text["text"] for each in weak.texts["sweep"] for text in each["texts"]]
    texts += [record["text"] for record in weak.texts["prompted"]]
    assert len(texts) > 80
    assert_nothing_shared(texts)


def test_everything_but_the_network_is_read_without_tensorflow(trained):
    code = (
        "import sys, textgen\n"
        f"run = textgen.load_run({str(trained.folder)!r})\n"
        "run.check()\n"
        "parts = run.history, run.tokenizer, run.memory, run.token_bits, run.texts\n"
        "assert all(parts) and run.charged and run.token_bits is run.token_bits\n"
        "print(repr(run), run._repr_html_())\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_a_run_returns_is_the_run_of_its_folder(trained):
    assert isinstance(trained, Run)
    assert os.fspath(trained) == str(trained.folder)
    assert textgen.load_run(trained) is trained
    again = textgen.load_run(str(trained.folder))
    assert again.metrics == trained.metrics
    assert again.experiment.resolved == trained.experiment.resolved
    assert [row["updates"] for row in again.history] == [20, 40, 60]
    assert again.network.count_params() == again.metrics["training"]["parameters"]


def test_the_network_is_loaded_once_and_its_loop_compiled_once(trained, monkeypatch):
    run, loaded = Run(trained.folder), []
    monkeypatch.setattr(models, "check_loading", lambda *given: loaded.append(given))
    first = run.generate("The tide", length=40, seed=3)
    assert run.generate("The tide", length=40, seed=3) == first
    assert run.generate("The keeper left", length=30, temperature=1.3)
    assert run.sampler._loop.cache_info().misses == 1
    assert run.score(TEXT) == run.score(TEXT)
    assert run.tokens(TEXT)
    assert run.generate("The tide", method="article")[0]["method"] == "article"
    assert len(loaded) == 1


def test_functions_take_a_run_or_its_folder(trained):
    for given in (trained, trained.folder, str(trained.folder)):
        assert textgen.score_text(given, TEXT) == trained.score(TEXT)
        assert textgen.generate_text(given, "The tide", length=40, seed=1) == trained.generate(
            "The tide", length=40, seed=1
        )


@pytest.mark.parametrize("text", [TEXT, "", "☃", " the\n\ntide  "])
def test_the_bits_of_tokens_add_up_to_the_score(trained, text):
    tokens = trained.tokens(text)
    assert "".join(token["text"] for token in tokens) == text
    assert [text[token["start"] : token["end"]] for token in tokens] == [t["text"] for t in tokens]
    score = trained.score(text)
    assert tokens.bits.shape == (len(tokens),)
    assert tokens.bits.sum() == pytest.approx(score["total"])
    assert sum(token["spelling"] for token in tokens) == pytest.approx(score["spelling"])
    assert tokens.bits[-1] == pytest.approx(score["end"])
    assert tokens[-1]["text"] == ""


def test_tokens_are_a_table_for_pandas(trained):
    pandas = pytest.importorskip("pandas")
    tokens = trained.tokens(TEXT)
    table = pandas.DataFrame(tokens)
    assert list(table) == ["text", "start", "end", "model", "spelling", "with_memory"]
    np.testing.assert_allclose(table["model"] + table["spelling"], tokens.bits)


UNCHARGED = {"bits_per_character": None, "mean_over_documents": None}


def test_a_run_is_shown_in_one_line_and_as_an_escaped_table(trained):
    run = Run(trained.folder)
    total = run.metrics["test"]["bits_per_character"]["total"]
    assert repr(run) == f"<Run 'tiny' in {run.folder}: {total:.4f} bits per character>"
    run.experiment = dataclasses.replace(run.experiment, name="<b>&")
    run.metrics = run.metrics.model_copy(update={"test": Figures(**UNCHARGED)})
    shown = run._repr_html_()
    assert "<th>&lt;b&gt;&amp;</th>" in shown
    assert "not a distribution over the text" in shown
    assert "<b>" not in shown
    assert not run.charged


def test_tables_of_tokens_are_cut_and_escaped():
    token = {"text": "<", "start": 0, "end": 1, "model": 1.0, "spelling": 0.5}
    shown = Tokens([token] * (SHOWN + 1))._repr_html_()
    assert shown.count("<tr>") == 1 + SHOWN + 1
    assert shown.count("&#x27;&lt;&#x27;") == SHOWN
    assert html_table(("a",), []) == "<table><tr><th>a</th></tr></table>"


def test_a_learning_curve_is_drawn(trained):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    assert trained.plot(axes) is axes
    (line,) = axes.lines
    assert line.get_xdata().tolist() == [20, 40, 60]
    expected = [row["validation_bits_per_character"] for row in trained.history]
    np.testing.assert_allclose(line.get_ydata(), expected)


def test_a_sum_that_differs_from_the_figures_is_a_damaged_run(trained):
    run = Run(trained.folder)
    bits = Bits(model=1.0, spelling=0.0, total=1.0)
    test = run.metrics.test.model_copy(update={"bits_per_character": bits})
    run.metrics = run.metrics.model_copy(update={"test": test})
    with pytest.raises(TextgenError, match=r"damaged run(.|\n)*adds up to"):
        _ = run.token_bits


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity mask here")
def test_the_cores_of_a_run_are_those_it_may_use(trained, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    loaded = load_corpus(trained.experiment)
    assert describe_run(trained.experiment, loaded, trained.folder)["cores"] == 1


def test_a_text_to_score_has_a_character(trained, textgen, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    for option, value in (("--text", ""), ("--file", "empty.txt")):
        refused = textgen("score", trained.folder, option, value)
        assert (refused.code, refused.out) == (2, "")
        assert (value or option) in refused.err
    assert textgen("score", trained.folder, "--text", " ").code == 0


def test_the_name_of_a_run_alone_suggests_its_folder(trained, textgen, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "runs" / "char_small")
    for name in ("char_small", "char_smal"):
        refused = textgen("generate", name)
        assert refused.code == 2
        assert "runs/char_small" in refused.err


def test_every_part_of_the_text_can_be_scored(trained, capsys):
    for part in ("validation", "test"):
        assert cli.main(["score", str(trained.folder), "--part", part, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        total = trained.metrics[part]["bits_per_character"]["total"]
        assert found["bits_per_character"]["total"] == pytest.approx(total)
        assert found["documents"] == trained.metrics["corpus"][part]["documents"]
    assert cli.main(["score", str(trained.folder), "--part", "train"]) == 0
    printed = capsys.readouterr().out
    found = score_part(trained, "train")
    assert found["characters"] == trained.metrics["corpus"]["train"]["characters"]
    assert f"= {found['bits_per_character']['total']:.4f} bits per character" in printed
    remembered = found["with_memory"]["bits_per_character"]["total"]
    assert f"with a memory of each document: {remembered:.4f}" in printed
    assert "not a figure for text it has not seen" in printed


def test_a_process_killed_while_it_writes_weights_leaves_nothing_once_repeated(tmp_path):
    program = """if True:
        import os, pathlib, signal, sys
        from textgen.runs.folder import save_network
        class Network:
            def save_weights(self, path):
                pathlib.Path(path).write_bytes(b"weights")
                if sys.argv[1] == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
        save_network(pathlib.Path.cwd(), Network())
    """
    for how, code, files in (("killed", -9, {"unfinished"}), ("whole", 0, {"model"})):
        done = subprocess.run([sys.executable, "-c", program, how], cwd=tmp_path)
        assert done.returncode == code
        assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == files
    assert (tmp_path / "model.weights.h5").read_bytes() == b"weights"
