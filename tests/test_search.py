"""The trials that a search draws: one space for all arms, the same for the same results."""

from __future__ import annotations

import sys
import tomllib

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "experiments"))
from equal_search import proposed, toml

from textgen.core import load_experiment

SEARCH = ROOT / "experiments" / "search" / "levels.toml"
SPACE = {"a": [1, 2, 3], "b": [False, True], "c": ["x"]}
START = {"a": 2, "b": False, "c": "x"}


def trial(settings, validation):
    return {"settings": settings, "validation": validation}


def test_the_first_trial_is_the_start_and_others_are_next_to_the_best():
    assert proposed(SPACE, START, [], "1 char") == START
    done = [trial(START, 2.0), trial({**START, "a": 3}, 1.5), trial({**START, "b": True}, 3.0)]
    for seed in range(20):
        found = proposed(SPACE, START, done, f"{seed} char")
        assert found == proposed(SPACE, START, done, f"{seed} char")
        assert found not in [each["settings"] for each in done]
        assert found["a"] in (2, 3)
        assert found.keys() == SPACE.keys()


@pytest.mark.parametrize("arm", tomllib.loads(SEARCH.read_text())["arms"])
def test_every_value_of_the_space_is_a_setting_of_every_arm(arm):
    search = tomllib.loads(SEARCH.read_text())
    start = {**search["start"], **search.get("starts", {}).get(arm, {})}
    assert start.keys() == search["space"].keys()
    assert all(value in search["space"][name] for name, value in start.items())
    for i in range(max(map(len, search["space"].values()))):
        chosen = {name: values[min(i, len(values) - 1)] for name, values in search["space"].items()}
        given = [f"{name}={toml(value)}" for name, value in chosen.items()]
        found = load_experiment(SEARCH.parent / search["arms"][arm], given)
        assert found.backbone.units == tuple(chosen["backbone.units"])
        assert found.training.optimizer == chosen["training.optimizer"]
