"""The trials that a search draws: one space for all arms, the same for the same results."""

from __future__ import annotations

import json
import sys
import tomllib

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "experiments"))
from equal_search import arms, finalists, proposed

from textgen.core import Study, build, load_experiment

SEARCH = ROOT / "experiments" / "search" / "architectures.toml"
ARMS = arms(SEARCH)
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


@pytest.mark.parametrize("name", ARMS)
def test_every_value_of_the_space_is_a_setting_of_every_arm(name):
    arm = ARMS[name]
    assert arm.start.keys() == arm.space.keys()
    assert all(value in arm.space[setting] for setting, value in arm.start.items())
    for i in range(max(map(len, arm.space.values()))):
        chosen = {key: values[min(i, len(values) - 1)] for key, values in arm.space.items()}
        found = load_experiment(arm.file, arm.given(chosen))
        assert type(found.backbone).__name__.lower() == name.split()[0]
        assert found.backbone.units == tuple(chosen["backbone.units"])
        assert found.training.optimizer == chosen["training.optimizer"]


def test_the_finalists_are_the_best_trials_and_each_meets_the_first_architecture(tmp_path):
    done = {
        name: [trial({**arm.start, "training.batch": rows}, rows) for rows in (32, 8, 16)]
        for name, arm in ARMS.items()
    }
    content = finalists(SEARCH, done, 60)
    path = ROOT / "experiments" / "x.toml"
    study = build(Study, content, "x", name="x", path=path)
    assert len(study.arms) == len(ARMS)
    for name in ARMS:
        experiment = study.experiment(name.replace(" ", "_"))
        assert experiment.training.batch == 8
        assert type(experiment.backbone).__name__.lower() == name.split()[0]
        assert (experiment.training.seconds, experiment.training.threads) == (60, 1)
    pairs = [(c.first, c.second) for c in study.contrasts]
    assert ("gru_word", "lstm_word") in pairs
    assert len(pairs) == len(ARMS) - 3


def test_the_study_of_architectures_is_of_the_recorded_search():
    done = json.loads((SEARCH.parents[1] / "results" / "search" / "architectures.json").read_text())
    study = tomllib.loads((SEARCH.parents[1] / "study_architectures.toml").read_text())
    assert study == finalists(SEARCH, done, study["budget"]["seconds"])
    assert len({len(trials) for trials in done.values()}) == 1  # an equal search
