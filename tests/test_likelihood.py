"""Bits of documents added up and divided, by hand: no network is needed for that."""

from __future__ import annotations

import numpy as np
import pytest

from textgen.data.documents import Document
from textgen.evaluation.likelihood import (
    DocumentBits,
    by_position,
    costs,
    summarise,
    tuned_memory,
    with_memory,
)
from textgen.evaluation.memory import CONTEXT_KINDS, Memory, tune_memory
from textgen.tokenizers.base import EncodedDocument

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
PLAIN = costs(DOCUMENTS, ENCODED, BITS)


def test_a_document_costs_what_its_tokens_and_surface_forms_do():
    first, second = PLAIN
    assert (first.name, first.characters, first.pieces, first.replaced) == ("a", 7, 5, 2)
    assert (first.model, first.spelling_bits, first.bits_per_character) == (8.0, 5.5, 13.5 / 8)
    assert (second.model, second.spelling_bits, second.bits_per_character) == (5.0, 0.0, 5.0 / 4)
    assert first.with_memory is second.with_memory is None
    for wrong in ((DOCUMENTS, ENCODED[:1], BITS), (DOCUMENTS, ENCODED, BITS[:1])):
        with pytest.raises(ValueError, match="is shorter"):
            costs(*wrong)


@pytest.mark.parametrize("dynamic", [None, DYNAMIC])
def test_with_a_memory_the_network_alone_stays_beside_it(dynamic):
    scored = with_memory(MEMORY, PLAIN, ENCODED, dynamic)
    for alone, document, encoded, below in zip(
        PLAIN, scored, ENCODED, dynamic or BITS, strict=True
    ):
        assert document.model_bits is alone.model_bits
        mixed = document.with_memory
        assert mixed.model_bits.tolist() == MEMORY.bits(encoded.tokens, below).tolist()
        assert mixed.with_memory is None
    assert [document.with_memory.spelling_bits for document in scored] == [1.75, 0.0]
    assert with_memory(None, PLAIN, ENCODED) is PLAIN
    with pytest.raises(ValueError, match="zip"):
        with_memory(MEMORY, PLAIN, ENCODED[:1])
    pairs = zip((e.tokens for e in ENCODED), dynamic or BITS, strict=True)
    assert tuned_memory((0,), PLAIN, ENCODED, dynamic) == tune_memory((0,), list(pairs))
    assert tuned_memory((), PLAIN, ENCODED) is None


def test_figures_of_a_split():
    assert summarise(PLAIN) == {
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
    scored = with_memory(MEMORY, PLAIN, ENCODED)
    mixed = summarise([document.with_memory for document in scored])
    figures = summarise(scored)["with_memory"]
    assert figures == {name: mixed[name] for name in figures}
    assert figures["bits_per_character"]["spelling"] == 1.75 / 12
    uncharged = summarise(scored, charged=False)
    none = {"bits_per_character": None, "mean_over_documents": None}
    assert uncharged["with_memory"] == {name: uncharged[name] for name in none} == none
    empty = DocumentBits("e", 1, np.array([1.0], np.float32), np.array([]), 0, 0)
    assert summarise([empty])["replacement_rate"] == 0.0


def test_bits_by_place_in_the_block():
    assert by_position(PLAIN, 2) == pytest.approx([(2 + 2.5 + 4) / 3, (3 + 0.5 + 1) / 3])
    assert by_position(PLAIN, 3) == pytest.approx([(2 + 0.5 + 4) / 3, (3 + 1) / 2, 2.5])
    assert by_position(PLAIN, 5) == pytest.approx([3.0, 2.0, 2.5, 0.5, 0.0])
