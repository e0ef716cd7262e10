"""One step as plain arithmetic gives the logits and states of the layers it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from textgen.models.backbones.gru import GRU
from textgen.models.backbones.lstm import LSTM
from textgen.models.backbones.recurrent import Adaptive
from textgen.models.objectives.encoder_decoder import EncoderDecoder
from textgen.models.objectives.stepwise import NextToken, Shifted

pytestmark = pytest.mark.xla
SIZE, ROWS, STEPS = 11, 2, 5
EMBEDDED = {"input": "embedding", "embedding_size": 5}
CASES = {
    "GRU": (NextToken(4), GRU(units=(7, 6), **EMBEDDED)),
    "GRU decoder": (EncoderDecoder(3, 2, feedback=False), GRU(units=(6, 6))),
    "one-hot": (NextToken(4), LSTM(units=(8, 6))),
    "embedding": (NextToken(4), LSTM(units=(7,), **EMBEDDED)),
    "tied": (NextToken(4), LSTM(units=(5,), tied_output=True, **EMBEDDED)),
    "tied, projected": (NextToken(4), LSTM(units=(8,), tied_output=True, **EMBEDDED)),
    "two levels": (
        Shifted(4, 2),
        LSTM(units=(6, 6), adaptive_softmax=Adaptive(4, 3), dropout=0.3, **EMBEDDED),
    ),
    "two levels, tied": (
        NextToken(4),
        LSTM(units=(5,), adaptive_softmax=Adaptive(4), tied_output=True, **EMBEDDED),
    ),
    "two levels, tied, projected": (
        EncoderDecoder(3, 2),
        LSTM(units=(6,), adaptive_softmax=Adaptive(4), tied_output=True, **EMBEDDED),
    ),
    "layer normalisation": (
        NextToken(4),
        LSTM(units=(7, 6), normalisation="layer", **EMBEDDED),
    ),
    "batch normalisation": (NextToken(4), LSTM(units=(7, 6), normalisation="batch")),
    "batch normalisation inside, projection": (
        Shifted(4, 1),
        LSTM(units=(7, 6), normalisation="batch", normalised="inner", projection="vocabulary"),
    ),
    "decoder": (EncoderDecoder(3, 2), LSTM(units=(6,), **EMBEDDED)),
    "one-shot decoder": (EncoderDecoder(3, 2, feedback=False), LSTM(units=(6, 6))),
}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_a_step_is_the_networks(case, threads):
    import tensorflow as tf

    objective, backbone = CASES[case]
    network = objective.build(backbone, SIZE)
    random = np.random.default_rng(0)
    network.set_weights([random.normal(0, 0.5, w.shape) for w in network.get_weights()])
    for weight in network.non_trainable_weights:  # a variance is above zero
        weight.assign(np.abs(weight))

    @tf.function(autograph=False)
    def both(carry, other):
        features, carry = objective.next_features(network, carry)
        writer = network.writer(threads)
        stepped, other = objective.next_features(writer, other)
        return network.output_layer(features), writer.output_layer(stepped), carry, other

    carry = other = objective.begin(network, ROWS)
    for _ in range(STEPS):
        logits, stepped, carry, other = both(carry, other)
        np.testing.assert_allclose(stepped, logits, atol=2e-6)
        tokens = random.integers(2, SIZE, ROWS).astype(np.int32)
        carry, other = objective.append(carry, tokens), objective.append(other, tokens)
    for one, two in zip(*map(tf.nest.flatten, (carry[-1], other[-1])), strict=True):
        np.testing.assert_allclose(two, one, atol=2e-6)
