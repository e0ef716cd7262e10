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


def test_a_cut_never_falls_into_a_character_and_an_archive_is_read(tmp_path):
    spec = importlib.util.spec_from_file_location("cut_of_a_test", FOLDER / "cut.py")
    cutting = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cutting)
    for text in ("aé€😀" * 50, "€" * 7, "plain" * 20, "é"):
        parts = cutting.cut(text.encode())
        assert list(parts) == ["train", "valid", "test"]
        assert "".join(part.decode() for part in parts.values()) == text
    assert [len(part) for part in cutting.cut(b"x" * 1000).values()] == [900, 50, 50]
    with zipfile.ZipFile(tmp_path / "text8.zip", "w") as archive:
        archive.writestr("text8", "the tide" * 10)
    assert cutting.read(tmp_path / "text8.zip") == b"the tide" * 10


@pytest.mark.parametrize("name", NAMES)
def test_every_file_says_where_its_text_comes_from_and_how_it_was_cut(name):
    experiment = load_experiment(f"benchmarks/{name}")
    assert experiment.corpus.source
    assert experiment.options.fallback is None
    assert experiment.corpus.licence != "the user's own"
    assert f"`{name}`" in (FOLDER / "README.md").read_text(encoding="utf-8")
    if "shakespeare" in name:  # as for the recorded figures
        assert experiment.resolved["corpus"]["pieces"] == 40


@pytest.mark.parametrize("name", ["ptb_word", "ptb_char", "wikitext2_word"])
def test_a_folder_as_published_is_read_on_its_own_split(name, tmp_path):
    pattern = "wiki.{}.tokens" if name.startswith("wiki") else "ptb.{}.txt"
    for seed, part in enumerate(("train", "valid", "test")):
        sentences = re.findall(r"[^.!?;]+", made_up(40, seed).replace("\n\n", " "))
        lines = [f" {' '.join(sentence.lower().split())} \n" for sentence in sentences]
        (tmp_path / pattern.format(part)).write_text("".join(lines), encoding="utf-8")
    (tmp_path / "ptb.char.test.txt").write_text("t h e", encoding="utf-8")
    (tmp_path / "README").write_text("about", encoding="utf-8")
    loaded = load_corpus(load_experiment(f"benchmarks/{name}", [f"corpus.path={tmp_path}"]))
    for part, word in (("train", "train"), ("validation", "valid"), ("test", "test")):
        (document,) = getattr(loaded, part)
        assert document.name == pattern.format(word)
        assert not re.search(r"^ | $", document.text, re.MULTILINE)


def test_tiny_shakespeare_is_cut_as_nanogpt_cuts_it_and_the_same_for_all_arms(tmp_path):
    text = "".join(f"{made_up(4, i)}\n\n" for i in range(90))
    path = tmp_path / "input.txt"
    path.write_text(text, encoding="utf-8")
    digest, keys = hashlib.sha256(path.read_bytes()).hexdigest(), set()
    for name in ("char", "transformer", "subword", "word", "char_tuned", "word_tuned"):
        published = load_experiment(f"benchmarks/tiny_shakespeare_{name}")
        changes = [f"corpus.path={path}", f"corpus.sha256={digest}"]
        loaded = load_corpus(load_experiment(f"benchmarks/tiny_shakespeare_{name}", changes))
        assert "".join(d.text for d in loaded.test) == text[int(0.9 * len(text)) :]
        whole = "".join(d.text for d in (*loaded.train, *loaded.validation, *loaded.test))
        assert len(whole) == len(text)
        assert len(loaded.test) >= 6
        assert sum(d.characters for d in loaded.validation) == pytest.approx(len(text) / 20, abs=1)
        if name in ("char", "transformer", "word"):
            keys.add(published.text_key)
    (key,) = keys
    assert json.loads(key)[0]["sha256"].startswith("86c4e6aa")
