"""What a machine with a GPU would be given to run: traced without one, and not executed; and what
a GPU computes, where there is one.

No function that XLA must compile may hold a kernel of cuDNN.
"""

import json
from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from conftest import in_turn, tiny_experiment, toy_model, write_tales
from test_backbone import KINDS, OBJECTIVES, can_be_built

from textgen.core.settings import Training
from textgen.evaluation.dynamic import DynamicEvaluation, dynamic_bits
from textgen.evaluation.likelihood import token_bits
from textgen.evaluation.sampler import Stepper, write_tokens
from textgen.models.backbones import GRU, LSTM
from textgen.models.batches import Windows
from textgen.runs.finished import Run
from textgen.training.loop import new_step
from textgen.training.stream import Stream, stages_of

pytestmark = [pytest.mark.xla, pytest.mark.slow]
SIZE = 12


def compiled(function, graphs):
    """A function of TensorFlow's that is traced where it would be executed; its results are 0."""

    def called(*arguments, **named):
        if not tf.executing_eagerly():
            return function(*arguments, **named)
        traced = function.get_concrete_function(*arguments, **named)
        graphs.append(traced)
        return tf.nest.map_structure(
            lambda found: tf.zeros([n or 1 for n in found.shape], found.dtype),
            traced.structured_outputs,
        )

    called.get_concrete_function = function.get_concrete_function
    return called


@pytest.fixture
def graphs(monkeypatch):
    """All graphs that are traced from now on, on a machine that seems to have a GPU."""
    found, function, devices = [], tf.function, tf.config.list_logical_devices

    def recorded(*arguments, **settings):
        if arguments:
            return compiled(function(*arguments, **settings), found)
        return lambda body: compiled(function(body, **settings), found)

    monkeypatch.setattr(tf, "function", recorded)
    name = "list_logical_devices"
    monkeypatch.setattr(tf.config, name, lambda kind=None: devices({"GPU": "CPU"}.get(kind, kind)))
    return found


def operations(traced):
    """(operation, whether XLA must compile it) of a graph and all functions that it calls."""
    definition = traced.graph.as_graph_def()
    library = {f.signature.name: f for f in definition.library.function}
    found, seen = set(), set()

    def visit(nodes, inside):
        for node in nodes:
            found.add((node.op, inside))
            must = inside or node.attr["_XlaMustCompile"].b
            for value in node.attr.values():
                for called in [value.func, *value.list.func]:
                    if called.name in library and (called.name, must) not in seen:
                        seen.add((called.name, must))
                        body = library[called.name]
                        visit(body.node_def, must or body.attr["_XlaMustCompile"].b)

    visit(definition.node, traced.function_def.attr["_XlaMustCompile"].b)
    return found


def run_everything(backbone, objective):
    """Train, score, learn while scoring, draw many tokens, and step through a text."""
    network = objective.build(backbone, SIZE)
    document = np.arange(1, SIZE, dtype=np.uint8)
    windows = Windows([document] * 6, objective)
    experiment = tiny_experiment(objective, network, Training(updates=2, batch=3))
    step = new_step(network, experiment, windows, threads=2)
    stream = Stream(windows, stages_of(experiment.training, objective), seed=1)
    step.update(*next(stream.batches()))
    token_bits(objective, network, [document])
    number = len(network.trainable_variables)
    settings = DynamicEvaluation((0.1,) * number, (1.0,) * number)
    dynamic_bits(objective, network, [document], settings)
    model = toy_model(objective, network, SIZE)
    next(write_tokens(model, [document[:2]] * 2, [1, 2]))
    Stepper(model).append(1)


@in_turn(can_be_built, backbone=KINDS, objective=OBJECTIVES)
def test_xla_compiles_nothing_that_calls_cudnn(graphs, backbone, objective):
    run_everything(backbone, objective)
    found = set().union(*map(operations, graphs))
    assert ("CudnnRNNV3", True) not in found
    assert ("CudnnRNNV3", False) in found or not isinstance(backbone, (LSTM, GRU))
    assert any(inside for _, inside in found)  # what XLA can compile, it still does


ON_A_GPU = [
    ["word_small", "tokenizer.minimum_count=20"],
    *(["char_small", each] for each in (
        "seed=1", "backbone.kind=gru", "backbone.kind=mingru", "cache.learning_rate=1e-4",
        'backbone={kind="transformer",units=[64]}', "objective.kind=encoder_decoder",
        "training.deterministic=true",
    )),
]  # fmt: skip


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="TensorFlow has no GPU")
@pytest.mark.parametrize(("experiment", "own"), ON_A_GPU)
def test_a_gpu_trains_writes_and_scores_as_the_processor_does(textgen, tmp_path, experiment, own):
    write_tales(tmp_path / "tales", 400, 50)
    settings = [own, "corpus.kind=folder", "corpus.path=tales", "training.updates=300"]
    settings += ["training.validations=6", "sampling.length=200"]
    command = partial(textgen, process=True, seconds=3600)
    for name in ("first", "second")[: 1 + ("deterministic" in own)]:
        command("run", experiment, "--name", name, *(f"--set={each}" for each in settings))
    first, *again = (Run(folder).bits() for folder in sorted((tmp_path / "runs").iterdir()))
    assert again in ([], [first])
    for hidden in ({}, {"CUDA_VISIBLE_DEVICES": "-1"}):
        found = command("score", "runs/first", "--split", "test", "--json", **hidden)
        bits = json.loads(found.out)["parts"]["network"]["bits_per_character"]["total"]
        assert bits == pytest.approx(first, abs=1e-3)
    writing = "generate", "runs/first", "--seed", "1", "--json"
    assert command(*writing).out == command(*writing).out
