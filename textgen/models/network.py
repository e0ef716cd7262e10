"""The network of a backbone of layers: embedding, layers, output; helpers for any network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from textgen.models.base import State
from textgen.models.dropout import HashedDropout
from textgen.models.ngrams import NGramEmbedding
from textgen.models.output import output_layer
from textgen.models.recurrent import gradients_wanted as gradients_wanted

if TYPE_CHECKING:
    from textgen.models.backbones import Backbone


class LayeredNetwork(keras.Model):
    """Layers between an embedding (or one-hot vectors) and an output layer.

    It is the :class:`textgen.models.base.Network` of all backbones here. Its state is a
    list with a tuple of (batch, …) float32 for every layer, of the shapes that the settings say,
    and one more, the last tokens, where there are n-grams.

    Args:
        config: the settings, which know the layer.
        vocabulary_size: V, number of tokens; frequent ones come first.
        source: ``"tokens"`` reads (B, T) int32; ``"vectors"`` reads (B, T, units[-1]) float32.
        output: whether there is an output layer.
        name: of the model.
    """

    def __init__(
        self, config: Backbone, vocabulary_size: int, *, source: str, output: bool, name: str
    ) -> None:
        super().__init__(name=name)
        self.config = config
        # layers are made in the order in which they are passed: a seed gives the same weights
        self.reads_tokens = source == "tokens"
        self._one_hot = vocabulary_size if self.reads_tokens else 0
        self.embedding = self.ngrams = self.dropout_in = self.dropout_out = None
        self.projection = self.output_layer = None
        below = vocabulary_size
        if source == "vectors":
            below = config.units[-1]
        elif config.input == "embedding":
            self._one_hot, below = 0, config.embedding_size
            self.embedding = self._embedding(vocabulary_size)
            if found := config.ngrams:
                self.ngrams = NGramEmbedding(
                    found.orders, found.rows, below, found.dropout, "ngrams"
                )
            self.dropout_in = self._dropout("dropout_in")
        self.dropouts, self.recurrent, self.normalisations = [], [], []
        for number, units in enumerate(config.units, start=1):
            between = number > 1 and config.dropout_between
            self.dropouts.append(self._dropout(f"dropout{number}") if between else None)
            layer = config.layer(units, f"recurrent{number}")
            layer.build((None, None, below))
            self.recurrent.append(layer)
            self.normalisations.append(self._normalisation(units, number))
            below = units
        if output:
            self.dropout_out = self._dropout("dropout_out")
            tied = self.embedding if config.tied_output else None
            if size := config.projection_size(vocabulary_size, below):
                self.projection = keras.layers.Dense(size, name="projection")
                self.projection.build((None, None, below))
                below = size
            self.output_layer = output_layer(
                vocabulary_size,
                below,
                tied,
                config.adaptive(vocabulary_size),
                config.frequency_bias,
            )
        self.built = True

    def _embedding(self, vocabulary_size: int) -> Any:
        kind = keras.layers.Embedding
        if self.config.tied_output:
            kind = keras.layers.ReversibleEmbedding
        layer = kind(vocabulary_size, self.config.embedding_size, name="embedding")
        layer.build((None, None))
        return layer

    def _dropout(self, name: str) -> Any:
        config = self.config
        if not config.dropout:
            return None
        return HashedDropout(config.dropout, config.locked_dropout, name=name)

    def _normalisation(self, units: int, number: int) -> Any:
        layer = self.config.normalisation_layer(number)
        if layer is not None:
            layer.build((None, None, units))
        return layer

    def parts(self) -> tuple[Any, ...]:
        return (self,)

    @property
    def tables(self) -> tuple[Any, ...]:
        return () if self.ngrams is None else (self.ngrams.table,)

    def initial_state(self, batch: int) -> State:
        shapes = [self.config.state_shapes(units) for units in self.config.units]
        if self.ngrams is not None:
            shapes.append(((self.ngrams.context,),))
        return [
            tuple(keras.ops.zeros((batch, *shape), "float32") for shape in each) for each in shapes
        ]

    def features(self, inputs: Any, state: State, training: bool = False) -> tuple[Any, State]:
        x, after = inputs, list[Any]()
        state, read = state[: len(self.recurrent)], state[len(self.recurrent) :]
        if self._one_hot:
            x = keras.ops.one_hot(inputs, self._one_hot)
        elif self.embedding is not None:
            x = self.embedding(inputs)
            if self.ngrams is not None:
                vectors, before = self.ngrams(inputs, *read[0], training=training)
                x, read = x + vectors, [(before,)]
            x = _maybe(self.dropout_in, x, training)
        layers = zip(self.dropouts, self.recurrent, self.normalisations, state, strict=True)
        for dropout, recurrent, normalisation, before in layers:
            x = _maybe(dropout, x, training)
            x, *states = recurrent(x, initial_state=list(before), training=training)
            x = _maybe(normalisation, x, training)
            after.append(tuple(states))
        x = _maybe(self.dropout_out, x, training)
        if self.projection is not None:
            x = self.projection(x)
        return x, after + read

    def call(self, inputs: Any, state: State, training: bool = False) -> tuple[Any, State]:
        features, state = self.features(inputs, state, training)
        output: Any = self.output_layer
        return output(features), state

    def state_vector(self, state: State) -> Any:
        """The output of the last layer at the last position."""
        return state[len(self.recurrent) - 1][0]


def _maybe(layer: Any, x: Any, training: bool) -> Any:
    return x if layer is None else layer(x, training=training)


def compilable(network: Any, gradients: bool = False) -> bool:
    """Whether XLA may compile a function that calls a network.

    It has no cuDNN kernels, which LSTM and GRU use on a GPU, and would undo what makes these train
    fast on a CPU (:mod:`textgen.models.recurrent`).

    Args:
        network: as an objective has built it.
        gradients: whether the function takes its gradients.
    """
    if not (gradients or tf.config.list_logical_devices("GPU")):
        return True
    kinds = (keras.layers.LSTM, keras.layers.GRU)
    return not any(isinstance(layer, kinds) for layer in network._flatten_layers())


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
