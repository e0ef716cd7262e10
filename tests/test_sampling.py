"""Tokens are drawn from the distribution that is scored, by every part of a model."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import test_honesty as honesty
from conftest import in_turn, made_up, made_up_cache, made_up_counts, tiny_model, toy_model

from textgen.core.settings import PARTS, Sampling
from textgen.evaluation import sampler as drawing
from textgen.evaluation.dynamic import DynamicEvaluation
from textgen.evaluation.sampler import READING, Stepper, guesses, write_tokens
from textgen.models.objectives import NextToken
from textgen.runs.generation import Writer, requests

SIZE = 9
OBJECTIVES = [honesty.OBJECTIVES[i] for i in (1, 2, 4, 5, 6)]
CACHE = made_up_cache(1, 3)
each_model = in_turn(objective=OBJECTIVES, part=PARTS)
NOTHING = np.array([], np.int64)


def writing_model(objective, part="network", scale=1.0):
    network, counts = tiny_model(objective, SIZE, scale=scale), made_up_counts(SIZE, 0, 1, 3)
    model = toy_model(objective, network, SIZE, (0, 1), counts=counts, cache=CACHE)
    return model.part(part)


def written(model, prompts, length, seeds=None, **settings):
    rows = [[] for _ in prompts]
    for column in write_tokens(model, prompts, seeds or range(len(prompts)), **settings):
        for row, token in zip(rows, column.tolist(), strict=True):
            if token != READING:
                row.append(token)
        if min(map(len, rows)) >= length:
            return np.array([row[:length] for row in rows])


@each_model
def test_a_seed_repeats_a_text_whatever_is_written_beside_it(objective, part):
    model, prompts = writing_model(objective, part), [NOTHING, np.array([2, 3, 4]), NOTHING]
    first = written(model, prompts, 20, [1, 2, 3])
    np.testing.assert_array_equal(first, written(model, prompts, 20, [1, 2, 3]))
    np.testing.assert_array_equal(first[1:2], written(model, prompts[1:2], 20, [2]))
    assert (first != written(model, prompts, 20, [4, 5, 6])).any()
    assert first.min() >= 2  # neither boundary nor escape


@each_model
def test_what_a_temperature_adds_to_logits_is_for_texts_of_that_temperature(objective, part):
    model, added = writing_model(objective, part), {0.5: [0] * SIZE, 1.0: [-np.inf] * 5 + [0] * 4}
    model.tokenizer.temperature_offsets = added.get
    cold, warm = written(model, [NOTHING] * 2, 150, temperature=[0.5, 1.0])
    assert (cold.min() < 5, warm.min() < 5) == (True, False)


@each_model
def test_zero_temperature_and_guesses_follow_the_scored_distribution(objective, part):
    model, prompt = writing_model(objective, part), [3, 5, 2]
    (greedy,) = written(model, [np.array(prompt)], 14, temperature=0.0)
    text, likeliest, stepper = [*prompt, *greedy.tolist()], [], Stepper(model)
    for place, token in enumerate(text):
        probabilities = stepper.probabilities()[2:]
        assert place < len(prompt) or probabilities[token - 2] >= probabilities.max() - 1e-5
        likeliest.append(int(probabilities.argmax()) + 2)
        stepper.append(token)
    assert guesses(model, text).tolist() == likeliest


@each_model
def test_frequencies_are_the_probabilities(objective, part):
    """Rows that begin differently are drawn as if each had a cache of its own."""
    model, prompts = writing_model(objective, part), [[4, 4, 4, 4], [7, 4, 7, 2]]
    drawn = written(model, np.repeat(prompts, 1500, axis=0), 1).reshape(2, 1500)
    for prompt, own in zip(prompts, drawn, strict=True):
        stepper = Stepper(model)
        for token in prompt:
            stepper.append(token)
        expected = stepper.probabilities()[2:]
        expected /= expected.sum()
        found = np.bincount(own, minlength=SIZE)[2:] / 1500
        np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / 1500))


def test_temperature_top_k_and_top_p_shape_the_distribution():
    chances = np.array([[0.05, 0.4, 0.3, 0.15, 0.1]])
    for (temperature, top_k, top_p), expected in (
        ((1.0, 0, 1.0), [0, 40, 30, 15, 10]),
        ((0.5, 0, 1.0), [0, 1600, 900, 225, 100]),
        ((1.0, 2, 1.0), [0, 4, 3, 0, 0]),
        ((1.0, 0, 0.6), [0, 4, 3, 0, 0]),  # of what can be written: 0.42 and 0.32
        ((1.0, 3, 0.5), [0, 4, 3, 0, 0]),  # of the three: 0.47 and 0.35
        ((0.0, 0, 1.0), [0, 1, 0, 0, 0]),
    ):
        scaled = np.log(chances) / max(temperature, drawing.MIN_TEMPERATURE)
        scaled[:, 0] = -np.inf
        masses = drawing.shaped(scaled, Sampling(top_k=top_k, top_p=top_p))[0]
        shares = np.array(expected) / sum(expected)
        np.testing.assert_allclose(masses / masses.sum(), shares, atol=1e-12)


@pytest.mark.parametrize("size", [5, 700])
def test_every_token_is_drawn_as_often_as_it_is_probable(size):
    """A grid of numbers in [0, 1) meets each token in proportion, to the grid's step."""
    masses = np.exp(np.random.default_rng(size).normal(0, 3, size)).astype(np.float32)
    masses[size // 2] = 0.0
    grid = 5000
    numbers, tiled = (np.arange(grid) + 0.5) / grid, np.tile(masses, (grid, 1))
    for draw in (drawing.draw, drawing.draw_in_blocks):
        found = np.bincount(draw(tiled, numbers), minlength=size) / grid
        np.testing.assert_allclose(found, masses / masses.sum(dtype=float), atol=3 / grid)
    assert found[size // 2] == 0
    ends = drawing.draw(np.tile(masses, (2, 1)), np.array([0.0, np.nextafter(1.0, 0.0)]))
    assert (masses[ends] > 0).all()


def test_a_text_that_is_abandoned_puts_back_a_network_that_learns():
    whole = writing_model(NextToken(4), "with_cache")
    number = len(whole.network.trainable_variables)
    dynamic = DynamicEvaluation((0.1,) * number, (1.0,) * number)
    model = replace(whole, cache=replace(CACHE, dynamic=dynamic))
    before = whole.network.get_weights()
    stream = write_tokens(model, [NOTHING], [1])
    tokens = [int(token[0]) for token in itertools.islice(stream, 10)]
    assert not all(map(np.array_equal, whole.network.get_weights(), before))
    stream.close()
    assert all(map(np.array_equal, whole.network.get_weights(), before))
    assert written(model, [NOTHING], 10, [1])[0].tolist() == tokens


def write_anything(model, prompts, seeds, **settings):
    allowed = sorted({*range(model.tokenizer.size)} - {*model.tokenizer.unwritable})
    tokens = np.random.default_rng(5).choice(allowed, 2000)
    return (np.full(len(prompts), token) for token in tokens)


@in_turn(config=honesty.TOKENIZERS, cache=[None, CACHE])
def test_a_text_that_grows_is_the_one_that_is_written_at_once(monkeypatch, config, cache):
    texts = [made_up(60, seed).replace("lantern", f"lantern é{seed}x", 1) for seed in range(4)]
    model = SimpleNamespace(tokenizer=config.fit(texts, texts[:1], 1), cache=cache)
    monkeypatch.setattr("textgen.runs.generation.write_tokens", write_anything)
    for prompt in ("", "The ", "Our neighbour"):
        settings = Sampling((prompt,), length=150, samples=1)
        writer, (request,) = Writer(model, settings), requests(settings, 7)
        (whole,) = writer.write([request])
        pieces = list(writer.stream(request))
        assert "".join(pieces) == whole.text
        assert len(pieces) > 10


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_a_compiled_loop_draws_what_numpy_draws(objective):
    model, prompts = writing_model(objective, scale=2.0), [NOTHING, np.array([3, 4, 2, 5]), NOTHING]
    settings = {"seeds": [1, 2, 3], "temperature": [0.0, 0.7, 1.3]}
    loop = written(model, prompts, 80, **settings)
    np.testing.assert_array_equal(
        loop, written(model, prompts, 80, settings=Sampling(top_k=SIZE), **settings)
    )
