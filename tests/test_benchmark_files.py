"""The experiment files of published benchmarks, and the script that cuts them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import zipfile

import pytest
from conftest import ROOT, made_up

from textgen.core.experiment import load_experiment
from textgen.data.loading import load_corpus

FOLDER = ROOT / "experiments" / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.fixture
def cutting():
    spec = importlib.util.spec_from_file_location("cut_of_a_test", FOLDER / "cut.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_cut_never_falls_into_a_character(cutting):
    for text in ("aé€😀" * 50, "€" * 7, "plain" * 20, "é"):
        data = text.encode()
        parts = cutting.cut(data)
        assert list(parts) == ["train", "valid", "test"]
        assert b"".join(parts.values()) == data
        assert "".join(part.decode() for part in parts.values()) == text
    sizes = [len(part) for part in cutting.cut(b"x" * 1000).values()]
    assert sizes == [900, 50, 50]


def test_an_archive_of_one_file_is_read(cutting, tmp_path):
    with zipfile.ZipFile(tmp_path / "text8.zip", "w") as archive:
        archive.writestr("text8", "the tide" * 10)
    assert cutting.read(tmp_path / "text8.zip") == b"the tide" * 10


@pytest.mark.parametrize("name", NAMES)
def test_every_file_says_where_its_text_comes_from(name):
    experiment = load_experiment(f"benchmarks/{name}")
    assert experiment.corpus.source
    assert experiment.fallback is None
    assert experiment.corpus.licence != "the user's own"
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"`{name}`" in readme


def lines(count, seed):
    sentences = re.findall(r"[^.!?;]+", made_up(2 * count, seed).replace("\n\n", " "))[:count]
    return "".join(f" {' '.join(s.lower().split())} \n" for s in sentences if s.strip())


@pytest.mark.parametrize("name", ["ptb_word", "ptb_char", "wikitext2_word"])
def test_a_folder_as_published_is_read_on_its_own_split(name, tmp_path):
    pattern = "wiki.{}.tokens" if name.startswith("wiki") else "ptb.{}.txt"
    for seed, part in enumerate(("train", "valid", "test")):
        text = lines(40 if part == "train" else 12, seed)
        (tmp_path / pattern.format(part)).write_text(text, encoding="utf-8")
    (tmp_path / "ptb.char.test.txt").write_text("t h e", encoding="utf-8")
    (tmp_path / "README").write_text("about", encoding="utf-8")
    experiment = load_experiment(f"benchmarks/{name}", [f"corpus.path={tmp_path}"])
    loaded = load_corpus(experiment)
    for part, word in (("train", "train"), ("validation", "valid"), ("test", "test")):
        (document,) = getattr(loaded, part)
        assert document.name == pattern.format(word)
        assert not re.search(r"^ | $", document.text, re.MULTILINE)


def test_tiny_shakespeare_is_cut_as_nanogpt_cuts_it(tmp_path):
    text = "".join(f"{made_up(4, i)}\n\n" for i in range(90))
    path = tmp_path / "input.txt"
    path.write_text(text, encoding="utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    changes = [f"corpus.path={path}", f"corpus.sha256={digest}"]
    for name in ("char", "transformer", "subword", "word", "char_tuned", "word_tuned"):
        experiment = load_experiment(f"benchmarks/tiny_shakespeare_{name}", changes)
        loaded = load_corpus(experiment)
        assert "".join(d.text for d in loaded.test) == text[int(0.9 * len(text)) :]
        whole = "".join(d.text for d in (*loaded.train, *loaded.validation, *loaded.test))
        first = "".join(d.text for d in loaded.validation)
        assert whole == text or first == text[: len(first)]
        assert len(whole) == len(text)
        assert len(loaded.test) >= 6
        assert sum(d.characters for d in loaded.validation) == pytest.approx(len(text) / 20, abs=1)


@pytest.mark.parametrize("name", [name for name in NAMES if "shakespeare" in name])
def test_tiny_shakespeare_is_cut_as_it_was_for_the_recorded_figures(name):
    assert load_experiment(f"benchmarks/{name}").resolved["corpus"]["pieces"] == 40


def test_all_arms_on_tiny_shakespeare_read_the_same_text():
    keys = {
        load_experiment(f"benchmarks/tiny_shakespeare_{n}").text_key
        for n in ("char", "transformer", "word")
    }
    assert len(keys) == 1
    (key,) = keys
    assert json.loads(key)[0]["sha256"].startswith("86c4e6aa")
