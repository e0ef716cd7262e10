"""A finished run is trained on from its weights, in a run of its own."""

from __future__ import annotations

import numpy as np
import pytest

from textgen import train
from textgen.core.errors import TextgenError
from textgen.runs.finished import load_run


def test_training_on_adds_to_what_a_run_has_learnt(finished_run, tmp_path):
    """At a rate of next to nothing the weights stay those of the run."""
    before = load_run(finished_run())
    after = train(finished_run(), more=40, runs_folder=tmp_path, quiet=True)
    still = ["training.learning_rate=1e-30", "training.weight_decay=0"]
    same = train(finished_run(), more=2, overrides=still, runs_folder=tmp_path, quiet=True)
    assert (after.folder.name, same.folder.name) == ("char-more40", "char-more2")
    now, then = after.metrics.training, before.metrics.training
    assert now.updates == now.updates_planned == then.updates + 40
    assert now.characters == pytest.approx(2 * then.characters, abs=1)
    assert [row["updates"] for row in after.history] == [40, 80]
    assert all(np.diff([row["seconds"] for row in after.history]) > 0)
    bits = [run.metrics.test.bits_per_character.total for run in (before, after, same)]
    assert bits[1] < bits[0] == pytest.approx(bits[2], abs=1e-5)


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
