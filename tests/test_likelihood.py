"""Bits of documents added up and divided, and where in a text they stand."""

import itertools

import numpy as np
import pytest
from conftest import fitted, made_up, tiny_model
from test_tokenizers import CONFIGS

from textgen.data.documents import Document
from textgen.evaluation import likelihood
from textgen.evaluation.model import LanguageModel
from textgen.models.objectives import NextToken
from textgen.runs.stored import TokenBits, token_tables
from textgen.tokenizers.base import ESCAPE, EncodedDocument
from textgen.tokenizers.whitespace import FIRST, Whitespace
from textgen.tokenizers.words import Words

DOCUMENTS = [Document("a", "abcdefg"), Document("b", "xyz")]
ENCODED = [
    EncodedDocument(
        np.array([2, 3, 2], np.uint8), ("cd", "e"), np.array([1.5, 4.0]), 7, 5, 2,
        np.array([1.5, 0.25]),
    ),
    EncodedDocument(np.array([2], np.uint8), (), np.array([]), 3, 1, 0),
]  # fmt: skip
BITS = [np.array([2.0, 3.0, 2.5, 0.5], np.float32), np.array([4.0, 1.0], np.float32)]
ROWS = [{"network": bits, "with_cache": bits / 2} for bits in BITS]
SCORES = likelihood.scored_documents(DOCUMENTS, ENCODED, ROWS)


def test_a_document_costs_what_its_tokens_and_surface_forms_do():
    first, second = SCORES["network"]
    assert (first.name, first.characters, first.pieces, first.replaced) == ("a", 7, 5, 2)
    assert (first.model, first.spelling_bits, first.bits_per_character) == (8.0, 5.5, 13.5 / 8)
    assert (second.model, second.spelling_bits, second.bits_per_character) == (5.0, 0.0, 5.0 / 4)
    cached = SCORES["with_cache"]
    assert [(d.model, d.spelling_bits) for d in cached] == [(4.0, 1.75), (2.5, 0.0)]
    with pytest.raises(ValueError, match="is shorter"):
        likelihood.scored_documents(DOCUMENTS, ENCODED, ROWS[:1])


def test_figures_of_a_split():
    network = {"model": 13 / 12, "spelling": 5.5 / 12, "total": 13 / 12 + 5.5 / 12}
    cached = {"model": 6.5 / 12, "spelling": 1.75 / 12, "total": 6.5 / 12 + 1.75 / 12}
    expected = {
        "parts": {
            "network": {"bits_per_character": network, "mean_over_documents": 1.46875},
            "with_cache": {"bits_per_character": cached, "mean_over_documents": 0.671875},
        },
        "documents": 2,
        "characters": 10,
        "tokens": 4,
        "tokens_per_character": 0.4,
        "pieces": 6,
        "replaced": 2,
        "replacement_rate": 1 / 3,
    }
    assert likelihood.summarise(SCORES) == expected
    none = {"bits_per_character": None, "mean_over_documents": None}
    uncharged = likelihood.summarise(SCORES, charged=False)
    assert uncharged == {**expected, "parts": dict.fromkeys(SCORES, none)}
    empty = likelihood.DocumentBits("e", 1, np.array([1.0], np.float32), np.array([]), 0, 0)
    assert likelihood.summarise({"network": [empty]})["replacement_rate"] == 0.0


def test_bits_by_place_in_the_block():
    network = SCORES["network"]
    assert likelihood.by_position(network, 2) == pytest.approx(
        [(2 + 2.5 + 4) / 3, (3 + 0.5 + 1) / 3]
    )
    assert likelihood.by_position(network, 3) == pytest.approx(
        [(2 + 0.5 + 4) / 3, (3 + 1) / 2, 2.5]
    )
    assert likelihood.by_position(network, 5) == pytest.approx([3.0, 2.0, 2.5, 0.5, 0.0])


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
    scores = LanguageModel(tokenizer, objective, network).score(documents)
    tables = token_tables(tokenizer, documents, scores)["network"]
    for document, bits, table in zip(documents, scores["network"], tables, strict=True):
        starts, ends, model, spelling = table.cells()
        assert model.sum() == pytest.approx(bits.model)
        assert spelling.sum() == pytest.approx(bits.spelling_bits)
        assert [0, *ends.tolist()][:-1] == starts.tolist()
        assert (ends > starts).all()
        assert table.characters == len(document.text) == (ends[-1] if len(ends) else 0)
        each = table.per_character()
        assert each.sum() == pytest.approx(bits.model + bits.spelling_bits)


def test_tokens_that_tell_nothing_are_counted_with_the_next():
    bits = np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.array([0.0, 1.0, 0.0, 0.0, 0.0])
    table = TokenBits("x", np.array([0, 3, 3, 5, 5]), *bits)
    starts, ends, model, spelling = table.cells()
    assert (starts.tolist(), ends.tolist()) == ([0, 3], [3, 5])
    assert (model.tolist(), spelling.tolist()) == ([3, 12, 16], [1, 0, 0])
    np.testing.assert_allclose(table.per_character(), [4 / 3] * 3 + [6, 6, 16])
