"""Bits in the units of published figures, each divided by exactly what is said."""

import json
import math
import re

import pytest
from conftest import made_up, small_experiment

from textgen.data.documents import Document
from textgen.data.loading import load_corpus
from textgen.evaluation import units
from textgen.evaluation.baselines import baseline
from textgen.tokenizers.whitespace import Whitespace


def test_everything_is_counted():
    documents = [
        Document("a", " the <unk> fell \n N é \n"),
        Document("b", "a last\nline"),
        Document("c", "\n"),
    ]
    assert units.count(documents, 7) == units.Counts(
        characters=23 + 11 + 1, utf8_bytes=36, words=5 + 3, lines=2 + 2 + 1, tokens=7, end_marks=3
    )
    assert units.count([Document("d", "")]) == units.Counts(0, 0, 0, 0, None, 1)


def test_every_unit_is_the_same_bits_over_what_it_says():
    values = units.in_all_units(1000.0, units.Counts(500, 510, 90, 10, 125, 2))
    assert values["bits_per_character"] == {"as_published": 2.0, "end_marks_counted": 1000 / 502}
    assert values["nats_per_character"]["as_published"] == pytest.approx(2 * math.log(2))
    assert values["bits_per_byte"]["as_published"] == pytest.approx(1000 / 510)
    assert values["perplexity_per_token"]["as_published"] == 2.0**8
    assert values["perplexity_per_token"]["end_marks_counted"] == 2.0 ** (1000 / 127)
    assert values["perplexity_per_word"]["as_published"] == 2.0**10

    for bits, counts, unit in (
        (9e6, units.Counts(100, 100, 1, 0, None, 1), "perplexity_per_token"),  # not counted
        (1024.0, units.Counts(1, 1, 0, 1, 1, 1), "perplexity_per_word"),  # too large for a number
        (6.0, units.Counts(9, 9, 0, 2, 0, 1), "perplexity_per_token"),
    ):
        assert units.in_all_units(bits, counts)[unit]["as_published"] is None


FIGURES = {
    "parts": {
        "network": {"bits_per_character": {"model": 1.5, "spelling": 0.5, "total": 2.0}},
        "with_cache": {"bits_per_character": {"model": 1.0, "spelling": 0.5, "total": 1.5}},
    },
    "tokens": 4,
}


def test_a_split_has_every_part_in_published_units():
    documents = [Document("a", "ab cd\n"), Document("b", "e")]
    found = units.published_units(FIGURES, documents, closed=True)
    for part, bits in (("network", 2.0), ("with_cache", 1.5)):
        own = found["parts"][part]
        assert own == units.in_all_units(bits * 9, units.count(documents, 4))
        assert own["bits_per_character"]["end_marks_counted"] == bits  # the headline
    assert found["denominators"]["perplexity_per_word"] == "3 words + 2 lines"
    assert found["comparable"] == units.CLOSED
    assert units.published_units(FIGURES, documents, closed=False)["comparable"] == units.ACROSS
    assert len(units.unit_table(found["parts"], found["denominators"])[1]) == len(units.UNITS)
    none = {"parts": {"network": {"bits_per_character": None}}}
    assert units.published_units(none, [], closed=False) is None


@pytest.fixture(scope="module")
def ptb(tmp_path_factory):
    """A folder as PTB's, and the words of each line of its test part: lower case, no punctuation, a
    space at both ends of every line, rare words replaced."""
    folder, words = tmp_path_factory.mktemp("ptb"), []
    for seed, (part, lines) in enumerate((("train", 60), ("valid", 12), ("test", 9))):
        sentences = made_up(3 * lines, seed).lower().replace("\n\n", " ").split(". ")[:lines]
        words = [re.sub("[^a-z ]", "", sentence).split() for sentence in sentences]
        words = [["<unk>" if word == "grey" else word for word in line] for line in words]
        text = "".join(f" {' '.join(line)} \n" for line in words)
        (folder / f"ptb.{part}.txt").write_text(text, encoding="utf-8")
    return folder, words


def experiment_on(folder, **options):
    corpus = {"kind": "folder", "path": str(folder), **options}
    return small_experiment(corpus=corpus, tokenizer="whitespace")


@pytest.mark.parametrize("options", [{}, {"strip": "lines"}], ids=["", "strip"])
def test_a_folder_of_ptb_is_counted_as_published(ptb, options):
    """By the rule that gives 82,430 tokens and 442,423 characters for PTB's own test part."""
    folder, lines = ptb
    corpus = load_corpus(experiment_on(folder, **options))
    (training,), (test,) = corpus.train, corpus.test
    encoded = Whitespace().fit([training.text]).encode(test.text)
    counts, number = units.count([test], len(encoded.tokens)), sum(map(len, lines)) + len(lines)
    assert (counts.tokens, counts.words + counts.lines) == (number, number)
    assert encoded.surfaces == ()
    bare = sum(len(" ".join(line)) + 1 for line in lines)
    assert counts.characters == counts.utf8_bytes == bare + (0 if options else 2 * len(lines))


def test_a_baseline_has_them_too(ptb):
    experiment = experiment_on(ptb[0], strip="lines")
    corpus = load_corpus(experiment)
    (record,) = baseline(experiment, corpus, [2])
    published = record["test"]["published"]
    assert published["comparable"] == units.CLOSED
    assert published["counts"]["tokens"] == record["test"]["tokens"]
    word, token = (published["parts"]["counts"][f"perplexity_per_{x}"] for x in ("word", "token"))
    assert word["as_published"] == pytest.approx(token["as_published"])
    assert 2 < word["as_published"] < 40
    (record,) = baseline(experiment, corpus, kind="xz")
    published = record["test"]["published"]
    assert published["parts"]["counts"]["perplexity_per_token"]["as_published"] is None
    assert published["parts"]["counts"]["bits_per_byte"]["as_published"] > 0.1


def test_a_run_says_them_wherever_its_figures_are(finished_run):
    folder = finished_run("word")
    metrics = json.loads((folder / "metrics.json").read_text())
    for part in ("validation", "test"):
        figures, published = metrics[part], metrics[part]["published"]
        assert published["counts"]["tokens"] == figures["tokens"]
        for name, own in figures["parts"].items():
            bits = published["parts"][name]["bits_per_character"]["end_marks_counted"]
            assert bits == pytest.approx(own["bits_per_character"]["total"])
    assert published["denominators"]["perplexity_per_word"] in (folder / "summary.md").read_text()
