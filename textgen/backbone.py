"""The shared Keras LSTM stack. It knows symbols, not characters or words.

A large vocabulary can have a two-level output ("adaptive softmax", Grave, Joulin, Cissé, Grangier &
Jégou 2017, with one tail): P(w) = P_head(w) for the frequent symbols, which are the first ones, and
P(w) = P_head(tail) · P_tail(w) for the others. It is a distribution over all symbols like any other
softmax, and one target costs the head and, if it is rare, the narrow tail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen.errors import TextgenError
from textgen.settings import Backbone

FLOAT = 4
"""Bytes."""


def stack(
    settings: Backbone,
    vocabulary_size: int,
    lstm: Any,
    *,
    source: str = "symbols",
    logits: bool = True,
    name: str = "stack",
) -> Any:
    """One LSTM stack as a functional Keras model with its states in the open.

    Args:
        settings: units, input, dropout, output.
        vocabulary_size: V, number of symbols; frequent ones come first.
        lstm: the layer class, ``keras.layers.LSTM`` or one that computes the same.
        source: ``"symbols"`` reads (B, T) int32; ``"vector"`` reads (B, T, units[-1]) float32.
        logits: whether the output layer is there.

    Returns:
        A model [source, h₁, c₁, …, h_L, c_L] → [logits (B, T, V)], h₁, c₁, …; states (B, units).
        The logits of a two-level output are log-probabilities.
    """
    if source == "symbols":
        inputs = keras.Input((None,), dtype="int32", name=f"{name}_symbols")
        x, embedding = _embed(inputs, settings, vocabulary_size, name)
    else:
        inputs = x = keras.Input((None, settings.units[-1]), name=f"{name}_vectors")
        embedding = None
    states_in, states_out = [], []
    for layer, units in enumerate(settings.units, start=1):
        state = [keras.Input((units,), name=f"{name}_{part}{layer}") for part in "hc"]
        if settings.dropout and layer > 1:
            x = keras.layers.Dropout(settings.dropout, name=f"{name}_dropout{layer}")(x)
        x, *after = lstm(
            units,
            return_sequences=True,
            return_state=True,
            unit_forget_bias=False,  # with carried states a bias of 1 lets cells run away early
            name=f"{name}_lstm{layer}",
        )(x, initial_state=state)
        states_in += state
        states_out += after
    outputs = list(states_out)
    if logits:
        if settings.dropout:
            x = keras.layers.Dropout(settings.dropout, name=f"{name}_dropout_out")(x)
        outputs.insert(0, _logits(x, embedding, settings, vocabulary_size, name))
    return keras.Model([inputs, *states_in], outputs, name=name)


def _embed(inputs: Any, settings: Backbone, size: int, name: str) -> tuple[Any, Any]:
    if settings.input == "one_hot":
        return keras.ops.one_hot(inputs, size), None
    width = settings.embedding_size
    if settings.tied_output:
        embedding = keras.layers.ReversibleEmbedding(size, width, name=f"{name}_embedding")
    else:
        embedding = keras.layers.Embedding(size, width, name=f"{name}_embedding")
    x = embedding(inputs)
    if settings.dropout:
        x = keras.layers.Dropout(settings.dropout, name=f"{name}_dropout_in")(x)
    return x, embedding


def _logits(x: Any, embedding: Any, settings: Backbone, size: int, name: str) -> Any:
    if _two_levels(settings, size):
        return _two_level_logits(x, settings, size, name)
    if not settings.tied_output or embedding is None:
        return keras.layers.Dense(size, name=f"{name}_logits")(x)
    if settings.units[-1] != settings.embedding_size:
        x = keras.layers.Dense(settings.embedding_size, name=f"{name}_projection")(x)
    return embedding(x, reverse=True)


def _two_levels(settings: Backbone, size: int) -> bool:
    """A tail of a single symbol would save nothing."""
    return settings.output == "adaptive" and size > settings.head + 1


def _two_level_logits(x: Any, settings: Backbone, size: int, name: str) -> Any:
    head = keras.layers.Dense(settings.head + 1, name=f"{name}_head")(x)
    narrow = keras.layers.Dense(
        settings.tail_size, use_bias=False, name=f"{name}_tail_projection"
    )(x)  # fmt: skip
    tail = keras.layers.Dense(size - settings.head, name=f"{name}_tail")(narrow)
    frequent, rare = keras.ops.split(keras.ops.log_softmax(head), [settings.head], axis=-1)
    return keras.ops.concatenate([frequent, rare + keras.ops.log_softmax(tail)], axis=-1)


def zero_states(settings: Backbone, batch: int) -> list[Any]:
    """The states at the beginning of a document: h₁, c₁, …, each (batch, units) of zeros."""
    return [keras.ops.zeros((batch, units)) for units in settings.units for _ in "hc"]


@dataclass(frozen=True)
class TwoLevel:
    """The two-level output of a network where only the targets' probabilities are wanted.

    Attributes:
        network: the network without its output layers, sharing all others: an objective's
            ``logits`` gives features (B, T, units[-1]) with it in place of logits (B, T, V).
        head, projection, tail: the output layers.
    """

    network: Any
    head: Any
    projection: Any
    tail: Any

    @property
    def size(self) -> int:
        """Symbols in the head, without the entry that stands for the tail."""
        return int(self.head.units) - 1

    def capacity(self, targets: int, share: float) -> int:
        """Tail places kept for a batch of ``targets``, of which a ``share`` is in the tail.

        Four standard deviations above what is expected if targets were independent: a batch that
        has more comes up so seldom that it does not matter that it is estimated then.
        """
        spread = (targets * share * (1 - share)) ** 0.5
        return min(targets, 16 * -(-int(targets * share + 4 * spread + 16) // 16))

    def nats(self, features: Any, labels: Any, capacity: int) -> Any:
        """−ln P(label), with static shapes as XLA wants them.

        At most ``capacity`` targets in the tail are computed. If a batch has more, a random choice
        of them stands for all: the sum is an unbiased estimate then, and else exact.

        Args:
            features: (B, T, units[-1]) float32.
            labels: (B, T) int32, in 0 … V − 1.
            capacity: static.

        Returns:
            (B, T) float32.
        """
        flat = tf.reshape(features, [-1, features.shape[-1]])
        wanted = tf.reshape(labels, [-1])
        rare = tf.cast(wanted >= self.size, tf.float32)
        # the order of tail targets depends on the batch alone, so a resumed training repeats it
        seed = tf.stack([tf.reduce_sum(wanted), tf.reduce_max(wanted)])
        order = rare + tf.random.stateless_uniform(tf.shape(rare), seed, maxval=0.5)
        _, places = tf.math.top_k(order, capacity)
        chosen = tf.gather(rare, places)
        tail = self.tail_nats(tf.gather(flat, places), tf.gather(wanted, places)) * chosen
        tail *= tf.reduce_sum(rare) / tf.maximum(tf.reduce_sum(chosen), 1.0)
        nats = self.head_nats(flat, wanted)
        nats = tf.tensor_scatter_nd_add(nats, places[:, None], tail)
        return tf.reshape(nats, tf.shape(labels))

    def head_nats(self, features: Any, labels: Any) -> Any:
        """What the head charges, for symbols of the tail too: (N, units), (N,) → (N,) nats."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.minimum(labels, self.size), logits=self.head(features)
        )

    def tail_nats(self, features: Any, labels: Any) -> Any:
        """What the tail charges, (N,) nats; of no meaning for symbols of the head."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.maximum(labels - self.size, 0), logits=self.tail(self.projection(features))
        )


class _WithPart:
    """A network of stacks, one of them replaced: all that an objective's ``logits`` looks at."""

    def __init__(self, network: Any, part: Any) -> None:
        self._network, self._part = network, part

    def get_layer(self, name: str) -> Any:
        return self._part if name == self._part.name else self._network.get_layer(name)


def two_level(network: Any) -> TwoLevel | None:
    """The two-level output of a network that an objective has built, or None: a plain softmax."""
    for part in [network, *_layers(network)]:
        if isinstance(part, keras.Model) and any(
            layer.name == f"{part.name}_head" for layer in part.layers
        ):
            head, projection, tail = (
                part.get_layer(f"{part.name}_{layer}")
                for layer in ("head", "tail_projection", "tail")
            )
            headless = keras.Model(part.inputs, [head.input, *part.outputs[1:]], name=part.name)
            whole = headless if part is network else _WithPart(network, headless)
            return TwoLevel(whole, head, projection, tail)
    return None


def _layers(network: Any) -> Iterator[Any]:
    """The layers of a model, those of models in it included."""
    for layer in network.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)


def set_embedding(network: Any, matrix: np.ndarray | None, frozen: bool) -> None:
    """What the embedding layers of a network start from, and whether training leaves it alone.

    A frozen embedding that the output is tied to is frozen there too.

    Args:
        network: as an objective has built it; without an embedding it is left as it is.
        matrix: (V, embedding_size) float32, or None to keep what is there.
        frozen: leave the vectors as they are.

    Raises:
        ValueError: a matrix of another shape, or for a network without an embedding.
    """
    layers = [layer for layer in _layers(network) if layer.name.endswith("_embedding")]
    if matrix is not None and not layers:
        raise ValueError("vectors for a network that has no embedding")
    for layer in layers:
        if matrix is not None:
            layer.embeddings.assign(matrix)
        layer.trainable = not frozen


def memory_needed(settings: Backbone, vocabulary_size: int, batch: int, length: int) -> int:
    """Bytes that training takes at its peak, beyond Python and TensorFlow themselves: an estimate.

    Every weight counts nine times: its value, gradient, two moments, the best value so far, and
    the copies of value, moments and best value while a checkpoint is written. Logits, (batch,
    length, V), count three times (value, exponential, gradient); of a two-level output the whole
    head and a quarter of the tail. One-hot inputs are as large as logits once. Compiled programs
    and the rest: 300 MB. An encoder–decoder has two stacks; here one is counted.

    Peaks measured with 20,000 to 200,000 symbols were 0.75 to 1.1 times this.
    """
    size, width = vocabulary_size, settings.embedding_size
    one_hot = settings.input == "one_hot"
    weights = 0 if one_hot else size * width
    below = size if one_hot else width
    for units in settings.units:
        weights += 4 * units * (below + units + 1)
        below = units
    row = size
    if _two_levels(settings, size):
        tail = size - settings.head
        weights += (below + 1) * (settings.head + 1) + (below + tail) * settings.tail_size + tail
        row = settings.head + 1 + tail // 4
    elif settings.tied_output:
        weights += (below + 1) * width if below != width else 0
    else:
        weights += (below + 1) * size
    targets = batch * length
    return FLOAT * (9 * weights + targets * (3 * row + one_hot * size)) + 300_000_000


def check_memory(settings: Backbone, vocabulary_size: int, batch: int, length: int) -> None:
    """Refuse a vocabulary that this machine cannot train on, before anything is built.

    Raises:
        TextgenError: less memory is free than :func:`memory_needed`. Where the system does not say
            how much is free, nothing is refused.
    """
    needed, free = memory_needed(settings, vocabulary_size, batch, length), _free_memory()
    if free is None or needed <= free:
        return
    wider = settings.output == "softmax" and not settings.tied_output
    other = ', or use output = "adaptive" in [backbone]' if wider else ""
    raise TextgenError(
        "tokenizer",
        found=f"a vocabulary of {vocabulary_size:,} symbols, which needs about "
        f"{needed / 1e9:.1f} GB to train",
        expected=f"less than the {free / 1e9:.1f} GB that are free",
        hint=f"raise minimum_count, set a size{other}",
    )


def _free_memory() -> int | None:
    """Bytes that programs can still take, memory of the file cache included where that is known."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass  # not Linux
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
