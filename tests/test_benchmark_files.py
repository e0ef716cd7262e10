"""The experiment files of published benchmarks, and the script that cuts them."""

from __future__ import annotations

import hashlib
import importlib.util
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
def test_every_file_says_where_its_text_comes_from(name):
    experiment = load_experiment(f"benchmarks/{name}")
    assert experiment.corpus.source
    assert experiment.options.fallback is None
    assert experiment.corpus.licence != "the user's own"
    assert f"`{name}`" in (FOLDER / "README.md").read_text(encoding="utf-8")


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
    text, path = "".join(f"{made_up(4, i)}\n\n" for i in range(90)), tmp_path / "input.txt"
    path.write_text(text, encoding="utf-8")
    changes = [f"corpus.path={path}"]
    changes += [f"corpus.sha256={hashlib.sha256(path.read_bytes()).hexdigest()}"]

    def load(arm, *own):
        return load_experiment(f"benchmarks/tiny_shakespeare_{arm}", own)

    for arm in ("char", "transformer", "subword", "word", "char_tuned", "word_tuned"):
        loaded = load_corpus(load(arm, *changes))
        sizes = [
            sum(document.characters for document in part)
            for part in (loaded.train, loaded.validation, loaded.test)
        ]
        assert "".join(document.text for document in loaded.test) == text[int(0.9 * len(text)) :]
        assert sum(sizes) == len(text)
        assert sizes[1] == pytest.approx(len(text) / 20, abs=1)
        assert len(loaded.test) >= 6
    arms = [load(arm) for arm in ("char", "transformer", "word")]
    assert len({arm.text_key for arm in arms}) == 1
    assert {arm.corpus.sha256[:8] for arm in arms} == {"86c4e6aa"}
