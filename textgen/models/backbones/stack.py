"""The shared Keras LSTM stack. It knows tokens, not characters or words.

A large vocabulary can have a two-level output ("adaptive softmax", Grave, Joulin, Cissé, Grangier &
Jégou 2017, with one tail): P(w) = P_head(w) for the frequent tokens, which are the first ones, and
P(w) = P_head(tail) · P_tail(w) for the others. It is a distribution over all tokens like any other
softmax, and one target costs the head and, if it is rare, the tail. The tail is narrow, or, where
the output is tied to the embedding (Press & Wolf 2017), as wide as that.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from textgen.core import Backbone

BEYOND = "beyond_"
"""In the name of the layer that gives the tail's logit in a tied head; the head's size follows."""


def stack(
    settings: Backbone,
    vocabulary_size: int,
    lstm: Any,
    *,
    source: str = "tokens",
    logits: bool = True,
    name: str = "stack",
) -> Any:
    """One LSTM stack as a functional Keras model with its states in the open.

    Args:
        settings: units, input, dropout, output.
        vocabulary_size: V, number of tokens; frequent ones come first.
        lstm: the layer class, ``keras.layers.LSTM`` or one that computes the same.
        source: ``"tokens"`` reads (B, T) int32; ``"vector"`` reads (B, T, units[-1]) float32.
        logits: whether the output layer is there.

    Returns:
        A model [source, h₁, c₁, …, h_L, c_L] → [logits (B, T, V)], h₁, c₁, …; states (B, units).
        The logits of a two-level output are log-probabilities.
    """
    dropout = functools.partial(
        getattr(lstm, "dropout_layer", keras.layers.Dropout),
        settings.dropout,
        noise_shape=(None, 1, None) if settings.locked_dropout else None,
    )
    if source == "tokens":
        inputs = keras.Input((None,), dtype="int32", name=f"{name}_tokens")
        x, embedding = _embed(inputs, settings, vocabulary_size, dropout, name)
    else:
        inputs = x = keras.Input((None, settings.units[-1]), name=f"{name}_vectors")
        embedding = None
    states_in, states_out = [], []
    for layer, units in enumerate(settings.units, start=1):
        state = [keras.Input((units,), name=f"{name}_{part}{layer}") for part in "hc"]
        if settings.dropout and layer > 1:
            x = dropout(name=f"{name}_dropout{layer}")(x)
        recurrent = lstm(
            units,
            return_sequences=True,
            return_state=True,
            unit_forget_bias=False,  # with carried states a bias of 1 lets cells run away early
            name=f"{name}_lstm{layer}",
        )
        if settings.weight_drop and hasattr(recurrent, "drop_weights"):
            recurrent.drop_weights(settings.weight_drop)
        x, *after = recurrent(x, initial_state=state)
        x = _normalised(x, settings, f"{name}_normalisation{layer}")
        states_in += state
        states_out += after
    outputs = list(states_out)
    if logits:
        if settings.dropout:
            x = dropout(name=f"{name}_dropout_out")(x)
        outputs.insert(0, _logits(x, embedding, settings, vocabulary_size, name))
    return keras.Model([inputs, *states_in], outputs, name=name)


def _normalised(x: Any, settings: Backbone, name: str) -> Any:
    """Over the units of each position (Ba, Kiros & Hinton 2016), or each unit over the batch's
    positions and, once trained, by running averages (Ioffe & Szegedy 2015)."""
    if settings.normalisation == "layer":
        return keras.layers.LayerNormalization(name=name)(x)
    if settings.normalisation == "batch":
        return keras.layers.BatchNormalization(name=name)(x)
    return x


def _embed(inputs: Any, settings: Backbone, size: int, dropout: Any, name: str) -> tuple[Any, Any]:
    if settings.input == "one_hot":
        return keras.ops.one_hot(inputs, size), None
    width = settings.embedding_size
    if settings.tied_output:
        embedding = keras.layers.ReversibleEmbedding(size, width, name=f"{name}_embedding")
    else:
        embedding = keras.layers.Embedding(size, width, name=f"{name}_embedding")
    x = embedding(inputs)
    if settings.dropout:
        x = dropout(name=f"{name}_dropout_in")(x)
    return x, embedding


def _logits(x: Any, embedding: Any, settings: Backbone, size: int, name: str) -> Any:
    tied = settings.tied_output and embedding is not None
    if tied and settings.units[-1] != settings.embedding_size:
        x = keras.layers.Dense(settings.embedding_size, name=f"{name}_projection")(x)
    if has_two_levels(settings, size):
        return _two_level_logits(x, embedding if tied else None, settings, size, name)
    if tied:
        return embedding(x, reverse=True)
    return keras.layers.Dense(size, name=f"{name}_logits")(x)


def has_two_levels(settings: Backbone, size: int) -> bool:
    """A tail of a single token would save nothing."""
    return settings.output == "adaptive" and size > settings.head + 1


def tied_head(stack: Any) -> tuple[int, Any] | None:
    """Of a stack whose two-level output is tied to its embedding: the tokens in the head, and the
    layer that gives the logit of the tail as a whole; None for all other stacks."""
    start = f"{stack.name}_{BEYOND}"
    for layer in stack.layers:
        if layer.name.startswith(start):
            return int(layer.name.removeprefix(start)), layer
    return None


def _two_level_logits(x: Any, tied: Any, settings: Backbone, size: int, name: str) -> Any:
    if tied is not None:
        # the saved file has to say how many tokens the head has: here, in the layer's name
        beyond = keras.layers.Dense(1, name=f"{name}_{BEYOND}{settings.head}")(x)
        frequent, tail = keras.ops.split(tied(x, reverse=True), [settings.head], axis=-1)
        head = keras.ops.concatenate([frequent, beyond], axis=-1)
    else:
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


def layers_within(network: Any) -> Iterator[Any]:
    """The layers of a model, those of models in it included."""
    for layer in network.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from layers_within(layer)


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
    layers = [layer for layer in layers_within(network) if layer.name.endswith("_embedding")]
    if matrix is not None and not layers:
        raise ValueError("vectors for a network that has no embedding")
    for layer in layers:
        if matrix is not None:
            layer.embeddings.assign(matrix)
        layer.trainable = not frozen
