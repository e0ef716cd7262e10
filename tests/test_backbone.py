from __future__ import annotations

import keras
import numpy as np
import pytest

from textgen.errors import TextgenError
from textgen.lstm import FusedLSTM
from textgen.objectives.encoder_decoder import EncoderDecoder
from textgen.objectives.stepwise import NextToken
from textgen.settings import Backbone

SIZE = 20


@pytest.mark.parametrize(
    "settings",
    [
        Backbone(units=(8,)),
        Backbone(units=(8, 6), input="embedding", embedding_size=5, dropout=0.2),
        Backbone(units=(8,), input="embedding", embedding_size=8, tied_output=True),
        Backbone(units=(8, 7), input="embedding", embedding_size=5, tied_output=True),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "objective",
    [NextToken(4), EncoderDecoder(3, 4), EncoderDecoder(3, 4, feedback=False)],
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


def _list(outputs):
    return outputs if isinstance(outputs, (list, tuple)) else [outputs]
