"""A finished run is trained on from its weights, in a run of its own."""

from __future__ import annotations

import numpy as np
import pytest

from textgen import train
from textgen.core.errors import TextgenError
from textgen.runs.finished import load_run


@pytest.mark.parametrize("arm", ["char", "word"])
def test_training_on_adds_to_what_a_run_has_learnt(finished_run, tmp_path, arm):
    before = load_run(finished_run(arm))
    after = train(finished_run(arm), more=40, runs_folder=tmp_path, quiet=True)
    assert after.folder.name == f"{arm}-more40"
    now, then = after.metrics.training, before.metrics.training
    assert now.updates == now.updates_planned == then.updates + 40
    assert now.characters == pytest.approx(2 * then.characters, abs=1)
    assert [row["updates"] for row in after.history] == [40, 80]
    assert all(np.diff([row["seconds"] for row in after.history]) > 0)
    assert total(after) < total(before)


def test_what_gains_nothing_keeps_the_weights_of_before(finished_run, tmp_path, capsys):
    before = load_run(finished_run())
    worse = ["training.learning_rate=1.0"]
    file = finished_run() / "experiment.toml"
    after = train(file, more=2, overrides=worse, runs_folder=tmp_path)
    assert "nothing gained" in capsys.readouterr().out
    assert after.metrics.training.best_interval == 1
    assert total(after) == pytest.approx(total(before), abs=1e-6)


def total(run) -> float:
    return run.metrics.test.bits_per_character.total


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("tokenizer.kind=subwords", "tokenizer"),
        ("split.seed=5", "text"),
        ("backbone.units=[8]", "network"),
        ("objective.window=8", "network"),
    ],
)
def test_another_text_or_model_is_refused_before_training(finished_run, tmp_path, change, part):
    with pytest.raises(TextgenError, match=f"training.start: .* another {part}"):
        train(finished_run(), more=10, overrides=[change], runs_folder=tmp_path, quiet=True)
    assert not list(tmp_path.glob("*/experiment.toml"))


def test_what_is_not_finished_is_not_trained_on(textgen):
    done = textgen("run", "char_small", "--more=10")
    assert done.code == 2
    assert "runs/char_small" in done.err
