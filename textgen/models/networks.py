"""What is done with any network: its state begun anew, its embedding and its output's bias set."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen.models.backbones.base import State
from textgen.models.backbones.lstm.layer import FusedLSTM


def compilable(network: Any, training: bool = False) -> bool:
    """Whether XLA may compile a function that calls a network.

    It has no cuDNN kernels, which recurrent layers use on a GPU, and would undo what makes an LSTM
    train fast on a CPU (:mod:`textgen.models.backbones.lstm.unrolled`).

    Args:
        network: as an objective has built it.
        training: whether the function trains it.
    """
    gpu = bool(tf.config.list_logical_devices("GPU"))
    slow = (keras.layers.LSTM, keras.layers.GRU) if gpu else (FusedLSTM,) if training else ()
    return not any(isinstance(layer, slow) for layer in network._flatten_layers())


def restarted(network: Any, state: State, fresh: Any) -> State:
    """The state with the initial one in some of its rows.

    Args:
        network: whose state it is.
        state: tensors (B, …).
        fresh: (B,) or scalar bool: where.
    """
    batch = tf.nest.flatten(state)[0].shape[0]

    def choose(before: Any, initial: Any) -> Any:
        rows = tf.reshape(fresh, [-1] + [1] * (len(initial.shape) - 1))
        return tf.where(rows, initial, before)

    return tf.nest.map_structure(choose, state, network.initial_state(batch))


def set_embedding(network: Any, matrix: np.ndarray | None, frozen: bool) -> None:
    """What the embedding layers of a network start from, and whether training leaves them alone.

    A frozen embedding that the output is tied to is frozen there too.

    Args:
        network: as an objective has built it; without an embedding it is left as it is.
        matrix: (V, embedding_width) float32, or None to keep what is there.
        frozen: leave the vectors as they are.

    Raises:
        ValueError: a matrix of another shape, or for a network without an embedding.
    """
    layers = [part.embedding for part in network.parts() if part.embedding is not None]
    if matrix is not None and not layers:
        raise ValueError("vectors for a network that has no embedding")
    for layer in layers:
        if matrix is not None:
            layer.embeddings.assign(matrix)
        layer.trainable = not frozen


def set_output_bias(network: Any, counts: np.ndarray) -> None:
    """Have a network expect every token as often as it was counted, before it has learnt anything.

    Args:
        network: as an objective has built it; without ``frequency_bias`` in its settings it is left
            as it is.
        counts: (V,) of the tokens. Each counts half an occurrence more (Krichevsky & Trofimov
            1981), so that none is impossible.
    """
    settings = (getattr(part, "config", None) for part in network.parts())
    if any(getattr(each, "frequency_bias", False) for each in settings):
        smoothed = counts + 0.5
        network.output_layer.start_at(np.log(smoothed / smoothed.sum()))
