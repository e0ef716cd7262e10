"""Every entry of every table keeps to its plug-in point; a new one is a file and a line."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import types

import pytest
from conftest import POLICIES, made_up

from textgen.core import registry
from textgen.core.errors import TextgenError
from textgen.core.experiment import resolve_experiment
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.words.rare_words.base import fitted_speller, loaded_speller
from textgen.tokenizers.words.rare_words.placeholders import Placeholders

ENTRIES = [(point, kind) for point in registry.POINTS for kind in registry.plugin_table(point)]
METHODS = {
    "corpus": ["documents", "origin", "licence"],
    "tokenizer": ["fit", "load"],
    "rare_words": ["fit", "load"],
    "embedding": ["frozen", "vectors"],
    "baseline": ["reads_bytes", "orders", "fit"],
    "metric": ["labels", "counts", "values"],
    "objective": ["build", "logits", "begin", "next_logits", "append", "before", "length"],
}


@pytest.mark.parametrize(("point", "kind"), ENTRIES)
def test_an_entry_is_a_documented_frozen_dataclass_with_the_methods(point, kind):
    cls = registry.lookup(point, kind, "test")
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen
    assert cls.__doc__
    assert importlib.import_module(cls.__module__).__doc__
    fields = {f.name for f in dataclasses.fields(cls)}
    for method in METHODS[point]:
        assert hasattr(cls, method) or method in fields


def test_an_unknown_kind_gets_suggestions_and_the_list():
    with pytest.raises(TextgenError) as caught:
        registry.lookup("tokenizer", "character", "here")
    assert "did you mean 'characters'" in str(caught.value)


def test_a_plug_in_defined_elsewhere_is_one_line(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Letters(Characters):
        """A tokenizer of this test."""

        limit: int = 3

    module = types.ModuleType("letters_of_a_test")
    module.Letters = Letters
    monkeypatch.setitem(sys.modules, "letters_of_a_test", module)
    monkeypatch.setitem(registry.plugin_table("tokenizer"), "letters", "letters_of_a_test:Letters")
    experiment = resolve_experiment(
        {
            "corpus": "wikipedia",
            "tokenizer": {"kind": "letters", "limit": 5},
            "objective": "next_token",
            "training": {"updates": 1},
        }
    )
    assert experiment.tokenizer == Letters(limit=5)
    assert experiment.resolved["tokenizer"] == {"kind": "letters", "limit": 5}


def test_every_rare_word_policy_is_among_those_that_are_tested():
    tested = {type(policy) for policy in POLICIES}
    assert tested == {
        registry.lookup("rare_words", kind, "test") for kind in registry.plugin_table("rare_words")
    }


def test_a_policy_defined_elsewhere_is_one_line(monkeypatch):
    """Rare words by their length, in one class, charged and brought back like all others."""

    class ByLength(Placeholders):
        def classify(self, pieces, rare):
            return [self.classes[min(len(word.core), 4) // 3] for word in rare]

    @dataclasses.dataclass(frozen=True)
    class Length:
        """Short and long rare words."""

        def fit(self, data):
            names = ("short", "long")
            speller = fitted_speller(data, ByLength(names, None).classify)
            return ByLength(names, speller)

        def load(self, state, vocabulary):
            return ByLength(("short", "long"), loaded_speller(state["speller"], vocabulary))

    module = types.ModuleType("policy_of_a_test")
    module.Length = Length
    monkeypatch.setitem(sys.modules, "policy_of_a_test", module)
    monkeypatch.setitem(registry.plugin_table("rare_words"), "length", "policy_of_a_test:Length")
    experiment = resolve_experiment(
        {
            "corpus": "wikipedia",
            "tokenizer": {"kind": "words", "rare_words": "length"},
            "objective": "next_token",
            "training": {"updates": 1},
        }
    )
    assert experiment.resolved["tokenizer"]["rare_words"] == {"kind": "length"}
    tokenizer = experiment.tokenizer.fit([made_up(40, 1)], [made_up(10, 2)], 1)
    encoded = tokenizer.encode("the keeper watched unfathomable ox.")
    assert encoded.replaced == 2
    assert list(tokenizer.names[5:7]) == ["<short>", "<long>"]
    assert encoded.spelling_bits.min() > 0
    assert tokenizer.decode(encoded) == "the keeper watched unfathomable ox."
