"""A finished run is trained on from its weights, in a run of its own."""

from __future__ import annotations

import numpy as np
import pytest

from textgen.runs.finished import load_run

QUICK = "training.validations=2 sampling.samples=1 sampling.length=40 memory.orders=[]".split()
SETTINGS = [f"--set={setting}" for setting in QUICK]


@pytest.fixture
def finished(textgen, experiment_file):
    done = textgen("run", experiment_file, *SETTINGS, "--set=training.updates=20")
    assert done.code == 0, done.err
    return "tiny"


def test_training_on_adds_to_what_a_run_has_learnt(textgen, tmp_path, finished):
    """At a rate of nothing the weights stay, so they are those of the run."""
    still = ["--more=10", "--set=training.learning_rate=1e-30", "--set=training.weight_decay=0"]
    for more in (["--more=20"], [*still, "--name=still"]):
        done = textgen("run", finished, *more)
        assert done.code == 0, done.err
    before, after, same = (
        load_run(tmp_path / "runs" / name) for name in (finished, "tiny-more20", "still")
    )
    assert before.metrics.training.updates == 20
    assert after.metrics.training.updates == after.metrics.training.updates_planned == 40
    assert after.metrics.training.characters == 2 * before.metrics.training.characters
    assert [row["updates"] for row in after.history] == [10, 20, 30, 40]
    assert all(np.diff([row["seconds"] for row in after.history]) > 0)
    bits = [run.metrics.test.bits_per_character.total for run in (before, after, same)]
    assert bits[1] < bits[0] == pytest.approx(bits[2], abs=1e-5)


@pytest.mark.parametrize(
    "change", ["tokenizer.kind=words", "backbone.units=[8]", "split.seed=5", "objective.window=8"]
)
def test_another_text_or_model_is_refused_before_training(textgen, tmp_path, finished, change):
    done = textgen("run", finished, "--more=10", f"--set={change}")
    assert done.code == 2 and "training.start" in done.err
    assert not (tmp_path / "runs" / "tiny-more10" / "experiment.toml").exists()


def test_what_is_not_finished_is_not_trained_on(textgen):
    done = textgen("run", "char_small", "--more=10")
    assert done.code == 2 and "runs/char_small" in done.err
