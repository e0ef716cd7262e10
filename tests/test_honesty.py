"""A likelihood is claimed only if these hold, for every objective, tokenizer and policy."""

import json
import math
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from conftest import (
    POLICIES,
    GivenEndings,
    fitted,
    in_turn,
    made_up,
    made_up_cache,
    made_up_counts,
    tiny_model,
    toy_model,
    trusted_counts,
)
from scipy.stats import chisquare

from textgen.core.settings import PARTS
from textgen.core.tokens import BOUNDARY, ESCAPE
from textgen.data.documents import Document
from textgen.evaluation.counts import count
from textgen.evaluation.dynamic import DynamicEvaluation, dynamic_bits, measure_gradients
from textgen.evaluation.likelihood import token_bits
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.sampler import Stepper, write_tokens
from textgen.models.backbones import TABLE
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.models.settings import Adaptive, NGrams
from textgen.testing import every_sequence
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.encoded import EncodedDocument
from textgen.tokenizers.filling import Filling
from textgen.tokenizers.rare_replaced import RareReplaced
from textgen.tokenizers.rare_words import Drop, Spell, Unk
from textgen.tokenizers.segmentation import pretokenize
from textgen.tokenizers.steps import follow, surface_bits
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.whitespace import Whitespace
from textgen.tokenizers.words import Words

pytestmark = pytest.mark.long

OBJECTIVES = [
    NextToken(window=2), NextToken(window=7), Shifted(window=3, shift=1),
    Shifted(window=3, shift=2), Shifted(window=3, shift=3), EncoderDecoder(read=3, write=2),
    EncoderDecoder(read=2, write=3, feedback=False),
]  # fmt: skip
EMBEDDED = {"input": "embedding", "embedding_size": 6}
NETWORKS = [
    {}, {"normalisation": "layer"}, {"normalisation": "batch", "adaptive_softmax": Adaptive(2, 3)},
    {**EMBEDDED, "ngrams": NGrams((2, 3), 40)},
    {"output_ngrams": NGrams((2, 4), 40)},
    {**EMBEDDED, "tied_output": True, "adaptive_softmax": Adaptive(2)},
]  # fmt: skip
OTHERS = [{"kind": kind} for kind in TABLE if kind != "lstm"]


def can_be_built(objective, settings):
    """A one-shot decoder reads no tokens: its output has no embedding to share, and no n-grams."""
    needs_tokens = "tied_output" in settings or "output_ngrams" in settings
    return not (needs_tokens and objective is OBJECTIVES[-1])


each_objective_and_network = in_turn(can_be_built, objective=OBJECTIVES, settings=NETWORKS + OTHERS)


def whole_model(objective, size, scale=4.0, tokenizer=None, **settings):
    model = toy_model(objective, tiny_model(objective, size, scale=scale, **settings), size)
    counts, cache = made_up_counts(size, 0, 1, 3), made_up_cache(0, 1, 3)
    tokenizer = tokenizer or model.tokenizer
    return replace(model, tokenizer=tokenizer, counts=counts, cache=cache)


def costs(model, documents):
    """Part → bits of the tokens of each document."""
    observed = model.observe([EncodedDocument(document) for document in documents])
    rows = [model.mixed(each) for each in observed]
    return {part: [row[part] for row in rows] for part in PARTS}


@each_objective_and_network
def test_probabilities_of_all_short_documents_sum_to_one(objective, settings):
    """Σ P(document shorter than n) + Σ P(the first n tokens of longer ones) = 1."""
    size, n = 4, 4
    model = whole_model(objective, size, **settings)
    documents = [np.array(d, np.uint8) for d in every_sequence(range(1, size), n)]
    for part, bits in costs(model, documents).items():
        mass = sum(2.0 ** -float(document_bits[:n].sum()) for document_bits in bits)
        assert mass == pytest.approx(1.0, abs=1e-5), part


@each_objective_and_network
def test_later_tokens_and_other_documents_change_no_probabilities(objective, settings):
    model = whole_model(objective, 9, **settings)
    random = np.random.default_rng(0)
    first, places = random.integers(1, 9, 40).astype(np.uint8), (1, 2, 5, 6, 7, 20, 39)
    changed = [np.append(first[:n], random.integers(1, 9, 40 - n).astype(np.uint8)) for n in places]
    documents = [random.integers(1, 9, n).astype(np.uint8) for n in (1, 30, 7, 64, 2, 15)]
    together = costs(model, [first, *changed, *documents])
    for whole, *others in together.values():
        for place, bits in zip(places, others, strict=False):
            # float32: how products are rounded depends on the rows that are computed together
            np.testing.assert_allclose(bits[:place], whole[:place], atol=1e-5, rtol=1e-6)
    for number, document in enumerate(documents, 1 + len(places)):
        for part, (alone,) in costs(model, [document]).items():
            np.testing.assert_allclose(alone, together[part][number], atol=1e-4)


@each_objective_and_network
def test_what_is_written_token_by_token_is_what_is_scored(objective, settings):
    model = whole_model(objective, 9, **settings)
    document = np.random.default_rng(5).integers(1, 9, 23).astype(np.uint8)
    for part, (bits,) in costs(model, [document]).items():
        stepper, found = Stepper(model.part(part)), []
        for token in (*document.tolist(), 0):
            chances = stepper.copy().probabilities()
            assert chances.sum() == pytest.approx(1.0, abs=1e-5)
            found.append(-np.log2(chances[token]))
            stepper.append(token)
        np.testing.assert_allclose(found, bits, rtol=1e-4, atol=1e-3, err_msg=part)


@pytest.mark.xla
@pytest.mark.parametrize("part", PARTS)
def test_an_arithmetic_coder_reaches_the_claimed_size_and_decodes(part):
    """Of other objectives, too: test_auditing.py, which lets every arm be coded."""
    constriction = pytest.importorskip("constriction")
    text, tokenizer = made_up(60, 3)[:300], Characters().fit([made_up(100, 4)])
    model = whole_model(OBJECTIVES[1], tokenizer.size, 1.5, tokenizer)
    tokens = tokenizer.encode(text).tokens
    (bits,) = costs(model, [tokens])[part]

    def code(choose):
        stepper = Stepper(model.part(part))
        for token in (*tokens.tolist(), 0):
            chances = stepper.probabilities()
            categories = constriction.stream.model.Categorical(chances, perfect=False)
            stepper.append(chosen := choose(token, categories))
            yield chosen

    encoder = constriction.stream.queue.RangeEncoder()
    list(code(lambda token, categories: encoder.encode(token, categories) or token))
    compressed = encoder.get_compressed()
    assert -16 < 32 * len(compressed) - bits.sum() <= 64  # k bits less by chance: 2^-k
    decoder = constriction.stream.queue.RangeDecoder(compressed)
    *decoded, end = code(lambda token, categories: decoder.decode(categories))
    assert (tokenizer.render(np.array(decoded)).text, end) == (text, 0)


TOKENIZERS = [
    Characters(), Subwords(size=260), *(Words(policy) for policy in POLICIES),
    Words(Unk(), minimum_count=1), Whitespace(),
    RareReplaced(Unk()), RareReplaced(GivenEndings(), subwords=Subwords(size=260)),
]  # fmt: skip


@in_turn(config=TOKENIZERS, objective=[OBJECTIVES[i] for i in (0, 4, 5)])
def test_probabilities_of_all_short_texts_sum_to_at_most_one(config, objective):
    """Of texts, not of tokens. The end mark comes every second time: short ones hold most mass."""
    tokenizer = config.fit(["a ab  b abb a ab b bab a a ab", "ab a b"], ["a ba ab aab"], 1)
    network = tiny_model(objective, tokenizer.size, scale=0.3)
    kernel, bias = network.output_layer.dense.get_weights()
    bias[0] = math.log(len(bias) - 1)
    network.output_layer.dense.set_weights([kernel, bias])
    training = [tokenizer.encode(text, training=True).tokens for text in ("a", "ab b", "b", "a ab")]
    counts = trusted_counts(training, tokenizer.size, 0, 2)
    model = LanguageModel(tokenizer, objective, network, counts, made_up_cache(0, 1, 3))
    scores = model.score([Document("d", "".join(letters)) for letters in every_sequence("ab ", 5)])
    for part, scored in scores.items():
        total = sum(2.0 ** -(d.model + d.spelling_bits) for d in scored)
        unpaid = sum(2.0**-d.model for d in scored)
        assert (0.2 if part == "network" else 0.05) < total <= 1 + 1e-6, part
        if part == "network" and (policy := getattr(config, "rare_words", None)):
            assert unpaid > total or isinstance(policy, Spell)
            if isinstance(policy, (Unk, Drop)):
                assert unpaid > 1  # so this test can fail
        if part != "network":
            pairs = zip(scores["network"], scored, strict=True)
            assert any(abs(d.model - other.model) > 0.1 for d, other in pairs), part


@in_turn(config=TOKENIZERS, objective=OBJECTIVES)
def test_a_uniform_model_costs_log2_of_the_vocabulary(config, objective):
    tokenizer = fitted(config)
    model = LanguageModel(tokenizer, objective, tiny_model(objective, tokenizer.size, scale=0.0))
    (scored,) = model.score([Document("d", made_up(9, 6))])["network"]
    np.testing.assert_allclose(scored.model_bits, math.log2(tokenizer.size), rtol=1e-5)


@pytest.mark.parametrize(
    "config",
    [*(Words(policy, minimum_count=25) for policy in POLICIES), RareReplaced(Unk(), 25)],
    ids=repr,
)
def test_what_is_drawn_is_what_is_scored(config):
    """The first token of a text, with what it hides; boundary and escape are never drawn."""
    tokenizer, number = fitted(config), 20_000
    network = tiny_model(NextToken(window=2), tokenizer.size, scale=1.0)
    model = LanguageModel(tokenizer, NextToken(window=2), network)
    tokens = next(write_tokens(model, [np.zeros(0, int)] * number, range(number))).tolist()
    found, filling = Counter[tuple[int, str | None]](), Filling("scored", Random(3))
    for token in tokens:
        steps_of = tokenizer.steps_at([token], 0)
        found[token, steps_of and follow(steps_of(None), filling.draw)] += 1
    chances = Stepper(model).probabilities()
    chances /= 1 - chances[[BOUNDARY, ESCAPE]].sum()
    expected = dict[tuple[int, str | None], float]()
    for token, surface in found:
        expected[token, surface] = number * chances[token]
        if surface is not None:
            known = tuple(pretokenize(surface)) if tokenizer.gap_steps else surface
            (bits,), _ = surface_bits([tokenizer.steps_at([token], 0)], [known])
            expected[token, surface] *= 2.0**-bits
    frequent = [(n, expected[key]) for key, n in found.items() if expected[key] >= 5]
    rest = number + 1 - np.sum(frequent, axis=0)  # 1: there may be none
    assert chisquare(*zip(*frequent, rest, strict=True)).pvalue > 1e-4


KINDS = [kind for kind in NETWORKS if kind.get("normalisation") != "layer"]
COMPILED = pytest.param(KINDS[2], marks=pytest.mark.xla)


def follows(objective, size, **model):
    """A network, and how it learns: in large steps."""
    network = tiny_model(objective, size, scale=2.0, **model)
    number = len(network.trainable_variables)
    return network, DynamicEvaluation((0.1,) * number, (0.3,) * number)


@pytest.mark.parametrize("model", [*KINDS[:2], COMPILED, KINDS[3]])
def test_nothing_is_read_ahead_and_the_weights_are_put_back(model):
    objective = NextToken(4)
    network, learning = follows(objective, 9, **model)
    before = network.get_weights()
    random = np.random.default_rng(0)
    first = random.integers(1, 9, 18).astype(np.uint8)
    whole = dynamic_bits(objective, network, [first], learning)[0]
    plain = token_bits(objective, network, [first])[0]
    np.testing.assert_allclose(whole[:4], plain[:4], atol=1e-5)
    assert np.abs(whole[4:] - plain[4:]).max() > 0.05
    for place in (1, 4, 5, 10):
        second = first.copy()
        second[place:] = random.integers(1, 9, 18 - place)
        found = dynamic_bits(objective, network, [second, first], learning)
        np.testing.assert_allclose(found[0][:place], whole[:place], atol=1e-5)
        np.testing.assert_allclose(found[1], whole, atol=1e-5)
    for a, b in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("model", KINDS)
def test_it_learns_what_a_document_repeats(model):
    objective = NextToken(8)
    network = tiny_model(objective, 9, scale=1.0, **model)
    training = [Characters().fit(["abcdefgh"]).encode("abc" * 20 + "h" * k) for k in range(9)]
    learning = measure_gradients(objective, network, training, 0.01, 3.0)
    document = np.tile(np.random.default_rng(1).integers(1, 9, 12), 30).astype(np.uint8)
    (learnt,) = dynamic_bits(objective, network, [document], learning)
    (plain,) = token_bits(objective, network, [document])
    assert learnt[-100:-1].mean() < 0.8 * plain[-100:-1].mean()


def test_tables_learn_faster():
    objective = NextToken(8)
    network = tiny_model(objective, 9, scale=1.0, **EMBEDDED, ngrams=NGrams((2,), 50))
    model = objective, network, [Characters().fit(["abcdefgh"]).encode("abcabdabc")]
    once, faster = (measure_gradients(*model, 0.1, rate) for rate in (1.0, 10.0))
    assert once.scales == faster.scales
    for weight, a, b in zip(network.trainable_variables, once.rates, faster.rates, strict=True):
        assert b / a == pytest.approx(10.0 if "ngrams" in weight.path else 1.0)


@in_turn(can_be_built, objective=[OBJECTIVES[i] for i in (6, 1, 3, 5)], model=KINDS)
def test_what_it_writes_token_by_token_is_what_is_scored(objective, model):
    network, learning = follows(objective, 9, **model)
    cache = replace(made_up_cache(1, 2), dynamic=learning)
    document = np.random.default_rng(5).integers(1, 9, 23).astype(np.uint8)
    (below,) = dynamic_bits(objective, network, [document], learning)
    bits = cache.mixed_bits(below, count(document, cache.orders))
    stepper, found = Stepper(toy_model(objective, network, 9, cache=cache)), []
    for token in [*document.tolist(), 0]:
        found.append(-np.log2(stepper.probabilities()[token]))
        stepper.append(token)
    stepper.close()
    np.testing.assert_allclose(found, bits, atol=1e-3)
    (again,) = dynamic_bits(objective, network, [document], learning)
    np.testing.assert_allclose(again, below, atol=1e-5)


@pytest.mark.slow
def test_a_run_with_it_is_scored_and_writes_as_it_says(finished_run, textgen):
    frozen = 'embedding={kind="word2vec",epochs=1,frozen=true}'
    frozen = "backbone.input=embedding", "backbone.embedding_size=8", frozen
    folder = finished_run("char", "cache.learning_rate=0.003", "sampling.part=with_cache", *frozen)
    metrics = json.loads((folder / "metrics.json").read_text())
    total = metrics["test"]["parts"]["with_cache"]["bits_per_character"]["total"]
    assert f"{total:.4f}" in textgen("score", folder, "--split", "test").out
    (written, *_) = json.loads((folder / "samples.json").read_text())
    given = "--part=with_cache", "--length=40", f"--seed={written['seed']}", "--json"
    again = textgen("generate", folder, *given).out.splitlines()[0]
    assert json.loads(again)["text"] == written["text"]
