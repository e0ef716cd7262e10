"""What a network is; that of a backbone of layers: embedding, layers, output; an ensemble of such
networks, an encoder with a decoder, and helpers for any network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen.models.layers import HashedDropout, NGramEmbedding
from textgen.models.output import AdaptiveSoftmax, MeanOutput, Softmax, dense_layer


class Network(keras.Model):
    """Reads tokens and carries a state, a nest of tensors (batch, …), from one to the next.

    Attributes:
        embedding: the layer that gives tokens their vectors, or None.
        output_layer: an :class:`textgen.models.output.Output`; None for an encoder.
    """

    embedding: Any = None
    output_layer: Any = None

    def parts(self) -> tuple[Any, ...]:
        """The networks it is made of: itself, or an encoder and a decoder, or members."""
        return (self,)

    @property
    def tables(self) -> tuple[Any, ...]:
        """Weights (rows, size) of which an update reads few rows."""
        return ()

    def initial_state(self, batch: int) -> Any:
        """The state before the first token of a document."""
        raise NotImplementedError

    def features(self, inputs: Any, state: Any, training: bool = False) -> tuple[Any, Any]:
        """What the output layer reads, for every position.

        Args:
            inputs: (B, T) int32 token ids, or (B, T, n) float32 vectors.
            state: before the first of them.
            training: whether dropout and the like are at work.

        Returns:
            (B, T, m) float32, and the state after the last position.
        """
        raise NotImplementedError

    def call(self, inputs: Any, state: Any, training: bool = False) -> tuple[Any, Any]:
        """Logits (B, T, V) in place of features."""
        features, state = self.features(inputs, state, training)
        return self.output_layer(features), state

    def state_vector(self, state: Any) -> Any:
        """(B, n) float32: what an encoder hands to a decoder that reads vectors."""
        raise NotImplementedError


class LayeredNetwork(Network):
    """Layers between an embedding (or one-hot vectors) and an output layer.

    Its state is a list with a tuple of (batch, …) float32 for every layer, of the shapes that the
    settings say, and one more, the last tokens, where there are n-grams.

    Args:
        config: a :class:`textgen.models.backbones.Backbone`, which knows the layer.
        vocabulary_size: V, number of tokens; frequent ones come first.
        source: ``"tokens"`` reads (B, T) int32; ``"vectors"`` reads (B, T, units[-1]) float32.
        output: whether there is an output layer.
    """

    def __init__(self, config: Any, vocabulary_size: int, *, source: str, output: bool) -> None:
        super().__init__()
        self.config = config
        self.size = vocabulary_size
        self.source = source
        self.ngrams: Any = None
        self.dropout_in = self.dropout_out = self.projection = None
        # layers are made in the order in which they are passed: a seed gives the same weights
        width = config.units[-1] if source == "vectors" else vocabulary_size
        if source == "tokens" and config.input == "embedding":
            width, layers = config.embedding_size, keras.layers
            kind = layers.ReversibleEmbedding if config.tied_output else layers.Embedding
            self.embedding = kind(vocabulary_size, width, name="embedding")
            self.embedding.build((None, None))
            if config.ngrams:
                self.ngrams = NGramEmbedding(config.ngrams, width)
            self.dropout_in = self._dropout("dropout_in")
        self.dropouts, self.recurrent, self.normalisations = [], [], []
        for number, units in enumerate(config.units, start=1):
            between = number > 1 and config.dropout_between
            self.dropouts.append(self._dropout(f"dropout{number}") if between else None)
            self.recurrent.append(config.layer(units, f"recurrent{number}"))
            self.recurrent[-1].build((None, None, width))
            self.normalisations.append(config.normalisation_layer(number))
            if self.normalisations[-1] is not None:
                self.normalisations[-1].build((None, None, units))
            width = units
        if output:
            self.dropout_out = self._dropout("dropout_out")
            if size := config.projection_size(vocabulary_size, width):
                self.projection = dense_layer(size, width, "projection")
                width = size
            shape = vocabulary_size, width
            tied = self.embedding if config.tied_output else None
            if levels := config.adaptive(vocabulary_size):
                self.output_layer = AdaptiveSoftmax(*shape, levels, tied)
            else:
                self.output_layer = Softmax(*shape, tied)
        self.built = True

    def _dropout(self, name: str) -> Any:
        rate, locked = self.config.dropout, self.config.locked_dropout
        return HashedDropout(rate, locked, name=name) if rate else None

    @property
    def tables(self) -> tuple[Any, ...]:
        return () if self.ngrams is None else (self.ngrams.table,)

    def initial_state(self, batch: int) -> Any:
        shapes = [self.config.state_shapes(units) for units in self.config.units]
        if self.ngrams is not None:
            shapes.append(((self.ngrams.context,),))
        return [tuple(tf.zeros((batch, *shape)) for shape in layer) for layer in shapes]

    def features(self, inputs: Any, state: Any, training: bool = False) -> tuple[Any, Any]:
        def applied(layer: Any, x: Any) -> Any:
            return x if layer is None else layer(x, training=training)

        x = inputs
        after = list[Any]()
        last_tokens = state[len(self.recurrent) :]
        if self.embedding is not None:
            x = self.embedding(inputs)
            if self.ngrams is not None:
                vectors, tokens = self.ngrams(inputs, *last_tokens[0], training=training)
                x, last_tokens = x + vectors, [(tokens,)]
            x = applied(self.dropout_in, x)
        elif self.source == "tokens":
            x = tf.one_hot(inputs, self.size)
        layers = zip(self.dropouts, self.recurrent, self.normalisations, state, strict=False)
        for dropout, recurrent, normalisation, before in layers:
            x = applied(dropout, x)
            x, *states = recurrent(x, initial_state=list(before), training=training)
            x = applied(normalisation, x)
            after.append(tuple(states))
        x = applied(self.dropout_out, x)
        return (x if self.projection is None else self.projection(x)), after + last_tokens

    def state_vector(self, state: Any) -> Any:
        """The output of the last layer at the last position."""
        return state[len(self.recurrent) - 1][0]


class Ensemble(Network):
    """Networks of the same settings side by side: the mean of what they predict (Hansen & Salamon
    1990).

    Members differ in their first weights and in the units that are dropped. Each learns by its own
    predictions, all from the same batches; only what is scored, and what writes, is the mean. The
    state is a list of theirs, the features are theirs one after another.
    """

    def __init__(self, members: Sequence[LayeredNetwork]) -> None:
        super().__init__()
        self.members = list(members)
        if members[0].output_layer is not None:
            self.output_layer = MeanOutput([member.output_layer for member in members])
        self.built = True

    def parts(self) -> tuple[Any, ...]:
        return tuple(self.members)

    def initial_state(self, batch: int) -> Any:
        return [member.initial_state(batch) for member in self.members]

    def features(self, inputs: Any, state: Any, training: bool = False) -> tuple[Any, Any]:
        read = [inputs] * len(self.members)
        if self.members[0].source == "vectors":  # each has a vector of its own
            read = tf.split(inputs, len(self.members), axis=-1)
        pairs = [
            member.features(own, before, training)
            for member, own, before in zip(self.members, read, state, strict=True)
        ]
        return tf.concat([features for features, _ in pairs], axis=-1), [s for _, s in pairs]

    def state_vector(self, state: Any) -> Any:
        pairs = zip(self.members, state, strict=True)
        return tf.concat([member.state_vector(own) for member, own in pairs], axis=-1)


class SequenceToSequence(Network):
    """An encoder and a decoder of the same backbone (Sutskever, Vinyals & Le 2014); the decoder
    begins with the encoder's last state. The state is the encoder's."""

    def __init__(self, encoder: Network, decoder: Network) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.output_layer = decoder.output_layer
        self.built = True

    def parts(self) -> tuple[Any, ...]:
        return *self.encoder.parts(), *self.decoder.parts()

    def initial_state(self, batch: int) -> Any:
        return self.encoder.initial_state(batch)


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


def restarted(network: Any, state: Any, fresh: Any) -> Any:
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


def set_embedding(network: Network, matrix: np.ndarray | None, frozen: bool) -> None:
    """What the embedding layers of a network start from, and whether training leaves them alone.

    A frozen embedding that the output is tied to is frozen there too.

    Args:
        network: as an objective has built it; without an embedding it is left as it is.
        matrix: (V, embedding_width) float32, or None to keep what is there.
        frozen: leave the vectors as they are.
    """
    for part in network.parts():
        if part.embedding is not None:
            if matrix is not None:
                part.embedding.embeddings.assign(matrix)
            part.embedding.trainable = not frozen


def set_output_bias(network: Network, counts: np.ndarray) -> None:
    """Have a network expect every token as often as it was counted, before it has learnt anything.

    Args:
        network: as an objective has built it; without ``frequency_bias`` in its settings it is left
            as it is.
        counts: (V,) of the tokens. Each counts half an occurrence more (Krichevsky & Trofimov
            1981), so that none is impossible.
    """
    settings = [getattr(part, "config", None) for part in network.parts()]
    if any(getattr(config, "frequency_bias", False) for config in settings):
        smoothed = counts + 0.5
        network.output_layer.start_at(np.log(smoothed / smoothed.sum()))
