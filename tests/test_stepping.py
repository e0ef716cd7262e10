"""One step as plain arithmetic gives the logits and states of the layers it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from textgen.core.settings import Backbone
from textgen.models.objectives.encoder_decoder import EncoderDecoder
from textgen.models.objectives.stepwise import NextToken, Shifted

SIZE, ROWS, STEPS = 11, 2, 5
EMBEDDED = {"input": "embedding", "embedding_size": 5}
CASES = {
    "one-hot": (NextToken(4), Backbone(units=(8, 6))),
    "embedding": (NextToken(4), Backbone(units=(7,), **EMBEDDED)),
    "tied": (NextToken(4), Backbone(units=(5,), tied_output=True, **EMBEDDED)),
    "tied, projected": (NextToken(4), Backbone(units=(8,), tied_output=True, **EMBEDDED)),
    "two levels": (
        Shifted(4, 2),
        Backbone(units=(6, 6), output="adaptive", head=4, tail_size=3, dropout=0.3, **EMBEDDED),
    ),
    "two levels, tied": (
        NextToken(4),
        Backbone(units=(5,), output="adaptive", head=4, tied_output=True, **EMBEDDED),
    ),
    "two levels, tied, projected": (
        EncoderDecoder(3, 2),
        Backbone(units=(6,), output="adaptive", head=4, tied_output=True, **EMBEDDED),
    ),
    "layer normalisation": (
        NextToken(4),
        Backbone(units=(7, 6), normalisation="layer", **EMBEDDED),
    ),
    "batch normalisation": (NextToken(4), Backbone(units=(7, 6), normalisation="batch")),
    "decoder": (EncoderDecoder(3, 2), Backbone(units=(6,), **EMBEDDED)),
    "one-shot decoder": (EncoderDecoder(3, 2, feedback=False), Backbone(units=(6, 6))),
}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_a_step_is_the_networks(case, threads):
    import tensorflow as tf

    from textgen.models.backbones.lstm.layer import FusedLSTM
    from textgen.models.backbones.lstm.stepping import stepwise

    objective, backbone = CASES[case]
    network = objective.build(backbone, SIZE, FusedLSTM)
    random = np.random.default_rng(0)
    network.set_weights([random.normal(0, 0.5, w.shape) for w in network.get_weights()])
    for weight in network.non_trainable_weights:  # a variance is above zero
        weight.assign(np.abs(weight))

    @tf.function(autograph=False)
    def both(carry, other):
        logits, carry = objective.next_logits(network, carry)
        stepped, other = objective.next_logits(stepwise(network, ROWS, threads)[0], other)
        return logits, stepped, carry, other

    carry = other = objective.begin(network, backbone, ROWS)
    for _ in range(STEPS):
        logits, stepped, carry, other = both(carry, other)
        np.testing.assert_allclose(stepped, logits, atol=2e-6)
        tokens = random.integers(2, SIZE, ROWS).astype(np.int32)
        carry, other = objective.append(carry, tokens), objective.append(other, tokens)
    for one, two in zip(carry[-1], other[-1], strict=True):
        np.testing.assert_allclose(two, one, atol=2e-6)
