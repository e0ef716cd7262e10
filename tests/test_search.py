"""The trials that a search draws: one space for all arms, the same for the same results."""

from __future__ import annotations

import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "experiments"))
from search import next_trial, read_arms

from textgen.core.experiment import load_experiment

SEARCH = ROOT / "experiments" / "search" / "architectures.toml"
ARMS = read_arms(SEARCH)
SPACE = {"a": [1, 2, 3], "b": [False, True], "c": ["x"]}
START = {"a": 2, "b": False, "c": "x"}


def test_the_first_trial_is_the_start_and_others_are_next_to_the_best():
    assert next_trial(SPACE, START, [], "1 char") == START
    tried = [(START, 2.0), ({**START, "a": 3}, 1.5), ({**START, "b": True}, 3.0)]
    done = [{"settings": settings, "validation": bits} for settings, bits in tried]
    for seed in range(20):
        found = next_trial(SPACE, START, done, f"{seed} char")
        assert found == next_trial(SPACE, START, done, f"{seed} char")
        assert found not in [each["settings"] for each in done]
        assert found["a"] in (2, 3)
        assert found.keys() == SPACE.keys()


@pytest.mark.parametrize("name", ARMS)
def test_every_value_of_the_space_is_a_setting_of_every_arm(name):
    arm = ARMS[name]
    assert arm.start.keys() == arm.space.keys()
    assert all(value in arm.space[setting] for setting, value in arm.start.items())
    for i in range(max(map(len, arm.space.values()))):
        chosen = {key: values[min(i, len(values) - 1)] for key, values in arm.space.items()}
        found = load_experiment(arm.file, arm.overrides(chosen))
        assert type(found.backbone).__name__.lower() == name.split()[0]
        assert found.backbone.units == tuple(chosen["backbone.units"])
        assert found.training.optimizer == chosen["training.optimizer"]
