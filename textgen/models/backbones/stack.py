"""The network of a backbone of layers: embedding, layers, output."""

from __future__ import annotations

from typing import Any

import keras

from textgen.models.backbones.base import State
from textgen.models.backbones.ngrams import NGramEmbedding
from textgen.models.backbones.stacked import Stacked
from textgen.models.dropout import HashedDropout
from textgen.models.output import output_layer


class LayerStack(keras.Model):
    """Layers between an embedding (or one-hot vectors) and an output layer.

    It is the :class:`textgen.models.backbones.base.Network` of all backbones here. Its state is a
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
        self, config: Stacked, vocabulary_size: int, *, source: str, output: bool, name: str
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
