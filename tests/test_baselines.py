from __future__ import annotations

import json
from collections import Counter, defaultdict

import numpy as np
import pytest
from test_compressors import PROGRAM

from textgen import cli
from textgen.core import experiment as config
from textgen.core import settings
from textgen.data.loading import load_corpus
from textgen.evaluation.baselines import TABLE, KneserNey, baseline
from textgen.evaluation.memory import tune_memory
from textgen.evaluation.units import UNCHARGED
from textgen.tokenizers.base import BOUNDARY
from textgen.tokenizers.characters import CharacterTokenizer
from textgen.tokenizers.kneser_ney import FALLBACK


def documents(count, length, size, seed, repeat=3):
    """Random documents in which stretches come back, so that high counts of long n-grams exist."""
    draw = np.random.default_rng(seed)
    pieces = [draw.integers(1, size, draw.integers(1, 6)) for _ in range(length // repeat)]
    return [
        np.concatenate([pieces[i] for i in draw.zipf(1.5, length) % len(pieces)])[:length]
        for _ in range(count)
    ]


class Slow:
    """The same model as written on paper: dictionaries, one token at a time."""

    def __init__(self, order, texts, size):
        self.order, self.size = order, size
        counts = [Counter() for _ in range(order + 1)]
        for text in texts:
            padded = [BOUNDARY, *map(int, text), BOUNDARY]
            for end in range(2, len(padded) + 1):
                for n in range(1, min(order, end) + 1):
                    counts[n][tuple(padded[end - n : end])] += 1
        self.counts = [Counter(), *({} for _ in range(order - 1)), counts[order]]
        for n in range(1, order):
            left = Counter(gram[1:] for gram in counts[n + 1])
            at_start = {g: c for g, c in counts[n].items() if n > 1 and g[0] == BOUNDARY}
            self.counts[n] = {**left, **at_start}
        self.discounts = [(), *(self._discounts(c) for c in self.counts[1:])]
        self.after = defaultdict(dict)
        for table in self.counts[1:]:
            for gram, count in table.items():
                self.after[gram[:-1]][gram[-1]] = count

    def _discounts(self, counts):
        n1, n2, n3, n4 = (sum(c == r for c in counts.values()) for r in (1, 2, 3, 4))
        if 0 in (n1, n2, n3, n4):
            return FALLBACK
        y = n1 / (n1 + 2 * n2)
        found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
        return found if min(found) > 0 else FALLBACK

    def probability(self, context, token):
        below = self.probability(context[1:], token) if context else 1 / self.size
        after = self.after.get(context)
        if not after:
            return below
        d = self.discounts[len(context) + 1]
        total = sum(after.values())
        own = after.get(token, 0)
        left = sum(d[min(count, 3) - 1] for count in after.values())
        return (own - (d[min(own, 3) - 1] if own else 0)) / total + left / total * below

    def bits(self, text):
        padded = [BOUNDARY, *map(int, text), BOUNDARY]
        return [
            -np.log2(self.probability(tuple(padded[max(0, end - self.order + 1) : end]), token))
            for end, token in enumerate(padded)
            if end
        ]


@pytest.mark.parametrize(("order", "size"), [(1, 5), (2, 30), (3, 7), (4, 12), (6, 5)])
def test_agrees_with_the_slow_implementation(order, size):
    training, held_out = documents(8, 150, size, 0), documents(3, 60, size + 2, 1)
    fast, slow = KneserNey(order).fit(training, size + 2), Slow(order, training, size + 2)
    assert size != 12 or FALLBACK not in slow.discounts[2:]
    for text, bits in zip(held_out, fast.token_bits(held_out), strict=True):
        np.testing.assert_allclose(bits, slow.bits(text), rtol=2e-6)


def test_continuations_sum_to_one_after_any_context():
    size = 40
    training = documents(6, 400, size - 5, 2)
    model = KneserNey(5).fit(training, size)
    draw = np.random.default_rng(3)
    unseen = [draw.integers(1, size, draw.integers(0, 9)) for _ in range(60)]
    seen = [text[: draw.integers(0, len(text))] for text in training for _ in range(10)]
    for context in unseen + seen:
        shares = model.distribution(context)
        assert shares.shape == (size,)
        assert shares.min() > 0
        assert abs(shares.sum() - 1) < 1e-9
    (bits,) = model.token_bits(training[:1])
    charged = [*map(int, training[0]), BOUNDARY]
    exact = [-np.log2(model.distribution(training[0][:i])[s]) for i, s in enumerate(charged)]
    np.testing.assert_allclose(bits, exact, rtol=1e-6)


def test_documents_are_scored_independently():
    model = KneserNey(4).fit(documents(4, 100, 9, 6), 9)
    texts = [*documents(3, 30, 9, 7), np.array([], dtype=np.uint8)]
    together = model.token_bits(texts)
    for text, bits in zip(texts, together, strict=True):
        np.testing.assert_array_equal(bits, model.token_bits([text])[0])
    assert model.token_bits([]) == []


@pytest.mark.parametrize("order", [1, 4])
def test_without_training_text_every_token_costs_the_same(order):
    model = KneserNey(order).fit([], 32)
    (bits,) = model.token_bits([np.arange(1, 32)])
    np.testing.assert_allclose(bits, 5)


@pytest.mark.parametrize("wrong", [-1, 0, 9])
def test_tokens_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="from 1 to 8"):
        KneserNey(2).fit([np.array([1, wrong])], 9)


@pytest.mark.parametrize("kind", sorted(TABLE))
def test_every_kind_gives_the_same_record(experiment_file, capsys, kind):
    program = ["--command", PROGRAM] if kind == "command" else []
    orders = {"kneser_ney": (1, 4), "ppmd": (3, 8)}.get(kind, ())
    given = ["baseline", str(experiment_file), "--kind", kind, *program]
    given += [word for order in orders for word in ("--order", str(order))]
    assert cli.main([*given, "--json"]) == 0
    *others, record = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [each["order"] for each in (*others, record)] == list(orders or [None])
    assert record["command"] == (PROGRAM if kind == "command" else None)
    bits = record["test"]["bits_per_character"]
    assert bits["total"] == pytest.approx(bits["model"] + bits["spelling"])
    assert 0.1 < bits["total"] < 5
    for lower in others:
        assert lower["test"]["bits_per_character"]["total"] > bits["total"]
    on_tokens = not settings.lookup("baseline", kind, "test").reads_bytes
    for has_tokens in (record["tokenizer"], record["vocabulary_size"], record["test"]["tokens"]):
        assert (has_tokens is not None) is on_tokens
    assert cli.main(given) == 0
    shown = capsys.readouterr().out
    assert ("the text itself" in shown) is not on_tokens
    assert f"{bits['total']:.4f}" in shown


def test_a_baseline_has_the_memory_of_the_experiment(experiment_file):
    """Tuned on validation, and what it costs is what the memory makes of the plain bits."""
    experiment = config.load_experiment(experiment_file)
    corpus = load_corpus(experiment)
    (record,) = baseline(experiment, corpus, [2])
    tokenizer = experiment.tokenizer.fit([d.text for d in corpus.train])
    train, validation, test = (
        [tokenizer.encode(d.text).tokens for d in part]
        for part in (corpus.train, corpus.validation, corpus.test)
    )
    model = KneserNey(order=2).fit(train, tokenizer.size)
    bits = model.token_bits(validation)
    memory = tune_memory((1, 3), list(zip(validation, bits, strict=True)))
    pairs = zip(test, model.token_bits(test), strict=True)
    expected = sum(float(memory.bits(*pair).sum(dtype=float)) for pair in pairs)
    unit = sum(len(d.text) + 1 for d in corpus.test)
    total = record["test"]["with_memory"]["bits_per_character"]["total"]
    assert total == pytest.approx(expected / unit, rel=1e-6)
    assert record["test"]["bits_per_character"]["total"] - total > 0.1


def test_no_figure_where_not_everything_is_charged(experiment_file, capsys, monkeypatch):
    monkeypatch.setattr(CharacterTokenizer, "charged", False)
    monkeypatch.setenv("COLUMNS", "160")
    assert cli.main(["baseline", str(experiment_file), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["test"]["bits_per_character"] is record["test"]["published"] is None
    assert cli.main(["baseline", str(experiment_file)]) == 0
    assert UNCHARGED in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--order", "0"], "order"),
        (["--order", "99"], "16"),
        (["--kind", "ppmd", "--order", "1"], "greater than or equal to 2"),
        (["--kind", "xz", "--order", "4"], "--kind xz: order"),
        (["--kind", "xz", "--command", PROGRAM], "--kind xz: command"),
        (["--command", "xz -9"], "{input}"),
        (["--set", "tokenizer.kind=characterz"], "characterz"),
    ],
)
def test_bad_input_is_one_clear_message(experiment_file, capsys, arguments, message):
    assert cli.main(["baseline", str(experiment_file), *arguments]) == 2
    assert message in capsys.readouterr().err
