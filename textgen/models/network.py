"""What a network is; that of a backbone of layers: embedding, layers, output; an ensemble of such
networks, an encoder with a decoder, and helpers for any network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import keras
import numpy as np
import tensorflow as tf

from textgen.models.layers import HashedDropout, NGramEmbedding
from textgen.models.output import AdaptiveSoftmax, MeanOutput, Output, Softmax, dense_layer
from textgen.models.types import Network, Reading, State, Tensor

if TYPE_CHECKING:
    from textgen.models.backbones import Backbone


class KerasNetwork(keras.Model):
    """What the networks below share: see :class:`textgen.models.types.Network`."""

    embedding: keras.layers.Layer | None = None
    output_layer: Output
    frequency_bias = False

    @property
    def tables(self) -> tuple[keras.Variable, ...]:
        return ()

    def parts(self) -> tuple[Network, ...]:
        return (self,)

    def initial_state(self, batch: int) -> State:
        raise NotImplementedError

    def features(self, inputs: Tensor, state: State, training: bool = False) -> Reading:
        raise NotImplementedError

    def call(self, inputs: Tensor, state: State, training: bool = False) -> Reading:
        features, state = self.features(inputs, state, training)
        return self.output_layer(features), state

    def state_vector(self, state: State) -> Tensor:
        raise NotImplementedError


class LayeredNetwork(KerasNetwork):
    """Layers between an embedding (or one-hot vectors) and an output layer.

    Its state is a list with a tuple of (batch, …) float32 for every layer, of the shapes that the
    settings say, and one more, the last tokens, where there are n-grams.

    Args:
        config: the settings, which know the layer.
        size: V, number of tokens; frequent ones come first.
        source: ``"tokens"`` reads (B, T) int32; ``"vectors"`` reads (B, T, units[-1]) float32.
        output: whether there is an output layer.
    """

    def __init__(self, config: "Backbone", size: int, source: str, output: bool) -> None:
        super().__init__()
        self.config, self.size, self.source = config, size, source
        self.frequency_bias = config.frequency_bias
        self.ngrams: NGramEmbedding | None = None
        self.projection: keras.layers.Dense | None = None
        self.dropouts = list[HashedDropout]()
        self.recurrent = list[keras.layers.Layer]()
        self.normalisations = list[keras.layers.Layer | None]()
        # layers are made in the order in which they are passed: a seed gives the same weights
        width = config.units[-1] if source == "vectors" else size
        if source == "tokens" and config.input == "embedding":
            width = config.embedding_size
            self.embedding = keras.layers.ReversibleEmbedding(size, width, name="embedding")
            self.embedding.build((None, None))
            if config.ngrams:
                self.ngrams = NGramEmbedding(**vars(config.ngrams), size=width)
        for number, units in enumerate(config.units, start=1):
            drops = config.dropout_between if number > 1 else self.embedding is not None
            self.dropouts.append(HashedDropout(config.dropout * drops))
            self.recurrent.append(config.layer(units, f"recurrent{number}"))
            self.recurrent[-1].build((None, None, width))
            self.normalisations.append(config.normalisation_layer(number))
            if self.normalisations[-1] is not None:
                self.normalisations[-1].build((None, None, units))
            width = units
        self.dropouts.append(HashedDropout(config.dropout * output))
        if output:
            if projected := config.projection_size(size, width):
                self.projection = dense_layer(projected, width, "projection")
                width = projected
            tied = self.embedding if config.tied_output else None
            if levels := config.adaptive(size):
                self.output_layer = AdaptiveSoftmax(size, width, levels, tied)
            else:
                self.output_layer = Softmax(size, width, tied)
        self.built = True

    @property
    def tables(self) -> tuple[keras.Variable, ...]:
        return () if self.ngrams is None else (self.ngrams.table,)

    def initial_state(self, batch: int) -> State:
        state = [tuple(layer.get_initial_state(batch)) for layer in self.recurrent]
        if self.ngrams is not None:
            state.append((tf.zeros((batch, self.ngrams.context)),))
        return state

    def features(self, inputs: Tensor, state: State, training: bool = False) -> Reading:
        x, last_tokens = inputs, state[len(self.recurrent) :]
        if self.embedding is not None:
            x = self.embedding(inputs)
            if self.ngrams is not None:
                vectors, tokens = self.ngrams(inputs, *last_tokens[0], training=training)
                x, last_tokens = x + vectors, [(tokens,)]
        elif self.source == "tokens":
            x = tf.one_hot(inputs, self.size)
        after = []
        layers = zip(self.dropouts, self.recurrent, self.normalisations, state, strict=False)
        for dropout, recurrent, normalisation, before in layers:
            x = dropout(x, training=training)
            x, *states = recurrent(x, initial_state=list(before), training=training)
            x = x if normalisation is None else normalisation(x, training=training)
            after.append(tuple(states))
        x = self.dropouts[-1](x, training=training)
        x = x if self.projection is None else self.projection(x)
        return x, [*after, *last_tokens]

    def state_vector(self, state: State) -> Tensor:
        """The output of the last layer at the last position."""
        return state[len(self.recurrent) - 1][0]


class Ensemble(KerasNetwork):
    """Networks of the same settings side by side: the mean of what they predict (Hansen & Salamon
    1990).

    Members differ in their first weights and in the units that are dropped. Each learns by its own
    predictions, all from the same batches; only what is scored, and what writes, is the mean. The
    state is a list of theirs, the features are theirs one after another.
    """

    def __init__(self, members: Sequence[LayeredNetwork]) -> None:
        super().__init__()
        self.members = list(members)
        if hasattr(members[0], "output_layer"):
            self.output_layer = MeanOutput([member.output_layer for member in members])
        self.built = True

    def parts(self) -> tuple[Network, ...]:
        return tuple(self.members)

    def initial_state(self, batch: int) -> State:
        return [member.initial_state(batch) for member in self.members]

    def features(self, inputs: Tensor, state: State, training: bool = False) -> Reading:
        read = [inputs] * len(self.members)
        if self.members[0].source == "vectors":  # each has a vector of its own
            read = tf.split(inputs, len(self.members), axis=-1)
        members = zip(self.members, read, state, strict=True)
        each = (member.features(own, before, training) for member, own, before in members)
        features, states = zip(*each, strict=True)
        return tf.concat(features, axis=-1), list(states)

    def state_vector(self, state: State) -> Tensor:
        pairs = zip(self.members, state, strict=True)
        return tf.concat([member.state_vector(own) for member, own in pairs], axis=-1)


class SequenceToSequence(KerasNetwork):
    """An encoder and a decoder of the same backbone (Sutskever, Vinyals & Le 2014); the decoder
    begins with the encoder's last state. The state is the encoder's."""

    def __init__(self, encoder: KerasNetwork, decoder: KerasNetwork) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.output_layer = decoder.output_layer
        self.built = True

    def parts(self) -> tuple[Network, ...]:
        return *self.encoder.parts(), *self.decoder.parts()

    def initial_state(self, batch: int) -> State:
        return self.encoder.initial_state(batch)


def compilable(network: Network, gradients: bool = False) -> bool:
    """Whether XLA may compile a function that calls a network.

    It has no cuDNN kernels, which LSTM and GRU use on a GPU, and would undo what makes these train
    fast on a CPU (:mod:`textgen.models.recurrent`).

    Args:
        network: as an objective has built it.
        gradients: whether the function takes its gradients.
    """
    if not gradients and not tf.config.list_logical_devices("GPU"):
        return True
    kinds = (keras.layers.LSTM, keras.layers.GRU)
    layers = cast("keras.Model", network)._flatten_layers()
    return not any(isinstance(layer, kinds) for layer in layers)


def restarted(network: Network, state: State, fresh: Tensor) -> State:
    """The state with the initial one in some of its rows.

    Args:
        network: whose state it is.
        state: tensors (B, …).
        fresh: (B,) or scalar bool: where.
    """

    def choose(before: Tensor, initial: Tensor) -> Tensor:
        return tf.where(tf.reshape(fresh, [-1] + [1] * (len(initial.shape) - 1)), initial, before)

    batch = tf.nest.flatten(state)[0].shape[0]
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
    if any(part.frequency_bias for part in network.parts()):
        smoothed = counts + 0.5
        network.output_layer.start_at(np.log(smoothed / smoothed.sum()))
