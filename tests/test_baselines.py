"""What models without a network charge, and the references made of them."""

import dataclasses
import json
import os
import shlex
import sys
from collections import Counter, defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import made_up

from textgen import cli
from textgen.core import experiment as config
from textgen.core import registry
from textgen.core.cache import cache_folder
from textgen.core.errors import TextgenError
from textgen.core.tokens import BOUNDARY
from textgen.data.documents import Document, beginnings
from textgen.data.loading import load_corpus
from textgen.evaluation import baselines
from textgen.evaluation.baselines import TABLE, XZ, Command, KneserNey, PPMd
from textgen.evaluation.scores import summarise
from textgen.evaluation.units import UNCHARGED
from textgen.ngrams.kneser_ney import FALLBACK, discounts
from textgen.tokenizers.characters import Characters, CharacterTokenizer
from textgen.tokenizers.fitting import fit_tokenizer

pytestmark = [pytest.mark.fast, pytest.mark.long]

LZMA = (
    "import lzma, sys; open(sys.argv[2], 'wb').write("
    "lzma.compress(open(sys.argv[1], 'rb').read(), preset=9))"
)
PROGRAM = f'{sys.executable} -S -c "{LZMA}" {{input}} {{output}}'


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
        self.discounts = [(), *(discounts(np.array([*c.values()])) for c in self.counts[1:])]
        self.after = defaultdict(dict)
        for table in self.counts[1:]:
            for gram, count in table.items():
                self.after[gram[:-1]][gram[-1]] = count

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


def test_discounts_are_those_of_hand_made_counts():
    """Of an end and tokens that occur 1, 2, 2, 3 and 4 times: Y = 2 / (2 + 4), D1 = 1 - 2 Y,
    D2 = 2 - 3 Y / 2, D3+ = 3 - 4 Y (Chen & Goodman 1999); what they leave goes to seven alike.
    With three that occur 4 times, D3+ = 3 - 12 Y would be below zero."""
    model = KneserNey(1).fit([np.repeat([2, 3, 4, 5, 6], [1, 2, 2, 3, 4])], 7)
    (bits,) = model.token_bits([np.array([2, 3, 4, 5, 6])])
    removed = np.array([1 / 3, 3 / 2, 3 / 2, 5 / 3, 5 / 3, 1 / 3])
    expected = (np.array([1, 2, 2, 3, 4, 1]) - removed + removed.sum() / 7) / 13
    np.testing.assert_allclose(2.0**-bits, expected, rtol=1e-6)
    assert FALLBACK == discounts(np.array([7, 7])) == (0.5, 1.0, 1.5)
    assert discounts(np.array([1, 1, 2, 3, 4, 4, 4])) == FALLBACK


def test_continuations_sum_to_one_after_any_context():
    size = 40
    training = documents(6, 400, size - 5, 2)
    model = KneserNey(5).fit(training, size)
    draw = np.random.default_rng(3)
    unseen = [draw.integers(1, size, draw.integers(0, 9)) for _ in range(60)]
    seen = [text[: draw.integers(0, len(text))] for text in training for _ in range(10)]
    for context in unseen + seen:
        shares = model.distribution(context)
        assert shares.min() > 0
        assert abs(shares.sum() - 1) < 1e-9
    (bits,) = model.token_bits(training[:1])
    charged = [*map(int, training[0]), BOUNDARY]
    exact = [-np.log2(model.distribution(training[0][:i])[s]) for i, s in enumerate(charged)]
    np.testing.assert_allclose(bits, exact, rtol=1e-6)


def test_documents_are_scored_independently_and_tokens_out_of_range_refused():
    model = KneserNey(4).fit(documents(4, 100, 9, 6), 9)
    texts = [*documents(3, 30, 9, 7), np.array([], dtype=np.uint8)]
    for text, bits in zip(texts, model.token_bits(texts), strict=True):
        np.testing.assert_array_equal(bits, model.token_bits([text])[0])
    assert model.token_bits([]) == []
    for order in (1, 4):  # without training text every token costs the same
        np.testing.assert_allclose(KneserNey(order).fit([], 32).token_bits([np.arange(32)[1:]]), 5)
    for wrong in (-1, 0, 9):
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
    tested, (first, *_) = record["test"], (*others, record)
    bits, cached = tested["parts"]["counts"]["bits_per_character"], first["test"]["parts"]
    total, cached = cached["counts"]["bits_per_character"]["total"], cached.get("with_cache")
    assert bits["total"] == pytest.approx(bits["model"] + bits["spelling"])
    for lower in others:
        assert lower["test"]["parts"]["counts"]["bits_per_character"]["total"] > bits["total"]
    on_tokens = not registry.lookup("baseline", kind, "test").reads_bytes
    for has_tokens in (record["tokenizer"], record["vocabulary_size"], tested["tokens"], cached):
        assert (has_tokens is not None) is on_tokens
    assert not on_tokens or cached["bits_per_character"]["total"] < total - 0.1
    assert cli.main(given) == 0
    shown = capsys.readouterr().out
    assert ("the text itself" in shown) is not on_tokens
    assert f"{bits['total']:.4f}" in shown


@pytest.fixture
def corpus(experiment_file):
    return load_corpus(config.load_experiment(experiment_file))


def test_no_figure_where_not_everything_is_charged(experiment_file, capsys, monkeypatch):
    monkeypatch.setattr(CharacterTokenizer, "charged", False)
    monkeypatch.setenv("COLUMNS", "160")
    assert cli.main(["baseline", str(experiment_file), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["test"]["published"] is None
    assert {own["bits_per_character"] for own in record["test"]["parts"].values()} == {None}
    assert cli.main(["baseline", str(experiment_file)]) == 0
    assert UNCHARGED in capsys.readouterr().out


FAILING = f"{sys.executable} -S -c \"raise SystemExit('out of order')\" {{input}}"


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["--kind=ppmd", "--order=1"], ["greater than or equal to 2"]),
        (["--kind=xz", "--order=4"], ["--kind xz: order"]),
        (["--kind=xz", f"--command={PROGRAM}"], ["--kind xz: command"]),
        (["--command=xz -9"], ["{input}"]),
        (["--command=no-such-program {input}"], ["no-such-program", "No such file"]),
        ([f"--command={FAILING}"], ["raise SystemExit", "out of order"]),
        ([f"--command={sys.executable} -S -c 0 {{input}}"], ["no file beside the input"]),
    ],
)
def test_bad_input_is_one_clear_message(experiment_file, capsys, arguments, messages):
    assert cli.main(["baseline", str(experiment_file), *arguments]) == 2
    said = capsys.readouterr().err
    assert all(message in said for message in messages), said


COMPRESSORS = pytest.mark.parametrize("compressor", [PPMd(), XZ(), Command(PROGRAM)])


def noise(length, seed, alphabet=256):
    return np.random.default_rng(seed).integers(0, alphabet, length, dtype=np.uint8)


def costs(compressor, training, texts):
    train, test = ([Document(str(i), t) for i, t in enumerate(part)] for part in (training, texts))
    corpus = SimpleNamespace(train=train, validation=[], test=test)
    return baselines.score_baseline(compressor, baselines.Bytes(), corpus, (), True)[1]["counts"]


@COMPRESSORS
def test_a_compressor_pays_for_what_is_new(compressor):
    seen, new = noise(4000, 0), noise(4000, 1)
    again, (random,) = compressor.fit([noise(500, 2), seen]).token_bits([seen, new])
    assert again[0] / len(seen) < 0.2
    assert 8 <= random / len(new) < 8.3
    training, text = [made_up(60, seed) for seed in range(4)], made_up(20, 9)
    (primed,), (fresh,) = costs(compressor, training, [text]), costs(compressor, [], [text])
    assert primed.model < 0.6 * fresh.model
    strange = "Qwyx jumbuck vizzled thrombosis; "
    once, twice = costs(compressor, training, [strange, strange * 2])
    assert twice.model < 1.5 * once.model


@COMPRESSORS
def test_a_compressor_scores_any_text_and_each_document_independently(compressor):
    training = [made_up(30, seed) for seed in range(3)]
    texts = ["", made_up(10, 7), "", "é漢🐙", "\ud83d and \ude00 alone", "ÿ\x00\x01"]
    together = costs(compressor, training, texts)
    bits = [document.model for document in together]
    assert bits == [costs(compressor, training, [text])[0].model for text in texts]
    for document, text in zip(together, texts, strict=True):
        assert document.characters == len(text)
        assert 0 <= document.model <= 40 * len(text) + 16
        assert (document.spelling_bits, document.replaced) == (0.0, 0)


def test_a_copy_of_a_compressor_has_its_state(monkeypatch):
    """The sizes are those of all text compressed at once, whatever other copies have read."""
    training, texts = made_up(2000, 1).encode(), [made_up(20, 7).encode(), b"", b"the end"]
    for compressor in (PPMd(), XZ()):
        whole = []
        for text in texts:
            encode, end = compressor.encoder(len(training))
            whole.append(len(encode(training + text)) + len(end()))
        assert compressor.sizes_behind(training, texts) == whole
        with monkeypatch.context() as patch:
            patch.delattr("os.fork", raising=False)
            assert compressor.sizes_behind(training, texts) == whole
    broken = baselines.Encoder(lambda text: text, lambda: 1 / 0)
    monkeypatch.setattr(PPMd, "encoder", lambda *_: broken)
    if hasattr(os, "fork"):
        with pytest.raises(TextgenError, match="copy of this process"):
            PPMd().sizes_behind(training, texts)


def test_every_file_that_a_program_leaves_is_paid_for(tmp_path, monkeypatch):
    (tmp_path / "a folder").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a folder"))
    write = "import sys; [open(f'{sys.argv[2]}{i}', 'wb').write(bytes(50)) for i in range(2)]"
    command = Command(f'{sys.executable} -S -c "{write}" {{input}} {{output}}')
    assert command.compressed_size(b"") == 100


KEYS = ["unigram", "character_ngram", "word_ngram", "ppmd", "xz"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))
    return cache_folder() / "references"


def test_a_reference_is_what_its_command_prints(corpus, experiment_file, capsys):
    # whatever tokenizer the experiment has
    text = experiment_file.read_text(encoding="utf-8")
    words = '{ kind = "words", minimum_count = 4, rare_words = "drop" }'
    experiment_file.write_text(text.replace('.kind = "characters"', f" = {words}"))
    computed = baselines.compute_references([corpus])
    assert [reference.key for reference in computed] == KEYS
    total = {}
    for reference in computed:
        validation = corpus.validation if reference.tokenizer else []  # compressors take too long
        command = reference.command_on(str(experiment_file)).removeprefix(
            "python -m textgen baseline "
        )
        assert cli.main(["baseline", *shlex.split(command), "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        figures = record["test"]["parts"]["counts"]["bits_per_character"]
        summary = summarise(reference.test)
        assert summary["parts"]["counts"]["bits_per_character"] == pytest.approx(figures, rel=1e-6)
        assert record["corpus"] == corpus.description
        total[reference.key] = figures["total"]
        assert not summary["replaced"] or reference.key == "word_ngram"
        for part, documents in (("validation", validation), ("test", corpus.test)):
            scored = getattr(reference, part).get("counts", [])
            assert [d.characters for d in scored] == [d.characters for d in documents]
            assert all(0.1 < d.bits_per_character < 6 for d in scored)
    best = max(total[key] for key in ("character_ngram", "word_ngram", "ppmd"))
    assert best < total["unigram"] - 1


def test_beginnings_are_charged_without_an_end(corpus, cache):
    asked = beginnings(corpus.validation, 3000)
    for reference in baselines.compute_references([corpus]):
        found = reference.beginnings["counts"]
        assert [(d.name, d.characters) for d in found] == [(d.name, d.characters) for d in asked]
        assert all(document.model > 0 for document in found)
    for compressor in (PPMd(), XZ()):
        text = corpus.validation[0]
        whole = SimpleNamespace(train=corpus.train, validation=[], test=[text])
        made = baselines.score_baseline(compressor, baselines.Bytes(), whole, (), True, [text])
        tested, (begun,) = made[1]["counts"], made[2]["counts"]
        assert 0 <= tested[0].model - begun.model <= 32
    ngrams = KneserNey(3)
    characters = fit_tokenizer(Characters(), corpus, seed=0)
    made = baselines.score_baseline(ngrams, characters, whole, (), True, [text])
    tested, (begun,) = made[1]["counts"], made[2]["counts"]
    assert begun.model_bits.tolist() == tested[0].model_bits[:-1].tolist()


def test_references_are_computed_once(corpus, cache, experiment_file, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("computed again")

    model, *_ = baselines.REFERENCES
    said = []
    first = baselines.compute_references([corpus], said.append)
    assert len(said) == len(list(cache.iterdir())) == len(KEYS)
    monkeypatch.setattr(baselines, "score_baseline", refuse)
    for again, before in zip(baselines.compute_references([corpus]), first, strict=True):
        for part in ("validation", "test") if before.validation else ("test",):
            assert summarise(getattr(again, part)) == summarise(getattr(before, part))
    other = load_corpus(config.load_experiment(experiment_file, ["split.seed=5"]))
    assert other.sha256 == corpus.sha256
    for changed in (other, dataclasses.replace(corpus, sha256="0" * 64)):
        with pytest.raises(AssertionError, match="computed again"):
            baselines.compute_references([changed])
    settings = ({"order": 3}, {"tokenizer": {"kind": "whitespace"}}, {"cache": (1,)})
    for name, value in (
        ("CACHE_VERSION", baselines.CACHE_VERSION + 1),
        ("library_versions", lambda: ["newer"]),
        *(("REFERENCES", [dataclasses.replace(model, **change)]) for change in settings),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(baselines, name, value)
            with pytest.raises(AssertionError, match="computed again"):
                baselines.compute_references([corpus])


def test_test_text_steers_nothing(corpus, cache):
    changed = [dataclasses.replace(d, content=d.text[::-1]) for d in corpus.test]
    other = dataclasses.replace(corpus, test=changed, sha256="0" * 64)
    both = (baselines.compute_references([each]) for each in (corpus, other))
    for straight, reversed_ in zip(*both, strict=True):
        validated = straight.validation, reversed_.validation
        bits = [[d.model for own in scores.values() for d in own] for scores in validated]
        np.testing.assert_allclose(*bits, rtol=1e-6)
        cheaper = straight.test["counts"][0].model < reversed_.test["counts"][0].model
        assert cheaper or straight.key == "unigram"


def test_what_a_text_is_too_long_for_is_left_out_with_a_message(corpus, cache, monkeypatch):
    said = []
    monkeypatch.setattr(baselines, "MAX_COMPRESSED_BYTES", 1000)
    monkeypatch.setattr(baselines, "MAX_NGRAM_CHARACTERS", 1000)
    assert baselines.compute_references([corpus], said.append) == []
    assert len([text for text in said if "left out" in text]) == len(KEYS)
    monkeypatch.setattr(baselines, "MAX_COMPRESSED_BYTES", 1 << 30)
    assert [reference.key for reference in baselines.compute_references([corpus])] == KEYS[3:]
