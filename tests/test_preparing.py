"""What is fitted before a training starts, on which text, and what of a budget it takes."""

import dataclasses
import time

import numpy as np
import pytest
from conftest import small_experiment
from gensim.test.utils import datapath

from textgen.core.errors import TextgenError
from textgen.core.settings import Training
from textgen.core.system import cache_folder, cached
from textgen.data.loading import load_corpus
from textgen.tokenizers.words import Words
from textgen.training.loop import new_network
from textgen.training.preparation import prepare, subtract_preparation_time


def words(corpus_folder, **tables):
    return small_experiment(
        corpus={"kind": "folder", "path": str(corpus_folder)},
        split={"validation": 0.2, "test": 0.2},
        tokenizer={"kind": "words", "rare_words": "unk", "minimum_count": 74},
        objective={"kind": "next_token", "window": 8},
        backbone={"input": "embedding", "embedding_size": 10, "units": [12]},
        **tables,
    )


def test_test_text_steers_nothing(corpus_folder):
    """Of two texts that differ in their test part alone everything is fitted alike; of two that
    differ in validation it is not, else this would prove nothing."""
    experiment = words(corpus_folder)
    corpus = load_corpus(experiment)
    backwards = [dataclasses.replace(d, content=d.text[::-1]) for d in corpus.test]
    first = prepare(experiment, corpus)
    other = prepare(experiment, dataclasses.replace(corpus, test=backwards))
    assert first.tokenizer.state() == other.tokenizer.state()
    np.testing.assert_equal(*([vars(each) for each in p.encoded[1]] for p in (first, other)))
    tuned = prepare(experiment, dataclasses.replace(corpus, validation=backwards))
    assert tuned.tokenizer.state() != first.tokenizer.state()


def test_preparation_counts_in_a_budget():
    assert subtract_preparation_time(Training(seconds=100.0), 30.0).seconds == 70.0
    assert subtract_preparation_time(Training(updates=5), 30.0) == Training(updates=5)
    with pytest.raises(TextgenError, match=r"training\.seconds.*preparation alone"):
        subtract_preparation_time(Training(seconds=30.0), 30.0)


@pytest.mark.parametrize("threads", [0, 1])
def test_what_is_in_the_cache_costs_the_run_that_makes_it_what_it_costs_all_others(
    corpus_folder, monkeypatch, threads
):
    """With an empty cache, a full one, and one that has a part: what the first one takes."""
    clocks, fit, folder = {"process_time": 0.0, "perf_counter": 0.0}, Words.fit, [cache_folder()]
    for name in clocks:
        monkeypatch.setattr(time, name, lambda name=name: clocks[name])

    def work(processor, wall):
        clocks["process_time"] += processor
        clocks["perf_counter"] += wall

    def tags():
        work(2, 90)  # to look for them
        return cached(folder[0] / "tags", lambda: work(50, 400))

    def working(self, *given):
        work(3, 7)
        tags()
        cached(folder[0] / "tokens", lambda: [tags(), work(20, 100)])
        return fit(self, *given)

    monkeypatch.setattr(Words, "fit", working)
    experiment, seconds = words(corpus_folder, training={"updates": 1, "threads": threads}), []
    for number in (0, 0, 0, 1):
        folder[0] = cache_folder() / f"{threads}{number}"
        if number:
            cached(folder[0] / "tags", lambda: work(50, 10))
        seconds.append(prepare(experiment, load_corpus(experiment)).seconds)
    outside = 5 if threads == 1 else 97
    assert seconds[0] in (outside + 50 + 22, outside + 50 + 20)
    assert len(set(seconds)) == 1


def test_vectors_from_elsewhere_are_in_the_network_and_labelled(corpus_folder):
    experiment = words(
        corpus_folder, embedding={"kind": "file", "path": datapath("lee_fasttext.vec")}
    )
    prepared = prepare(experiment, load_corpus(experiment))
    (label,) = prepared.extra_data
    assert label.startswith("vectors lee_fasttext.vec")
    (embedding,) = (w for w in new_network(experiment, prepared).weights if "embedding" in w.path)
    np.testing.assert_array_equal(embedding, prepared.vectors.matrix)
