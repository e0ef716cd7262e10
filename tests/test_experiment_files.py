"""Files of published benchmarks; what scripts outside the suite import."""

import ast
import hashlib
import pkgutil
import re

import pytest
from conftest import ROOT, made_up

from textgen.core.experiment import load_experiment
from textgen.data.loading import load_corpus

FOLDER = ROOT / "experiments" / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
SCRIPTS = [*ROOT.glob("tests/benchmarks/*.py"), *ROOT.glob("experiments/research/*/*.py")]


@pytest.mark.parametrize("path", sorted(SCRIPTS), ids=lambda path: path.stem)
def test_a_script_imports_what_the_package_has(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "textgen":
            for name in node.names:
                pkgutil.resolve_name(f"{node.module}.{name.name}")


@pytest.mark.parametrize("folder", ["levels", "matched", "matched_60s"])
def test_matched_levels_differ_in_tokens_and_in_the_window_that_holds_as_much_text(folder):
    """Counts and caches have orders in tokens, so they are part of a level, too."""
    names = ("characters", "subwords", "words", "word_spell")
    levels = {name: load_experiment(f"{folder}/{name}").resolved for name in names}
    own = {"name", "tokenizer", "training_counts", "cache", "objective"}
    shared = [
        {table: settings for table, settings in resolved.items() if table not in own}
        for resolved in levels.values()
    ]
    assert all(settings == shared[0] for settings in shared)
    assert {resolved["objective"]["kind"] for resolved in levels.values()} == {"next_token"}
    words, spelled = levels["words"]["tokenizer"], levels["word_spell"]["tokenizer"]
    assert spelled["minimum_count"] == words["minimum_count"] == 5


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
        sentences = made_up(40, seed).replace("\n\n", " ").lower().split(". ")
        lines = [f" {sentence} \n" for sentence in sentences]
        (tmp_path / pattern.format(part)).write_text("".join(lines), encoding="utf-8")
    for other in ("ptb.char.test.txt", "README"):
        (tmp_path / other).write_text("t h e", encoding="utf-8")
    loaded = load_corpus(load_experiment(f"benchmarks/{name}", [f"corpus.path={tmp_path}"]))
    for part, word in (("train", "train"), ("validation", "valid"), ("test", "test")):
        (document,) = getattr(loaded, part)
        assert document.name == pattern.format(word)
        assert not re.search(r"^ | $", document.text, re.MULTILINE)


def test_tiny_shakespeare_is_cut_as_nanogpt_cuts_it_and_the_same_for_all_arms(tmp_path):
    text, path = "".join(f"{made_up(4, i)}\n\n" for i in range(90)), tmp_path / "input.txt"
    path.write_text(text, encoding="utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    changes = [f"corpus.path={path}", f"corpus.sha256={digest}"]
    names = [f"benchmarks/{name}" for name in NAMES if name.startswith("shakespeare_")]
    arms = {name: load_experiment(name) for name in names}
    assert len({arm.text_key for arm in arms.values()}) == 1
    assert {arm.corpus.sha256[:8] for arm in arms.values()} == {"86c4e6aa"}
    for name in names:
        loaded = load_corpus(load_experiment(name, changes))
        parts = {name: "".join(d.text for d in part) for name, part in loaded.parts.items()}
        assert parts["test"] == text[int(0.9 * len(text)) :]
        assert sum(map(len, parts.values())) == len(text)
        assert len(parts["validation"]) == pytest.approx(len(text) / 20, abs=1)
