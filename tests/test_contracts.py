"""Every entry of every table keeps to its plug-in point; a new one is a file and a line."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import types
from dataclasses import dataclass

import pytest
from conftest import POLICIES, ROOT, made_up

from textgen.core import settings
from textgen.core.experiment import resolve_experiment
from textgen.testing import check_plugin
from textgen.tokenizers.base import ESCAPE, Chance
from textgen.tokenizers.characters import Characters, CharacterTokenizer
from textgen.tokenizers.rare_words import ClassPolicy
from textgen.tokenizers.words import Words

ENTRIES = [(point, kind) for point in settings.POINTS for kind in settings.plugin_table(point)]
METHODS = {
    "corpus": ["documents", "origin", "licence"],
    "tokenizer": ["fit", "load"],
    "rare_words": ["fit", "load"],
    "segmenter": ["segment", "extra_data"],
    "embedding": ["frozen"],
    "baseline": ["reads_bytes", "fit"],
    "metric": ["labels", "counts", "values"],
    "objective": ["build", "features", "begin", "next_features", "append", "before", "length"],
    "backbone": ["build", "embedding_width", "label"],
}


@pytest.mark.parametrize(("point", "kind"), ENTRIES)
def test_an_entry_is_a_documented_frozen_dataclass_with_the_methods(point, kind):
    cls = settings.lookup(point, kind, "test")
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen
    assert cls.__doc__
    assert importlib.import_module(cls.__module__).__doc__
    fields = {f.name for f in dataclasses.fields(cls)}
    for method in METHODS[point]:
        assert hasattr(cls, method) or method in fields


def test_a_plug_in_defined_elsewhere_is_one_line(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Letters(Characters):
        """A tokenizer of this test."""

        limit: int = 3

    module = types.ModuleType("letters_of_a_test")
    module.Letters = Letters
    monkeypatch.setitem(sys.modules, "letters_of_a_test", module)
    monkeypatch.setitem(settings._own("tokenizer"), "letters", "letters_of_a_test:Letters")
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
        settings.lookup("rare_words", kind, "test") for kind in settings.plugin_table("rare_words")
    }


def test_choices_that_cost_something_else_than_is_charged_are_found(monkeypatch):
    def surface_steps(self, tokens):
        def cheap(known):
            yield Chance(0.5, True)
            return known

        return cheap if tokens and tokens[-1] == ESCAPE else None

    monkeypatch.setattr(CharacterTokenizer, "surface_steps", surface_steps)
    with pytest.raises(AssertionError, match=r"bits are charged, its choices cost 1\.0"):
        check_plugin("tokenizer", Characters())


POLICY = ROOT / "tests/outside_package/src/textgen_outside/shape.py"


@pytest.fixture
def shape(monkeypatch):
    """The policy in the table, as an installed package would have it."""
    module = types.ModuleType("policy_of_a_test")
    monkeypatch.setitem(sys.modules, "policy_of_a_test", module)
    exec(POLICY.read_text(encoding="utf-8"), module.__dict__)
    monkeypatch.setitem(settings._own("rare_words"), "shape", "policy_of_a_test:Shape")
    return module.Shape


@dataclass(frozen=True)
class Half:
    """Half a metric."""

    weight: float


@dataclass(frozen=True)
class Idle(ClassPolicy):
    """A policy without classes."""


@pytest.mark.parametrize(
    ("point", "plugin", "message"),
    [
        ("metric", Half(1.0), "Half lacks "),
        ("metric", Half, "Half has no default of weight"),
        ("rare_words", Idle, "Idle lacks classes, classify"),
        ("rare_words", object, "object is not a dataclass"),
    ],
)
def test_what_a_plugin_lacks_is_said(point, plugin, message):
    with pytest.raises(AssertionError, match=message):
        check_plugin(point, plugin)


def test_a_plugin_point_that_textgen_does_not_have_is_refused():
    with pytest.raises(ValueError, match="did you mean 'metric'"):
        check_plugin("metrics", Half)


def test_a_class_policy_of_another_package_is_twenty_lines(shape):
    """Charged, saved, decoded and generated like those that come with textgen, memory included."""
    check_plugin("rare_words", shape)
    texts = [made_up(40, 1) + " Akeley met 17 owls, 23 gulls and Wilmarth."]
    tokenizer = Words(shape()).fit(texts, [made_up(10, 2) + " Zadok Zadok 99."], 1)
    encoded = tokenizer.encode("the keeper watched Cthulhu unfathomable 1928 Cthulhu.")
    shapes = [tokenizer.names[token] for token in encoded.tokens if 5 <= token < 8]
    assert shapes == ["<capitalised>", "<other>", "<number>", "<capitalised>"]
    both = encoded.spelling_bits, encoded.spelling_bits_with_memory
    for bits, cheaper in zip(both, (False, True), strict=True):
        first, *_, again = bits.tolist()
        assert (again < first - 1) is cheaper
    rendered = tokenizer.render(encoded.tokens, seed=2)
    assert {name for _, _, name in rendered.filled} == {"number", "capitalised", "other"}


@pytest.mark.parametrize("wrong", [["other", "large"], ["other"]])
def test_a_class_policy_with_a_wrong_class_is_refused(shape, monkeypatch, wrong):
    monkeypatch.setattr(shape, "classify", lambda self, pieces, rare: wrong)
    with pytest.raises(
        ValueError, match=r"Shape.classify: 2 of .*'capitalised'.* received .*other"
    ):
        Words(shape()).fit(["so so so owl gull"], [], 1)
