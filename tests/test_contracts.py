"""Every entry of every table keeps to its plug-in point; a new one is a file and a line."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import types

import pytest

from textgen import registry
from textgen.config import resolve
from textgen.errors import TextgenError
from textgen.tokenizers.characters import Characters

ENTRIES = [(point, kind) for point in registry.POINTS for kind in registry.table(point)]
METHODS = {
    "corpus": ["documents", "origin", "licence"],
    "tokenizer": ["fit", "load"],
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
    monkeypatch.setitem(registry.table("tokenizer"), "letters", "letters_of_a_test:Letters")
    experiment = resolve(
        {
            "corpus": "wikipedia",
            "tokenizer": {"kind": "letters", "limit": 5},
            "objective": "next_token",
            "training": {"updates": 1},
        }
    )
    assert experiment.tokenizer == Letters(limit=5)
    assert experiment.resolved["tokenizer"] == {"kind": "letters", "limit": 5}
