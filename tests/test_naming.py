"""Arms in words: their tokenizers, and what else sets them apart."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from conftest import write_experiment

from textgen.core.experiment import load_experiment
from textgen.report.arms import descriptions

WORDS = 'tokenizer={kind="words", rare_words='


@dataclass(frozen=True)
class Run:
    experiment: object


@dataclass(frozen=True)
class Arm:
    name: str
    first: Run


@pytest.fixture(scope="module")
def described(tmp_path_factory, corpus_folder):
    """Arms of experiments that have some settings each, in words."""
    path = write_experiment(tmp_path_factory.mktemp("naming") / "tiny.toml", corpus_folder)

    def describe(*arms):
        found = [Arm(str(i), Run(load_experiment(path, each))) for i, each in enumerate(arms)]
        return list(descriptions(found).values())

    return describe


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('tokenizer="characters"', "characters"),
        ('tokenizer={kind="subwords", size=4000}', "4,000 subwords by byte-pair encoding"),
        (
            'tokenizer={kind="subwords", model="unigram", size=900}',
            "900 subwords by a unigram model",
        ),
        ('tokenizer="whitespace"', "words between white space, all of them known"),
        (
            WORDS + '"unk", minimum_count=5}',
            "words, those seen fewer than 5 times replaced by one token",
        ),
        (
            WORDS + '"unk", minimum_count=1}',
            "words, those never seen in training replaced by one token",
        ),
        (
            WORDS + '{kind="pos", tags="noun"}, size=3000}',
            "words, those outside the 3,000 most frequent replaced by one token for nouns and one "
            "for all else",
        ),
        (
            WORDS + '{kind="cluster", clusters=20}}',
            "words, those seen fewer than 2 times replaced by one of up to 20 clusters",
        ),
        (
            WORDS + '{kind="neighbour"}}',
            "words, those seen fewer than 2 times replaced by the nearest known word",
        ),
        (
            WORDS + '{kind="drop", charged=false}}',
            "words, those seen fewer than 2 times left out and not charged for",
        ),
        (
            WORDS + '"spell"}',
            "words, those seen fewer than 2 times spelled by the network, letter by letter",
        ),
    ],
)  # fmt: skip
def test_every_tokenizer_is_told_in_words(described, setting, told):
    assert described([setting]) == [told]


def test_a_backbone_is_named_where_it_differs(described):
    same = described([], [WORDS + '"unk"}'])
    assert not any("units" in each for each in same)
    one, two = described(["backbone.units=[24]"], ['backbone={kind="gru", units=[16]}'])
    assert (one, two) == ("characters; LSTM of 24 units", "characters; GRU of 16 units")


def test_vectors_and_objectives_are_named_where_they_differ(described):
    vectors = ['embedding="word2vec"', 'backbone.input="embedding"']
    blocks = ['objective={kind="encoder_decoder", read=8, write=4}']
    shifted = ['objective={kind="shifted", window=10, shift=1}']
    told = described([], vectors, blocks, shifted)
    kinds = ("random", "word2vec", "random", "random")
    objectives = ("next_token", "next_token", "encoder_decoder", "shifted")
    assert told == [
        f"characters; {kind} embedding; objective {objective}"
        for kind, objective in zip(kinds, objectives, strict=True)
    ]


def test_arms_that_nothing_else_tells_apart_have_the_settings_that_differ(described):
    one, two, words = described([], ["training.batch=7"], [WORDS + '"unk"}'])
    assert one.startswith("characters; training.batch ")
    assert two == "characters; training.batch 7"
    assert "training" not in words
