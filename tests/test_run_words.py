"""Word and subword arms as a user runs them, on a small corpus written by the tests."""

import json
import re

import pytest

import textgen as package

WORDS = (
    "tokenizer.kind=words objective.window=8 backbone.input=embedding backbone.embedding_size=16 "
    "training.updates=20 training.validations=1"
).split()


@pytest.fixture
def trained(textgen, experiment_file, rare_tales, tmp_path):
    """Trains a run of words with some settings: its folder, and what was printed."""

    def train(*more):
        changes = (f"corpus.path={rare_tales}", *WORDS, *more)
        done = textgen("run", experiment_file, *(f"--set={change}" for change in changes))
        assert done.code == 0, done.err
        return tmp_path / "runs" / "tiny", done.out

    return train


def test_a_word_arm_from_file_to_marked_text(textgen, trained):
    folder, printed = trained(
        "tokenizer.rare_words.kind=pos", "backbone.adaptive_softmax.head=12",
        "backbone.dropout=0.2", "tokenizer.minimum_count=75",
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
        assert 0.1 < metrics[part]["tokens_per_character"] < 0.5
        for figure in (f"{bits['total']:.4f}", f"{bits['spelling']:.4f}", f"{rate:.2%}"):
            assert figure in summary
            assert figure in printed
    assert any("spaCy" in data for data in metrics["extra_data"])
    assert "Extra data" in summary
    assert "uses external resources" in printed

    asked = "generate", folder, "--length=300", "--seed=3", "--temperature=1.2"
    scored, marked, marks, pool = (
        textgen(*asked, *options)
        for options in ((), ("--marked",), ("--fill", "mark"), ("--fill", "pool"))
    )
    assert (" NN]" in marked.out, "<NN>" in marks.out) == (True, True)
    assert scored.out not in (pool.out, marks.out)
    assert len(scored.out.rstrip("\n")) == 300
    for record in package.generate_text(folder, length=200, temperature=1.5, samples=4, seed=1):
        assert len(record["text"]) == 200
        assert record["filled"]
        assert all(0 <= start < end <= 200 for start, end, _ in record["filled"])


def test_an_arm_that_does_not_pay_or_has_no_cache_prints_no_figure(textgen, trained):
    folder, printed = trained(
        'tokenizer.rare_words={kind="drop", charged=false}', "cache.orders=[]",
        'embedding={kind="fasttext", epochs=1}',
    )  # fmt: skip
    assert package.load_run(folder).bits() is None
    scored = textgen("score", folder, "--text", "The tide left.")
    assert scored.code == 0, scored.err
    for shown in (printed, scored.out, (folder / "summary.md").read_text()):
        assert "not a distribution over the text" in shown
    assert not re.search(r"\d bpc", printed)
    assert not re.search(r"\d bits|bits per character", scored.out)
    refused = textgen("generate", folder, "--part=with_cache")
    assert (refused.code, "needs [cache] orders" in refused.err) == (2, True)
