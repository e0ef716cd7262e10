"""A training divided among devices or processes is the training of one device."""

from __future__ import annotations

import functools
import json
import subprocess
import sys

import distributed_worker
import numpy as np
import pytest
from conftest import ROOT, tiny_experiment, tiny_model, write_experiment

from textgen import cli
from textgen.core import experiment as config
from textgen.core.errors import TextgenError
from textgen.core.settings import Training
from textgen.data.loading import load_corpus
from textgen.models.batches import Windows
from textgen.models.objectives.stepwise import NextToken
from textgen.runs import distributed
from textgen.training import ray as cluster
from textgen.training.loop import Engine, compiled
from textgen.training.strategy import ALONE, Share

ON_RAY = ["--set", "training.strategy=ray", "--set", "training.workers=2"]


@pytest.fixture(scope="module")
def ray():
    """A cluster of two cores, without what the tests do not need; commands use it, too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ENABLE_PREEMPTION_WATCHER", "METRICS_ENABLED"):
            patch.setenv(f"RAY_TRAIN_{name}", "0")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("PYTHONPATH", f"{ROOT / 'tests'}:{ROOT}")
        with cluster.connected("local", 2) as ray:
            yield ray


@pytest.fixture(scope="module")
def trained(tmp_path_factory, ray):
    """The folder of each strategy's trainings. On Ray a worker was killed, and all were started
    again; at the very end the first one was refused."""
    place = tmp_path_factory.mktemp("trained")
    (place / "ray").mkdir()
    script = [sys.executable, distributed_worker.__file__, str(place)]
    with subprocess.Popen(script, stderr=subprocess.PIPE, text=True) as process:
        work = functools.partial(distributed_worker.on_ray, place / "ray")
        with pytest.raises(TextgenError, match=distributed_worker.REFUSED):
            cluster.train_on_ray(ray, work, 2, 1, place / ".ray" / "test")
        _, told = process.communicate(timeout=600)
    assert process.returncode == 0, told
    return {path.name: path for path in place.iterdir()}


def weights(folder, name):
    with np.load(folder / f"{name}.npz") as stored:
        return [stored[key] for key in stored.files]


def figures(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


@pytest.mark.parametrize("strategy", ["mirrored", "ray"])
def test_a_divided_training_equals_that_of_one_device(trained, strategy):
    """With carried states, an output on two levels, and gradients that are clipped together."""
    expected, found = (figures(trained[name], "whole0") for name in ("one", strategy))
    assert (expected["replicas"], found["replicas"]) == (1, 2)
    assert expected["updates"] == found["updates"] == 20
    keys = ("loss", "training_bits_per_token", "validation_bits_per_character", "learning_rate")
    for before, after in zip(expected["history"], found["history"], strict=True):
        assert [after[key] for key in keys] == pytest.approx(
            [before[key] for key in keys], abs=5e-5
        )
    assert found["history"][-1]["loss"] < found["history"][0]["loss"]
    both = [weights(trained[name], "whole0") for name in ("one", strategy)]
    for one, divided in zip(*both, strict=True):
        np.testing.assert_allclose(divided, one, atol=1e-4)


def test_all_workers_end_with_the_same_weights_and_decisions(trained):
    folder = trained["ray"]
    for name in ("whole", "cut"):
        for a, b in zip(weights(folder, f"{name}0"), weights(folder, f"{name}1"), strict=True):
            np.testing.assert_array_equal(a, b)
        chief, other = figures(folder, f"{name}0"), figures(folder, f"{name}1")
        for key in ("updates", "intervals", "best", "best_interval"):
            assert chief[key] == other[key], (name, key)


@pytest.mark.parametrize("strategy", ["mirrored", "ray"])
def test_a_divided_training_cut_short_goes_on_bit_for_bit(trained, strategy):
    """The states of all rows, and the optimizer; the chief alone has a checkpoint."""
    folder = trained[strategy]
    for a, b in zip(weights(folder, "whole0"), weights(folder, "cut0"), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(figures(folder, "cut0")["history"]) == 2


def test_workers_are_started_again_when_one_is_killed_but_not_for_an_error_of_the_user(trained):
    assert [(trained["ray"] / f"starts{rank}").read_text() for rank in (0, 1)] == ["xx", "xx"]
    assert ".ray" not in trained


def test_replicas_keep_their_rows():
    """What is stored is the same for all; the second of two takes its part of it."""
    objective, share = NextToken(4), Share(None, ("",), 2, 1)
    settings = Training(updates=1, batch=4)
    windows = Windows([np.arange(9)], objective)
    network = tiny_model(objective, 9)
    trainer, _ = compiled(
        network, tiny_experiment(objective, network, settings), windows, Engine(share=share)
    )  # fmt: skip
    stored = trainer.arrays()
    assert [state.shape[0] for state in trainer.states] == [2, 2]
    values = np.arange(4.0 * 12).reshape(4, 12)
    rows = {key: values for key, array in stored.items() if array.shape == values.shape}
    assert len(rows) == 2
    trainer.restore(stored | rows)
    np.testing.assert_array_equal(trainer.states[0], values[2:])


def test_a_command_of_two_workers_and_a_budget_in_seconds(
    ray, experiment_file, tmp_path, capfd, monkeypatch
):
    """They agree how many updates that makes: else one would wait for the other without end."""
    monkeypatch.chdir(tmp_path)
    settings = ["--set", "training.seconds=1", "--set", "training.validations=2"]
    given = ["run", str(experiment_file), *ON_RAY, *settings, "--address", "local"]
    assert cli.main(given) == 0
    shown = capfd.readouterr()
    assert (shown.out.count("\n  1/"), shown.err) == (1, "")  # of one worker
    folder = tmp_path / "runs" / "tiny"
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["distribution"] == {"replicas": 2, "workers": 2}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["training"]["updates"] == metrics["training"]["updates_planned"] > 0
    assert cli.main(given) == 2
    assert "a finished run" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (ON_RAY, ["training.strategy", "--address local starts one"]),
        ([*ON_RAY, "--address", "127.0.0.1:1"], ["127.0.0.1:1", "ray start --head"]),
        ([*ON_RAY, "--address", "local", "--set", "training.batch=7"], ["training.batch = 8"]),
        (["--address", "local"], ['training.strategy = "one"', "training.strategy=ray"]),
        (["--set", "training.workers=2"], ["training", 'workers needs strategy = "ray"']),
        (["--set", "training.strategy=multi_worker"], ["training.strategy", '"ray"', "--address"]),
    ],
)
def test_what_cannot_be_trained_on_several_machines_is_told_at_once(
    experiment_file, tmp_path, capsys, given, parts
):
    runs = tmp_path / "runs"
    assert cli.main(["run", str(experiment_file), "--runs", str(runs), *given]) == 2
    message = capsys.readouterr().err
    for part in parts:
        assert part in message
    assert not runs.exists()


def test_too_few_cores_are_told(ray, tmp_path):
    with pytest.raises(TextgenError, match=r"training\.workers\n.*3 with 1 cores .* has 2"):
        cluster.train_on_ray(ray, print, 3, 1, tmp_path / "storage")


def test_ray_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TextgenError, match=r"pip install \"textgen-compare\[cluster\]\""):
        cluster.check_cluster("local")


def test_a_worker_with_other_text_or_versions_or_tokens_is_refused(
    tmp_path, corpus_folder, monkeypatch
):
    path = write_experiment(tmp_path / "tiny.toml", corpus_folder)
    experiment = config.load_experiment(path)
    given = {
        "folder": tmp_path / "tiny",
        "resolved": experiment.resolved,
        "sha256": load_corpus(experiment).sha256,
        "versions": distributed._versions(),
        "quiet": True,
    }
    with pytest.raises(TextgenError, match=r"worker 1\n.*other text"):
        distributed._work(given | {"sha256": "0" * 64}, 1)
    with pytest.raises(TextgenError, match=r"worker 1\n.*'textgen': '0'"):
        distributed._work(given | {"versions": {"textgen": "0"}}, 1)
    distributed.check_alike(ALONE, {"a": 1})
    monkeypatch.setattr(Share, "agree", lambda share, value: "another")
    with pytest.raises(TextgenError, match=r"fitted tokenizer"):
        distributed.check_alike(ALONE, {"a": 1})


def test_workers_compare_versions_under_every_flavour_of_tensorflow(monkeypatch):
    """tensorflow-cpu has the same module under another name of a distribution."""
    expected, inner = distributed._versions(), distributed.metadata.version

    def version(name):
        if name == "tensorflow":
            raise distributed.metadata.PackageNotFoundError(name)
        return expected["tensorflow"] if name == "tensorflow-cpu" else inner(name)

    there = {"tensorflow": ["tensorflow-cpu"]}
    monkeypatch.setattr(distributed.metadata, "packages_distributions", lambda: there)
    monkeypatch.setattr(distributed.metadata, "version", version)
    assert distributed._versions() == expected
