"""Word and subword arms as a user runs them, on a small corpus written by the tests."""

from __future__ import annotations

import json
import re

import pytest

import textgen as package
from textgen.core.errors import TextgenError

WORDS = [
    'tokenizer.kind="words"',
    "objective.window=8",
    'backbone.input="embedding"',
    "backbone.embedding_size=16",
    "training.updates=20",
    "training.validations=1",
]
TAGS = "NN NNS NNP NNPS VB VBD VBG VBN VBP VBZ JJ JJR JJS RB RBR RBS CD"


def settings(*more):
    return [f"--set={change}" for change in (*WORDS, *more)]


@pytest.fixture
def rare_corpus(experiment_file, corpus_folder, rare_tales):
    text = experiment_file.read_text().replace(str(corpus_folder), str(rare_tales))
    experiment_file.write_text(text)
    return experiment_file


def test_a_word_arm_from_file_to_marked_text(textgen, rare_corpus, tmp_path):
    done = textgen(
        "run", rare_corpus, "--name", "pos",
        *settings('tokenizer.rare_words.kind="pos"', 'backbone.adaptive_softmax.head=12',
                  "backbone.dropout=0.2", "tokenizer.minimum_count=75",
                  'embedding={kind="word2vec", epochs=1, frozen=true}'),
    )  # fmt: skip
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "pos"
    metrics = json.loads((folder / "metrics.json").read_text())
    summary = (folder / "summary.md").read_text()
    for part in ("validation", "test"):
        bits, rate = metrics[part]["bits_per_character"], metrics[part]["replacement_rate"]
        assert bits["total"] == bits["model"] + bits["spelling"]
        assert bits["spelling"] > 0
        assert 0.05 < rate < 0.9
        assert 0.1 < metrics[part]["tokens_per_character"] < 0.5
        for figure in (f"{bits['total']:.4f}", f"{bits['spelling']:.4f}", f"{rate:.2%}"):
            assert figure in summary
            assert figure in done.out
    assert metrics["training"]["preparation_seconds"] > 0
    assert any("spaCy" in data for data in metrics["extra_data"])
    assert "Extra data" in summary
    assert "uses external resources" in done.out

    asked = "generate", folder, "--length", 300, "--seed", 3, "--temperature", 1.2
    scored, marked, marks, pool = (
        textgen(*asked, *options)
        for options in ((), ("--marked",), ("--fill", "mark"), ("--fill", "pool"))
    )
    assert scored.code == 0, scored.err
    assert (" NN]" in marked.out, "<NN>" in marks.out) == (True, True)
    assert scored.out not in (pool.out, marks.out)
    assert len(scored.out.rstrip("\n")) == 300
    for record in package.generate_text(folder, length=200, temperature=1.5, samples=4, seed=1):
        assert len(record["text"]) == 200
        assert record["filled"]
        for start, end, token in record["filled"]:
            assert 0 <= start < end <= 200
            assert token in TAGS.split()


def test_an_arm_that_does_not_pay_or_has_no_memory_prints_no_figure(textgen, rare_corpus, tmp_path):
    done = textgen(
        "run", rare_corpus, "--name", "free",
        *settings('tokenizer.rare_words={kind="drop", charged=false}', "memory.orders=[]",
                  'embedding={kind="fasttext", epochs=1}'),
    )  # fmt: skip
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "free"
    assert json.loads((folder / "metrics.json").read_text())["test"]["bits_per_character"] is None
    assert "not a distribution over the text" in (folder / "summary.md").read_text()
    assert "not a distribution over the text" in done.out
    assert not re.search(r"\d bpc", done.out)
    assert "bits per character kept" in " ".join(done.out.split())
    scored = textgen("score", folder, "--text", "The tide left.")
    assert scored.code == 0, scored.err
    assert "not a distribution over the text" in scored.out
    assert not re.search(r"\d bits|bits per character", scored.out)
    assert package.score_text(folder, "The tide")["with_memory"] is None
    refused = textgen("generate", folder, "--memory")
    assert (refused.code, "no memory of the document" in refused.err) == (2, True)


def test_samples_are_written_with_a_memory_where_the_experiment_says_so(finished_run, textgen):
    folder = finished_run("subword", "sampling.memory=true")
    records = json.loads((folder / "samples.json").read_text())
    assert [(r["method"], r["memory"]) for r in records] == [("sample", True)] * 2
    assert json.loads((folder / "metrics.json").read_text())["test"]["tokens_per_character"] < 1
    generated = textgen("generate", folder, "--prompt", "The tide")
    assert (generated.code, generated.out.startswith("The tide")) == (0, True)


UNK = 'tokenizer.rare_words.kind="unk"'


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
        ([UNK, 'embedding={kind="file", path="no.txt"}'], ["embedding.path: no.txt", "No such"]),
        (
            [UNK, 'embedding.kind="word2vec"', 'backbone.input="one_hot"'],
            ["backbone.input", "embedding"],
        ),
        ([UNK, "tokenizer.minimum_count=99999"], ["tokenizer.minimum_count", "99999"]),
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
