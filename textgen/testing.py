"""Whether a plug-in keeps to its contract, for the tests of any package that brings one::

    from textgen.testing import check_plugin

    def test_my_policy():
        check_plugin("rare_words", Shape())

No test runner is needed: a check raises AssertionError with a sentence, under ``python -O``, too.
Checks are exact where a small alphabet allows all texts to be listed, and otherwise look at a
handful of awkward texts.
"""

import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from textgen.auditing.checks import AWKWARD_TEXTS
from textgen.core.registry import POINTS, suggestion
from textgen.evaluation.metrics import Human, Metric, Sample
from textgen.models.backbones import Backbone
from textgen.models.graphs import restarted
from textgen.tokenizers.base import Tokenizer, TokenizerConfig, walk
from textgen.tokenizers.encoded import EncodedDocument
from textgen.tokenizers.filling import FILL
from textgen.tokenizers.rare_words import Unk
from textgen.tokenizers.steps import Choice, follow, take_known
from textgen.tokenizers.word_cache import DocumentCounts
from textgen.tokenizers.words import Words

__all__ = ["check_plugin"]

TRAINING = ("a ab  b abb a ab b bab a a ab. ", "ab a b a ab ba. A ab b. ")
TUNING = ("a ba ab aab b. ",)
Symbol = TypeVar("Symbol")
# Vocabulary of the networks that are checked.
NETWORK_TOKENS = 7


def require(kept: object, broken: str) -> None:
    """Raise an AssertionError unless a part of a contract is kept. ``assert`` would check nothing
    under ``python -O``."""
    if not kept:
        raise AssertionError(broken)


def check_plugin(point: str, plugin: object) -> None:
    """Check a plug-in against the contract of its plug-in point: a tokenizer, segmenter, rare-word
    policy, backbone or metric by what it does, others only by their settings.

    Args:
        point: ``"rare_words"``, ``"tokenizer"``, ``"backbone"``, ``"metric"`` …, as in
            ``[project.entry-points."textgen.POINT"]``.
        plugin: an instance, as its settings make it; or a class, with its default settings.

    Raises:
        AssertionError: it breaks the contract; the message says how.
        ValueError: no such plug-in point.
    """
    if point not in POINTS:
        raise ValueError(f"plug-in point {point!r}; {suggestion(point, POINTS)}")
    kind = plugin if isinstance(plugin, type) else type(plugin)
    require(dataclasses.is_dataclass(kind), f"{kind.__name__} is not a dataclass")
    require(kind.__dataclass_params__.frozen, f"{kind.__name__} is not frozen")  # type: ignore[attr-defined]
    # a dataclass without a docstring gets one: its name and its fields
    documentation = kind.__doc__ or ""
    is_written = documentation and not documentation.startswith(f"{kind.__name__}(")
    require(is_written, f"{kind.__name__} has no docstring")
    if plugin is kind:
        try:
            plugin = kind()
        except TypeError as error:  # it is abstract, or a setting has no default
            raise AssertionError(f"{error}; check an instance with its settings") from None
    try:
        if point in CHECKS:
            CHECKS[point](plugin)
    except AttributeError as error:
        if error.obj is not plugin:
            raise
        raise AssertionError(f"{kind.__name__} lacks {error.name}") from None


def check_tokenizer(config: TokenizerConfig) -> None:
    """A tokenizer gives every text back, is the same when loaded, and charges for everything."""
    tokenizer = config.fit(list(TRAINING), list(TUNING), 1, "", "en")
    loaded = config.load(json.loads(json.dumps(tokenizer.state())))
    require(len(tokenizer.names) == tokenizer.size, "names and size differ")
    for text in AWKWARD_TEXTS:
        encoded, again = tokenizer.encode(text), loaded.encode(text)
        tokens = encoded.tokens
        require(tokenizer.decode(encoded) == text, f"{text!r} is not restored from its tokens")
        require(encoded.characters == len(text), f"{text!r} has another number of characters")
        require(tokens.max(initial=0) < tokenizer.size, "a token beyond the size")
        require(len(encoded.ends) == len(tokens), "not every token ends somewhere in the text")
        require(len(encoded.places) == len(encoded.surfaces), "a surface form without a place")
        require(again.tokens.tolist() == tokens.tolist(), "a loaded tokenizer encodes differently")
        np.testing.assert_allclose(again.spelling_bits, encoded.spelling_bits, rtol=1e-9)
        for cached, bits in ((False, encoded.spelling_bits), (True, encoded.remembered_bits)):
            require(len(bits) == len(encoded.surfaces), f"{text!r}: some surface forms are free")
            require(((bits > -1e-9) & np.isfinite(bits)).all(), f"{text!r}: odd spelling bits")
            if tokenizer.charged:
                _check_choices(tokenizer, encoded, text, cached)
    offsets = tokenizer.temperature_offsets(0.5)
    require(offsets.shape == (tokenizer.size,), "temperature_offsets does not cover every token")
    require((offsets < 1e-6).all(), "a temperature below 1 makes some token more probable")
    unchanged = not tokenizer.temperature_offsets(1.0).any()
    require(unchanged, "what is drawn at temperature 1 is not what is scored")
    writable = [token for token in range(tokenizer.size) if token not in tokenizer.unwritable]
    each_three_times = np.tile(writable, 3)
    ways = [*((fill, False) for fill in FILL), ("scored", True)]
    for fill, cached in ways:
        drawn = [
            tokenizer.render(each_three_times, before="A ab", fill=fill, seed=1, cached=cached)
            for _ in range(2)
        ]
        texts = {rendered.text for rendered in drawn}
        require(len(texts) == 1, f"the same seed fills in other words ({fill})")
    if tokenizer.charged:
        for mass in masses_of_short_texts(tokenizer, "ab ", 6):
            require(mass <= 1 + 1e-6, f"the probabilities of short texts add up to {mass:.6f}")


def _check_choices(tokenizer: Tokenizer, encoded: EncodedDocument, text: str, cached: bool) -> None:
    """The choices that lead to the surface forms of a document cost what is charged for them, and
    give it back."""
    costs = [0.0]

    def charge(choice: Choice) -> int:
        if choice.probabilities is not None:
            costs.append(choice.known_bits())
        return take_known(choice)

    document = follow(walk(tokenizer, encoded, DocumentCounts() if cached else None), charge)
    require(tokenizer.decode(document) == text, f"{text!r}: its choices lead to another text")
    cost = sum(costs)
    bits = encoded.remembered_bits if cached else encoded.spelling_bits
    charged = bits.sum()
    message = f"{text!r}: {charged:.6f} bits are charged, its choices cost {cost:.6f}"
    require(math.isclose(cost, charged, rel_tol=1e-6, abs_tol=1e-6), message)


def masses_of_short_texts(tokenizer: Tokenizer, alphabet: str, longest: int) -> np.ndarray:
    """Σ P(text) over all short texts of an alphabet under a uniform model: (2,), without a document
    cache and with it."""
    masses = np.zeros(2)
    for letters in every_sequence(alphabet, longest):
        encoded = tokenizer.encode("".join(letters))
        spelling = [encoded.spelling_bits.sum(), encoded.remembered_bits.sum()]
        model = math.log2(tokenizer.size) * (len(encoded.tokens) + 1)
        masses += 2.0 ** -(model + np.array(spelling))
    return masses


def every_sequence(symbols: Sequence[Symbol], longest: int) -> Iterator[tuple[Symbol, ...]]:
    """All sequences of symbols of up to ``longest``, the empty one first."""
    for length in range(longest + 1):
        yield from itertools.product(symbols, repeat=length)


def check_backbone(config: Backbone) -> None:
    """A backbone carries its state and looks at nothing that comes later."""
    import tensorflow as tf

    network: Any = config.build(NETWORK_TOKENS)
    require(network.built, "the network is not built")
    random = np.random.default_rng(0)
    network.set_weights([random.normal(0, 0.5, w.shape) for w in network.get_weights()])
    for weight in network.non_trainable_weights:  # a variance is above zero
        if weight.dtype == "float32":
            weight.assign(np.abs(weight))
    tokens = random.integers(0, NETWORK_TOKENS, (3, 8)).astype(np.int32)
    start = network.initial_state(3)
    whole, end = network(tokens, start)
    require(whole.shape == (3, 8, NETWORK_TOKENS), f"logits {whole.shape}, not (3, 8, size)")
    in_two_parts = (0, 5, 8)
    token_by_token = range(9)
    for cuts in (in_two_parts, token_by_token):
        state = start
        logits = []
        for begin, stop in itertools.pairwise(cuts):
            features, state = network.features(tokens[:, begin:stop], state)
            logits.append(network.output_layer(features))
        np.testing.assert_allclose(np.concatenate(logits, 1), whole, atol=1e-4)
        for a, b in zip(tf.nest.flatten(end), tf.nest.flatten(state), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
    changed = tokens.copy()
    changed[:, 6:] = (changed[:, 6:] + 1) % NETWORK_TOKENS
    np.testing.assert_allclose(network(changed, start)[0][:, :6], whole[:, :6], atol=1e-5)
    fresh = restarted(network, end, np.array([True, False, True]))
    each_fresh, each_start, each_end = map(tf.nest.flatten, (fresh, start, end))
    for after, at_start, at_end in zip(each_fresh, each_start, each_end, strict=True):
        np.testing.assert_array_equal(after[0], at_start[0])
        np.testing.assert_array_equal(after[1], at_end[1])
    require(len(network.state_vector(end).shape) == 2, "its state vector is not (batch, n)")


def check_metric(metric: Metric) -> None:
    """A metric's rows can be added up, and every label has a figure."""
    human = Human(["The tide was out. A gull! ", "No one came; no one left the shore. "])
    samples = [Sample("The tide left. A gull, a bell!"), Sample("no one no one no one"), Sample("")]
    rows = metric.counts(samples, human)
    require(rows.shape[0] == len(samples), "not one row per sample")
    for total in (rows.sum(axis=0)[None], np.zeros((1, rows.shape[1]))):
        values = metric.values(total, human)
        require(list(values) == list(metric.labels), "labels and figures differ")
        for name, value in values.items():
            require(np.shape(value) == (1,), f"{name} has shape {np.shape(value)}, not (1,)")
            require(not np.isinf(value).any(), f"{name} is infinite")


# Plug-in point → what a plug-in of it must keep to.
CHECKS: dict[str, Callable[[Any], None]] = {
    "tokenizer": check_tokenizer,
    "rare_words": lambda policy: check_tokenizer(Words(policy, minimum_count=3)),
    "segmenter": lambda s: check_tokenizer(Words(Unk(), minimum_count=3, segmenter=s)),
    "backbone": check_backbone,
    "metric": check_metric,
}
