from __future__ import annotations

import keras
import numpy as np
import pytest

from textgen.core.errors import TextgenError
from textgen.core.settings import Backbone
from textgen.models.backbones.lstm.layer import FusedLSTM
from textgen.models.backbones.stack import set_embedding
from textgen.models.footprint import _free_memory, check_memory, memory_needed
from textgen.models.objectives.encoder_decoder import EncoderDecoder
from textgen.models.objectives.stepwise import NextToken, Shifted

SIZE = 20
TIED_ADAPTIVE = {
    "units": (8,), "input": "embedding", "embedding_size": 5, "tied_output": True,
    "output": "adaptive", "head": 6,
}  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        Backbone(units=(8,)),
        Backbone(units=(8, 6), input="embedding", embedding_size=5, dropout=0.2),
        Backbone(units=(8,), input="embedding", embedding_size=8, tied_output=True),
        Backbone(units=(8, 7), input="embedding", embedding_size=5, tied_output=True),
        Backbone(units=(8,), output="adaptive", head=6, tail_size=3),
        Backbone(**TIED_ADAPTIVE),
        Backbone(**TIED_ADAPTIVE | {"units": (5,)}),
        Backbone(units=(8, 6), normalisation="layer"),
        Backbone(units=(8, 6), normalisation="batch", dropout=0.2),
        Backbone(
            units=(8,), input="embedding", embedding_size=5, dropout=0.2, output="adaptive", head=6
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "objective",
    [NextToken(4), Shifted(4, 2), EncoderDecoder(3, 4), EncoderDecoder(3, 4, feedback=False)],
    ids=repr,
)
def test_the_network_saves_as_plain_keras_and_computes_the_same(tmp_path, settings, objective):
    if settings.tied_output and not getattr(objective, "feedback", True):
        with pytest.raises(TextgenError, match="one-shot"):
            objective.build(settings, SIZE, FusedLSTM)
        return
    network = objective.build(settings, SIZE, FusedLSTM)
    plain = objective.build(settings, SIZE, keras.layers.LSTM)
    plain.set_weights(network.get_weights())
    plain.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras", safe_mode=True)
    random = np.random.default_rng(0)
    inputs = [
        random.integers(0, SIZE, (2, 3)).astype(np.int32)
        if tensor.dtype == "int32"
        else random.normal(size=(2, *(n or 3 for n in tensor.shape[1:]))).astype(np.float32)
        for tensor in network.inputs
    ]
    for a, b in zip(_list(loaded(inputs)), _list(network(inputs)), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_a_tied_output_shares_the_embedding():
    sizes = {"units": (8,), "input": "embedding", "embedding_size": 8}
    tied = NextToken(4).build(Backbone(**sizes, tied_output=True), SIZE, FusedLSTM)
    free = NextToken(4).build(Backbone(**sizes), SIZE, FusedLSTM)
    assert free.count_params() - tied.count_params() == SIZE * 8 + SIZE


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_falls_on_the_vectors_of_an_embedding_not_on_one_hot_inputs(dropout):
    sizes = {"units": (8,), "embedding_size": 8, "dropout": dropout}
    embedded = NextToken(4).build(Backbone(**sizes, input="embedding"), SIZE, FusedLSTM)
    one_hot = NextToken(4).build(Backbone(**sizes), SIZE, FusedLSTM)
    assert ("stack_dropout_in" in [layer.name for layer in embedded.layers]) == (dropout > 0)
    assert "stack_dropout_in" not in [layer.name for layer in one_hot.layers]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("objective", [NextToken(4), EncoderDecoder(3, 4)], ids=repr)
def test_every_embedding_starts_from_the_given_vectors_and_can_be_frozen(objective, tied):
    settings = Backbone(units=(8,), input="embedding", embedding_size=5, tied_output=tied)
    network = objective.build(settings, SIZE, FusedLSTM)
    free = len(network.trainable_variables)
    matrix = np.random.default_rng(0).normal(size=(SIZE, 5)).astype(np.float32)
    set_embedding(network, matrix, frozen=True)
    found = [w for w in network.weights if "embedding" in w.path]
    assert len(found) == free - len(network.trainable_variables) > 0
    for weight in found:
        np.testing.assert_array_equal(weight, matrix)
        assert not weight.trainable
    set_embedding(network, None, frozen=False)
    assert len(network.trainable_variables) == free
    np.testing.assert_array_equal(found[0], matrix)


def test_vectors_that_do_not_fit_are_refused():
    network = NextToken(4).build(Backbone(units=(8,)), SIZE, FusedLSTM)
    set_embedding(network, None, frozen=False)
    with pytest.raises(ValueError, match="no embedding"):
        set_embedding(network, np.zeros((SIZE, 5), np.float32), frozen=False)
    embedded = Backbone(units=(8,), input="embedding", embedding_size=5)
    network = NextToken(4).build(embedded, SIZE, FusedLSTM)
    with pytest.raises(ValueError, match="shape"):
        set_embedding(network, np.zeros((SIZE, 6), np.float32), frozen=False)


@pytest.mark.parametrize(
    "settings",
    [
        Backbone(units=(8, 6)),
        Backbone(units=(8, 6), input="embedding", embedding_size=5),
        Backbone(units=(8, 6), input="embedding", embedding_size=5, tied_output=True),
        Backbone(units=(8, 6), output="adaptive", head=6, tail_size=3),
        Backbone(**TIED_ADAPTIVE),
        Backbone(**TIED_ADAPTIVE | {"units": (5,)}),
        Backbone(units=(8, 6), normalisation="layer"),
        Backbone(units=(8, 6), normalisation="batch"),
    ],
    ids=str,
)
def test_the_memory_estimate_counts_the_weights_there_are(settings):
    network = NextToken(4).build(settings, SIZE, FusedLSTM)
    assert memory_needed(settings, SIZE, 0, 0) - 300_000_000 == 9 * 4 * network.count_params()


def test_a_vocabulary_that_does_not_fit_in_memory_is_refused(monkeypatch):
    settings = Backbone(units=(256,), input="embedding")
    monkeypatch.setattr("textgen.models.footprint._free_memory", lambda: 4_000_000_000)
    check_memory(settings, 20_000, 16, 64)
    with pytest.raises(TextgenError, match=r"1,234,567 tokens.*\n.*4\.0 GB[\s\S]*adaptive"):
        check_memory(settings, 1_234_567, 16, 64)
    with pytest.raises(TextgenError, match=r"training\.batch\n.*1,000,000 rows of 64 tokens"):
        check_memory(settings, 90, 1_000_000, 64)
    with pytest.raises(TextgenError, match=r"backbone\.units\n.*\[100000\]"):
        check_memory(Backbone(units=(100_000,), input="embedding"), 90, 16, 64)
    monkeypatch.setattr("textgen.models.footprint._free_memory", lambda: None)
    check_memory(settings, 1_234_567, 16, 64)


def test_free_memory_is_known_here_or_nothing_is_claimed():
    free = _free_memory()
    assert free is None or free > 0


def _list(outputs):
    return outputs if isinstance(outputs, (list, tuple)) else [outputs]
