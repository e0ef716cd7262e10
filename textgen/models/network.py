"""What a network is; that of a backbone of layers: embedding, layers, output; an ensemble of such
networks, an encoder with a decoder, and helpers for any network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from textgen.core.errors import TextgenError
from textgen.core.registry import lookup, plugin_table
from textgen.core.validation import Plugin, plain
from textgen.models.layers import HashedDropout, NGramEmbedding
from textgen.models.output import AdaptiveSoftmax, MeanOutput, Output, Softmax, dense_layer
from textgen.models.types import Config, Network, Reading, State, Tensor

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


@keras.saving.register_keras_serializable(package="textgen")
class LayeredNetwork(KerasNetwork):
    """Layers between an embedding (or one-hot vectors) and an output layer.

    Its state is a list with a tuple of (batch, …) float32 for every layer, of the shapes that the
    settings say, and one more, the last tokens, where there are n-grams. An encoder without an
    output keeps as many tokens as the decoder's n-grams reach back.

    Args:
        config: the settings, which know the layer.
        size: V, number of tokens; frequent ones come first.
        source: ``"tokens"`` reads (B, T) int32; ``"vectors"`` reads (B, T, units[-1]) float32.
        output: whether there is an output layer.
    """

    def __init__(self, config: "Backbone", size: int, source: str, output: bool) -> None:
        super().__init__()
        self.config = config
        self.size = size
        self.source = source
        self.has_output = output
        self.frequency_bias = config.frequency_bias
        self.ngrams: NGramEmbedding | None = None
        self.output_ngrams: NGramEmbedding | None = None
        self.projection: keras.layers.Dense | None = None
        self.dropouts = list[HashedDropout]()
        # recurrent layers, or blocks of a transformer: stored weights have the name of the first
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
            is_behind_embedding = number == 1 and self.embedding is not None
            is_between = number > 1 and config.dropout_between
            has_dropout = is_behind_embedding or is_between
            self.dropouts.append(HashedDropout(config.dropout if has_dropout else 0.0))
            layer = config.layer(units, f"recurrent{number}")
            layer.build((None, None, width))
            self.recurrent.append(layer)
            normalisation = config.normalisation_layer(number)
            if normalisation is not None:
                normalisation.build((None, None, units))
            self.normalisations.append(normalisation)
            width = units
        self.dropouts.append(HashedDropout(config.dropout if output else 0.0))
        if output:
            self._build_output(width)
        self.built = True

    def _build_output(self, width: int) -> None:
        """The output layer over features of a width, behind a projection where there is one."""
        config, size = self.config, self.size
        projected = config.projection_size(size, width)
        if projected:
            self.projection = dense_layer(projected, width, "projection")
            width = projected
        if config.output_ngrams:
            settings = vars(config.output_ngrams)
            self.output_ngrams = NGramEmbedding(**settings, size=width, name="output_ngrams")
        tied = self.embedding if config.tied_output else None
        levels = config.adaptive(size)
        if levels:
            self.output_layer = AdaptiveSoftmax(size, width, levels, tied)
        else:
            self.output_layer = Softmax(size, width, tied)

    def get_config(self) -> Config:
        return {
            "backbone": {"kind": _kind_of(self.config), **plain(self.config)},
            "size": self.size,
            "source": self.source,
            "output": self.has_output,
        }

    @classmethod
    def from_config(cls, config: Config) -> "LayeredNetwork":
        backbone = Plugin("backbone").make(config["backbone"])
        return cls(backbone, config["size"], config["source"], config["output"])

    @property
    def tables(self) -> tuple[keras.Variable, ...]:
        layers = (self.ngrams, self.output_ngrams)
        return tuple(layer.table for layer in layers if layer is not None)

    @property
    def _looks_back(self) -> bool:
        """Whether the last tokens are a part of the state."""
        has_ngrams = self.config.ngrams or self.config.output_ngrams
        return bool(has_ngrams) and self.source == "tokens"

    def initial_state(self, batch: int) -> State:
        state = [tuple(layer.get_initial_state(batch)) for layer in self.recurrent]
        if self._looks_back:
            settings = (self.config.ngrams, self.config.output_ngrams)
            longest = max(max(each.orders) for each in settings if each)
            state.append((tf.zeros((batch, longest - 1)),))
        return state

    def features(self, inputs: Tensor, state: State, training: bool = False) -> Reading:
        after = list[State]()
        x = self._vectors(inputs)  # (B, T, n)
        if self._looks_back:
            (last_tokens,) = state[-1]
            read = [tf.cast(last_tokens, tf.int32), tf.cast(inputs, tf.int32)]
            text = tf.concat(read, axis=1)
            length = tf.shape(inputs)[1]
        if self.ngrams is not None:
            x += self.ngrams(text, length=length, training=training)
        for number, layer in enumerate(self.recurrent):
            x = self.dropouts[number](x, training=training)
            before = list(state[number])
            x, *states = layer(x, initial_state=before, training=training)
            normalisation = self.normalisations[number]
            if normalisation is not None:
                x = normalisation(x, training=training)
            after.append(tuple(states))
        if self._looks_back:
            after.append((tf.cast(text[:, length:], tf.float32),))
        else:
            # what is left of the state: of a decoder of vectors, the last tokens that its encoder
            # read, if that has n-grams
            passed_on = state[len(self.recurrent) :]
            after += passed_on
        x = self.dropouts[-1](x, training=training)
        if self.projection is not None:
            x = self.projection(x)
        if self.output_ngrams is not None:
            x += self.output_ngrams(text, length=length, training=training)
        return x, after

    def _vectors(self, inputs: Tensor) -> Tensor:
        """What the first layer reads, (B, T, n) float32."""
        if self.source == "vectors":
            return inputs
        if self.embedding is None:
            return tf.one_hot(inputs, self.size)
        return self.embedding(inputs)

    def state_vector(self, state: State) -> Tensor:
        """The output of the last layer at the last position."""
        of_last_layer = state[len(self.recurrent) - 1]
        return of_last_layer[0]


@keras.saving.register_keras_serializable(package="textgen")
class Ensemble(KerasNetwork):
    """Networks of the same settings side by side: the mean of what they predict (Hansen & Salamon
    1990).

    Members differ in their first weights and in the units that are dropped. Each learns by its own
    predictions, all from the same batches; only what is scored, and what writes, is the mean. The
    state is a list of theirs, the features are theirs one after another.

    Args:
        members: at least one.
    """

    def __init__(self, members: Sequence[LayeredNetwork]) -> None:
        super().__init__()
        self.members = list(members)
        if members[0].has_output:
            self.output_layer = MeanOutput([member.output_layer for member in members])
        self.built = True

    def get_config(self) -> Config:
        members = [keras.saving.serialize_keras_object(member) for member in self.members]
        return {"members": members}

    @classmethod
    def from_config(cls, config: Config) -> "Ensemble":
        members = config["members"]
        return cls([keras.saving.deserialize_keras_object(member) for member in members])

    def parts(self) -> tuple[Network, ...]:
        return tuple(self.members)

    def initial_state(self, batch: int) -> State:
        return [member.initial_state(batch) for member in self.members]

    def features(self, inputs: Tensor, state: State, training: bool = False) -> Reading:
        number = len(self.members)
        read_by_each = [inputs] * number
        if self.members[0].source == "vectors":  # (B, T, number · n): to each the vectors it made
            read_by_each = tf.split(inputs, number, axis=-1)
        features, states = [], []
        for member, read, before in zip(self.members, read_by_each, state, strict=True):
            of_member, after = member.features(read, before, training)
            features.append(of_member)
            states.append(after)
        return tf.concat(features, axis=-1), states

    def state_vector(self, state: State) -> Tensor:
        pairs = zip(self.members, state, strict=True)
        return tf.concat([member.state_vector(of_member) for member, of_member in pairs], axis=-1)


@keras.saving.register_keras_serializable(package="textgen")
class SequenceToSequence(KerasNetwork):
    """An encoder and a decoder of the same backbone (Sutskever, Vinyals & Le 2014); the decoder
    begins with the encoder's last state. The state is the encoder's."""

    def __init__(self, encoder: KerasNetwork, decoder: KerasNetwork) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.output_layer = decoder.output_layer
        self.built = True

    def get_config(self) -> Config:
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
        }

    @classmethod
    def from_config(cls, config: Config) -> "SequenceToSequence":
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        decoder = keras.saving.deserialize_keras_object(config["decoder"])
        return cls(encoder, decoder)

    def parts(self) -> tuple[Network, ...]:
        return *self.encoder.parts(), *self.decoder.parts()

    def initial_state(self, batch: int) -> State:
        return self.encoder.initial_state(batch)


def _kind_of(backbone: "Backbone") -> str:
    """The kind of a backbone, as an experiment file names it.

    Raises:
        TextgenError: no installed package gives these settings a name.
    """
    for kind in plugin_table("backbone"):
        if lookup("backbone", kind) is type(backbone):
            return kind
    message = f"a network of {type(backbone).__name__} cannot be saved with its structure"
    hint = "bring the backbone by an entry point textgen.backbone, or save the weights alone"
    raise TextgenError(message, hint)


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
