"""A transformer attends to the last tokens, and computes what its equations say."""

import math

import numpy as np
import pytest

from textgen.models.backbones import Transformer
from textgen.models.objectives import EncoderDecoder, NextToken

SIZE = 7


def random_network(settings, objective):
    network = objective.build(settings, SIZE)
    random = np.random.default_rng(0)
    network.set_weights([random.normal(0, 0.5, w.shape) for w in network.get_weights()])
    return network


def normalised(x, scale):
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6) * scale


def turned(vector, place):
    """A vector (d,) by complex numbers, its halves being real and imaginary parts."""
    half = len(vector) // 2
    angles = place * 10_000.0 ** (-np.arange(half) / half)
    found = (vector[:half] + 1j * vector[half:]) * np.exp(1j * angles)
    return np.concatenate([found.real, found.imag])


def by_hand(network, settings, tokens):
    """Logits (T, V) of a text, one position after another, places counted from its start."""
    named = {w.path: np.array(w, dtype=np.float64) for w in network.weights}
    x = named["embedding/embeddings"][tokens]
    size = settings.head_size
    for number, units in enumerate(settings.units, start=1):
        w = {k.split("/", 1)[1]: v for k, v in named.items() if k.startswith(f"recurrent{number}/")}
        if "fitted/kernel" in w:
            x = x @ w["fitted/kernel"]
        heads = settings.heads(units)
        read = normalised(x, w["before_attention/scale"]) @ w["queries_keys_values/kernel"]
        queries, keys, values = read.reshape(len(x), 3, heads, size).transpose(1, 0, 2, 3)
        found = np.zeros((len(x), heads, size))
        for t in range(len(x)):
            near = range(max(0, t - settings.context + 1), t + 1)
            for h in range(heads):
                scores = [turned(queries[t, h], t) @ turned(keys[s, h], s) for s in near]
                shares = np.exp(np.array(scores) / math.sqrt(size))
                found[t, h] = (shares / shares.sum()) @ values[list(near), h]
        x = x + found.reshape(len(x), -1) @ w["attended/kernel"]
        wide = normalised(x, w["before_forward/scale"]) @ w["wide/kernel"]
        x = x + np.maximum(wide, 0) ** 2 @ w["narrow/kernel"]
    x = normalised(x, named[f"normalisation{len(settings.units)}/scale"])
    return x @ named["logits/kernel"] + named["logits/bias"]


@pytest.mark.parametrize("context", [1, 4, 50])
def test_it_computes_what_its_equations_say_however_the_text_is_cut(context):
    settings = Transformer(
        units=(8, 6), context=context, head_size=4, input="embedding", embedding_size=5
    )
    network = random_network(settings, NextToken(4))
    tokens = np.random.default_rng(1).integers(0, SIZE, 23).astype(np.int32)
    expected, state, found = by_hand(network, settings, tokens), network.initial_state(1), []
    for part in np.split(tokens, [1, 4, 12]):
        logits, state = network(part[None], state)
        found.append(np.array(logits)[0])
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-4, atol=1e-4)


def changed_features(settings, objective, length, seed):
    """How much features of each position change with the first token of a text: (T,)."""
    network = random_network(settings, objective)
    spans = np.random.default_rng(seed).integers(0, SIZE, (1, length)).astype(np.int32)
    other = spans.copy()
    other[0, 0] = (other[0, 0] + 1) % SIZE
    first, second = (
        objective.features(network, each, network.initial_state(1), False)[0]
        for each in (spans, other)
    )
    return np.abs(first - second).max(axis=(0, 2))


def test_tokens_beyond_the_context_act_through_layers_and_a_decoder_sees_what_was_read():
    for layers in (1, 2, 3):
        settings = Transformer(units=(8,) * layers, context=4, head_size=4)
        change = changed_features(settings, NextToken(12), 13, seed=2)
        assert np.flatnonzero(change).max() == layers * 3
    settings = Transformer(units=(8,), context=9, head_size=4)
    assert changed_features(settings, EncoderDecoder(read=5, write=3), 8, seed=3).min() > 0
