"""Bits of documents added up and divided, and where in a text they stand."""

import itertools

import numpy as np
import pytest
from conftest import fitted, made_up, tiny_model
from test_tokenizers import CONFIGS

from textgen.data.documents import Document
from textgen.evaluation import likelihood
from textgen.evaluation.counts import CONTEXT_KINDS
from textgen.evaluation.memory import Memory, tune_memory
from textgen.models.objectives import NextToken
from textgen.runs.finished import TokenBits, token_table
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
DYNAMIC = [np.array([2.0, 3.0, 1.5, 0.25], np.float32), np.array([3.0, 1.0], np.float32)]
MEMORY = Memory((0,), [[0.5] * CONTEXT_KINDS], [[1.0] * CONTEXT_KINDS])
PLAIN = likelihood.costs(DOCUMENTS, ENCODED, BITS)


def test_a_document_costs_what_its_tokens_and_surface_forms_do():
    first, second = PLAIN
    assert (first.name, first.characters, first.pieces, first.replaced) == ("a", 7, 5, 2)
    assert (first.model, first.spelling_bits, first.bits_per_character) == (8.0, 5.5, 13.5 / 8)
    assert (second.model, second.spelling_bits, second.bits_per_character) == (5.0, 0.0, 5.0 / 4)
    assert first.with_memory is second.with_memory is None
    with pytest.raises(ValueError, match="is shorter"):
        likelihood.costs(DOCUMENTS, ENCODED, BITS[:1])


@pytest.mark.parametrize("dynamic", [None, DYNAMIC])
def test_with_a_memory_the_network_alone_stays_beside_it(dynamic):
    scored = likelihood.with_memory(MEMORY, PLAIN, ENCODED, dynamic)
    for alone, document, encoded, below in zip(
        PLAIN, scored, ENCODED, dynamic or BITS, strict=True
    ):
        assert document.model_bits is alone.model_bits
        mixed = document.with_memory
        assert mixed.model_bits.tolist() == MEMORY.bits(encoded.tokens, below).tolist()
        assert mixed.with_memory is None
    assert [document.with_memory.spelling_bits for document in scored] == [1.75, 0.0]
    assert likelihood.with_memory(None, PLAIN, ENCODED) is PLAIN
    with pytest.raises(ValueError, match="zip"):
        likelihood.with_memory(MEMORY, PLAIN, ENCODED[:1])
    pairs = zip((e.tokens for e in ENCODED), dynamic or BITS, strict=True)
    assert likelihood.tuned_memory((0,), PLAIN, ENCODED, dynamic) == tune_memory((0,), list(pairs))
    assert likelihood.tuned_memory((), PLAIN, ENCODED) is None


def test_figures_of_a_split():
    assert likelihood.summarise(PLAIN) == {
        "bits_per_character": {"model": 13 / 12, "spelling": 5.5 / 12, "total": 13 / 12 + 5.5 / 12},
        "mean_over_documents": (13.5 / 8 + 5 / 4) / 2,
        "with_memory": None,
        "documents": 2,
        "characters": 10,
        "tokens": 4,
        "tokens_per_character": 0.4,
        "pieces": 6,
        "replaced": 2,
        "replacement_rate": 1 / 3,
    }
    scored = likelihood.with_memory(MEMORY, PLAIN, ENCODED)
    mixed = likelihood.summarise([document.with_memory for document in scored])
    figures = likelihood.summarise(scored)["with_memory"]
    assert figures == {name: mixed[name] for name in figures}
    assert figures["bits_per_character"]["spelling"] == 1.75 / 12
    uncharged = likelihood.summarise(scored, charged=False)
    none = {"bits_per_character": None, "mean_over_documents": None}
    assert uncharged["with_memory"] == {name: uncharged[name] for name in none} == none
    empty = likelihood.DocumentBits("e", 1, np.array([1.0], np.float32), np.array([]), 0, 0)
    assert likelihood.summarise([empty])["replacement_rate"] == 0.0


def test_bits_by_place_in_the_block():
    assert likelihood.by_position(PLAIN, 2) == pytest.approx([(2 + 2.5 + 4) / 3, (3 + 0.5 + 1) / 3])
    assert likelihood.by_position(PLAIN, 3) == pytest.approx([(2 + 0.5 + 4) / 3, (3 + 1) / 2, 2.5])
    assert likelihood.by_position(PLAIN, 5) == pytest.approx([3.0, 2.0, 2.5, 0.5, 0.0])


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
    scored = likelihood.score_documents(objective, network, tokenizer, documents)
    tables = token_table(tokenizer, documents, scored)
    for document, bits, table in zip(documents, scored, tables, strict=True):
        starts, ends, model, spelling = table.cells()
        assert model.sum() == pytest.approx(bits.model)
        assert spelling.sum() == pytest.approx(bits.spelling_bits)
        assert [0, *ends.tolist()][:-1] == starts.tolist()
        assert (ends > starts).all()
        assert table.characters == len(document.text) == (ends[-1] if len(ends) else 0)
        each = table.per_character()
        assert each.shape == (len(document.text) + 1,)
        assert each.sum() == pytest.approx(bits.model + bits.spelling_bits)


def test_tokens_that_tell_nothing_are_counted_with_the_next():
    bits = np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.array([0.0, 1.0, 0.0, 0.0, 0.0])
    table = TokenBits("x", np.array([0, 3, 3, 5, 5]), *bits)
    starts, ends, model, spelling = table.cells()
    assert (starts.tolist(), ends.tolist()) == ([0, 3], [3, 5])
    assert (model.tolist(), spelling.tolist()) == ([3, 12, 16], [1, 0, 0])
    np.testing.assert_allclose(table.per_character(), [4 / 3] * 3 + [6, 6, 16])
