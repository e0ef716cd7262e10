"""A training divided among devices or processes is the training of one device."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_model, write_experiment
from tensorflow import errors

from textgen.core import experiment as config
from textgen.core.errors import TextgenError
from textgen.core.settings import Training
from textgen.data.loading import load_corpus
from textgen.models.batches import Windows
from textgen.models.objectives.stepwise import NextToken
from textgen.run import _about
from textgen.training import meeting, preparation
from textgen.training.loop import compiled
from textgen.training.meeting import Cluster, meet
from textgen.training.strategy import ALONE, Share

WORKER = Path(__file__).parent / "distributed_worker.py"


def free_ports(number):
    with_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in with_ports]
    for each in with_ports:
        each.close()
    return ports


def addresses(number):
    return tuple(f"127.0.0.1:{port}" for port in free_ports(number))


def tf_config(workers, index):
    return json.dumps(
        {"cluster": {"worker": list(workers)}, "task": {"type": "worker", "index": index}}
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folders of trainings by strategy, all at work at once."""
    workers = addresses(2)
    plan = {
        "one": ["one"],
        "mirrored": ["mirrored"],
        "multi_worker": ["multi_worker", "multi_worker"],
    }
    folders, started = {}, []
    for name, strategies in plan.items():
        folders[name] = tmp_path_factory.mktemp(name)
        for index, strategy in enumerate(strategies):
            started.append(
                subprocess.Popen(
                    [sys.executable, str(WORKER), strategy, str(folders[name])],
                    env={**os.environ, "TF_CONFIG": tf_config(workers, index)},
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
    try:
        for process in started:
            _, told = process.communicate(timeout=600)
            assert process.returncode == 0, told
    finally:
        for process in started:
            process.kill()
    return folders


def weights(folder, name):
    with np.load(folder / f"{name}.npz") as stored:
        return [stored[key] for key in stored.files]


def figures(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


@pytest.mark.parametrize("strategy", ["mirrored", "multi_worker"])
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
    folder = trained["multi_worker"]
    for name in ("whole", "cut"):
        for a, b in zip(weights(folder, f"{name}0"), weights(folder, f"{name}1"), strict=True):
            np.testing.assert_array_equal(a, b)
        chief, other = figures(folder, f"{name}0"), figures(folder, f"{name}1")
        for key in ("updates", "rounds", "best", "best_round"):
            assert chief[key] == other[key], (name, key)


@pytest.mark.parametrize("strategy", ["mirrored", "multi_worker"])
def test_a_divided_training_cut_short_goes_on_bit_for_bit(trained, strategy):
    """The states of all rows, and the optimizer; the chief alone has a checkpoint."""
    folder = trained[strategy]
    for a, b in zip(weights(folder, "whole0"), weights(folder, "cut0"), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(figures(folder, "cut0")["history"]) == 2


def test_replicas_drop_different_units_and_keep_their_rows():
    """What is stored is the same for all; the second of two takes its part of it."""
    objective, share = NextToken(4), Share(None, Cluster(("a:1", "b:2"), 1), ("",))
    settings = Training(updates=1, batch=4)
    windows = Windows([np.arange(9)], objective)
    network = tiny_model(objective, 9, dropout=0.5)
    trainer, _ = compiled(
        network, objective, network.parts()[0].config, settings, windows, "fused", 1, share=share
    )  # fmt: skip
    stored = trainer.arrays()
    assert [state.shape[0] for state in trainer.states] == [2, 2]
    values = np.arange(4.0 * 12).reshape(4, 12)
    rows = {key: values for key, array in stored.items() if array.shape == values.shape}
    assert len(rows) == 2
    trainer.restore(stored | rows)
    np.testing.assert_array_equal(trainer.states[0], values[2:])
    layers = [layer for layer in network.layers if "dropout" in layer.name]
    kept = [array.tolist() for array in trainer.arrays().values() if array.shape == (2,)]
    for layer in layers:
        seed, counter = np.array(layer.seed_generator.state).tolist()
        assert [seed - 1, counter] in kept  # of the first replica
        assert [seed, counter] not in kept
    assert layers


def test_a_command_of_two_workers_and_a_budget_in_seconds(textgen, experiment_file, tmp_path):
    """They agree how many updates that makes: else one would wait for the other without end."""
    workers = addresses(2)
    settings = ['training.strategy="multi_worker"', "training.seconds=1", "training.validations=2"]
    chosen = [word for setting in settings for word in ("--set", setting)]
    done = {}

    def work(index):
        done[index] = textgen("run", experiment_file, *chosen, TF_CONFIG=tf_config(workers, index))

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done[0].code, done[1].code] == [0, 0], done[0].err + done[1].err
    assert done[0].err == done[1].err == ""
    assert f"worker 0 ({workers[0]}) writes the run" in done[1].out
    manifest = json.loads((tmp_path / "runs" / "tiny" / "manifest.json").read_text())
    assert manifest["distribution"]["replicas"] == 2
    assert manifest["distribution"]["workers"] == list(workers)
    metrics = json.loads((tmp_path / "runs" / "tiny" / "metrics.json").read_text())
    assert metrics["training"]["updates"] == metrics["training"]["updates_planned"] > 0


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, "nothing"),
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"cluster": {"worker": ["a:1"]}}', "'task'"),
        ('{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "may be called chief"),
        (tf_config(["a:1", "b:2"], 2), "there is no worker 2"),
        (tf_config(["a:1", "a:1"], 0), "two workers have one address"),
        (tf_config(["a", "b:2"], 0), "'a' is not host:port"),
        (tf_config(["a:70000", "b:2"], 0), "'a:70000' is not host:port"),
    ],
)
def test_a_wrong_tf_config_is_told(monkeypatch, given, found):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if given:
        monkeypatch.setenv("TF_CONFIG", given)
    with pytest.raises(TextgenError, match="TF_CONFIG") as told:
        meeting.find_cluster(Training(updates=1, batch=4, strategy="multi_worker"))
    assert found in told.value.found
    assert meeting.find_cluster(Training(updates=1)) == Cluster()


def test_a_chief_by_name_is_the_first(monkeypatch):
    jobs = {"worker": ["a:1", "b:2"], "chief": ["c:3"]}
    told = {"cluster": jobs, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(told))
    found = meeting.find_cluster(Training(updates=1, batch=6, strategy="multi_worker"))
    assert found == Cluster(("c:3", "a:1", "b:2"), 2)


def test_a_batch_that_cannot_be_divided_is_refused(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", tf_config(["a:1", "b:2"], 1))
    with pytest.raises(TextgenError, match=r"training\.batch") as told:
        meeting.find_cluster(Training(updates=1, batch=7, strategy="multi_worker"))
    assert told.value.hint == "set training.batch = 8"


def meeting_of(workers, abouts, wait=20.0):
    """What each worker that comes is told, by index; nothing where all is well."""
    told = {}

    def come(index):
        try:
            meet(Cluster(workers, index), abouts[index], wait)
            told[index] = ""
        except TextgenError as error:
            told[index] = error.found

    threads = [threading.Thread(target=come, args=(index,)) for index in abouts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def test_workers_that_say_the_same_meet():
    workers = addresses(3)
    told = meeting_of(workers, {index: {"text": "a"} for index in range(3)})
    assert told == {0: "", 1: "", 2: ""}
    meet(Cluster(), {})  # alone


def test_a_worker_with_another_text_ends_it_for_all():
    abouts = {0: {"text": "a", "settings": "s"}, 1: {"text": "b", "settings": "s"}}
    expected = "worker 1 has other text than the chief"
    assert meeting_of(addresses(2), abouts) == {0: expected, 1: expected}


def test_workers_that_come_after_a_difference_are_told_of_it_too():
    abouts = {0: {"text": "a"}, 1: {"text": "b"}, 2: {"text": "a"}}
    told, workers = {}, addresses(3)
    first = threading.Thread(
        target=lambda: told.update(meeting_of(workers, {i: abouts[i] for i in (0, 1)}))
    )
    first.start()
    time.sleep(1.0)  # by now the chief has heard what worker 1 trains
    told |= meeting_of(workers, {2: abouts[2]})
    first.join()
    assert told == dict.fromkeys(range(3), "worker 1 has other text than the chief")


def test_a_difference_is_told_though_a_worker_never_comes(monkeypatch):
    monkeypatch.setattr(meeting, "GRACE", 0.5)
    expected = "worker 1 has other text than the chief"
    told = meeting_of(addresses(3), {0: {"text": "a"}, 1: {"text": "b"}}, wait=60.0)
    assert told == {0: expected, 1: expected}


def test_what_workers_must_have_alike(tmp_path, corpus_folder, monkeypatch):
    path = write_experiment(tmp_path / "tiny.toml", corpus_folder)

    def about(*overrides):
        experiment = config.load_experiment(path, overrides)
        loaded = load_corpus(experiment)
        return _about(experiment, loaded, preparation.prepare(experiment, loaded))

    def differing(*overrides):
        return {key for key, found in about(*overrides).items() if found != chief[key]}

    chief = about()
    assert differing("name='other'", "training.threads=1") == set()
    assert differing("backbone.units=[7]") == {"settings"}
    assert "text" in differing("split.seed=9")
    assert "tokens" in differing("tokenizer={kind='subwords', size=300}")
    monkeypatch.setattr(metadata, "version", lambda name: "0")
    assert differing() == {"versions"}


def test_a_worker_that_is_lost_ends_it_for_the_others_with_a_message():
    lost = errors.UnavailableError(None, None, "gone")
    two = Share(None, Cluster(("a:1", "b:2")), ["CPU:0"])
    told = r"another worker has gone[\s\S]*last checkpoint"
    with pytest.raises(TextgenError, match=told), two.together():
        raise lost
    with pytest.raises(errors.UnavailableError), ALONE.together():
        raise lost


@pytest.mark.parametrize(("came", "absent"), [((0, 1), 2), ((1, 2), 0)])
def test_a_worker_that_does_not_come_is_named_after_a_while(came, absent):
    workers, begin = addresses(3), time.monotonic()
    told = meeting_of(workers, {index: {"text": "a"} for index in came}, wait=1.0)
    assert time.monotonic() - begin < 10
    for found in told.values():
        assert f"{absent} ({workers[absent]})" in found


def test_workers_of_another_cluster_are_told_or_sent_away():
    chief, one, other = addresses(3)
    told = {}

    def come(index, workers):
        try:
            meet(Cluster(workers, index), {"text": "a"}, 20.0)
        except TextgenError as error:
            told[index] = error.found

    clusters = [(0, (chief, one)), (1, (chief, other))]  # its port is another one for the chief
    threads = [threading.Thread(target=come, args=each) for each in clusters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == dict.fromkeys((0, 1), "worker 1 has other workers in TF_CONFIG than the chief")


def test_a_stranger_at_the_door_is_sent_away():
    workers, told = addresses(2), {}
    thread = threading.Thread(
        target=lambda: told.update(meeting_of(workers, {0: {"text": "a"}})), daemon=True
    )
    thread.start()
    host, port = workers[0].split(":")
    for _ in range(100):
        try:
            with socket.create_connection((host, int(port))) as line:
                line.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with socket.create_connection((host, int(port))) as line:  # of a larger cluster
                line.sendall(b'{"worker": 2, "about": {"text": "b"}}\n')
            break
        except ConnectionError:
            time.sleep(0.05)
    told |= meeting_of(workers, {1: {"text": "a"}})
    thread.join()
    assert told == {0: "", 1: ""}


def test_a_port_that_is_taken_is_told():
    workers = addresses(2)
    with socket.create_server(("", int(workers[0].split(":")[1]))):
        told = meeting_of(workers, {0: {}}, wait=1.0)
    assert "cannot listen" in told[0]


def test_a_worker_alone_ends_with_one_message(textgen, experiment_file):
    done = textgen("run", experiment_file, "--set", 'training.strategy="multi_worker"')
    assert done.code == 2
    assert "TF_CONFIG" in done.err
    assert "Traceback" not in done.err
