"""What a run with a budget in seconds says beforehand that it will take."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import tiny_model

from textgen.evaluation.dynamic import dynamic_seconds
from textgen.evaluation.scorer import scoring_seconds
from textgen.models.objectives import NextToken
from textgen.runs.plan import Plan, minutes


@pytest.mark.parametrize(("seconds", "told"), [(0.2, "0:01"), (59.2, "1:00"), (245, "4:05")])
def test_seconds_are_told_in_minutes(seconds, told):
    assert minutes(seconds) == told


def test_a_plan_adds_up_and_says_when_it_ends():
    plan = Plan(300.0, 40.0, 20.0)
    assert plan.total == 360.0
    assert re.fullmatch(
        r"training 5:00, scoring about 0:40, samples about 0:20; done at about \d\d:\d\d", str(plan)
    )
    assert plan.as_dict()["total"] == 360.0
    assert 0 <= plan.as_dict()["taken"] < 100


@pytest.mark.xla
def test_a_run_with_a_budget_in_seconds_tells_its_plan_and_keeps_it(
    textgen, experiment_file, tmp_path, monkeypatch
):
    monkeypatch.setattr("textgen.training.loop.CALIBRATION_SECONDS", 0.3)
    settings = ("--set", "training.updates=false", "--set", "training.seconds=6")
    done = textgen("run", experiment_file, *settings)
    assert done.code == 0
    assert re.search(r"plan: training 0:0\d, scoring about 0:\d\d, samples about \d:\d\d", done.out)
    plan = json.loads((tmp_path / "runs" / "tiny" / "metrics.json").read_text())["plan"]
    parts = plan["training"] + plan["scoring"] + plan["samples"]
    assert plan["total"] == pytest.approx(parts)
    assert 5 < plan["training"] < 7  # a machine that does other things takes longer
    assert plan["taken"] > 0
    quiet = textgen("run", experiment_file, *settings, "--quiet", "--name", "quiet")
    assert (quiet.code, quiet.out) == (0, "")
    assert "plan" not in json.loads((tmp_path / "runs" / "quiet" / "metrics.json").read_text())


class Slow:
    """A clock, and a step that takes 2 s, 20 s more for every batch that is new to it."""

    def __init__(self):
        self.now, self.seen = 0.0, set()

    def perf_counter(self):
        return self.now

    def step(self, spans, fresh, state):
        self.now += 2 + 20 * (np.asarray(spans).tobytes() not in self.seen)
        self.seen.add(np.asarray(spans).tobytes())
        return SimpleNamespace(numpy=lambda: np.zeros((len(spans), 8))), state


@pytest.mark.parametrize("size", [80, 800], ids=["all are new", "few are"])
def test_what_only_first_calls_take_is_planned_once(monkeypatch, size):
    objective, slow = NextToken(8), Slow()
    monkeypatch.setattr("textgen.evaluation.scorer.time", slow)
    monkeypatch.setattr(
        "textgen.evaluation.scorer.scorer", lambda *_: SimpleNamespace(bits=slow.step)
    )
    document = np.random.default_rng(1).integers(1, 9, size)
    found, once = scoring_seconds(objective, tiny_model(objective, 9), [document])
    assert (found, once) == (2 * (size // 8 + 1), 100)


def test_what_is_compiled_to_go_on_learning_is_not_counted_for_each_document(monkeypatch):
    objective, slow = NextToken(8), Slow()
    monkeypatch.setattr("textgen.evaluation.scorer.time", slow)
    monkeypatch.setattr(
        "textgen.evaluation.dynamic.Learner.read",
        lambda _, spans, fresh: slow.step(spans, fresh, 0),
    )
    network = tiny_model(objective, 9)
    assert dynamic_seconds(objective, network, [np.ones(5, np.uint8)] * 30) == 60
