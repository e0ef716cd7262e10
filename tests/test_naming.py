"""Arms in words: their tokenizers, and what else sets them apart."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from conftest import write_experiment

from textgen.core.experiment import load_experiment
from textgen.report.arms import descriptions

WORDS = 'tokenizer={kind="words", rare_words='
TOKENIZERS = {
    'tokenizer="characters"': ["characters"],
    'tokenizer={kind="subwords", size=4000}': ["4,000 subwords", "byte-pair"],
    'tokenizer={kind="subwords", model="unigram", size=900}': ["900 subwords", "unigram"],
    'tokenizer="whitespace"': ["words between white space"],
    WORDS + '"unk", minimum_count=5}': ["fewer than 5 times", "one token"],
    WORDS + '"unk", minimum_count=1}': ["never seen in training", "one token"],
    WORDS + '{kind="pos", tags="noun"}}': ["fewer than 2 times", "nouns"],
    WORDS + '{kind="cluster", clusters=20}}': ["fewer than 2 times", "20 clusters"],
    WORDS + '"neighbour"}': ["nearest known word"],
    WORDS + '{kind="drop", charged=false}}': ["left out", "not charged for"],
    WORDS + '"spell"}': ["letter by letter"],
}


@pytest.fixture(scope="module")
def described(tmp_path_factory, corpus_folder):
    """Arms of experiments that have some settings each, in words."""
    path = write_experiment(tmp_path_factory.mktemp("naming") / "tiny.toml", corpus_folder)

    def describe(*settings):
        runs = [SimpleNamespace(experiment=load_experiment(path, each)) for each in settings]
        arms = [SimpleNamespace(name=str(i), first=run) for i, run in enumerate(runs)]
        return list(descriptions(arms).values())

    return describe


def test_every_tokenizer_is_described(described):
    texts = described(*([setting] for setting in TOKENIZERS))
    assert len(set(texts)) == len(TOKENIZERS)
    for text, parts in zip(texts, TOKENIZERS.values(), strict=True):
        assert all(part in text for part in parts), text


@pytest.mark.parametrize(
    ("first", "second", "parts"),
    [
        ([], ['backbone={kind="gru", units=[16]}'], ["LSTM of 24", "GRU of 16"]),
        ([], ['embedding="word2vec"', 'backbone.input="embedding"'], ["", "word2vec"]),
        ([], ['objective={kind="encoder_decoder", read=8, write=4}'], ["", "encoder_decoder"]),
        ([], ['objective={kind="shifted", window=10, shift=1}'], ["", "shifted"]),
        ([], ["training.batch=7"], ["training.batch", "training.batch 7"]),
    ],
)  # fmt: skip
def test_arms_are_described_by_what_sets_them_apart(described, first, second, parts):
    texts = described(first, second)
    assert all(text.startswith("characters") for text in texts)
    assert texts[0] != texts[1]
    assert all(part in text for text, part in zip(texts, parts, strict=True)), texts


def test_what_arms_share_is_not_described(described):
    texts = described([], [WORDS + '"unk"}'])
    assert not any("units" in text or "training" in text for text in texts)
