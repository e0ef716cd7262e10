"""What every plug-in has to keep to, as checks that any package can run against its own.

The checks need no test runner: they raise AssertionError with a sentence. They are exact where a
small alphabet allows all texts to be listed, and otherwise look at a handful of awkward texts.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from textgen.core.plugins import POINTS
from textgen.evaluation.metrics import Human, Sample
from textgen.evaluation.scorer import token_bits
from textgen.models.backbones import LSTM
from textgen.tokenizers.base import FILL
from textgen.tokenizers.tokens import EncodedDocument, walk
from textgen.tokenizers.words.rare_words.classes import Unk
from textgen.tokenizers.words.tokenizer import Words

TRAINING = ("a ab  b abb a ab b bab a a ab. ", "ab a b a ab ba. A ab b. ")
TUNING = ("a ba ab aab b. ",)
AWKWARD_TEXTS = (
    "", " ", "a", "ab a  b", "A ab. AB abba", "b\n\nab\na", "a é☃ ab\u0301", "\ufffd<NN> <unk> \0",
    "baab aab abba bbbb", "I'm 1984-ish ... -- “ab”", "हिन्दी शब्द 今日は  晴れ, สวัสดี",
)  # fmt: skip
STRETCHES = (
    "今日は",
    "カタカナーの字",
    "漢",
    "我们今天去学校",
    "สวัสดีครับผม",
    "ໂຮງຮຽນ",
    "ខ្ញុំ",
    "မြန်မာ",
    "が\u3099き",
)
ALPHABET, LONGEST = "ab ", 6
SIZE = 7
"""Tokens of the tiny networks that are looked at."""


def check_plugin(point: str, plugin: Any) -> None:
    """Check a plug-in against the contract of its plug-in point.

    Args:
        point: ``"rare_words"``, ``"tokenizer"``, ``"backbone"``, ``"metric"`` …, as in
            ``[project.entry-points."textgen.POINT"]``.
        plugin: an instance, as its settings make it.

    Raises:
        AssertionError: it breaks the contract; the message says how.
        ValueError: no such plug-in point.
    """
    if point not in POINTS:
        raise ValueError(f"plug-in point {point!r}; known: {', '.join(POINTS)}")
    kind = type(plugin)
    assert dataclasses.is_dataclass(kind), f"{kind.__name__} is not a dataclass"
    assert kind.__dataclass_params__.frozen, f"{kind.__name__} is not frozen"  # type: ignore[attr-defined]
    assert kind.__doc__, f"{kind.__name__} has no docstring"
    CHECKS.get(point, lambda plugin: None)(plugin)


def check_tokenizer(config: Any) -> None:
    """A tokenizer gives every text back, is the same when loaded, and charges for everything."""
    tokenizer = config.fit(list(TRAINING), list(TUNING), 1)
    state = json.loads(json.dumps(tokenizer.state()))
    again = config.load(state)
    assert len(tokenizer.names) == tokenizer.size, "names and size differ"
    for text in AWKWARD_TEXTS:
        encoded = tokenizer.encode(text)
        assert tokenizer.decode(encoded) == text, f"{text!r} comes back as another text"
        assert encoded.characters == len(text), f"{text!r} has another number of characters"
        bits, tokens = encoded.spelling_bits, encoded.tokens
        assert not len(tokens) or int(tokens.max()) < tokenizer.size, "a token beyond the size"
        for each in (bits, encoded.spelling_bits_with_memory):
            assert len(each) == len(encoded.surfaces), f"{text!r}: some surface forms are free"
            assert ((each > -1e-9) & np.isfinite(each)).all(), f"{text!r}: odd spelling bits"
        other = again.encode(text)
        assert other.tokens.tolist() == tokens.tolist(), "a loaded one encodes otherwise"
        np.testing.assert_allclose(other.spelling_bits, bits, rtol=1e-9)
        if tokenizer.charged:
            _check_choices(tokenizer, encoded, text)
        assert len(encoded.ends) == len(tokens), "not every token ends somewhere in the text"
        assert len(encoded.places) == len(encoded.surfaces), "a surface form without a place"
    writable = [t for t in range(tokenizer.size) if t not in tokenizer.unwritable] * 3
    for fill, memory in (*((fill, False) for fill in FILL), ("scored", True)):
        options = {"before": "A ab", "fill": fill, "seed": 1, "memory": memory}
        texts = [tokenizer.render(np.array(writable), **options).text for _ in range(2)]
        assert texts[0] == texts[1], f"the same seed fills in other words ({fill})"
    if tokenizer.charged:
        for mass in _masses_of_short_texts(tokenizer):
            assert mass <= 1 + 1e-6, f"the probabilities of short texts add up to {mass:.6f}"


def _check_choices(tokenizer: Any, encoded: EncodedDocument, text: str) -> None:
    """The choices that lead to the surface forms of a document cost what is charged for them, and
    give it back."""
    charged = encoded.spelling_bits, encoded.spelling_bits_with_memory
    for memory, bits in zip((False, True), charged, strict=True):
        walking, cost, found = walk(tokenizer, encoded, memory), 0.0, None
        choice = next(walking)
        while found is None:
            assert choice.known is not None
            if choice.probabilities is not None:
                cost -= math.log2(choice.probabilities()[choice.known])
            try:
                choice = walking.send(choice.known)
            except StopIteration as end:
                found = end.value
        assert tokenizer.decode(found) == text, f"{text!r}: its choices lead to another text"
        told = f"{text!r}: {bits.sum():.6f} bits are charged, its choices cost {cost:.6f}"
        assert math.isclose(cost, bits.sum(), rel_tol=1e-6, abs_tol=1e-6), told


def _masses_of_short_texts(tokenizer: Any) -> np.ndarray:
    """Σ P(text) over all texts of ``ALPHABET`` up to LONGEST characters under a uniform model:
    (2,), without a memory of the document and with it."""
    each, masses = math.log2(tokenizer.size), np.zeros(2)
    for length in range(LONGEST + 1):
        for letters in itertools.product(ALPHABET, repeat=length):
            encoded = tokenizer.encode("".join(letters))
            bits = [encoded.spelling_bits.sum(), encoded.spelling_bits_with_memory.sum()]
            masses += 2.0 ** -(each * (len(encoded.tokens) + 1) + np.array(bits))
    return masses


def check_rare_words(policy: Any) -> None:
    """A rare-word policy makes a tokenizer of words that keeps to the contract."""
    check_tokenizer(Words(policy, minimum_count=3))


def check_segmenter(segmenter: Any) -> None:
    """A segmenter's words join to the text, and a tokenizer with it keeps to the contract."""
    for stretch in STRETCHES:
        words = segmenter.segment(stretch)
        assert "".join(words) == stretch, f"the words of {stretch!r} join to another text"
        assert all(words), f"an empty word in {stretch!r}"
        assert list(segmenter.segment(stretch)) == list(words), f"{stretch!r} is cut in two ways"
    assert all(isinstance(each, str) for each in segmenter.extra_data), "odd extra_data"
    check_tokenizer(Words(Unk(), minimum_count=3, segmenter=segmenter))


def check_backbone(config: Any) -> None:
    """A backbone carries its state, looks at nothing that comes later, and says how large it is."""
    import tensorflow as tf

    from textgen.models.network import restarted

    network = config.build(SIZE)
    assert network.built, "the network is not built"
    random = np.random.default_rng(0)
    network.set_weights([random.normal(0, 0.5, w.shape) for w in network.get_weights()])
    for weight in network.non_trainable_weights:  # a variance is above zero
        if weight.dtype == "float32":
            weight.assign(np.abs(weight))
    tokens = random.integers(0, SIZE, (3, 8)).astype(np.int32)
    begin = network.initial_state(3)
    whole, end = network(tokens, begin)
    assert whole.shape == (3, 8, SIZE), f"logits {whole.shape}, not (3, 8, {SIZE})"
    first, middle = network(tokens[:, :5], begin)
    second, last = network(tokens[:, 5:], middle)
    np.testing.assert_allclose(np.concatenate([first, second], 1), whole, atol=1e-4)
    for a, b in zip(tf.nest.flatten(end), tf.nest.flatten(last), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    state = begin
    for place in range(8):
        features, state = network.features(tokens[:, place : place + 1], state)
        np.testing.assert_allclose(network.output_layer(features[:, 0]), whole[:, place], atol=1e-4)
    other = tokens.copy()
    other[:, 6:] = (other[:, 6:] + 1) % SIZE
    np.testing.assert_allclose(network(other, begin)[0][:, :6], whole[:, :6], atol=1e-5)
    fresh = restarted(network, end, np.array([True, False, True]))
    for a, b, c in zip(*map(tf.nest.flatten, (fresh, begin, end)), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], c[1])
    assert len(network.state_vector(end).shape) == 2, "its state vector is not (batch, n)"
    weights, _ = config.footprint(SIZE, 0)
    ratio = weights / network.count_params()
    assert 0.4 < ratio < 2.5, (
        f"its footprint estimates {weights} of {network.count_params()} weights"
    )


def check_objective(objective: Any) -> None:
    """The probabilities of all short documents add up to one under an objective."""
    longest, network = 4, objective.build(LSTM(units=(6,)), 4)
    network.set_weights([w * 4 for w in network.get_weights()])
    documents = [
        np.array(tokens, np.uint8)
        for length in range(longest + 1)
        for tokens in itertools.product(range(1, 4), repeat=length)
    ]
    mass = 0.0
    for document, bits in zip(documents, token_bits(objective, network, documents), strict=True):
        whole = len(document) < longest  # a longest one stands for all that begin so
        mass += 2.0 ** -float(bits.sum() if whole else bits[:longest].sum())
    assert abs(mass - 1) < 1e-4, f"the probabilities of all documents add up to {mass:.6f}"


def check_metric(metric: Any) -> None:
    """A metric's rows can be added up, and every label has a figure."""
    human = Human(["The tide was out. A gull! ", "No one came; no one left the shore. "])
    samples = [Sample("The tide left. A gull, a bell!"), Sample("no one no one no one"), Sample("")]
    rows = metric.counts(samples, human)
    assert rows.shape[0] == len(samples), "not a row a sample"
    together = metric.values(rows.sum(axis=0)[None], human)
    assert list(together) == list(metric.labels), "labels and figures differ"
    for name, values in together.items():
        assert np.shape(values) == (1,), f"{name} has shape {np.shape(values)}, not (1,)"
    empty = metric.values(np.zeros((1, rows.shape[1])), human)
    for name, values in empty.items():
        assert np.isnan(values).all() or np.isfinite(values).all(), f"{name} of nothing"
    applies = getattr(metric, "applies", lambda language: True)
    assert all(isinstance(applies(code), bool) for code in ("en", "und")), "applies is no bool"


def check_corpus(config: Any) -> None:
    """A corpus has named documents in a stable order, an origin and a licence."""
    documents = config.documents()
    names = [document.name for document in documents]
    assert len(set(names)) == len(names) > 0, "documents without names of their own"
    assert names == [document.name for document in config.documents()], "another order"
    for document in documents[:3]:
        assert document.characters == len(document.text), f"{document.name}: another length"
    assert all((config.origin, config.licence)), "no origin or no licence"


def check_baseline(baseline: Any) -> None:
    """A baseline is a distribution over documents."""
    if baseline.reads_bytes:
        return  # bits of whole documents only: nothing that could be added up
    documents = [np.array(d, np.uint8) for d in ([1, 2, 1], [2, 1], [1], [2, 2, 1])]
    model = baseline.fit(documents, 3)
    short = [np.array(d, np.uint8) for n in range(7) for d in itertools.product((1, 2), repeat=n)]
    mass = sum(2.0 ** -float(bits.sum()) for bits in model.token_bits(short))
    assert mass <= 1 + 1e-6, f"the probabilities of short documents add up to {mass:.6f}"


def check_embedding(embedding: Any) -> None:
    """An embedding gives every token a vector, or leaves all to the network."""
    names: Sequence[str] = ["<boundary>", "<escape>", " tide", " gull", " bell"]
    documents = [np.array([2, 3, 4, 2, 3] * 40)]
    vectors = embedding.vectors(names, documents, 6, 1)
    if vectors.matrix is not None:
        assert vectors.matrix.shape == (5, 6), f"vectors {vectors.matrix.shape}, not (5, 6)"
        assert np.isfinite(vectors.matrix).all(), "vectors that are no numbers"


CHECKS: dict[str, Callable[[Any], None]] = {
    "backbone": check_backbone,
    "baseline": check_baseline,
    "corpus": check_corpus,
    "embedding": check_embedding,
    "metric": check_metric,
    "objective": check_objective,
    "rare_words": check_rare_words,
    "segmenter": check_segmenter,
    "tokenizer": check_tokenizer,
}
