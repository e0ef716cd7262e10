"""The mean of several networks' predictions: what is charged, what learns, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from textgen.core.settings import Training
from textgen.evaluation.likelihood import token_bits
from textgen.models.backbones import GRU, LSTM, Adaptive
from textgen.models.objectives import NextToken
from textgen.training.step import Step

SIZE = 12
PLAIN = {"units": (7,), "input": "embedding", "embedding_size": 5}
KINDS = [
    LSTM(**PLAIN, members=3),
    GRU(**PLAIN, members=2, tied_output=True),
    LSTM(**PLAIN, members=2, adaptive_softmax=Adaptive(5, 3)),
]


def gradients(network, objective):
    spans = np.random.default_rng(1).integers(1, SIZE, (6, 5)).astype(np.int32)
    step = Step(network, objective, Training(updates=1, batch=6), tail_share=0.9)
    states = tf.nest.flatten(network.initial_state(6))
    counted = tf.constant(0), tf.constant(24.0), tf.constant(0)
    return [g.numpy() for g in step.gradients(*counted, spans, np.ones(6, bool), *states)[2]]


@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_the_mean_is_charged_and_each_member_learns_as_it_would_alone(settings):
    """Gradients of an ensemble are those of its members, divided by their number."""
    objective = NextToken(4)
    network = objective.build(settings, SIZE)
    network.set_weights([w * 3.0 + 0.1 for w in network.get_weights()])
    document = np.random.default_rng(0).integers(1, SIZE, 11)
    (bits,) = token_bits(objective, network, [document])
    alone = [token_bits(objective, member, [document])[0] for member in network.members]
    assert np.abs(alone[0] - alone[1]).max() > 0.1
    np.testing.assert_allclose(2.0**-bits, np.mean(2.0 ** -np.array(alone), axis=0), rtol=1e-4)
    together = gradients(network, objective)
    apart = [gradient for member in network.members for gradient in gradients(member, objective)]
    for a, b in zip(together, apart, strict=True):
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b / len(network.members), atol=1e-6)
