"""Word and subword arms as a user runs them, on a small corpus written by the tests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import textgen as package
from textgen.core.errors import TextgenError

WORDS = [
    'tokenizer.kind="words"',
    "objective.window=8",
    'backbone.input="embedding"',
    "backbone.embedding_size=16",
    "training.updates=40",
]


def settings(*more):
    return [part for override in (*WORDS, *more) for part in ("--set", override)]


@pytest.fixture
def rare_corpus(experiment_file, tmp_path):
    """The small corpus with words that occur once here and there."""
    text = experiment_file.read_text()
    source = next(line for line in text.splitlines() if line.startswith("path"))
    folder = tmp_path / "rare"
    folder.mkdir()
    for i, path in enumerate(sorted(Path(source.split('"')[1]).glob("*.txt"))):
        odd = "".join(chr(97 + (i * 7 + j * 3) % 26) for j in range(5))
        words = path.read_text().replace("lantern", f"{odd}ing lantern", 1)
        (folder / path.name).write_text(words.replace(" gull", f" {odd} gull", 2))
    experiment_file.write_text(text.replace(source, f'path = "{folder}"'))
    return experiment_file


def test_a_word_arm_from_file_to_marked_text(textgen, rare_corpus, tmp_path):
    done = textgen(
        "run", rare_corpus, "--name", "pos",
        *settings('tokenizer.rare_words.kind="pos"', 'backbone.adaptive_softmax.head=12',
                  "backbone.dropout=0.2", "tokenizer.minimum_count=75"),
    )  # fmt: skip
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "pos"
    metrics = json.loads((folder / "metrics.json").read_text())
    summary = (folder / "summary.md").read_text()
    for part in ("validation", "test"):
        bits = metrics[part]["bits_per_character"]
        assert bits["total"] == bits["model"] + bits["spelling"]
        assert bits["spelling"] > 0
        assert 0.05 < metrics[part]["replacement_rate"] < 0.9
        assert 0.1 < metrics[part]["tokens_per_character"] < 0.5
        for figure in (f"{bits['total']:.4f}", f"{bits['spelling']:.4f}"):
            assert figure in summary
            assert figure in done.out
        assert f"{metrics[part]['replacement_rate']:.2%}" in summary
    assert metrics["training"]["preparation_seconds"] > 0
    assert any("spaCy" in data for data in metrics["extra_data"])
    assert "Extra data" in summary
    assert "uses external resources" in done.out

    again = [
        textgen("generate", folder, "--length", 300, "--seed", 3, "--temperature", 1.2, *options)
        for options in ((), (), ("--marked",), ("--fill", "mark"), ("--fill", "pool"))
    ]
    assert all(g.code == 0 for g in again), again[0].err
    assert again[0].out == again[1].out
    assert " NN]" in again[2].out
    assert "<NN>" in again[3].out
    assert again[4].out != again[0].out
    assert len(again[0].out.rstrip("\n")) == 300
    records = package.generate_text(folder, length=200, temperature=1.5, samples=4, seed=1)
    for record in records:
        assert len(record["text"]) == 200
        assert record["filled"]
        for start, end, token in record["filled"]:
            assert 0 <= start < end <= 200
            assert token in "NN NNS NNP NNPS VB VBD VBG VBN VBP VBZ JJ JJR JJS RB RBR RBS CD"


def test_an_arm_that_does_not_pay_prints_no_figure(textgen, rare_corpus, tmp_path):
    done = textgen(
        "run", rare_corpus, "--name", "free",
        *settings('tokenizer.rare_words={kind="drop", charged=false}'),
    )  # fmt: skip
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "free"
    assert json.loads((folder / "metrics.json").read_text())["test"]["bits_per_character"] is None
    assert "not a distribution over the text" in (folder / "summary.md").read_text()
    assert "not a" in done.out
    assert "validation" in done.out
    assert not re.search(r"\d bpc", done.out)
    assert "bits per character kept" in " ".join(done.out.split())
    scored = textgen("score", folder, "--text", "The tide left.")
    assert scored.code == 0, scored.err
    assert "not a distribution over the text" in scored.out
    assert not re.search(r"\d bits|bits per character", scored.out)


@pytest.mark.parametrize("embedding", ["word2vec", "fasttext"])
def test_first_vectors_are_learnt(textgen, rare_corpus, embedding):
    done = textgen(
        "run", rare_corpus, "--name", embedding,
        *settings('tokenizer.rare_words.kind="unk"', f'embedding.kind="{embedding}"',
                  "embedding.epochs=2", "embedding.frozen=true"),
    )  # fmt: skip
    assert done.code == 0, done.err


def test_subwords_run_end_to_end(textgen, rare_corpus, tmp_path):
    done = textgen(
        "run", rare_corpus, "--name", "bpe",
        *settings('tokenizer={kind="subwords", size=300}', "sampling.memory=true"),
    )  # fmt: skip
    assert done.code == 0, done.err
    records = json.loads((tmp_path / "runs" / "bpe" / "samples.json").read_text())
    assert [r["memory"] for r in records if r["method"] == "sample"] == [True, True]
    metrics = json.loads((tmp_path / "runs" / "bpe" / "metrics.json").read_text())
    assert metrics["test"]["tokens_per_character"] < 1
    generated = textgen("generate", tmp_path / "runs" / "bpe", "--prompt", "The tide")
    assert generated.code == 0
    assert generated.out.startswith("The tide")


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (['tokenizer.rare_words.kind="unc"'], ["rare_words.kind", "did you mean 'unk'"]),
        (["seed=1"], ["tokenizer.rare_words: ", "known: cluster, drop"]),
        (['tokenizer.rare_words={kind="pos", tag="fine"}'], ["rare_words.tag", "mean 'tags'"]),
        (
            ['tokenizer.rare_words={kind="pos", model="no_such"}'],
            ["rare_words.model", "no_such", "pip install"],
        ),
        (
            ['tokenizer.rare_words.kind="unk"', 'embedding={kind="file", path="no.txt"}'],
            ["embedding.path: no.txt", "No such file"],
        ),
        (
            [
                'tokenizer.rare_words.kind="unk"',
                'embedding.kind="word2vec"',
                'backbone.input="one_hot"',
            ],
            ["backbone.input", "embedding"],
        ),
        (
            ['tokenizer.rare_words.kind="unk"', "tokenizer.minimum_count=99999"],
            ["tokenizer.minimum_count", "99999"],
        ),
        (
            ['tokenizer.rare_words.kind="cluster"', "training.seconds=0.001"],
            ["training.seconds", "preparation alone"],
        ),
    ],
)
def test_what_cannot_work_is_refused_in_one_message(rare_corpus, tmp_path, overrides, parts):
    budget = "training.seconds" in "".join(overrides)
    own = [each for each in WORDS if not budget or "updates" not in each]
    with pytest.raises(TextgenError) as caught:
        package.train(rare_corpus, overrides=[*own, *overrides], runs_folder=tmp_path, quiet=True)
    for part in parts:
        assert part in str(caught.value)


def test_vectors_of_another_width_say_which_setting_to_change(textgen, rare_corpus, tmp_path):
    (tmp_path / "vectors.txt").write_text("the 1 2 3\ntide 3 2 1\n")
    done = textgen(
        "run", rare_corpus,
        *settings('tokenizer.rare_words.kind="unk"',
                  'embedding={kind="file", path="vectors.txt"}'),
    )  # fmt: skip
    assert done.code == 2
    assert "vectors.txt" in done.err
    assert "3" in done.err
    assert "embedding_size" in done.err
    assert "Traceback" not in done.err
