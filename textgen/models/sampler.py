"""Tokens one after another: one loop, compiled for long texts, carries the state of a batch."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from textgen.models.base import Objective
from textgen.tokenizers.tokens import BOUNDARY, ESCAPE

TOKENS_PER_CALL = 128
MAX_UNCOMPILED_TOKENS = 2048
"""Of a row: compiling the loop for fewer would take longer than it saves."""
MAX_NUCLEUS_TOKENS = 512
"""top-p looks at this many of the most probable tokens; the vocabulary is never sorted whole."""
FREE = -1
"""In place of a forced token, where one is to be drawn."""
DRAWN_TOGETHER = 128
"""Tokens that are looked at together when one is drawn."""
MIN_TEMPERATURE = 1e-6
"""Temperature at which only the most probable token has any mass left, as float32 has it."""


def text_seed(seed: int, sample: int, prompt: str, use: str = "") -> int:
    """The seed of one text, a number of 64 bits.

    Texts that differ in any of these are drawn with other random numbers. With the same ones a weak
    model falls into step: after some characters it goes on alike whatever the prompt.
    """
    settings = ascii((seed, sample, prompt, use)).encode()
    return int.from_bytes(hashlib.blake2b(settings, digest_size=8).digest())


class Sampler:
    """Draws from a model.

    Boundary and escape are never drawn: a sample has exactly the length asked for, and stands for
    one document that goes on. The distribution is otherwise the one that is scored, block resets
    included.

    Args:
        objective, network: the model.
        unwritable: tokens that are never drawn.
    """

    def __init__(
        self,
        objective: Objective,
        network: Any,
        unwritable: Sequence[int] = (BOUNDARY, ESCAPE),
    ) -> None:
        self._objective, self._network = objective, network
        self._unwritable = tuple(unwritable)
        self._loop = functools.lru_cache(maxsize=8)(self._make_loop)

    def draw(
        self,
        forced: np.ndarray,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seeds: Sequence[int] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fill in the free places of a batch.

        Args:
            forced: (B, n) integers: tokens that are given (a prompt), −1 where one is drawn.
            temperature: logits are divided by it; 0 takes the most probable token.
            top_k: draw among so many; 0 for all.
            top_p: draw among the fewest whose probability reaches it (Holtzman et al. 2020).
            seeds: of the random numbers of each row; None: 0, 1, … A longer batch draws the same
                text and continues it.

        Returns:
            The tokens (B, n) int32, and the model's own choice at each place (B, n) int32, which
            at forced places is its guess before it sees the token.
        """
        batch, length = forced.shape
        loop = self._loop(batch, top_k, top_p < 1, length > MAX_UNCOMPILED_TOKENS)
        carry = self._objective.begin(self._network, batch)
        padding = np.full((batch, -length % TOKENS_PER_CALL), FREE)
        padded = np.concatenate([forced, padding], axis=1).astype(np.int32)
        randoms = [np.random.default_rng(s) for s in (range(batch) if seeds is None else seeds)]
        settings, parts = (np.float32(temperature), np.float32(top_p)), []
        for start in range(0, length, TOKENS_PER_CALL):
            uniform = [random.random(TOKENS_PER_CALL, np.float32) for random in randoms]
            part = padded[:, start : start + TOKENS_PER_CALL]
            carry, written = loop(carry, part, *settings, np.stack(uniform, 1))
            parts.append(written.numpy())
        tokens, choices = np.concatenate(parts, axis=2)[..., :length]
        return tokens, choices

    def _make_loop(
        self, batch: int, top_k: int, nucleus: bool, compiled: bool
    ) -> Callable[..., Any]:
        import tensorflow as tf

        from textgen.models.network import compilable

        objective, network, unwritable = self._objective, self._network, self._unwritable
        output = network.output_layer
        in_levels = output.adaptive and not top_k and not nucleus

        @tf.function(jit_compile=compiled and compilable(network), autograph=False)
        def loop(carry: Any, forced: Any, temperature: Any, top_p: Any, uniform: Any) -> Any:
            temperature = tf.maximum(temperature, MIN_TEMPERATURE)

            def body(i: Any, carry: Any, written: Any) -> Any:
                features, carry = objective.next_features(network, carry)
                if in_levels:
                    choice = _choose_in_levels(
                        output, features, unwritable, temperature, uniform[i]
                    )
                else:
                    logits = _without(output(features), unwritable) / temperature
                    choice = _choose(logits, top_k, top_p if nucleus else None, uniform[i])
                token = tf.where(forced[:, i] >= 0, forced[:, i], choice)
                carry = objective.append(carry, token)
                return i + 1, carry, written.write(i, tf.stack([token, choice]))

            array = tf.TensorArray(tf.int32, TOKENS_PER_CALL, element_shape=(2, batch))
            _, carry, written = tf.while_loop(
                lambda i, *_: i < TOKENS_PER_CALL, body, (tf.constant(0), carry, array)
            )
            return carry, tf.transpose(written.stack(), [1, 2, 0])

        return loop


def _without(logits: Any, unwritable: Sequence[int]) -> Any:
    """The logits (B, V), those of some tokens so low that they are never drawn."""
    low = np.zeros(logits.shape[-1], dtype=np.float32)
    low[[token for token in unwritable if 0 <= token < len(low)]] = -1e9
    return logits + low


def _choose(logits: Any, top_k: int, top_p: Any, uniform: Any) -> Any:
    """One token a row of logits (B, V), drawn by inversion from uniform numbers (B,)."""
    import tensorflow as tf

    if not top_k and top_p is None:
        return _invert(logits, uniform)
    top, tokens = tf.math.top_k(logits, min(logits.shape[-1], top_k or MAX_NUCLEUS_TOKENS))
    if top_p is not None:
        # the distribution that top_p cuts is the one top_k left over
        whole = tf.reduce_logsumexp(top if top_k else logits, axis=-1, keepdims=True)
        mass_before = tf.cumsum(tf.exp(top - whole), axis=-1, exclusive=True)
        top = tf.where(mass_before < top_p, top, -1e9)
    return tf.gather(tokens, _invert(top, uniform), batch_dims=1)


def _choose_in_levels(
    output: Any, features: Any, unwritable: Sequence[int], temperature: Any, uniform: Any
) -> Any:
    """One token a row of an adaptive softmax, drawn as from all its logits; the tail is computed
    only where a row may need it.

    With temperature T the tail's n tokens weigh P(tail)^(1/T) · Σ P(w | tail)^(1/T) together, and
    that sum is at most max(1, n^(1 − 1/T)). Inversion goes over the head's tokens and that bound.
    Where it ends on the bound, beyond what the tail really weighs, the rest of the number is spread
    over all tokens once more: rejection sampling (von Neumann 1951).

    Args:
        features: (B, n).
        temperature: T, above 0.
        uniform: (B,) in [0, 1).

    Returns:
        (B,) int32.
    """
    import tensorflow as tf

    head, scale = output.head(features), 1 / temperature
    frequent = _without(head[:, :-1], unwritable) * scale
    spread = np.float32(np.log(output.size - output.head_size))
    bound = head[:, -1:] * scale + tf.maximum(0.0, 1 - scale) * spread
    largest = tf.maximum(tf.reduce_max(frequent, axis=-1, keepdims=True), bound)
    masses = tf.exp(tf.concat([frequent, bound], axis=-1) - largest)
    place, left = _place(masses, uniform * tf.reduce_sum(masses, axis=-1))

    def with_tail() -> Any:
        rare = head[:, -1:] + tf.nn.log_softmax(output.tail_logits(features))
        rare = _without(rare, [token - output.head_size for token in unwritable]) * scale
        tail_masses = tf.exp(rare - largest)
        tail, room = tf.reduce_sum(tail_masses, axis=-1), masses[:, -1]
        known = tf.reduce_sum(masses[:, :-1], axis=-1)
        again = (left - tail) / tf.maximum(room - tail, 1e-30) * (known + tail)
        whole = tf.concat([masses[:, :-1], tail_masses], axis=-1)
        drawn, _ = _place(whole, tf.where(left < tail, known + left, again))
        return tf.where(place < output.head_size, place, drawn)

    return tf.cond(tf.reduce_any(place >= output.head_size), with_tail, lambda: place)


def _invert(logits: Any, uniform: Any) -> Any:
    """The token at which the cumulated probabilities pass a number in [0, 1), in every row.

    A token without probability, to float32, is never chosen.

    Args:
        logits: (B, V) float32.
        uniform: (B,) float32.

    Returns:
        (B,) int32.
    """
    import tensorflow as tf

    masses = tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True))
    return _place(masses, uniform * tf.reduce_sum(masses, axis=-1))[0]


def _place(masses: Any, wanted: Any) -> tuple[Any, Any]:
    """Where the cumulated masses (B, n) pass what is wanted (B,), and what was still wanted there.

    A block of many and then one in it: no noise for every token, no scan over the vocabulary.
    Masses are cumulated by a product with a triangle, which compiles in a tenth of a scan's time.
    """
    import tensorflow as tf

    size = masses.shape[-1]
    if size <= DRAWN_TOGETHER:
        cumulated = tf.matmul(masses, np.triu(np.ones((size, size), dtype=np.float32)))
        place = _first(cumulated > wanted[:, None], masses)
        return place, wanted - tf.gather(cumulated - masses, place, batch_dims=1)
    blocks = -(-size // DRAWN_TOGETHER)
    padded = tf.pad(masses, [[0, 0], [0, blocks * DRAWN_TOGETHER - size]])
    parts = tf.reshape(padded, [-1, blocks, DRAWN_TOGETHER])
    block, wanted = _place(tf.reduce_sum(parts, axis=-1), wanted)
    place, wanted = _place(tf.gather(parts, block, batch_dims=1), wanted)
    return block * DRAWN_TOGETHER + place, wanted


def _first(passed: Any, masses: Any) -> Any:
    """The first place that is passed and has any mass; rounding may leave none: the last with any.

    As the smallest number of a place, which compiles and runs faster than an argmax.
    """
    import tensorflow as tf

    places = tf.range(masses.shape[-1])
    able = masses > 0
    last = tf.reduce_max(tf.where(able, places, 0), axis=-1)
    return tf.minimum(tf.reduce_min(tf.where(able & passed, places, last[:, None]), axis=-1), last)
