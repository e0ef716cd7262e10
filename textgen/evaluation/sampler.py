"""Text from the distribution that is scored: a language model, or one of its parts.

Nothing else draws tokens: samples of a run, the sweep of temperatures and ``play`` write the same
text from the same prompt, settings and seed.
"""

import copy
import hashlib
import itertools
from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax

from textgen.core.numbers import ceil_div
from textgen.core.progress import raise_if_cancelled
from textgen.core.settings import PartName, Sampling
from textgen.evaluation.counts import CacheState
from textgen.evaluation.dynamic import AdaptingNetwork
from textgen.evaluation.model import LanguageModel
from textgen.models.objectives import Objective, compiled_once
from textgen.models.types import (
    Carry,
    Network,
    OutputStep,
    ReadingStep,
    Tensor,
    Tensors,
    WritingLoop,
)
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.filling import MIN_TEMPERATURE

# In place of the token that comes next in a prompt, where the prompt has ended.
TO_DRAW = -1
# In place of the token that a text gains, while its prompt is still read.
READING = -2
# Of each text, where one compiled loop draws them.
TOKENS_AT_ONCE = 32
# Tokens whose masses are summed before one of them is drawn.
BLOCK = 128
# The largest number below 1.
LAST_SHARE = 1 - 2.0**-53
# Nothing of the distribution is left out.
WHOLE = Sampling()


def text_seed(seed: int, sample: int, prompt: str, use: str = "") -> int:
    """The seed of one text, a number of 64 bits.

    Texts that differ in any of these are drawn with other random numbers. With the same ones a weak
    model falls into step: after some characters it goes on alike whatever the prompt.
    """
    settings = ascii((seed, sample, prompt, use)).encode()
    return int.from_bytes(hashlib.blake2b(settings, digest_size=8).digest())


@compiled_once
def reading_step(objective: Objective, network: Network) -> ReadingStep:
    """(carry, tokens (B,) int32 that were written, or None) → (features (B, F), carry)."""
    import tensorflow as tf

    @tf.function(autograph=False)  # XLA would gain nothing for one token
    def step(carry: Carry, tokens: Tensor | None) -> tuple[Tensor, Carry]:
        if tokens is not None:
            carry = objective.append(carry, tokens)
        return objective.next_features(network, carry)

    return step


@compiled_once
def output_step(objective: Objective, network: Network) -> OutputStep:
    """Features (B, F) → logits (B, V)."""
    import tensorflow as tf

    return tf.function(lambda x: network.output_layer(x), autograph=False)


@compiled_once
def writing_loop(objective: Objective, network: Network) -> WritingLoop:
    """(features (B, F), carry, forced (n, B), numbers (n, B), temperature (B,), offsets (B, V)) →
    (features, carry, (n, B) int32): n tokens of each text: those forced and, where these are
    TO_DRAW, those that numbers in [0, 1) draw. Offsets are added to logits."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def loop(
        features: Tensor,
        carry: Carry,
        forced: Tensor,
        numbers: Tensor,
        temperature: Tensor,
        offsets: Tensor,
    ) -> tuple[Tensor, Carry, Tensor]:
        def body(i: Tensor, features: Tensor, carry: Carry, written: Tensor) -> Tensors:
            scaled = network.output_layer(features) / temperature[:, None] + offsets
            masses = tf.exp(scaled - tf.reduce_max(scaled, axis=1, keepdims=True))
            tokens = tf.where(forced[i] == TO_DRAW, draw_in_blocks(masses, numbers[i]), forced[i])
            after = objective.next_features(network, objective.append(carry, tokens))
            return i + 1, *after, written.write(i, tokens)

        count, size = forced.shape
        written = tf.TensorArray(tf.int32, count, element_shape=(size,))
        start = (tf.constant(0), features, carry, written)
        _, *after, written = tf.while_loop(lambda i, *_: i < count, body, start)
        return *after, written.stack()

    return loop


def draw_in_blocks(masses: Tensor, numbers: Tensor) -> Tensor:
    """(B,) int32: the token at which the cumulated masses (B, V) pass a share in [0, 1) (B,): first
    the block of tokens, then the token in it, so that few numbers are cumulated: for 64 texts and
    9,000 tokens in a quarter of the time."""
    import tensorflow as tf

    blocks = ceil_div(masses.shape[1], BLOCK)
    if blocks == 1:
        token, _ = _passed(masses, numbers)
        return token
    masses = tf.pad(masses, [[0, 0], [0, blocks * BLOCK - masses.shape[1]]])
    parts = tf.reshape(masses, [-1, blocks, BLOCK])
    block, share = _passed(tf.reduce_sum(parts, axis=2), numbers)
    token, _ = _passed(tf.gather(parts, block, batch_dims=1), share)
    return block * BLOCK + token


def _passed(masses: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Where the cumulated masses (B, n) pass a share of all, and the share of that mass in [0, 1)
    that is below it."""
    import tensorflow as tf

    masses = tf.cast(masses, tf.float64)
    ends = tf.cumsum(masses, axis=1)
    wanted = shares * ends[:, -1]
    place = tf.reduce_sum(tf.cast(ends <= wanted[:, None], tf.int32), axis=1)
    mass = tf.gather(masses, place, batch_dims=1)
    end = tf.gather(ends, place, batch_dims=1)
    return place, tf.clip_by_value((wanted - end + mass) / mass, 0.0, LAST_SHARE)


class Stepper:
    """A model that is read one token at a time: by a sampler, an arithmetic coder or a page.

    Encoder and decoder see the very same floats.

    Args:
        model: predicts by all that it has. Where its network goes on learning, the weights change
            until :meth:`close`.
        rows: texts that are read side by side; None for a single one, without that axis.
    """

    def __init__(self, model: LanguageModel, rows: int | None = None) -> None:
        count = 1 if rows is None else rows
        self._shape = (-1,) if rows is None else (rows, -1)
        self._part = model.own_part
        self._caches = list[CacheState]()  # of each text; none without a cache
        if model.cache:
            self._caches = [CacheState(model.cache) for _ in range(count)]
        self._counts = model.counts
        self._contexts = model.counts.start(count) if model.counts else []
        self._network = model.network
        self._found = dict[str, np.ndarray]()  # of this place, by part, and the network's logits
        self._adapting: AdaptingNetwork | None = None
        if model.network is not None:
            objective = model.objective
            network = model.network
            if model.cache and model.cache.dynamic:
                assert count == 1, "a network learns from one text at a time"
                self._adapting = AdaptingNetwork(objective, network, model.cache.dynamic)
            self._read = reading_step(objective, network)
            self._output = output_step(objective, network)
            self._loop = writing_loop(objective, network)
            start = objective.begin(network, count)
            self._features, self._carry = self._read(start, None)

    def logits(self) -> np.ndarray:
        """ln P(next token), up to a constant: (V,) or (rows, V) float32, float64 where the network
        is mixed with anything."""
        if self._part == "network":
            return self._of_network().reshape(self._shape)
        return np.log(self._mixed(self._part)).reshape(self._shape)

    def probabilities(self, part: PartName | None = None) -> np.ndarray:
        """P(next token | what was appended): (V,) or (rows, V) float64, by all that the model has
        or under one of its parts."""
        masses = self._mixed(part or self._part)
        return (masses / masses.sum(axis=-1, keepdims=True)).reshape(self._shape)

    def _of_network(self) -> np.ndarray:
        if "logits" not in self._found:
            self._found["logits"] = self._output(self._features).numpy()
        return self._found["logits"]

    def _mixed(self, part: str) -> np.ndarray:
        if part not in self._found:
            if part == "with_cache":
                below = self._mixed("with_counts")
                rows = zip(self._caches, below, strict=True)
                found = np.array([cache.mixed(row) for cache, row in rows])
            elif part == "network" or not self._counts:
                found = softmax(self._of_network().astype(float), axis=-1)
            else:
                network = None if part == "counts" else self._mixed("network")
                found = self._counts.mixed(self._contexts, network)
            self._found[part] = found
        return self._found[part]

    def append(self, tokens: int | np.ndarray) -> None:
        """Go on behind a token, or one in each row (rows,)."""
        tokens = np.atleast_1d(tokens).astype(np.int32)
        self._found = {}
        if self._counts:
            self._contexts = self._counts.after(self._contexts, tokens)
        if self._caches:
            for cache, token in zip(self._caches, tokens.tolist(), strict=True):
                cache.add(token)
        if self._adapting is not None:
            self._adapting.append(int(tokens[0]))
        if self._network is not None:
            self._features, self._carry = self._read(self._carry, tokens)

    def write(self, forced: np.ndarray, drawing: "Drawing") -> np.ndarray:
        """(n, rows) int32: tokens of the network alone behind those appended, and append them.

        Args:
            forced: (n, rows) int32, the tokens themselves, TO_DRAW where one is drawn.
            drawing: how.
        """
        self._features, self._carry, written = self._loop(
            self._features,
            self._carry,
            forced,
            drawing.numbers(forced == TO_DRAW),
            drawing.temperatures,
            drawing.offsets,
        )
        return written.numpy()

    def copy(self) -> "Stepper":
        """The same place of the same texts, to go on from independently; without learning."""
        stepper = copy.copy(self)
        stepper._caches = [cache.copy() for cache in self._caches]
        return stepper

    def close(self) -> None:
        """Put back the weights that a network had before it learned."""
        if self._adapting is not None:
            self._adapting.restart()


class Drawing:
    """How the tokens of texts are drawn, and by which random numbers.

    Args:
        tokenizer: says what a temperature adds to the logits, and what is never drawn.
        temperature: of all texts, or (B,) of each.
        seeds: of each text.

    Attributes:
        temperatures: (B,) float32, above 0.
        offsets: (B, V) float32, added to the logits.
    """

    def __init__(self, tokenizer: Tokenizer, temperature: ArrayLike, seeds: Sequence[int]) -> None:
        wanted = np.broadcast_to(temperature, len(seeds)).astype(np.float32)
        self.temperatures = np.maximum(wanted, np.float32(MIN_TEMPERATURE))
        every = self.temperatures.tolist()
        offsets_at = {each: tokenizer.temperature_offsets(each) for each in set(every)}
        self.offsets = np.array([offsets_at[each] for each in every], dtype=np.float32)
        self.offsets[:, list(tokenizer.unwritable)] = -np.inf
        self._randoms = [np.random.default_rng(seed) for seed in seeds]

    def numbers(self, drawn: np.ndarray) -> np.ndarray:
        """Where tokens (n, B) are drawn, the next random numbers of the text in [0, 1), else 0:
        (n, B) float64."""
        numbers = np.zeros(drawn.shape)
        for text, random in enumerate(self._randoms):
            places = drawn[:, text]
            numbers[places, text] = random.random(places.sum())
        return numbers


def write_tokens(
    model: LanguageModel,
    prompts: Sequence[np.ndarray],
    seeds: Sequence[int],
    *,
    temperature: ArrayLike = 1.0,
    settings: Sampling = WHOLE,
) -> Generator[np.ndarray, None, None]:
    """Texts that continue prompts, one token of each at a time, without end.

    Boundary and escape are never drawn: a text is as long as it is asked for, and stands for a
    document that goes on. The distribution is otherwise the one that is scored.

    Args:
        model: predicts by all that it has.
        prompts: (n,) integers each; their lengths may differ.
        seeds: of each text. A text draws a random number for each token that it gains, so it
            does not depend on the texts beside it, but for rounding.
        temperature: of all texts, or (B,) of each; 0 takes the most probable token. It adds to
            the logits what the tokenizer says.
        settings: as for :func:`shaped`; nothing else of it is used.

    Yields:
        (B,) int32: the token that each text gains, READING where its prompt is still read.
    """
    drawing = Drawing(model.tokenizer, temperature, seeds)
    stepper = Stepper(model, len(prompts))
    if model.own_part == "network" and not leaves_out(settings):
        written = _in_loops(stepper, prompts, drawing)
    else:
        written = _one_by_one(stepper, prompts, drawing, settings)
    try:
        yield from written
    finally:
        stepper.close()


def _one_by_one(
    stepper: Stepper, prompts: Sequence[np.ndarray], drawing: Drawing, settings: Sampling
) -> Generator[np.ndarray, None, None]:
    for place in itertools.count():
        raise_if_cancelled()
        forced = _prompt_tokens(prompts, range(place, place + 1))
        tokens = _next_tokens(stepper, forced, drawing, settings)
        yield from _gained(tokens, forced)
        stepper.append(tokens[0])


def _in_loops(
    stepper: Stepper, prompts: Sequence[np.ndarray], drawing: Drawing
) -> Generator[np.ndarray, None, None]:
    """The first token at once, the others many at a time in a compiled loop; of a network alone,
    of whose distribution nothing is left out."""
    raise_if_cancelled()
    forced = _prompt_tokens(prompts, range(1))
    tokens = _next_tokens(stepper, forced, drawing, WHOLE)
    yield from _gained(tokens, forced)
    stepper.append(tokens[0])
    for place in itertools.count(1, TOKENS_AT_ONCE):
        raise_if_cancelled()
        forced = _prompt_tokens(prompts, range(place, place + TOKENS_AT_ONCE))
        yield from _gained(stepper.write(forced, drawing), forced)


def _prompt_tokens(prompts: Sequence[np.ndarray], places: range) -> np.ndarray:
    """(n, B) int32: what prompts have at some places, TO_DRAW where they have ended."""
    forced = np.full((len(places), len(prompts)), TO_DRAW, dtype=np.int32)
    for text, prompt in enumerate(prompts):
        there = prompt[places.start : places.stop]
        forced[: len(there), text] = there
    return forced


def _next_tokens(
    stepper: Stepper, forced: np.ndarray, drawing: Drawing, settings: Sampling
) -> np.ndarray:
    """(1, B) int32: the next token of each text, forced (1, B) or drawn."""
    drawn = forced == TO_DRAW
    numbers = drawing.numbers(drawn)  # (1, B)
    tokens = forced.copy()
    if drawn.any():
        texts = drawn[0]
        scaled = stepper.logits()[texts] / drawing.temperatures[texts, None]
        masses = shaped(scaled + drawing.offsets[texts], settings)
        tokens[drawn] = draw(masses, numbers[drawn])
    return tokens


def _gained(tokens: np.ndarray, forced: np.ndarray) -> np.ndarray:
    """(n, B) int32 tokens, READING in place of those of prompts."""
    return np.where(forced == TO_DRAW, tokens, np.int32(READING))


def guesses(model: LanguageModel, tokens: ArrayLike) -> np.ndarray:
    """(n,) int32: the most probable token at each place of a text of n tokens."""
    stepper = Stepper(model)
    found = list[int]()
    for token in np.asarray(tokens).tolist():
        logits = stepper.logits().copy()
        logits[list(model.tokenizer.unwritable)] = -np.inf
        found.append(int(logits.argmax()))
        stepper.append(token)
    return np.array(found, dtype=np.int32)


def leaves_out(settings: Sampling) -> bool:
    """Whether :func:`shaped` leaves tokens out."""
    return settings.top_k > 0 or settings.top_p < 1


def shaped(scaled: np.ndarray, settings: Sampling) -> np.ndarray:
    """What tokens are drawn from.

    Args:
        scaled: (B, V) logits, divided by the temperature; −inf where nothing is to be drawn.
        settings: ``top_k``: draw among the k most probable tokens, 0 for all; ``top_p``: draw among
            the fewest whose probability reaches p (Holtzman et al. 2020).

    Returns:
        (B, V): numbers in proportion to the probabilities, the largest of each row 1.
    """
    masses = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    if leaves_out(settings):
        order = np.argsort(-masses, axis=1, kind="stable")
        ranked = np.take_along_axis(masses, order, axis=1)
        if settings.top_k:
            ranked[:, settings.top_k :] = 0.0
        before = ranked.cumsum(axis=1, dtype=np.float64) - ranked
        total = ranked.sum(axis=1, dtype=np.float64, keepdims=True)
        ranked[before >= settings.top_p * total] = 0.0
        np.put_along_axis(masses, order, ranked, axis=1)
    return masses


def draw(masses: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(B,) integers: the token at which the cumulated masses (B, V) pass a share in [0, 1) (B,)."""
    cumulated = masses.cumsum(axis=1, dtype=np.float64)
    return (cumulated <= numbers[:, None] * cumulated[:, -1:]).sum(axis=1)
