"""The shared Keras LSTM stack. It knows symbols, not characters or words."""

from __future__ import annotations

from typing import Any

import keras

from textgen.settings import Backbone


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
        settings: units, input, dropout, tied output.
        vocabulary_size: V, number of symbols.
        lstm: the layer class, ``keras.layers.LSTM`` or one that computes the same.
        source: ``"symbols"`` reads (B, T) int32; ``"vector"`` reads (B, T, units[-1]) float32.
        logits: whether the output layer is there.

    Returns:
        A model [source, h₁, c₁, …, h_L, c_L] → [logits (B, T, V)], h₁, c₁, …; states (B, units).
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
    return embedding(inputs), embedding


def _logits(x: Any, embedding: Any, settings: Backbone, size: int, name: str) -> Any:
    if not settings.tied_output or embedding is None:
        return keras.layers.Dense(size, name=f"{name}_logits")(x)
    if settings.units[-1] != settings.embedding_size:
        x = keras.layers.Dense(settings.embedding_size, name=f"{name}_projection")(x)
    return embedding(x, reverse=True)


def zero_states(settings: Backbone, batch: int) -> list[Any]:
    """The states at the beginning of a document: h₁, c₁, …, each (batch, units) of zeros."""
    return [keras.ops.zeros((batch, units)) for units in settings.units for _ in "hc"]
