"""What is written with a memory of the document is what is scored with it."""

from __future__ import annotations

import constriction
import numpy as np
import pytest
from conftest import in_turn, made_up, tiny_model
from scipy.stats import chi2
from test_honesty import CACHE, OBJECTIVES, TOKENIZERS

from textgen.data.documents import Document
from textgen.evaluation import mixture
from textgen.evaluation.likelihood import score_documents
from textgen.evaluation.mixture import MixtureSampler, Stepper
from textgen.models.objectives import NextToken
from textgen.models.sampler import FREE

HISTORIES, ROWS, BEFORE = 4, 50_000, 12
EACH = [OBJECTIVES[i] for i in (1, 3, 5)]


def fitted(config, objective):
    training = made_up(150, 4)
    tokenizer = config.fit([training], [made_up(60, 5).replace("gull", "puffin")], 1)
    return tokenizer, tiny_model(objective, tokenizer.size, scale=1.5)


@in_turn(config=TOKENIZERS, objective=EACH)
def test_tokens_are_drawn_as_often_as_the_scorer_claims(config, objective):
    """200,000 tokens after fixed histories; chi-square over the most probable ones."""
    tokenizer, network = fitted(config, objective)
    sampler = MixtureSampler(objective, network, CACHE, tokenizer.unwritable)
    tokens = tokenizer.encode(made_up(40, 3)).tokens.astype(np.int32)
    statistic = degrees = 0
    for number in range(HISTORIES):
        history = tokens[number * 10 : number * 10 + BEFORE]
        forced = np.append(history, FREE)[None].repeat(ROWS, axis=0)
        drawn, _ = sampler.draw(forced, seeds=range(number * ROWS, (number + 1) * ROWS))
        stepper = Stepper(objective, network, CACHE)
        for token in history.tolist():
            stepper.probabilities()
            stepper.append(token)
        claimed = stepper.probabilities()
        claimed[list(tokenizer.unwritable)] = 0.0
        claimed *= ROWS / claimed.sum()
        found = np.bincount(drawn[:, -1], minlength=tokenizer.size)
        top = np.flatnonzero(claimed >= 20)
        assert len(top) > 5
        statistic += ((found[top] - claimed[top]) ** 2 / claimed[top]).sum()
        degrees += len(top)
        assert not found[list(tokenizer.unwritable)].any()
    assert chi2.sf(statistic, degrees) > 1e-4


@in_turn(config=TOKENIZERS, objective=EACH)
def test_an_arithmetic_coder_is_driven_by_the_probabilities_of_the_sampler(config, objective):
    tokenizer, network = fitted(config, objective)
    text = made_up(30, 3)[:400]
    (scored,) = score_documents(objective, network, tokenizer, [Document("d", text)], CACHE)
    message = [*tokenizer.encode(text).tokens.tolist(), 0]
    sampler = MixtureSampler(objective, network, CACHE, ())
    encoder, left, bits = constriction.stream.queue.RangeEncoder(), iter(message), []

    def encode(chances, uniform):
        token = next(left)
        bits.append(-np.log2(chances[token]))
        encoder.encode(token, categorical(chances))
        return np.array([token])

    sampler.draw(np.full((1, len(message)), FREE), choose=encode)
    assert sum(bits) == pytest.approx(scored.with_memory.model, rel=1e-5)
    compressed = encoder.get_compressed()
    assert -16 < 32 * len(compressed) - sum(bits) <= 64
    decoder = constriction.stream.queue.RangeDecoder(compressed)
    received, _ = sampler.draw(
        np.full((1, len(message)), FREE),
        choose=lambda chances, uniform: np.array([decoder.decode(categorical(chances))]),
    )
    assert received[0].tolist() == message


def categorical(chances):
    return constriction.stream.model.Categorical(chances, perfect=False)


def test_rows_are_drawn_as_if_each_had_a_memory_of_its_own():
    """Rows that begin alike part when they differ; each ends where its own memory leads."""
    objective = NextToken(5)
    network = tiny_model(objective, 9, scale=1.0)
    sampler = MixtureSampler(objective, network, CACHE)
    forced = np.full((6, 30), FREE)
    forced[:3, :8], forced[3:, :5] = 4, 7
    drawn, _ = sampler.draw(forced, temperature=4.0)
    np.testing.assert_array_equal(drawn[forced != FREE], forced[forced != FREE])
    assert len({tuple(row) for row in drawn}) == 6
    for row, given in zip(drawn, forced, strict=True):
        greedy, _ = sampler.draw(row[None], temperature=0.0)
        np.testing.assert_array_equal(greedy[0], row)
        stepper = Stepper(objective, network, CACHE)
        cold, _ = sampler.draw(given[None], temperature=0.0)
        for token, free in zip(cold[0].tolist(), given == FREE, strict=True):
            chances = stepper.probabilities()
            chances[:2] = 0.0
            assert not free or chances[token] >= chances.max() - 1e-12
            stepper.append(token)


def test_the_distribution_is_shaped_as_that_of_a_network():
    chances = np.array([0.05, 0.4, 0.3, 0.15, 0.1])
    plain = mixture.shaped(chances, [0], 1.0, 0, 1.0)
    np.testing.assert_allclose(plain, np.array([0, 0.4, 0.3, 0.15, 0.1]) / 0.95)
    cold = mixture.shaped(chances, [0], 0.5, 0, 1.0)
    np.testing.assert_allclose(cold, plain**2 / (plain**2).sum())
    top = mixture.shaped(chances, [0], 1.0, 2, 1.0)
    np.testing.assert_allclose(top, np.array([0, 4, 3, 0, 0]) / 7)
    nucleus = mixture.shaped(chances, [0], 1.0, 0, 0.6)
    np.testing.assert_allclose(nucleus, np.array([0, 4, 3, 0, 0]) / 7)
    greedy = mixture.shaped(chances, [0], 0.0, 0, 1.0)
    np.testing.assert_allclose(greedy, [0, 1, 0, 0, 0], atol=1e-12)
