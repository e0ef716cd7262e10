"""Every backbone keeps to its contract and has the weights that are counted beforehand."""

import keras
import numpy as np
import pytest
from conftest import in_turn, small_experiment

from textgen.core.errors import TextgenError
from textgen.models.backbones import GRU, LSTM, Adaptive, MinGRU, NGrams, Transformer
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.testing import check_plugin
from textgen.training.loop import check_memory

SIZE = 20
EMBEDDED = {"input": "embedding", "embedding_size": 5}
KINDS = [
    LSTM(units=(8,)),
    LSTM(units=(8, 7), **EMBEDDED, tied_output=True, dropout=0.2),
    LSTM(units=(8, 6), normalisation="batch", projection="vocabulary", dropout=0.2),
    LSTM(units=(8,), **EMBEDDED, ngrams=NGrams((2, 3), 30, 0.5)),
    LSTM(units=(8,), **EMBEDDED, adaptive_softmax=Adaptive(6, 3), members=2),
    GRU(units=(8, 6), normalisation="batch", projection=5, adaptive_softmax=Adaptive(6, 3)),
    MinGRU(units=(8, 6), normalisation="layer"),
    Transformer(units=(8, 6), context=3, head_size=4, dropout=0.2),
]
OBJECTIVES = [NextToken(4), Shifted(4, 2), EncoderDecoder(3, 4), EncoderDecoder(3, 4, False)]


def can_be_built(backbone, objective):
    """A one-shot decoder reads no tokens, so its output has no embedding to share."""
    return not (backbone.tied_output and objective == OBJECTIVES[-1])


@in_turn(can_be_built, settings=KINDS, objective=OBJECTIVES)
def test_weights_are_counted_beforehand_and_saved_ones_give_the_same_network(
    tmp_path, settings, objective
):
    networks = [objective.build(settings, SIZE) for _ in range(2)]
    networks[0].save_weights(tmp_path / "m.weights.h5")
    networks[1].load_weights(tmp_path / "m.weights.h5")
    tables = [table for part in networks[0].parts() for table in part.tables]
    rows = sum(int(np.size(table)) for table in tables)
    expected = networks[0].count_params(), rows, networks[0].output_layer.width
    assert objective.measure(settings, SIZE) == expected
    assert {w.dtype for w in networks[0].weights} == {"float32"}
    spans = np.random.default_rng(0).integers(0, SIZE, (2, objective.before + objective.length))
    logits = []
    for network in networks:
        states = network.initial_state(2)
        features, _ = objective.features(network, spans.astype(np.int32), states, False)
        logits.append(network.output_layer(features))
    assert logits[0].shape == (2, objective.length, SIZE)
    np.testing.assert_array_equal(*logits)


@pytest.mark.parametrize(("kind", "article"), [(LSTM, False), (GRU, False), (LSTM, True)])
def test_a_plain_keras_model_of_the_same_weights_computes_the_same(kind, article):
    recurrent = {LSTM: keras.layers.LSTM, GRU: keras.layers.GRU}[kind]
    layers = [recurrent(units, return_sequences=True) for units in (8, 6)]
    if article:
        settings = LSTM(units=(8, 6), projection="vocabulary", forget_bias=True)
        layers.insert(0, keras.layers.Lambda(lambda tokens: keras.ops.one_hot(tokens, SIZE)))
        layers.append(keras.layers.TimeDistributed(keras.layers.Dense(SIZE)))
    else:
        settings = kind(units=(8, 6), **EMBEDDED, normalisation="layer")
        normalisations = [keras.layers.LayerNormalization() for _ in layers]
        layers = [layer for pair in zip(layers, normalisations, strict=True) for layer in pair]
        layers.insert(0, keras.layers.Embedding(SIZE, 5))
    plain = keras.Sequential([*layers, keras.layers.Dense(SIZE)])
    network = NextToken(4).build(settings, SIZE)
    tokens = np.random.default_rng(0).integers(0, SIZE, (3, 7)).astype(np.int32)
    plain(tokens)
    for ours, theirs in zip(network.get_weights(), plain.get_weights(), strict=True):
        assert ours.shape == theirs.shape
        if ours.ndim == 1 and article:  # biases begin alike, those of the forget gates at one
            np.testing.assert_array_equal(ours, theirs)
    plain.set_weights(network.get_weights())
    logits, state = network(tokens, network.initial_state(3))
    np.testing.assert_allclose(plain(tokens), logits, atol=1e-5)
    assert [len(each) for each in state] == [settings.states] * 2


def test_what_does_not_fit_in_memory_is_refused_before_it_is_built(monkeypatch):
    def check(units, size, batch, threads=1, **backbone):
        backbone = {"units": [units], **backbone}
        tables = {"training": {"updates": 1, "batch": batch}, "backbone": backbone}
        check_memory(small_experiment(**tables), size, threads)

    monkeypatch.setattr("textgen.core.system.free_memory", lambda: 4_000_000_000)
    check(256, 20_000, 16)
    for large in ((256, 1_234_567, 16), (256, 90, 1_000_000), (100_000, 90, 16)):
        with pytest.raises(TextgenError, match=f"{large[1]:,} tokens.*4\\.0 GB are free"):
            check(*large)
    check(256, 45_000, 16)
    with pytest.raises(TextgenError, match="45,000 tokens"):  # each thread has its own gradients
        check(256, 45_000, 16, threads=16)
    check(256, 45_000, 1, threads=16)  # a row has no two threads
    embedding = {"input": "embedding", "embedding_size": 64}
    check(32, 90, 16, 16, **embedding, ngrams={"orders": [2], "rows": 1_000_000})
    monkeypatch.setattr("textgen.core.system.free_memory", lambda: None)
    check(256, 1_234_567, 16)


@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_every_kind_keeps_to_the_contract(settings):
    check_plugin("backbone", settings)
    if settings.tied_output:
        with pytest.raises(TextgenError, match="one-shot"):
            OBJECTIVES[-1].build(settings, SIZE)
