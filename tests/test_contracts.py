"""Every entry of every table keeps to its plug-in point; a new one is a file and a line."""

import dataclasses
import runpy

import pytest
from conftest import POLICIES, ROOT, made_up

from textgen.core import settings
from textgen.testing import check_plugin
from textgen.tokenizers.base import ESCAPE, chance
from textgen.tokenizers.characters import Characters, CharacterTokenizer
from textgen.tokenizers.rare_words import ClassPolicy
from textgen.tokenizers.words import Words


def test_every_entry_is_a_documented_frozen_dataclass_and_every_policy_is_tested():
    entries = {
        point: {settings.lookup(point, kind, "test") for kind in settings.plugin_table(point)}
        for point in settings.POINTS
    }
    for cls in set.union(*entries.values()):
        assert dataclasses.is_dataclass(cls)
        assert cls.__dataclass_params__.frozen
        assert cls.__doc__
    assert entries["rare_words"] == {type(policy) for policy in POLICIES}


def test_choices_that_cost_something_else_than_is_charged_are_found(monkeypatch):
    def surface_steps(self, tokens):
        def cheap(known):
            yield from chance(0.5, True)
            return known

        return cheap if tokens and tokens[-1] == ESCAPE else None

    monkeypatch.setattr(CharacterTokenizer, "surface_steps", surface_steps)
    with pytest.raises(AssertionError, match=r"bits are charged, its choices cost 1\.0"):
        check_plugin("tokenizer", Characters())


# a policy of another package
Shape = runpy.run_path(str(ROOT / "tests/outside_package/src/textgen_outside/shape.py"))["Shape"]
Half = dataclasses.make_dataclass("Half", ["weight"], frozen=True)
Idle = dataclasses.make_dataclass("Idle", [], bases=(ClassPolicy,), frozen=True)


@pytest.mark.parametrize(
    ("point", "plugin", "message"),
    [
        ("metric", Half(1.0), "Half lacks "),
        ("metric", Half, "Half has no default of weight"),
        ("metrics", Half, "did you mean 'metric'"),
        ("rare_words", Idle, "Idle lacks classes, classify"),
        ("rare_words", object, "object is not a dataclass"),
    ],
)
def test_what_a_plugin_lacks_is_said(point, plugin, message):
    with pytest.raises((AssertionError, ValueError), match=message):
        check_plugin(point, plugin)


def test_a_class_policy_is_charged_and_generated_like_those_of_textgen():
    texts = [made_up(40, 1) + " Akeley met 17 owls, 23 gulls and Wilmarth."]
    tokenizer = Words(Shape()).fit(texts, [made_up(10, 2) + " Zadok Zadok 99."], 1)
    encoded = tokenizer.encode("the keeper watched Cthulhu unfathomable 1928 Cthulhu.")
    shapes = [tokenizer.names[token] for token in encoded.tokens if 5 <= token < 8]
    assert shapes == ["<capitalised>", "<other>", "<number>", "<capitalised>"]
    rendered = tokenizer.render(encoded.tokens, seed=2)
    assert {name for _, _, name in rendered.filled} == {"number", "capitalised", "other"}


@pytest.mark.parametrize("wrong", [["other", "large"], ["other"]])
def test_a_class_policy_with_a_wrong_class_is_refused(monkeypatch, wrong):
    monkeypatch.setattr(Shape, "classify", lambda *_: wrong)
    with pytest.raises(ValueError, match=r"classify: 2 of .*'capitalised'.* received .*other"):
        Words(Shape()).fit(["so so so owl gull"], [], 1)
