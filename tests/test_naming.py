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
OTHERS = [
    (['backbone={kind="gru", units=[16]}'], ["LSTM of 24", "GRU of 16"]),
    (['embedding="word2vec"', 'backbone.input="embedding"'], ["", "word2vec"]),
    (['objective={kind="encoder_decoder", read=8, write=4}'], ["", "encoder_decoder"]),
    (["training.batch=7"], ["training.batch", "training.batch 7"]),
]


@pytest.mark.parametrize(
    ("arms", "parts"),
    [
        ([[setting] for setting in TOKENIZERS], [*TOKENIZERS.values()]),
        *(([[], settings], [[part] for part in parts]) for settings, parts in OTHERS),
    ],
)
def test_arms_are_described_by_their_tokenizers_and_what_sets_them_apart(
    tmp_path, corpus_folder, arms, parts
):
    path = write_experiment(tmp_path / "tiny.toml", corpus_folder)
    runs = [SimpleNamespace(experiment=load_experiment(path, settings)) for settings in arms]
    named = [SimpleNamespace(name=str(i), first=run) for i, run in enumerate(runs)]
    texts = list(descriptions(named).values())
    assert len(set(texts)) == len(arms)
    for text, expected in zip(texts, parts, strict=True):
        assert all(part in text for part in expected), text
    if len(arms) > 2:  # what they share is not said
        assert not any("units" in text or "updates" in text for text in texts)
