"""What a machine with a GPU would be given to run, looked at without one.

TensorFlow is made to believe in a GPU, and everything that a run compiles is traced, not executed.
LSTM and GRU then call cuDNN, whose kernels XLA does not have: no function that XLA must compile
may hold one. ``python tests/gpu.py`` runs the same on a real GPU.
"""

import numpy as np
import pytest
import tensorflow as tf
from conftest import in_turn, tiny_experiment

from textgen.core.settings import Training
from textgen.evaluation.dynamic import Learning, dynamic_bits
from textgen.evaluation.likelihood import token_bits
from textgen.evaluation.sampler import Sampler, Stepper
from textgen.models.backbones import GRU, LSTM, Adaptive, MinGRU, NGrams, Transformer
from textgen.models.batches import Windows
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.training.loop import new_step

pytestmark = pytest.mark.xla
SIZE = 12
EMBEDDED = {"input": "embedding", "embedding_size": 6, "dropout": 0.2}
BACKBONES = [
    LSTM(units=(8, 6), dropout=0.2),
    LSTM(units=(8,), **EMBEDDED, weight_drop=0.2, ngrams=NGrams((2, 3), 50, 0.1)),
    LSTM(units=(8,), **EMBEDDED, adaptive_softmax=Adaptive(5, 3), members=2),
    GRU(units=(8, 6), **EMBEDDED),
    GRU(units=(8,), normalisation="batch"),
    MinGRU(units=(8,), **EMBEDDED),
    Transformer(units=(8,), head_size=4, context=5, **EMBEDDED),
]
OBJECTIVES = [NextToken(5), Shifted(4, 2), EncoderDecoder(3, 4), EncoderDecoder(3, 4, False)]


class Compiled:
    """A function of TensorFlow's that is traced where it would be executed; its results are 0."""

    def __init__(self, function, graphs):
        self.function, self.graphs = function, graphs

    def __call__(self, *arguments, **named):
        if not tf.executing_eagerly():
            return self.function(*arguments, **named)
        traced = self.function.get_concrete_function(*arguments, **named)
        self.graphs.append(traced)
        return tf.nest.map_structure(
            lambda found: tf.zeros([n or 1 for n in found.shape], found.dtype),
            traced.structured_outputs,
        )

    def get_concrete_function(self, *arguments, **named):
        return self.function.get_concrete_function(*arguments, **named)


@pytest.fixture
def graphs(monkeypatch):
    """All graphs that are traced from now on, on a machine that seems to have a GPU."""
    found, function, devices = [], tf.function, tf.config.list_logical_devices

    def recorded(*arguments, **settings):
        if arguments:
            return Compiled(function(*arguments, **settings), found)
        return lambda body: Compiled(function(body, **settings), found)

    def with_gpu(kind=None):
        return devices("CPU") if kind == "GPU" else devices(kind)

    monkeypatch.setattr(tf, "function", recorded)
    monkeypatch.setattr(tf.config, "list_logical_devices", with_gpu)
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
    new_step(network, experiment, windows, 2).update(*next(windows.training(3, 1)))
    token_bits(objective, network, [document])
    number = len(network.trainable_variables)
    dynamic_bits(objective, network, [document], Learning((0.1,) * number, (1.0,) * number))
    next(Sampler(objective, network).write([document[:2]] * 2, [1, 2]))
    Stepper(objective, network).append(1)


@in_turn(backbone=BACKBONES, objective=OBJECTIVES)
def test_xla_compiles_nothing_that_calls_cudnn(graphs, backbone, objective):
    run_everything(backbone, objective)
    found = set().union(*map(operations, graphs))
    assert ("CudnnRNNV3", True) not in found
    assert ("CudnnRNNV3", False) in found or not isinstance(backbone, (LSTM, GRU))
    assert any(inside for _, inside in found)  # what XLA can compile, it still does
