from __future__ import annotations

import numpy as np
import pytest
from conftest import tiny_model

from textgen.evaluation.mixture import Stepper
from textgen.models import sampler as sampling
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.models.sampler import FREE, Sampler

SIZE = 9
OBJECTIVES = [
    NextToken(5),
    Shifted(4, 1),
    Shifted(4, 4),
    EncoderDecoder(3, 2),
    EncoderDecoder(3, 4, feedback=False),
]
each_objective = pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch):
    """A loop always goes through a whole chunk."""
    monkeypatch.setattr(sampling, "TOKENS_PER_CALL", 16)


@pytest.fixture(
    params=[pytest.param(0, marks=pytest.mark.xla, id="compiled"),
            pytest.param(sampling.MAX_UNCOMPILED_TOKENS, id="plain")]
)  # fmt: skip
def both_loops(request, monkeypatch):
    monkeypatch.setattr(sampling, "MAX_UNCOMPILED_TOKENS", request.param)


def sampler(objective):
    return Sampler(objective, tiny_model(objective, SIZE))


def free(rows, length):
    return np.full((rows, length), FREE)


@each_objective
def test_a_seed_repeats_a_sample_and_another_does_not(objective):
    draw = sampler(objective).draw
    first, _ = draw(free(3, 40), seeds=[1, 2, 3])
    again, _ = draw(free(3, 40), seeds=[1, 2, 3])
    other, _ = draw(free(3, 40), seeds=[4, 5, 6])
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert len({tuple(row) for row in first}) == 3
    assert first.min() >= 2  # neither boundary nor escape


@each_objective
@pytest.mark.usefixtures("both_loops")
def test_zero_temperature_follows_the_scored_distribution(objective):
    """Greedy choices, across block ends and chunk ends, are those of the step-by-step model."""
    network = tiny_model(objective, SIZE)
    length = sampling.TOKENS_PER_CALL + 9
    (greedy,), _ = Sampler(objective, network).draw(free(1, length), temperature=0.0)
    stepper = Stepper(objective, network)
    for token in greedy:
        probabilities = stepper.probabilities()[2:]
        assert probabilities[token - 2] >= probabilities.max() - 1e-5
        stepper.append(int(token))


@each_objective
def test_frequencies_are_the_models_probabilities(objective):
    network = tiny_model(objective, SIZE)
    drawn, _ = Sampler(objective, network).draw(free(4000, 1))
    expected = Stepper(objective, network).probabilities()[2:]
    expected /= expected.sum()
    found = np.bincount(drawn[:, 0], minlength=SIZE)[2:] / 4000
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / 4000))


@pytest.mark.usefixtures("both_loops")
def test_temperature_top_k_and_top_p_shape_the_distribution():
    objective = NextToken(5)
    network = tiny_model(objective, SIZE, scale=2.0)
    draw = Sampler(objective, network).draw
    logits = np.log(Stepper(objective, network).probabilities()[2:])
    order = np.argsort(-logits)

    def check(weights, **settings):
        drawn, _ = draw(free(4000, 1), **settings)
        found = np.bincount(drawn[:, 0] - 2, minlength=SIZE - 2) / 4000
        np.testing.assert_allclose(found, weights / weights.sum(), atol=0.033)
        assert set(np.flatnonzero(found)) <= set(np.flatnonzero(weights))

    check(np.exp(2 * logits), temperature=0.5)
    top = np.where(np.isin(np.arange(SIZE - 2), order[:3]), np.exp(logits), 0)
    check(top, top_k=3)
    share = np.exp(logits[order]) / np.exp(logits).sum()
    enough = share[:2].sum() + 0.5 * share[2]  # reached by three tokens, not by two
    check(top, top_p=float(enough))
    both = np.where(np.isin(np.arange(SIZE - 2), order[:2]), np.exp(logits), 0)
    first_of_two = share[0] / share[:2].sum()
    check(both, top_k=2, top_p=float(min(0.999, first_of_two + 0.01)))


@each_objective
def test_forced_tokens_stay_and_do_not_hide_the_models_choice(objective):
    forced = free(2, 30)
    forced[0, :11] = np.arange(11) % 7 + 2
    forced[1, :5] = 3
    tokens, choices = sampler(objective).draw(forced, temperature=0.0)
    np.testing.assert_array_equal(tokens[forced >= 0], forced[forced >= 0])
    np.testing.assert_array_equal(tokens[forced < 0], choices[forced < 0])
    assert (tokens[forced >= 0] != choices[forced >= 0]).any()


@pytest.mark.parametrize("size", [5, 128, 129, 700])
def test_inversion_draws_every_token_as_often_as_it_is_probable(size):
    """A grid of uniform numbers meets each token in proportion, to the grid's step."""
    logits = np.random.default_rng(size).normal(0, 3, size).astype(np.float32)
    logits[size // 2] = -1e9
    grid = 20_000
    uniform = ((np.arange(grid) + 0.5) / grid).astype(np.float32)
    drawn = sampling._invert(np.tile(logits, (grid, 1)), uniform).numpy()
    expected = np.exp(logits - logits.max(), dtype=np.float64)
    expected /= expected.sum()
    found = np.bincount(drawn, minlength=size) / grid
    np.testing.assert_allclose(found, expected, atol=3 / grid)
    assert found[size // 2] == 0
    assert (np.diff(drawn) >= 0).all()


def test_rounding_at_the_very_end_never_draws_what_cannot_be():
    logits = np.full((3, 200), -1e9, dtype=np.float32)
    logits[:, 130] = logits[:, 7] = 0.0
    almost = np.array([np.nextafter(np.float32(1), np.float32(0)), 1.0, 0.0], dtype=np.float32)
    drawn = sampling._invert(logits, almost).numpy().tolist()
    assert drawn[::2] == [130, 7]
    assert drawn[1] in (7, 130)
