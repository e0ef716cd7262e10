"""Bits of documents added up, where in a text they stand, and the units of published figures."""

import itertools
import json
import math
import re
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import COUNTED, fitted, made_up, small_experiment, tiny_model
from test_tokenizers import CONFIGS

import textgen as package
from textgen.core.settings import PARTS
from textgen.core.tokens import ESCAPE
from textgen.data.documents import Document
from textgen.data.loading import load_corpus
from textgen.evaluation import scores, units
from textgen.evaluation.baselines import XZ, KneserNey, baseline
from textgen.evaluation.counts import TrainingCounts
from textgen.evaluation.likelihood import scoring_step, token_bits
from textgen.evaluation.model import LanguageModel
from textgen.models.objectives import NextToken
from textgen.runs import results
from textgen.runs.stored import TokenBits, read_token_bits, token_tables, write_token_bits
from textgen.tokenizers.encoded import EncodedDocument
from textgen.tokenizers.whitespace import FIRST, Whitespace
from textgen.tokenizers.words import Words
from textgen.training.checkpoint import Progress

DOCUMENTS = [Document("a", "abcdefg"), Document("b", "xyz")]
ENCODED = [
    EncodedDocument(
        np.array([2, 3, 2], np.uint8), ("cd", "e"), 7, 5, 2,
        np.array([1.5, 4.0]), np.array([1.5, 0.25]),
    ),
    EncodedDocument(np.array([2], np.uint8), (), 3, 1),
]  # fmt: skip
BITS = [np.array([2.0, 3.0, 2.5, 0.5], np.float32), np.array([4.0, 1.0], np.float32)]
ROWS = [{"network": bits, "with_cache": bits / 2} for bits in BITS]
SCORES = scores.scored_documents(DOCUMENTS, ENCODED, ROWS)


def test_a_document_costs_what_its_tokens_and_surface_forms_do():
    first, second = SCORES["network"]
    assert (first.name, first.characters, first.pieces, first.replaced) == ("a", 7, 5, 2)
    assert (first.model, first.spelling_bits, first.bits_per_character) == (8.0, 5.5, 13.5 / 8)
    assert (second.model, second.spelling_bits, second.bits_per_character) == (5.0, 0.0, 5.0 / 4)
    cached = SCORES["with_cache"]
    assert [(d.model, d.spelling_bits) for d in cached] == [(4.0, 1.75), (2.5, 0.0)]
    with pytest.raises(ValueError, match="is shorter"):
        scores.scored_documents(DOCUMENTS, ENCODED, ROWS[:1])


def test_five_documents_are_scored_by_what_was_compiled_for_eight():
    objective = NextToken(4)
    network = tiny_model(objective, 6)
    documents = [np.full(20, 2 + i % 4, np.uint8) for i in range(8)]
    of_eight = token_bits(objective, network, documents)
    step = scoring_step(objective, network)
    compiled = step.experimental_get_tracing_count()
    for number in (5, 6, 7):
        found = token_bits(objective, network, documents[:number])
        for bits, expected in zip(found, of_eight[:number], strict=True):
            np.testing.assert_allclose(bits, expected, rtol=1e-5)
    assert step.experimental_get_tracing_count() == compiled


def test_figures_of_a_split():
    network = {"model": 13 / 12, "spelling": 5.5 / 12, "total": 13 / 12 + 5.5 / 12}
    cached = {"model": 6.5 / 12, "spelling": 1.75 / 12, "total": 6.5 / 12 + 1.75 / 12}
    expected = {
        "parts": {
            "network": {"bits_per_character": network, "mean_over_documents": 1.46875},
            "with_cache": {"bits_per_character": cached, "mean_over_documents": 0.671875},
        },
        "documents": 2, "characters": 10, "tokens": 4, "tokens_per_character": 0.4, "pieces": 6,
        "replaced": 2, "replacement_rate": 1 / 3,
    }  # fmt: skip
    assert scores.summarise(SCORES) == expected
    none = {"bits_per_character": None, "mean_over_documents": None}
    uncharged = scores.summarise(SCORES, charged=False)
    assert uncharged == {**expected, "parts": dict.fromkeys(SCORES, none)}
    empty = scores.DocumentBits("e", 1, np.array([1.0], np.float32), np.array([]), 0, 0)
    assert scores.summarise({"network": [empty]})["replacement_rate"] == 0.0


def test_a_run_says_what_was_made_and_not_what_was_planned(corpus_folder):
    corpus = {"kind": "folder", "path": str(corpus_folder)}
    experiment, history = small_experiment(corpus=corpus), [{"loss": 3.0}, {"loss": 2.0}]
    loaded = load_corpus(experiment)
    planned = {"intervals": 9, "updates_per_interval": 10}
    stage = {
        "updates": 30, "characters_per_update": 100.4, "multiplications_per_update": 7,
        "paces": [0.5],
    }  # fmt: skip
    progress = Progress(**planned, updates=30, stages=[stage], history=history)
    tokenizer = SimpleNamespace(charged=True, closed_vocabulary=False, size=9)
    of_text = {"tokenizer": tokenizer, "encoded": (ENCODED, []), "seconds": 7.0, "extra_data": []}
    scored = {"validation": SCORES, "test": SCORES}
    prepared = SimpleNamespace(**of_text)
    metrics = results.run_metrics(experiment, loaded, prepared, progress, 55, scored, {})
    training = metrics.training
    assert (training.characters, training.characters_of_training_text) == (3012, 12)
    assert (training.updates, training.updates_planned, training.parameters) == (30, 90, 55)
    assert (training.final_loss, training.preparation_seconds) == (2.0, 7.0)
    assert (training.compute, training.compute_without_preparation) == (22.0, 15.0)
    assert training.multiplications == 30 * 7
    assert metrics.vocabulary_size == 9


def test_a_table_of_figures_has_each_in_its_column():
    parts = {"network": figures_of(1.25, 0.5, 2.0), "counts": figures_of(1.5, 0.25, 2.5)}
    split = results.SplitFigures(parts=parts, replacement_rate=0.125)
    head, _, *rows = results.figure_table({"validation": split}).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (head, *rows)]
    assert cells == [
        ["", "part", "model", "+ spelling", "= total", "mean", "replaced"],
        ["validation", "network", "1.2500", "0.5000", "1.7500", "2.0000", "12.50%"],
        ["validation", "counts", "1.5000", "0.2500", "1.7500", "2.5000", "12.50%"],
    ]


def figures_of(model, spelling, mean):
    bits = {"model": model, "spelling": spelling, "total": model + spelling}
    return results.Figures(bits_per_character=bits, mean_over_documents=mean)


def test_the_line_of_a_run_names_the_part_of_each_figure():
    parts = {"network": figures_of(1.5, 0.5, 3.0), "with_cache": figures_of(1.25, 0.5, 3.0)}
    test = results.SplitFigures(parts=parts, replacement_rate=0.0)
    line = results.verdict(SimpleNamespace(name="tales", test=test))
    assert line == "tales: 2.0000 bits per character of held-out text; with cache 1.7500"
    assert len({*units.PART_LABELS.values()}) == len(PARTS)
    for part, label in units.PART_LABELS.items():
        assert label.startswith(part.replace("_", " "))


def test_bits_of_tokens_are_read_as_they_were_written(tmp_path):
    """Parts without a cache spell as the network does."""

    def documents(factor, spelling):
        first = np.array([2, 3, 7, 7]), factor * np.array([1.0, 2, 3, 4]), spelling
        second = np.array([5, 5]), factor * np.array([5.0, 6]), np.array([0.25, 0])
        return [TokenBits("a", *first), TokenBits("b", *second)]

    alone, cached = np.array([0.0, 1.5, 0, 0]), np.array([0.0, 0.5, 0, 0])
    parts = {"network": (1, alone), "with_counts": (2, alone), "with_cache": (3, cached)}
    test = {part: documents(*own) for part, own in parts.items()}
    tables = {"validation": {part: rows[::-1] for part, rows in test.items()}, "test": test}
    write_token_bits(tmp_path / "tokens.npz", tables)
    for split, expected in tables.items():
        found = read_token_bits(tmp_path / "tokens.npz", split)
        assert found.keys() == expected.keys()
        for part, rows in expected.items():
            for one, other in zip(found[part], rows, strict=True):
                assert one.name == other.name
                for column in ("ends", "model", "spelling"):
                    np.testing.assert_array_equal(getattr(one, column), getattr(other, column))


def test_bits_by_place_in_the_block():
    expected = {2: [(2 + 2.5 + 4) / 3, (3 + 0.5 + 1) / 3], 3: [(2 + 0.5 + 4) / 3, (3 + 1) / 2, 2.5]}
    for length, bits in (expected | {5: [3.0, 2.0, 2.5, 0.5, 0.0]}).items():
        assert scores.by_position(SCORES["network"], length) == pytest.approx(bits)


TRAINING, TUNING = made_up(60, 1) + " Onyx basalt, zymurgy.", made_up(9, 2)
each_tokenizer = pytest.mark.parametrize("config", CONFIGS[:12], ids=repr)


@each_tokenizer
def test_a_token_tells_its_own_words(config):
    tokenizer = fitted(config, TRAINING, TUNING)
    text = "The tide left one gull. THE KEEPER\n\nanswered: a zymurgical bell! "
    encoded, checked = tokenizer.encode(text), 0
    first_word = tokenizer.policy.first_word if isinstance(config, Words) else ESCAPE + 1
    first_word = FIRST if isinstance(config, Whitespace) else first_word
    spans = itertools.pairwise([0, *encoded.ends])
    for token, (start, end) in zip(encoded.tokens, spans, strict=True):
        if token >= first_word and "Neighbour" not in repr(config):
            assert text[start:end].lower().endswith(tokenizer.names[token].strip(" ").lower())
            checked += end - start
    least = len(text) / (8 if isinstance(config, Whitespace) else 2)  # where "gull." is unknown
    assert checked > least or "Neighbour" in repr(config)


@each_tokenizer
def test_every_bit_stands_at_some_characters(config):
    tokenizer, objective = fitted(config, TRAINING, TUNING), NextToken(window=7)
    network = tiny_model(objective, tokenizer.size)
    texts = ("The tide, zymurgical Quux. onyx", "☃", "", "unheard")
    documents = [Document(text[:1], text) for text in texts]
    encoded = [tokenizer.encode(text) for text in texts]
    scores = LanguageModel(tokenizer, objective, network).score(documents, encoded=encoded)
    tables = token_tables(encoded, scores)["network"]
    for document, bits, table in zip(documents, scores["network"], tables, strict=True):
        *stretches, end_mark = table.stretches()
        assert sum(s.model for s in table.stretches()) == pytest.approx(bits.model)
        assert sum(s.spelling for s in table.stretches()) == pytest.approx(bits.spelling_bits)
        ends = [0, *(s.end for s in stretches)]
        assert [s.start for s in stretches] == ends[:-1]
        assert all(s.end > s.start for s in stretches)
        assert table.characters == len(document.text) == ends[-1]
        assert (end_mark.start, end_mark.end) == (ends[-1], ends[-1])
        assert table.per_character().sum() == pytest.approx(bits.model + bits.spelling_bits)


def test_tokens_that_tell_nothing_are_counted_with_the_next():
    bits = np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.array([0.0, 1.0, 0.0, 0.0, 0.0])
    table = TokenBits("x", np.array([0, 3, 3, 5, 5]), *bits)
    assert table.stretches() == [(0, 3, 3, 1), (3, 5, 12, 0), (5, 5, 16, 0)]
    np.testing.assert_allclose(table.per_character(), [4 / 3] * 3 + [6, 6, 16])


def test_everything_is_counted():
    texts = " the <unk> fell \n N é \n", "a last\nline", "\n"
    documents = [Document(text[:1], text) for text in texts]
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
    """A folder as PTB's, a space at both ends of every line, and the words of each test line."""
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
    (record,) = baseline("kneser_ney", [KneserNey(2)], experiment, corpus)
    published = record["test"]["published"]
    assert published["comparable"] == units.CLOSED
    assert published["counts"]["tokens"] == record["test"]["tokens"]
    word, token = (published["parts"]["counts"][f"perplexity_per_{x}"] for x in ("word", "token"))
    assert word["as_published"] == pytest.approx(token["as_published"])
    assert 2 < word["as_published"] < 40
    (record,) = baseline("xz", [XZ()], experiment, corpus)
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


def test_ngrams_of_validation_text_are_looked_up_once_a_training(
    experiment_file, tmp_path, monkeypatch
):
    look_up, looked_up = TrainingCounts.count_along, Counter()

    def counted(self, tokens):
        looked_up[tokens.tobytes()] += 1
        return look_up(self, tokens)

    monkeypatch.setattr(TrainingCounts, "count_along", counted)
    settings = ["sampling.part=with_counts", "training.updates=30", "training.validations=3"]
    settings += [COUNTED, "sampling.length=40"]
    package.train(experiment_file, overrides=settings, runs_folder=tmp_path, quiet=True)
    assert max(looked_up.values()) == 2  # once for all validations, once for the figures
