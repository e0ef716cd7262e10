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
from textgen.evaluation import references
from textgen.evaluation.likelihood import summarise

KEYS = ["unigram", "character_ngram", "word_ngram", "ppmd", "xz"]


@pytest.fixture
def loaded(experiment_file):
    return load_corpus(config.load_experiment(experiment_file))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "references"


def refuse(*given):
    raise AssertionError("computed again")


def plain(found):
    """References as data that can be compared."""
    return [
        [
            [d.name, d.characters, d.model, d.spelling_bits, d.pieces, d.replaced]
            + ([d.with_memory.model, d.with_memory.spelling_bits] if d.with_memory else [])
            for d in (*reference.validation, *reference.test)
        ]
        for reference in found
    ]


def test_a_reference_is_what_its_command_prints(loaded, experiment_file, capsys):
    # whatever tokenizer the experiment has
    other = experiment_file.with_name("other.toml")
    tokenizer = 'kind = "words"\nminimum_count = 4\n\n[tokenizer.rare_words]\nkind = "drop"'
    text = experiment_file.read_text(encoding="utf-8")
    other.write_text(text.replace('kind = "characters"', tokenizer), encoding="utf-8")
    assert config.load_experiment(other).tokenizer.minimum_count == 4
    found = references.compute_references(loaded, experiment=str(other))
    assert [each.key for each in found] == KEYS
    for each in found:
        command = each.command.removeprefix("python -m textgen baseline ")
        assert cli.main(["baseline", *shlex.split(command), "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        figures = record["test"]["bits_per_character"]
        assert summarise(each.test)["bits_per_character"] == pytest.approx(figures, rel=1e-6)
        assert record["corpus"] == loaded.description
        assert each.label
        assert each.meaning


def test_each_part_is_scored_document_by_document(loaded):
    for each in references.compute_references(loaded):
        for part, documents in ((each.validation, loaded.validation), (each.test, loaded.test)):
            assert [(d.name, d.characters) for d in part] == [
                (d.name, len(d.text)) for d in documents
            ]
            assert all(0.1 < d.bits_per_character < 6 for d in part)
            assert all(d.model_bits.shape == d.surface_bits.shape == (1,) for d in part)


def test_only_words_are_spelled_and_context_helps(loaded):
    found = {each.key: summarise(each.test) for each in references.compute_references(loaded)}
    total = {key: figures["bits_per_character"]["total"] for key, figures in found.items()}
    assert total["character_ngram"] < total["unigram"] - 1
    assert total["word_ngram"] < total["unigram"] - 1
    assert total["ppmd"] < total["unigram"] - 1
    assert all(found[key]["replaced"] == 0 for key in KEYS if key != "word_ngram")


def test_references_are_computed_once(loaded, cache, monkeypatch):
    said = []
    first = references.compute_references(loaded, said.append)
    assert len(said) == len(list(cache.iterdir())) == len(KEYS)
    monkeypatch.setattr(references, "_compute", refuse)
    assert plain(references.compute_references(loaded, said.append)) == plain(first)
    assert len(said) == len(KEYS)


def test_another_split_or_setting_or_version_is_computed_anew(loaded, experiment_file, monkeypatch):
    line, *_ = references.LINES
    paths = {references._path(line, loaded)}
    other = load_corpus(config.load_experiment(experiment_file, ["split.seed=5"]))
    assert other.sha256 == loaded.sha256
    paths.add(references._path(line, other))
    paths.add(references._path(line, dataclasses.replace(loaded, sha256="0" * 64)))
    baseline_ = references.KneserNey(order=3)
    paths.add(references._path(dataclasses.replace(line, baseline=baseline_), loaded))
    words = references.Words(references.Unk(), minimum_count=3)
    paths.add(references._path(dataclasses.replace(line, tokenizer=words), loaded))
    monkeypatch.setattr(references, "CACHE_VERSION", references.CACHE_VERSION + 1)
    paths.add(references._path(line, loaded))
    assert len(paths) == 6


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "\udcff",
        lambda text: json.dumps({"documents": [[], []]}),
        lambda text: text.replace("tale", "table"),
        lambda text: text.replace("0.0", "NaN"),
        lambda text: text.replace("1", "2", 99),
        lambda text: "[" * 100_000,
        lambda text: text.replace("0.0", "null"),
    ],
)
def test_a_damaged_cache_file_is_told_and_replaced(loaded, cache, damage, capsys):
    first = plain(references.compute_references(loaded))
    for path in cache.iterdir():
        text = path.read_text(encoding="utf-8")
        path.write_bytes(damage(text).encode("utf-8", "surrogateescape"))
    said = []
    assert plain(references.compute_references(loaded, said.append)) == first
    assert len(said) == len(KEYS)
    assert capsys.readouterr().err.count("is damaged") == len(KEYS)
    assert references.compute_references(loaded, refuse)


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(loaded, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "file"))
    assert len(references.compute_references(loaded)) == len(KEYS)


def test_test_text_steers_nothing(loaded, cache):
    changed = [dataclasses.replace(d, content=d.text[::-1]) for d in loaded.test]
    other = dataclasses.replace(loaded, test=changed, sha256="0" * 64)
    pairs = zip(
        references.compute_references(loaded), references.compute_references(other), strict=True
    )
    for one, two in pairs:
        np.testing.assert_allclose(
            [d.model for d in one.validation], [d.model for d in two.validation], rtol=1e-6
        )
        assert one.test[0].model < two.test[0].model or one.key == "unigram"


def test_what_a_text_is_too_long_for_is_left_out_with_a_message(loaded, cache, monkeypatch):
    monkeypatch.setattr(references, "MAX_COMPRESSED", 1000)
    said = []
    assert [each.key for each in references.compute_references(loaded, said.append)] == KEYS[:3]
    assert [text for text in said if "left out" in text and "PPMd" in text]
    monkeypatch.setattr(references, "MAX_NGRAM_CHARACTERS", 1000)
    monkeypatch.setattr(references, "MAX_COMPRESSED", 1 << 30)
    kept = [each.key for each in references.compute_references(loaded, said.append)]
    assert kept == KEYS  # the n-grams lie in the cache
    for path in cache.iterdir():
        path.unlink()
    assert [each.key for each in references.compute_references(loaded, said.append)] == KEYS[3:]


def test_references_have_the_memory_of_the_experiments_that_come_with_textgen():
    for key, file in (("character_ngram", "char.toml"), ("word_ngram", "words.toml")):
        (line,) = (line for line in references.LINES if line.key == key)
        table = tomllib.loads((ROOT / "experiments" / file).read_text(encoding="utf-8"))
        assert list(line.orders) == table["memory"]["orders"]
