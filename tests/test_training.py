"""A training: what is fitted before it, budget, validation, checkpoint, resume, optimizers."""

import errno
import gc
import math
import random
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import (
    fitted,
    in_turn,
    load_progress,
    made_up,
    new_model,
    small_experiment,
    tiny_experiment,
)
from gensim.test.utils import datapath

import textgen as package
from textgen.core import machine
from textgen.core.cache import cache_folder, cached
from textgen.core.errors import Diverged, TextgenError
from textgen.core.files import read_arrays
from textgen.core.randomness import seeded
from textgen.core.settings import Growth, Training
from textgen.core.tensorflow import start_tensorflow
from textgen.core.tokens import BOUNDARY
from textgen.data.documents import Document, beginnings
from textgen.data.loading import load_corpus
from textgen.evaluation.likelihood import token_bits
from textgen.models.backbones import LSTM
from textgen.models.network import set_embedding
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.models.settings import Adaptive, NGrams
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.rare_words import Unk
from textgen.tokenizers.words import Words
from textgen.training import loop, planning
from textgen.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from textgen.training.compute import spent
from textgen.training.curve import Curve, curve_updates
from textgen.training.loop import Hooks, new_network, train
from textgen.training.planning import Validation, characters_per_update, updates_of
from textgen.training.preparation import prepare, subtract_preparation_time
from textgen.training.step import Schedule, Step, shards_of
from textgen.training.stream import Stage, Stream

pytestmark = pytest.mark.long

CODEC = Characters().fit([made_up(50, 0)])
ENCODED = [CODEC.encode(made_up(30, i)) for i in range(6)], [CODEC.encode(made_up(20, 9))]
TEXTS = [Document(f"text {i}", made_up(3, i)) for i in range(2)]
NEXT = NextToken(8)
SETTINGS = Training(updates=32, batch=4, learning_rate=1e-2, validations=3)
EMBEDDED = {"input": "embedding", "embedding_size": 6}
ADAPTIVE = {**EMBEDDED, "adaptive_softmax": Adaptive(9)}
TIED = {**EMBEDDED, "tied_output": True}


class Stop(Exception):  # noqa: N818 - nothing is wrong
    """A process is killed."""


def fit(
    folder, settings, objective=NEXT, *, stop_after=None, copy=None, threads=1, start=None,
    score=None, curved=False, **model,
):  # fmt: skip
    """Train a tiny network, with a curve if it is ``curved``. A ``copy`` is what is left in the
    folder by a training that is killed after its first interval; ``start``: another network, and
    its number of updates."""
    network = new_model(objective, CODEC.size, scale=1.0, **model)
    before, first = start or (network, 0)
    network.set_weights(before.get_weights())
    validated = []

    def on_update(*_):
        if stop_after and len(validated) == stop_after:
            raise Stop
        if len(validated) == 1 and copy and not copy.exists():
            shutil.copytree(folder, copy)

    hooks = Hooks(on_update=on_update, on_validation=validated.append, score=score)
    experiment = tiny_experiment(objective, network, settings)
    curve = Curve(objective, network, CODEC, TEXTS, lambda: "written") if curved else None
    with mock.patch.object(loop, "CHECKPOINT_SECONDS", 0.0):  # after every validation
        return network, train(folder, network, experiment, ENCODED, threads, hooks, first, curve)


NORMALISED = {"normalisation": "batch"}


@pytest.mark.parametrize(
    ("objective", "optimizer", "model"),
    [
        pytest.param(Shifted(6, 2), "adam", ADAPTIVE, marks=pytest.mark.full),
        pytest.param(EncoderDecoder(4, 6), "adamw", ADAPTIVE, marks=pytest.mark.full),
        (NEXT, "rmsprop", {**TIED, "ngrams": NGrams((2,), 20), "output_ngrams": NGrams((3,), 20)}),
        pytest.param(NEXT, "adamw", NORMALISED, marks=[pytest.mark.xla, pytest.mark.slow]),
    ],
    ids=repr,
)
def test_a_training_cut_short_goes_on_bit_for_bit(tmp_path, objective, optimizer, model):
    """Dropout, optimizer moments, tables, carried states and the order of the data."""
    settings = replace(SETTINGS, optimizer=optimizer)
    model = {**model, "dropout": 0.3, "units": (10, 8)}
    whole, progress = fit(tmp_path / "a", settings, objective, copy=tmp_path / "b", **model)
    again, later = fit(tmp_path / "b", settings, objective, **model)
    assert [row["updates"] for row in progress.history] == [11, 21, 32]
    np.testing.assert_equal(whole.get_weights(), again.get_weights())
    for a, b in zip(progress.history, later.history, strict=True):
        assert a == {**b, "seconds": a["seconds"]}


FULL = pytest.param(ADAPTIVE, marks=pytest.mark.full)


@pytest.mark.parametrize("model", [pytest.param({}, marks=pytest.mark.xla), FULL, TIED, NORMALISED])
def test_any_number_of_threads_learns_the_same(tmp_path, model):
    model = {**model, "dropout": 0.3}
    settings = Training(updates=10, batch=13, validations=1)
    plain, expected = fit(tmp_path / "plain", settings, **model)
    network, progress = fit(tmp_path / "other", settings, threads=3, **model)
    assert progress.best == pytest.approx(expected.best, abs=1e-4)
    for a, b in zip(network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_no_thread_has_few_rows_and_all_rows_are_dealt_out():
    for batch, threads, shards in (
        (16, 1, [16]), (16, 2, [8, 8]), (16, 16, [4] * 4), (13, 3, [4, 4, 5]), (3, 8, [3]),
    ):  # fmt: skip
        assert shards_of(batch, threads) == shards


def test_training_on_goes_on_with_the_batches_and_masks_after_the_last_ones(tmp_path):
    """With an optimizer that remembers nothing, two trainings are then one long one."""
    plain = {"optimizer": "sgd", "schedule": "constant", "warmup": 0.0, "learning_rate": 0.5}
    settings = Training(updates=7, batch=4, validations=1, **plain)
    model = {"objective": Shifted(6, 2), "dropout": 0.3}
    first, _ = fit(tmp_path / "first", settings, **model)
    both, _ = fit(tmp_path / "both", settings, **model, start=(first, 7))
    long, _ = fit(tmp_path / "long", replace(settings, updates=14), **model)
    again, _ = fit(tmp_path / "again", settings, **model, start=(first, 0))
    for two, one, repeated in zip(*(n.get_weights() for n in (both, long, again)), strict=True):
        np.testing.assert_allclose(two, one, atol=1e-6)
        assert not np.allclose(repeated, one, atol=1e-6)


def test_dropout_clipping_decay_and_the_rate_of_tables_change_an_update(tmp_path):
    model = {**EMBEDDED, "ngrams": NGrams((2,), 20)}
    first = new_model(NEXT, CODEC.size, scale=1.0, **model)
    table = next(i for i, w in enumerate(first.weights) if w.shape == (20, 6))
    for weights in first.weights:
        if "bias" in weights.path:  # which would show a decay
            weights.assign(np.full(weights.shape, 0.5))

    def change(name, dropout=0.0, **given):
        plain = {"optimizer": "sgd", "schedule": "constant", "warmup": 0.0, "clip_norm": 0.0}
        settings = Training(**{**plain, "updates": 1, "batch": 4, "validations": 1, **given})
        network, _ = fit(tmp_path / name, settings, start=(first, 0), dropout=dropout, **model)
        pairs = zip(network.get_weights(), first.get_weights(), strict=True)
        return [after - before for after, before in pairs]

    plain, dropped = (change(f"{d}", d, learning_rate=1.0) for d in (0.0, 0.5))
    assert not np.allclose(plain[table - 1], dropped[table - 1])
    clipped = change("clipped", learning_rate=1.0, clip_norm=1e-3)
    clipped.pop(table)  # which has rates of its own
    assert math.sqrt(sum(np.sum(c**2) for c in clipped)) == pytest.approx(1e-3, rel=1e-3)
    decayed = change("decayed", optimizer="adamw", learning_rate=1e-3, weight_decay=500.0)
    for weights, change_ in zip(first.weights, decayed, strict=True):
        if "recurrent" in weights.path and "kernel" in weights.path:
            np.testing.assert_allclose(change_, -0.5 * weights.numpy(), atol=2e-3)
        if "bias" in weights.path:
            assert np.abs(change_).max() <= 2e-3, weights.path
    slow, fast = (change(f"r{rate}", learning_rate=0.1, table_rate=rate)[table] for rate in (1, 10))
    np.testing.assert_allclose(fast, 10 * slow, atol=1e-5)
    assert np.abs(slow).max() > 1e-3


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "rmsprop", "sgd"])
def test_every_optimizer_learns_with_every_schedule_and_ngrams(tmp_path, optimizer):
    settings = replace(SETTINGS, updates=40, validations=2, optimizer=optimizer)
    rate = {"learning_rate": 1.0} if optimizer == "sgd" else {}
    settings = replace(settings, schedule="cosine" if optimizer == "adamw" else "constant", **rate)
    network, progress = fit(tmp_path, settings, **EMBEDDED, ngrams=NGrams((2,), 20))
    assert progress.history[-1]["loss"] < np.log(CODEC.size) - 0.1
    bits = token_bits(NEXT, network, [e.tokens for e in ENCODED[1]])
    assert np.concatenate(bits).mean() == pytest.approx(progress.best, abs=0.1)


@pytest.mark.parametrize("watch", ["validation", "training"])
def test_the_best_weights_are_left_and_patience_ends_a_training(tmp_path, monkeypatch, watch):
    figures, weights = iter([3.0, 1.0, 2.0, 2.5, 3.0]), []

    def bits_per_character(validation, share):
        weights.append(validation._network.get_weights())
        return next(figures)

    monkeypatch.setattr(Validation, "bits_per_character", bits_per_character)
    settings = replace(SETTINGS, updates=60, validations=5, patience=2, watch=watch)
    network, progress = fit(tmp_path, settings)
    losses = [row["loss"] for row in progress.history]
    if watch == "validation":
        assert (progress.best, progress.best_interval, len(weights)) == (1.0, 2, 4)
    else:
        assert (progress.best, progress.best_interval, len(weights)) == (min(losses), 5, 5)
    np.testing.assert_equal(network.get_weights(), weights[progress.best_interval - 1])


FIGURES = [3.0, 1.0, 2.0, 2.5]  # the second is the best


@pytest.mark.parametrize("last", [0.5, 1.5])
def test_above_the_best_a_training_goes_back_and_cools(tmp_path, monkeypatch, last):
    """The better of both is kept, and a training that is killed meanwhile ends with the same."""
    figures, seen, starts, inner = [], [], [], Stream.batches

    def bits_per_character(validation, share):
        seen.append(validation._network.get_weights())
        return figures.pop(0)

    monkeypatch.setattr(Validation, "bits_per_character", bits_per_character)
    monkeypatch.setattr(Stream, "batches", lambda s, *at: starts.extend(at) or inner(s, *at))
    settings, model = replace(SETTINGS, updates=100, validations=10), {"dropout": 0.3}
    figures += [*FIGURES, last]
    whole, progress = fit(tmp_path / "a", settings, **model)
    history = progress.history
    assert [row["updates"] for row in history] == [10, 20, 30, 40, 48]
    assert starts == [0, 20]
    assert history[-1]["learning_rate"] == 0 < history[-2]["learning_rate"]
    assert progress.best_interval == (5 if last < 1 else 2)
    np.testing.assert_equal(whole.get_weights(), seen[progress.best_interval - 1])
    figures[:] = FIGURES
    with pytest.raises(Stop):
        fit(tmp_path / "b", settings, stop_after=4, **model)
    figures[:] = [last]
    again, later = fit(tmp_path / "b", settings, **model)
    np.testing.assert_equal(whole.get_weights(), again.get_weights())
    for a, b in zip(history, later.history, strict=True):
        assert a == {**b, "seconds": a["seconds"]}


def test_a_training_cools_after_a_sixth_of_its_updates_without_a_better_validation():
    progress = Progress(updates_per_interval=10, intervals=20, position=7)
    cooled = []
    for figure in (3.0, 1.0, 2.0, 2.0, 0.9, 2.0, 2.0, 2.0, 2.0):  # the fifth is the best
        progress.updates += 10
        progress.position += 10
        progress.history.append({"updates": progress.updates})
        progress.note(figure)
        cooled.append(progress.begin_cooling(math.inf))
    assert cooled == [False] * 8 + [True]  # 40 of 200 updates after it
    assert (progress.cooled_from, progress.cooling_start) == (50, 90)
    assert progress.position == 90 + 7 - 40  # of seven batches before, none comes once more
    progress = Progress(updates_per_interval=10, intervals=20)
    progress.updates = 90
    progress.history += [{"updates": 10.0 * i} for i in range(1, 10)]
    progress.best_interval = 5
    assert not progress.begin_cooling(patience=4)  # it ends


def test_a_curve_changes_nothing_in_a_training_and_goes_on_with_it(tmp_path):
    model = {"dropout": 0.3}
    plain, without = fit(tmp_path / "plain", SETTINGS, **model)
    curved, progress = fit(tmp_path / "a", SETTINGS, copy=tmp_path / "b", curved=True, **model)
    again, later = fit(tmp_path / "b", SETTINGS, curved=True, **model)
    for network in (curved, again):
        np.testing.assert_equal(network.get_weights(), plain.get_weights())
    assert [row["loss"] for row in without.history] == [row["loss"] for row in progress.history]
    points = [point["updates"] for point in progress.curve]
    assert points == [1, 2, 4, 8, 16, 32]
    assert [point["bits"] for point in later.curve] == [point["bits"] for point in progress.curve]
    assert progress.curve[-1]["seconds"] <= progress.seconds
    assert {point["sample"] for point in progress.curve} == {"written"}


def test_points_of_a_curve_are_evenly_spaced_in_the_logarithm_of_updates():
    for updates in (640, 5_000, 123_456):
        points = curve_updates(updates)
        assert (points[-1], len(points)) == (updates, 8)
        np.testing.assert_allclose(np.diff(np.log2(points)), 1, atol=0.1)
    assert curve_updates(1) == [1]


def test_a_point_has_the_bits_of_each_text_without_its_end():
    tokenizer = fitted(Words(Unk(), minimum_count=25))
    network = new_model(NEXT, tokenizer.size, scale=0.0)  # of equal chances
    documents = [Document(f"{seed}", made_up(12, seed)) for seed in (7, 8)]
    point = Curve(NEXT, network, tokenizer, documents, str).look([1, 2], 1.5)
    encoded = [tokenizer.encode(document.text) for document in documents]
    expected = [
        len(each.tokens) * math.log2(tokenizer.size) + each.spelling_bits.sum() for each in encoded
    ]
    np.testing.assert_allclose(point["bits"], expected, rtol=1e-5)
    assert (point["updates"], point["seconds"], point["sample"]) == (3, 1.5, "")


def test_a_curve_asks_for_beginnings_of_texts_evenly_spaced_among_all():
    documents = [Document(f"{i}", f"{i} " + "word " * 1000) for i in range(10)]
    texts = beginnings(documents, 1_500)
    assert [text.name for text in texts] == ["0", "3", "6"]
    for text in texts:
        assert f"{text.name} word word".startswith(text.text[:11])
        assert 490 <= text.characters <= 500
        assert text.text.endswith("word")
    assert beginnings([Document("a", "short")], 5_000)[0].text == "short"
    assert beginnings([Document("a", "x" * 9000)], 5_000)[0].characters == 5_000


GROWING = (Growth(until=0.3, window=3 / 8), Growth(until=0.6, window=5 / 8, batch=2))


def test_a_training_whose_windows_and_rows_grow_goes_on_bit_for_bit(tmp_path):
    settings, model = replace(SETTINGS, growth=GROWING), {"dropout": 0.3}
    whole, progress = fit(tmp_path / "a", settings, copy=tmp_path / "b", **model)
    again, _ = fit(tmp_path / "b", settings, **model)
    plain, _ = fit(tmp_path / "c", SETTINGS, **model)
    np.testing.assert_equal(whole.get_weights(), again.get_weights())
    assert not np.array_equal(whole.get_weights()[0], plain.get_weights()[0])
    assert progress.updates == 32


def test_updates_of_a_training_that_grows_are_counted_and_timed_by_stage(tmp_path):
    """Also where a cooling goes back to an earlier stage."""
    settings = replace(SETTINGS, growth=GROWING)
    network, progress = fit(tmp_path / "a", settings, curved=True)
    by_stage = [point["updates_by_stage"] for point in progress.curve]
    assert by_stage == [[1, 0, 0], [2, 0, 0], [4, 0, 0], [8, 0, 0], [10, 6, 0], [10, 9, 13]]
    assert progress.updates_by_stage == [10, 9, 13]
    assert [len(stage["paces"]) for stage in progress.stages] == [1, 2, 2]  # ends: 11, 21, 32
    characters = sum(stage["updates"] * stage["characters_per_update"] for stage in progress.stages)
    assert characters == pytest.approx(progress.updates * progress.characters_per_update, rel=0.05)
    weights = sum(math.prod(w.shape) for w in network.weights if len(w.shape) == 2)
    of_stages = [stage["multiplications_per_update"] for stage in progress.stages]
    assert of_stages == [3 * targets * weights for targets in (4 * 3, 2 * 5, 4 * 8)]

    scores = iter([1.0, *[2.0] * 30])  # the first is the best
    settings = replace(settings, updates=60, validations=6)
    _, progress = fit(tmp_path / "b", settings, score=lambda: next(scores))
    assert (progress.cooled_from, progress.cooling_start) == (10, 20)
    assert progress.updates_by_stage == [22, 2, 0]
    assert progress.updates == 24


def work(updates, characters, multiplications, paces):
    return {
        "updates": updates,
        "characters_per_update": characters,
        "multiplications_per_update": multiplications,
        "paces": paces,
    }


def test_an_update_costs_what_its_stage_was_timed_at():
    stages = [
        work(10, 20.0, 7, [0.1, 0.5, 0.2]),
        work(30, 40.0, 9, [1.0]),
        work(0, 80.0, None, []),
    ]
    assert spent(stages, [5]) == (100.0, 1.0, 35)
    assert spent(stages, [10, 30, 0]) == (1400.0, 32.0, 340)
    assert Progress(updates=40, stages=stages).seconds_per_update == 0.8
    assert spent(stages, [10, 30, 1]) == (1480.0, None, None)
    assert Progress().seconds_per_update is None


def test_a_budget_in_seconds_times_the_updates_of_every_stage(tmp_path, monkeypatch):
    seen = set()

    def median_seconds(step, batches, seconds):
        spans = next(batches).spans
        seen.add(spans.shape)
        return spans.size / 1000

    monkeypatch.setattr(Step, "_median_seconds", median_seconds)

    settings = Training(seconds=1.0, batch=4, validations=1, growth=GROWING)
    _, progress = fit(tmp_path, settings)
    assert seen == {(4, 1 + 3), (2, 1 + 5), (4, 1 + 8)}
    mean = (0.3 * 16 + 0.3 * 12 + 0.4 * 36) / 1000
    assert progress.calibration_seconds_per_update == pytest.approx(mean)
    assert progress.updates_planned == int(1.0 / mean)


@in_turn(objective=[NEXT, EncoderDecoder(4, 6)], model=[ADAPTIVE, TIED])
def test_a_frozen_embedding_is_left_as_it_was_given(tmp_path, objective, model):
    network = new_model(objective, CODEC.size, **model)
    matrix = np.random.default_rng(0).normal(size=(CODEC.size, 6)).astype(np.float32)
    set_embedding(network, matrix, frozen=True)
    before, settings = network.get_weights(), Training(updates=2, batch=4, validations=1)
    train(tmp_path, network, tiny_experiment(objective, network, settings), ENCODED)
    for weight, old in zip(network.weights, before, strict=True):
        frozen = "embedding" in weight.path
        assert np.array_equal(weight, old) == frozen, weight.path
        assert np.array_equal(weight, matrix) == frozen
    set_embedding(network, None, frozen=False)
    assert len(network.trainable_variables) == len(before)


def test_a_budget_becomes_updates(tmp_path):
    for updates, budget in ((3, {"updates": 3}), (18, {"epochs": 0.1})):
        _, progress = fit(tmp_path / f"{updates}", Training(batch=4, validations=5, **budget))
        ends = [0, *(row["updates"] for row in progress.history)]
        assert progress.updates == progress.updates_planned == ends[-1] == updates
        assert np.ptp(np.diff(ends)) <= 1
    _, progress = fit(tmp_path, Training(epochs=3, batch=64, validations=1))
    assert len(progress.history) == 3  # every epoch is validated


def test_validations_of_planned_updates_read_a_small_part_of_what_is_trained_on(
    tmp_path, monkeypatch
):
    """Otherwise a study would spend a quarter of its trainings on them. The part is the same when
    the training is repeated, and each validation has enough text to tell networks apart."""
    monkeypatch.setattr(planning, "MIN_VALIDATED", 400)
    read = []

    def bits_per_token(self, batches):
        read.append(batches * self._rows * NEXT.window)
        return inner(self, batches)

    inner = Validation.bits_per_token
    monkeypatch.setattr(Validation, "bits_per_token", bits_per_token)
    _, progress = fit(tmp_path / "short", Training(updates=40, batch=4, validations=2))
    characters = ENCODED[1][0].characters + 1
    assert progress.validation_share == 400 / characters < 0.9
    read.clear()
    settings = Training(updates=200, batch=16, validations=4)
    _, progress = fit(tmp_path / "longer", settings)
    trained = progress.updates * progress.characters_per_update
    of_text = progress.intervals * progress.validation_share * characters
    assert of_text == pytest.approx(planning.VALIDATED_SHARE * trained)
    assert of_text <= sum(read) <= 1.2 * of_text
    monkeypatch.setattr(planning, "MIN_VALIDATED", 10_000)
    _, progress = fit(tmp_path / "whole", Training(updates=20, batch=4, validations=2))
    assert progress.validation_share == 1.0


def test_a_budget_in_characters_counts_those_that_windows_show():
    documents = [CODEC.encode("The tide."), CODEC.encode("Left"), CODEC.encode("at noon, they say")]
    windows = loop.windows_of(documents, NextToken(window=8))
    characters = sum(e.characters + 1 for e in documents)
    assert windows.span_counts(8).tolist() == [2, 1, 3]
    stages = [Stage(1.0, 2, 8)]
    assert characters_per_update(windows, documents, stages) * 3 == characters < 3 * 2 * 8
    budget = Training(characters=5 * characters, batch=2)
    assert updates_of(budget, windows, documents, stages) == 15
    longer = [replace(e, characters=5 * e.characters + 4) for e in documents]
    assert updates_of(budget, windows, longer, stages) == 3
    growing = [Stage(0.5, 1, 8), Stage(0.5, 2, 8)]
    mean = characters_per_update(windows, documents, growing)
    assert mean == pytest.approx(characters * (1 / 6 + 2 / 6) / 2)
    with pytest.raises(TextgenError, match="more than one window of 64"):
        loop.windows_of(documents, NextToken(64))


def test_validation_has_the_bits_of_tokens_end_marks_and_spelling():
    """Under a network of equal chances, with the text in one stream."""
    tokenizer = fitted(Words(Unk(), minimum_count=25))
    network = new_model(NEXT, tokenizer.size, scale=0.0)
    documents = [tokenizer.encode(made_up(12, seed)) for seed in (7, 8)]
    tokens = sum(len(document.tokens) + 1 for document in documents)
    spelling = sum(document.spelling_bits.sum() for document in documents)
    characters = sum(document.characters + 1 for document in documents)
    expected = (tokens * math.log2(tokenizer.size) + spelling) / characters
    assert spelling > 0.05 * characters
    found = Validation(NEXT, network, documents).bits_per_character()
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_network_begins_with_the_shares_of_tokens_and_of_ends(corpus_folder):
    experiment = words(corpus_folder)
    corpus = load_corpus(experiment)
    prepared = prepare(experiment, corpus)
    tokens = [prepared.tokenizer.encode(d.text, training=True).tokens for d in corpus.train]
    expected = np.bincount(np.concatenate(tokens), minlength=prepared.tokenizer.size)
    expected[BOUNDARY] = len(corpus.train)
    np.testing.assert_array_equal(prepared.counts, expected)
    _, bias = new_network(experiment, prepared).output_layer.dense.get_weights()
    smoothed = expected + 0.5
    expected_shares = smoothed / smoothed.sum()
    np.testing.assert_allclose(np.exp(bias) / np.exp(bias).sum(), expected_shares, rtol=1e-4)


@pytest.mark.parametrize(("allowed", "whole"), [(1e-9, False), (1e9, True)])
def test_seconds_become_updates_once_and_bound_validations(tmp_path, monkeypatch, allowed, whole):
    monkeypatch.setattr(planning, "CALIBRATION_SECONDS", 0.1)
    monkeypatch.setattr(planning, "VALIDATION_SHARE", allowed)
    monkeypatch.setattr("textgen.training.checkpoint.COOLING_WAIT", 2.0)  # it never cools
    looked_at, original = [], Validation.bits_per_token

    def bits_per_token(validation, batches):
        looked_at.append(batches)
        return original(validation, batches)

    monkeypatch.setattr(Validation, "bits_per_token", bits_per_token)
    settings = Training(seconds=0.3, batch=4, validations=3)
    with pytest.raises(Stop):
        fit(tmp_path, settings, stop_after=1)
    planned = load_progress(tmp_path).updates_planned
    monkeypatch.setattr(Step, "seconds_per_update", None)  # it is not timed again
    _, progress = fit(tmp_path, settings)
    assert progress.updates == progress.updates_planned == planned
    each = progress.calibration_seconds_per_update
    assert planned == max(planning.UPDATES_PER_CHECK, int(0.3 / each))
    (stage,) = progress.stages
    assert len(stage["paces"]) == progress.intervals
    compiles, _, first, compiles_again, *others = looked_at
    assert compiles == compiles_again == 1
    validations = [first, *others]
    assert len(validations) == progress.intervals
    assert (validations[0] == planning.MIN_BATCHES) is not whole
    assert (progress.validation_share == 1) is whole
    monkeypatch.undo()
    assert fit(tmp_path / "all", settings, score=lambda: 1.0)[1].validation_share == 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="it lists open files")
def test_a_training_holds_no_more_after_hundreds_of_updates(tmp_path):
    held = []

    def on_update(updates, _):
        if updates % 100 == 0:
            gc.collect()
            files = len(list(Path("/proc/self/fd").iterdir()))
            held.append((len(gc.get_objects()), threading.active_count(), files))

    network = new_model(NEXT, CODEC.size)
    experiment = tiny_experiment(NEXT, network, replace(SETTINGS, updates=400, validations=1))
    train(tmp_path, network, experiment, ENCODED, hooks=Hooks(on_update=on_update))
    objects, *others = zip(*held[1:], strict=True)
    assert objects[-1] < 1.001 * objects[0]
    assert all(len({*counts}) == 1 for counts in others)


def test_schedules_rise_and_fall():
    def rates_of(name):
        schedule = Schedule(Training(warmup=0.1, learning_rate=0.5, schedule=name))
        schedule.updates.assign(100.0)
        return [float(schedule(step)) for step in range(101)]

    for name in ("cosine", "constant"):
        np.testing.assert_allclose(rates_of(name)[:10], np.arange(1, 11) * 0.05, rtol=1e-5)
    np.testing.assert_allclose(rates_of("constant")[10:], 0.5)
    schedule = Schedule(Training(warmup=0.1, learning_rate=0.5, schedule="constant"))
    schedule.cooling.assign([20.0, 4.0])
    cooled = [float(schedule(step)) for step in range(19, 26)]
    np.testing.assert_allclose(cooled, [0.5, 0.5, 0.375, 0.25, 0.125, 0, 0])
    expected = 0.25 * (1 + np.cos(np.pi * np.arange(91) / 90))
    np.testing.assert_allclose(rates_of("cosine")[10:], expected, atol=1e-6)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Stop):
        fit(folder, SETTINGS, stop_after=2)
    return folder


@pytest.fixture
def folder(stopped, tmp_path):
    return shutil.copytree(stopped, tmp_path / "run")


def test_divergence_stops_with_a_message_and_keeps_the_checkpoint(folder):
    arrays = read_arrays(folder / "checkpoint.npz")
    arrays["v0"] = np.full_like(arrays["v0"], np.nan)
    np.savez(folder / "checkpoint.npz", **arrays)
    with pytest.raises(Diverged, match=r"(?s)training.*update 21"):
        fit(folder, SETTINGS)
    assert load_progress(folder).updates == 21


def test_a_damaged_checkpoint_is_named_and_a_bug_is_not_called_one(folder, monkeypatch):
    with pytest.raises(TextgenError, match=r"checkpoint\.npz: a damaged checkpoint"):
        fit(folder, SETTINGS, units=(13,))
    with monkeypatch.context() as patched:
        patched.setattr(Step, "restore", mock.Mock(side_effect=KeyError("v7")))
        with pytest.raises(KeyError, match="v7"):
            fit(folder, SETTINGS)
    path = folder / "checkpoint.npz"
    for content in (path.read_bytes()[:-600], b""):
        path.write_bytes(content)
        with pytest.raises(TextgenError, match="damaged checkpoint"):
            load_checkpoint(folder, {})


def test_a_full_disk_leaves_the_checkpoint_before_it(folder, monkeypatch):
    files = {path: path.read_bytes() for path in folder.iterdir()}
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(np, "savez", mock.Mock(side_effect=full))
    with pytest.raises(TextgenError, match="No space left"):
        save_checkpoint(folder, {"v0": np.arange(4)}, Progress(updates=2))
    assert {path: path.read_bytes() for path in folder.iterdir()} == files


def words(corpus_folder, **tables):
    tables["corpus"] = {"kind": "folder", "path": str(corpus_folder)}
    tables["tokenizer"] = {"kind": "words", "rare_words": "unk", "minimum_count": 74}
    tables["backbone"] = {"input": "embedding", "embedding_size": 10, "units": [12]}
    tables["objective"] = {"kind": "next_token", "window": 8}
    return small_experiment(split={"validation": 0.2, "test": 0.2}, **tables)


def test_test_text_steers_nothing(corpus_folder):
    """But validation text does, else this would prove nothing."""
    experiment = words(corpus_folder)
    corpus = load_corpus(experiment)
    backwards = [replace(d, content=d.text[::-1]) for d in corpus.test]
    first = prepare(experiment, corpus)
    other = prepare(experiment, replace(corpus, test=backwards))
    assert first.tokenizer.state() == other.tokenizer.state()
    np.testing.assert_equal(*([vars(each) for each in p.encoded[1]] for p in (first, other)))
    tuned = prepare(experiment, replace(corpus, validation=backwards))
    assert tuned.tokenizer.state() != first.tokenizer.state()


def test_preparation_counts_in_a_budget():
    assert subtract_preparation_time(Training(seconds=100.0), 30.0).seconds == 70.0
    assert subtract_preparation_time(Training(updates=5), 30.0) == Training(updates=5)
    with pytest.raises(TextgenError, match=r"training\.seconds.*preparation alone"):
        subtract_preparation_time(Training(seconds=30.0), 30.0)


@pytest.mark.parametrize(("threads", "cores"), [(0, 2), (1, 2), (0, 1), (3, 1)])
def test_what_is_in_the_cache_costs_all_runs_the_same(corpus_folder, monkeypatch, threads, cores):
    """With an empty cache, a full one, and one that has a part: what the first one takes."""
    monkeypatch.setattr(machine, "cores", lambda: cores)
    clocks, fit, folder = {"process_time": 0.0, "perf_counter": 0.0}, Words.fit, [cache_folder()]
    for name in clocks:
        monkeypatch.setattr(time, name, lambda name=name: clocks[name])

    def work(processor, wall):
        clocks["process_time"] += processor
        clocks["perf_counter"] += wall

    def tags():
        work(2, 90)  # to look for them
        return cached(folder[0] / "tags", lambda: work(50, 400))

    def working(self, *given):
        work(3, 7)
        tags()
        cached(folder[0] / "tokens", lambda: [tags(), work(20, 100)])
        return fit(self, *given)

    monkeypatch.setattr(Words, "fit", working)
    experiment, seconds = words(corpus_folder, training={"updates": 1, "threads": threads}), []
    for number in (0, 0, 0, 1):
        folder[0] = cache_folder() / f"{threads}{cores}{number}"
        if number:
            cached(folder[0] / "tags", lambda: work(50, 10))
        seconds.append(prepare(experiment, load_corpus(experiment)).seconds)
    outside = 97 if (threads, cores) == (0, 2) else 5
    assert seconds[0] in (outside + 50 + 22, outside + 50 + 20)
    assert len(set(seconds)) == 1


def test_a_training_leaves_the_random_numbers_of_its_caller_alone(experiment_file, tmp_path):
    def numbers():
        tensors = keras.random.uniform(()), tf.random.uniform(())
        return random.random(), np.random.random(), *map(float, tensors)

    keras.utils.set_random_seed(5)
    numbers()
    expected = numbers()
    keras.utils.set_random_seed(5)
    numbers()
    changes = ["training.updates=10", "sampling.length=40", "backbone.dropout=0.1"]
    run = package.train(experiment_file, overrides=changes, runs_folder=tmp_path, quiet=True)
    assert run.network.count_params() > 0
    assert numbers() == expected


def test_a_seed_gives_the_weights_that_keras_gives_for_it():
    """They are those of runs before this was so."""
    settings = LSTM(units=(6,), dropout=0.1)
    with seeded(3):
        first = NEXT.build(settings, 9)
    keras.utils.set_random_seed(3)
    second = NEXT.build(settings, 9)
    np.testing.assert_equal(first.get_weights(), second.get_weights())
    assert [layer.seed for layer in first.dropouts] == [layer.seed for layer in second.dropouts]


def test_keras_with_another_float_type_is_refused_in_a_sentence():
    for change, found in (
        (keras.config.set_floatx, "float64"),
        (keras.config.set_dtype_policy, "mixed_float16"),
    ):
        change(found)
        with pytest.raises(TextgenError, match=f"Keras computes with tensorflow in.*{found}"):
            start_tensorflow()
        change("float32")
    start_tensorflow()


def test_keras_with_another_backend_is_refused_before_anything_is_read(monkeypatch, tmp_path):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    experiment = small_experiment(corpus={"kind": "folder", "path": str(tmp_path / "missing")})
    with pytest.raises(TextgenError, match="Keras computes with jax in float32"):
        package.train(experiment, runs_folder=tmp_path, quiet=True)


def test_vectors_from_elsewhere_are_in_the_network_and_labelled(corpus_folder):
    vectors = {"kind": "file", "path": datapath("lee_fasttext.vec")}
    experiment = words(corpus_folder, embedding=vectors)
    prepared = prepare(experiment, load_corpus(experiment))
    (label,) = prepared.extra_data
    assert label.startswith("vectors lee_fasttext.vec")
    (embedding,) = (w for w in new_network(experiment, prepared).weights if "embedding" in w.path)
    np.testing.assert_array_equal(embedding, prepared.vectors.matrix)
