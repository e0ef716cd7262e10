"""References are what the commands print, and are computed once. A few seconds."""

from __future__ import annotations

import dataclasses
import json
import shlex
import tomllib

import numpy as np
import pytest
from conftest import ROOT

from textgen import cli
from textgen.core import experiment as config
from textgen.data.loading import load_corpus
from textgen.evaluation import baselines
from textgen.evaluation.likelihood import summarise

KEYS = ["unigram", "character_ngram", "word_ngram", "ppmd", "xz"]


@pytest.fixture
def corpus(experiment_file):
    return load_corpus(config.load_experiment(experiment_file))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "references"


def refuse(*arguments):
    raise AssertionError("computed again")


def rows(computed):
    """References as data that can be compared."""
    parts = [[*reference.validation, *reference.test] for reference in computed]
    return [[baselines._sums(document) for document in part] for part in parts]


def test_a_reference_is_what_its_command_prints(corpus, experiment_file, capsys):
    # whatever tokenizer the experiment has
    other = experiment_file.with_name("other.toml")
    tokenizer = 'kind = "words"\nminimum_count = 4\n\n[tokenizer.rare_words]\nkind = "drop"'
    text = experiment_file.read_text(encoding="utf-8")
    other.write_text(text.replace('kind = "characters"', tokenizer), encoding="utf-8")
    computed = baselines.compute_references(corpus, experiment=str(other))
    assert [reference.key for reference in computed] == KEYS
    total = {}
    for reference in computed:
        command = reference.command.removeprefix("python -m textgen baseline ")
        assert cli.main(["baseline", *shlex.split(command), "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        figures = record["test"]["bits_per_character"]
        summary = summarise(reference.test)
        assert summary["bits_per_character"] == pytest.approx(figures, rel=1e-6)
        assert record["corpus"] == corpus.description
        total[reference.key] = figures["total"]
        assert not summary["replaced"] or reference.key == "word_ngram"
        for documents, scored in (
            (corpus.validation, reference.validation),
            (corpus.test, reference.test),
        ):
            lengths = [(d.name, d.characters) for d in documents]
            assert [(d.name, d.characters) for d in scored] == lengths
            assert all(0.1 < d.bits_per_character < 6 for d in scored)
    best = max(total[key] for key in ("character_ngram", "word_ngram", "ppmd"))
    assert best < total["unigram"] - 1


def test_references_are_computed_once(corpus, cache, monkeypatch):
    said = []
    first = baselines.compute_references(corpus, said.append)
    assert len(said) == len(list(cache.iterdir())) == len(KEYS)
    monkeypatch.setattr(baselines, "score_baseline", refuse)
    assert rows(baselines.compute_references(corpus, said.append)) == rows(first)
    assert len(said) == len(KEYS)


def test_another_split_or_setting_or_version_is_computed_again(
    corpus, experiment_file, monkeypatch
):
    model, *_ = baselines.REFERENCES
    other = load_corpus(config.load_experiment(experiment_file, ["split.seed=5"]))
    assert other.sha256 == corpus.sha256
    paths = {
        baselines._cache_path(model, corpus),
        baselines._cache_path(model, other),
        baselines._cache_path(model, dataclasses.replace(corpus, sha256="0" * 64)),
    }
    for change in ({"order": 3}, {"tokenizer": {"kind": "words"}}, {"memory": (1,)}):
        paths.add(baselines._cache_path(dataclasses.replace(model, **change), corpus))
    monkeypatch.setattr(baselines, "CACHE_VERSION", baselines.CACHE_VERSION + 1)
    paths.add(baselines._cache_path(model, corpus))
    assert len(paths) == 7


def test_test_text_steers_nothing(corpus, cache):
    changed = [dataclasses.replace(d, content=d.text[::-1]) for d in corpus.test]
    other = dataclasses.replace(corpus, test=changed, sha256="0" * 64)
    pairs = zip(
        baselines.compute_references(corpus), baselines.compute_references(other), strict=True
    )
    for straight, reversed_ in pairs:
        bits = [[d.model for d in part.validation] for part in (straight, reversed_)]
        np.testing.assert_allclose(*bits, rtol=1e-6)
        cheaper = straight.test[0].model < reversed_.test[0].model
        assert cheaper or straight.key == "unigram"


def test_what_a_text_is_too_long_for_is_left_out_with_a_message(corpus, cache, monkeypatch):
    said = []
    monkeypatch.setattr(baselines, "MAX_COMPRESSED_BYTES", 1000)
    monkeypatch.setattr(baselines, "MAX_NGRAM_CHARACTERS", 1000)
    assert baselines.compute_references(corpus, said.append) == []
    assert len([text for text in said if "left out" in text]) == len(KEYS)
    monkeypatch.setattr(baselines, "MAX_COMPRESSED_BYTES", 1 << 30)
    keys = [reference.key for reference in baselines.compute_references(corpus)]
    assert keys == KEYS[3:]


def test_references_have_the_memory_of_the_experiments_that_come_with_textgen():
    for key, file in (("character_ngram", "char.toml"), ("word_ngram", "words.toml")):
        (model,) = (model for model in baselines.REFERENCES if model.key == key)
        table = tomllib.loads((ROOT / "experiments" / file).read_text(encoding="utf-8"))
        assert list(model.memory) == table["memory"]["orders"]
