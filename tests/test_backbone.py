"""Every backbone keeps to its contract and computes what Keras has or its equations say."""

import json
import math
import re
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import in_turn, run_python, small_experiment

from textgen.core.errors import TextgenError
from textgen.evaluation.likelihood import scoring_step
from textgen.models.backbones import GRU, LSTM, MinGRU, Transformer
from textgen.models.layers import HashedDropout, NGramEmbedding, dropout_key
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.models.output import AdaptiveSoftmax, Softmax
from textgen.models.recurrent import MinGRULayer, UnrolledGRU, UnrolledLSTM
from textgen.models.settings import Adaptive, NGrams
from textgen.models.transformer import Block
from textgen.testing import check_plugin
from textgen.training.loop import check_memory
from textgen.training.step import RowAdagrad

pytestmark = pytest.mark.long

SIZE = 20
EMBEDDED = {"input": "embedding", "embedding_size": 5}
KINDS = [
    LSTM(units=(8,)),
    LSTM(units=(8, 7), **EMBEDDED, tied_output=True, dropout=0.2),
    LSTM(units=(8, 6), normalisation="batch", projection="vocabulary", dropout=0.2),
    LSTM(units=(8,), **EMBEDDED, ngrams=NGrams((2, 3), 30, 0.5)),
    LSTM(units=(8,), output_ngrams=NGrams((2, 4), 30, 0.5)),
    LSTM(units=(8,), **EMBEDDED, adaptive_softmax=Adaptive(6, 3), members=2),
    GRU(units=(8, 6), normalisation="batch", projection=5, adaptive_softmax=Adaptive(6, 3)),
    MinGRU(units=(8, 6), normalisation="layer"),
    Transformer(units=(8, 6), context=3, head_size=4, dropout=0.2),
]
NEXT = NextToken(4)
OBJECTIVES = [NEXT, Shifted(4, 2), EncoderDecoder(3, 4), EncoderDecoder(3, 4, False)]


def can_be_built(backbone, objective):
    """A one-shot decoder reads no tokens: its output has no embedding to share, and no n-grams."""
    needs_tokens = backbone.tied_output or backbone.output_ngrams
    return not (needs_tokens and objective == OBJECTIVES[-1])


@in_turn(can_be_built, settings=KINDS, objective=OBJECTIVES)
def test_weights_are_counted_beforehand_and_saved(tmp_path, settings, objective):
    networks = [objective.build(settings, SIZE) for _ in range(2)]
    networks[0].save_weights(tmp_path / "m.weights.h5")
    networks[1].load_weights(tmp_path / "m.weights.h5")
    tables = [table for part in networks[0].parts() for table in part.tables]
    rows = sum(int(np.size(table)) for table in tables)
    expected = networks[0].count_params(), rows, networks[0].output_layer.width
    assert objective.measure(settings, SIZE) == expected
    spans = np.random.default_rng(0).integers(0, SIZE, (2, objective.before + objective.length))
    logits = []
    for network in networks:
        states = network.initial_state(2)
        features, _ = objective.features(network, spans.astype(np.int32), states, False)
        logits.append(network.output_layer(features))
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
    assert [len(each) for each in state] == [2 if kind is LSTM else 1] * 2


def test_what_does_not_fit_in_memory_is_refused_before_it_is_built(monkeypatch):
    def check(units, size, batch, threads=1, **backbone):
        backbone = {"units": [units], **backbone}
        tables = {"training": {"updates": 1, "batch": batch}, "backbone": backbone}
        check_memory(small_experiment(**tables), size, threads)

    monkeypatch.setattr("textgen.training.loop.free_memory", lambda: 4_000_000_000)
    check(256, 20_000, 16)
    for large in ((256, 1_234_567, 16), (256, 90, 1_000_000), (100_000, 90, 16)):
        with pytest.raises(TextgenError, match=f"{large[1]:,} tokens.*4\\.0 GB are free"):
            check(*large)
    check(256, 45_000, 16)
    with pytest.raises(TextgenError, match="45,000 tokens"):  # each thread has its own gradients
        check(256, 45_000, 16, threads=16)
    embedding = {"input": "embedding", "embedding_size": 64}
    check(32, 90, 16, 16, **embedding, ngrams={"orders": [2], "rows": 1_000_000})
    monkeypatch.setattr("textgen.training.loop.free_memory", lambda: None)
    check(256, 1_234_567, 16)


@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_every_kind_keeps_to_the_contract(settings):
    check_plugin("backbone", settings)
    if settings.tied_output or settings.output_ngrams:
        with pytest.raises(TextgenError, match="one-shot"):
            OBJECTIVES[-1].build(settings, SIZE)


def looked_up(orders, tokens, before=None):
    """Vectors, and the tokens before the next one."""
    keras.utils.set_random_seed(1)
    layer = NGramEmbedding(orders, 10_000, 0.0, 3)
    layer.table.assign(np.random.default_rng(2).normal(size=(10_000, 3)))
    if before is None:
        before = np.zeros((len(tokens), layer.context), tokens.dtype)
    text, length = np.concatenate([before, tokens], axis=1), tokens.shape[1]
    return np.array(layer(text, length=length)), text[:, length:]


def test_a_vector_is_the_sum_of_those_of_the_last_tokens_and_a_text_may_be_cut_anywhere():
    text, seen = np.random.default_rng(0).integers(0, 5, (1, 400)), {}
    for place, vector in enumerate(looked_up((3,), text)[0][0]):
        last = tuple(np.append([0, 0], text[0])[place : place + 3].tolist())
        np.testing.assert_array_equal(seen.setdefault(last, vector), vector)
    assert len(seen) > 100
    assert len(np.unique(np.array(list(seen.values())), axis=0)) == len(seen)
    text = np.random.default_rng(0).integers(0, 5, (2, 30))
    together, after = looked_up((2, 4), text)
    apart = [looked_up((order,), text)[0] for order in (2, 4)]
    np.testing.assert_allclose(together, sum(apart), atol=1e-6)
    np.testing.assert_array_equal(after, text[:, -3:])
    for cut in (1, 2, 7, 29):
        first, between = looked_up((2, 4), text[:, :cut])
        second, last = looked_up((2, 4), text[:, cut:], between)
        np.testing.assert_array_equal(together, np.concatenate([first, second], axis=1))
        np.testing.assert_array_equal(last, after)


def test_rows_are_updated_as_the_equation_says_and_others_are_left_alone():
    random = np.random.default_rng(0)
    table, squares = random.normal(size=(20, 4)).astype(np.float32), np.zeros(20, np.float32)
    variable = keras.Variable(table.copy())
    rows = RowAdagrad(variable)
    for _ in range(3):
        places, gradients = random.integers(0, 12, 9), random.normal(size=(9, 4))
        rows.apply(tf.constant(places, tf.int32), tf.constant(gradients, tf.float32), 0.3)
        for row in np.unique(places):
            total = gradients[places == row].sum(axis=0)
            squares[row] += (total**2).mean()
            table[row] -= 0.3 * total / np.sqrt(squares[row])
    np.testing.assert_allclose(variable, table, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rows.squares, squares, rtol=1e-4)
    assert not squares[12:].any()


# Every kind with an objective, so that each objective comes twice, and a tied output in two levels.
SAVED = [(settings, OBJECTIVES[i % 4]) for i, settings in enumerate(KINDS)]
SAVED.append((LSTM(units=(8,), **EMBEDDED, tied_output=True, adaptive_softmax=Adaptive(6)), NEXT))
LOAD = """
import json, sys
import numpy as np
import textgen.models.network, keras
networks = [keras.saving.load_model(path) for path in sys.argv[2::2]]
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
with np.load(sys.argv[1]) as spans:
    for number, network in enumerate(networks):
        objective = eval(sys.argv[3 + 2 * number])
        state = network.initial_state(2)
        features, _ = objective.features(network, spans[f"arr_{number}"], state, False)
        print(json.dumps(network.output_layer(features).numpy().tolist()))
"""


@pytest.mark.slow
def test_keras_loads_what_was_saved_with_nothing_of_ours_but_its_layers(tmp_path):
    random, spans, expected, arguments = np.random.default_rng(1), [], [], []
    for number, (settings, objective) in enumerate(SAVED):
        network = random_network(settings, objective)
        path = tmp_path / f"{number}.keras"
        scoring_step(objective, network)  # what is compiled is kept with the network
        network.save(path)
        length = objective.before + objective.length
        spans.append(random.integers(0, SIZE, (2, length)).astype(np.int32))
        features, _ = objective.features(network, spans[-1], network.initial_state(2), False)
        expected.append(network.output_layer(features).numpy())
        arguments += [path, repr(objective)]
    np.savez(tmp_path / "spans.npz", *spans)
    done = run_python("-c", LOAD, tmp_path / "spans.npz", *arguments)
    assert done.code == 0, done.err
    for line, logits in zip(done.out.splitlines(), expected, strict=True):
        np.testing.assert_allclose(json.loads(line), logits, atol=1e-5)


def test_a_backbone_without_a_name_is_not_saved_with_its_structure(tmp_path):
    @dataclass(frozen=True)
    class Nameless(LSTM):
        """Of no installed package."""

    network = NEXT.build(Nameless(units=(4,)), SIZE)
    network.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(TextgenError, match="Nameless cannot be saved"):
        network.save(tmp_path / "m.keras")


def test_every_layer_is_made_again_from_what_keras_keeps_of_it():
    embedding = keras.layers.ReversibleEmbedding(9, 5)
    layers = [
        HashedDropout(0.3), NGramEmbedding((2, 4), 30, 0.5, 6), MinGRULayer(7, "layer"),
        UnrolledLSTM(7, unit_forget_bias=False), UnrolledGRU(7), Block(8, 2, 4, 5, 0.1, "block"),
        Softmax(9, 5, None), Softmax(9, 5, embedding), AdaptiveSoftmax(9, 5, Adaptive(3, 2), None),
        AdaptiveSoftmax(9, 5, Adaptive(3, 2), embedding),
    ]  # fmt: skip
    for layer in layers:
        stored = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
        again = keras.saving.deserialize_keras_object(stored)
        assert type(again) is type(layer)
        assert again.get_config() == layer.get_config()
        assert [w.shape for w in again.weights] == [w.shape for w in layer.weights]


def test_dropout_outside_of_an_update_is_refused_in_a_sentence():
    settings = LSTM(units=(8,), **EMBEDDED, dropout=0.2)
    network = NEXT.build(settings, SIZE)
    tokens, state = np.ones((2, 3), np.int32), network.initial_state(2)
    with pytest.raises(TextgenError, match=r"(?s)dropout.*outside of an update.*dropout_key"):
        network(tokens, state, training=True)
    with dropout_key(3):
        logits, _ = network(tokens, state, training=True)
    assert np.abs(logits - network(tokens, state)[0]).max() > 0


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
    settings = Transformer(units=(8, 6), context=context, head_size=4, **EMBEDDED)
    network = random_network(settings, NextToken(4))
    tokens = np.random.default_rng(1).integers(0, SIZE, 23).astype(np.int32)
    expected, state, found = by_hand(network, settings, tokens), network.initial_state(1), []
    for part in np.split(tokens, [1, 4, 12]):
        logits, state = network(part[None], state)
        found.append(np.array(logits)[0])
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-4, atol=1e-4)


def changed_features(settings, objective, length, seed, place=0):
    """How much features of each position change with one token of a text, the first: (T,)."""
    network = random_network(settings, objective)
    spans = np.random.default_rng(seed).integers(0, SIZE, (1, length)).astype(np.int32)
    other = spans.copy()
    other[0, place] = (other[0, place] + 1) % SIZE
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


def bounds(numbers):
    return sorted({min(numbers), max(numbers)})


@pytest.mark.parametrize("objective", OBJECTIVES[1:], ids=repr)
def test_a_context_in_words_is_what_predictions_see(objective):
    """How many tokens, and how far back the last of them is where that is not the one before."""
    length = objective.before + objective.length
    changed = [
        changed_features(LSTM(units=(8,)), objective, length, seed=4, place=place) > 0
        for place in range(length)
    ]
    numbers, last = [], []
    for target, is_seen in enumerate(np.transpose(changed)):
        (seen,) = np.nonzero(is_seen)
        numbers.append(len(seen))
        last.append(objective.before + target - seen.max())
    expected = bounds(numbers)
    if max(last) > 1:
        expected += bounds(last)
    assert [int(number) for number in re.findall(r"\d+", objective.context)] == expected


def test_a_decoder_of_vectors_passes_on_the_last_tokens_of_its_encoder():
    objective = EncoderDecoder(read=3, write=4, feedback=False)
    backbone = LSTM(units=(8,), **EMBEDDED, ngrams=NGrams(orders=(2, 3), rows=30))
    network = objective.build(backbone, 12)
    carry = objective.begin(network, 2)
    _, after = objective.next_features(network, carry)
    tf.nest.assert_same_structure(carry, after)
