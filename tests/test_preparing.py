"""What is fitted before a training starts, on which text, and what of a budget it takes."""

import dataclasses

import numpy as np
import pytest
from conftest import small_experiment
from gensim.test.utils import datapath

from textgen.core.errors import TextgenError
from textgen.core.settings import Training
from textgen.core.system import save_seconds
from textgen.data.loading import load_corpus
from textgen.tokenizers.words import Words
from textgen.training.loop import new_network
from textgen.training.preparation import prepare, subtract_preparation_time


def words(rare_tales, **tables):
    return small_experiment(
        corpus={"kind": "folder", "path": str(rare_tales)},
        split={"validation": 0.2, "test": 0.2},
        tokenizer={"kind": "words", "rare_words": "unk"},
        objective={"kind": "next_token", "window": 8},
        backbone={"input": "embedding", "embedding_size": 10, "units": [12]},
        **tables,
    )


def test_test_text_steers_nothing(rare_tales):
    """Of two texts that differ in their test part alone everything is fitted alike; of two that
    differ in validation it is not, else this would prove nothing."""
    experiment = words(rare_tales)
    corpus = load_corpus(experiment)
    backwards = [dataclasses.replace(d, content=d.text[::-1]) for d in corpus.test]
    first = prepare(experiment, corpus)
    other = prepare(experiment, dataclasses.replace(corpus, test=backwards))
    assert first.tokenizer.state() == other.tokenizer.state()
    np.testing.assert_equal(*([vars(each) for each in p.encoded[1]] for p in (first, other)))
    tuned = prepare(experiment, dataclasses.replace(corpus, validation=backwards))
    assert tuned.tokenizer.state() != first.tokenizer.state()


def test_preparation_counts_in_a_budget_and_so_does_what_a_cache_saved(rare_tales, monkeypatch):
    assert subtract_preparation_time(Training(seconds=100.0), 30.0).seconds == 70.0
    assert subtract_preparation_time(Training(updates=5), 30.0) == Training(updates=5)
    with pytest.raises(TextgenError, match=r"training\.seconds.*preparation alone"):
        subtract_preparation_time(Training(seconds=30.0), 30.0)
    fit = Words.fit

    def saving(self, *given):
        save_seconds(50.0)
        return fit(self, *given)

    monkeypatch.setattr(Words, "fit", saving)
    experiment = words(rare_tales)
    assert 50 < prepare(experiment, load_corpus(experiment)).seconds < 90


def test_vectors_from_elsewhere_are_in_the_network_and_labelled(rare_tales):
    experiment = words(rare_tales, embedding={"kind": "file", "path": datapath("lee_fasttext.vec")})
    prepared = prepare(experiment, load_corpus(experiment))
    (label,) = prepared.extra_data
    assert label.startswith("vectors lee_fasttext.vec")
    (embedding,) = (w for w in new_network(experiment, prepared).weights if "embedding" in w.path)
    np.testing.assert_array_equal(embedding, prepared.vectors.matrix)
