"""Bits of documents added up and divided, by hand: no network is needed for that."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from textgen.data.documents import Document
from textgen.evaluation.likelihood import (
    UNIT,
    DocumentBits,
    by_position,
    costs,
    summarise,
    tuned_memory,
    with_memory,
)
from textgen.evaluation.memory import Memory, tuned
from textgen.tokenizers.tokens import EncodedDocument

DOCUMENTS = [Document("a", "abcdefg"), Document("b", "xyz")]
ENCODED = [
    EncodedDocument(
        np.array([2, 3, 2], np.uint8), ("cd", "e"), np.array([1.5, 4.0]), 7, 5, 2,
        np.array([1.5, 0.25]),
    ),
    EncodedDocument(np.array([2], np.uint8), (), np.array([]), 3, 1, 0),
]  # fmt: skip
BITS = [np.array([2.0, 3.0, 2.5, 0.5], np.float32), np.array([4.0, 1.0], np.float32)]
LEARNT = [np.array([2.0, 3.0, 1.5, 0.25], np.float32), np.array([3.0, 1.0], np.float32)]
MEMORY = Memory.load({"orders": [0], "discounts": [0.5], "strengths": [1.0]})


def test_a_document_costs_what_its_tokens_and_surface_forms_do():
    first, second = costs(DOCUMENTS, ENCODED, BITS, None)
    assert (first.name, first.characters, first.pieces, first.replaced) == ("a", 7, 5, 2)
    assert (first.model, first.spelling_bits, first.bits_per_character) == (8.0, 5.5, 13.5 / 8)
    assert (second.model, second.spelling_bits, second.bits_per_character) == (5.0, 0.0, 5.0 / 4)
    assert first.with_memory is second.with_memory is None
    assert type(first.model) is type(first.spelling_bits) is float
    with pytest.raises(FrozenInstanceError):
        first.name = "c"
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        costs(DOCUMENTS, ENCODED[:1], BITS, None)
    with pytest.raises(ValueError, match="argument 3 is shorter"):
        costs(DOCUMENTS, ENCODED, BITS[:1], None)


@pytest.mark.parametrize("learnt", [None, LEARNT])
def test_with_a_memory_the_network_alone_stays_beside_it(learnt):
    plain = costs(DOCUMENTS, ENCODED, BITS, None)
    both = costs(DOCUMENTS, ENCODED, BITS, MEMORY, learnt)
    for alone, each, document, below in zip(plain, both, ENCODED, learnt or BITS, strict=True):
        assert each.model_bits is alone.model_bits
        assert each.with_memory.model_bits.tolist() == MEMORY.bits(document.tokens, below).tolist()
        assert each.with_memory.with_memory is None
    assert both[0].with_memory.spelling_bits == 1.75
    assert both[1].with_memory.spelling_bits == 0.0
    assert with_memory(None, plain, ENCODED) is plain
    for wrong in (ENCODED[:1], [*ENCODED, ENCODED[0]]):
        with pytest.raises(ValueError, match="zip"):
            with_memory(MEMORY, plain, wrong)


def test_a_memory_is_tuned_on_what_it_will_be_over():
    scored = costs(DOCUMENTS, ENCODED, BITS, None)
    for learnt in (None, LEARNT):
        pairs = zip((e.tokens for e in ENCODED), learnt or BITS, strict=True)
        assert tuned_memory((0,), scored, ENCODED, learnt) == tuned((0,), list(pairs))
    assert tuned_memory((), scored, ENCODED) is None


def test_figures_of_a_split():
    made = summarise(costs(DOCUMENTS, ENCODED, BITS, None))
    assert made == {
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
    assert UNIT == "bits per character of raw text, one end mark a document included"


def test_figures_with_a_memory_and_without_a_distribution():
    both = costs(DOCUMENTS, ENCODED, BITS, MEMORY)
    remembered = [each.with_memory for each in both]
    total = sum(each.model for each in remembered)
    found = summarise(both)["with_memory"]
    assert found["bits_per_character"]["model"] == total / 12
    assert found["bits_per_character"]["spelling"] == 1.75 / 12
    assert found["mean_over_documents"] == pytest.approx(
        ((remembered[0].model + 1.75) / 8 + remembered[1].model / 4) / 2
    )
    none = {"bits_per_character": None, "mean_over_documents": None}
    uncharged = summarise(both, charged=False)
    assert uncharged["with_memory"] == none
    assert {key: uncharged[key] for key in none} == none
    assert uncharged["tokens"] == 4
    empty = DocumentBits("e", 1, np.array([1.0], np.float32), np.array([]), 0, 0)
    assert summarise([empty])["replacement_rate"] == 0.0
    single = DocumentBits("s", 1, np.array([1.0], np.float32), np.array([]), 1, 1)
    assert summarise([single])["replacement_rate"] == 1.0


def test_bits_by_place_in_the_block():
    scored = costs(DOCUMENTS, ENCODED, BITS, None)
    assert by_position(scored, 2) == pytest.approx([(2 + 2.5 + 4) / 3, (3 + 0.5 + 1) / 3])
    assert by_position(scored, 3) == pytest.approx([(2 + 0.5 + 4) / 3, (3 + 1) / 2, 2.5])
    assert by_position(scored, 5) == pytest.approx([3.0, 2.0, 2.5, 0.5, 0.0])
