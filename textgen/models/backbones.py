"""PLUG-IN: what reads token ids one after another and carries a state along.

Here are the settings of textgen's own backbones: layers between an embedding and an output, which
:mod:`textgen.models.network` builds. What the rest of textgen asks a backbone for is its ``label``,
its ``embedding_width`` and, from its ``build``, a :class:`textgen.models.types.Network`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from textgen.core.errors import TextgenError
from textgen.core.settings import Fraction
from textgen.models.settings import Adaptive, NGrams, Size

if TYPE_CHECKING:
    import keras

    from textgen.models.network import KerasNetwork

TABLE = {"lstm": "LSTM", "gru": "GRU", "mingru": "MinGRU", "transformer": "Transformer"}
Units = Annotated[tuple[Size, ...], Field(min_length=1, max_length=100)]


@dataclass(frozen=True)
class Backbone:
    """Layers of units between an embedding and an output.

    Args:
        units: number of units of each layer.
        input: ``"one_hot"`` vectors of the vocabulary's size, or an ``"embedding"``.
        embedding_size: size of the embedding vectors.
        dropout: share of units dropped between layers, before the output, and in the vectors of an
            embedding.
        projection: units of a dense layer without activation before the output layer;
            ``"vocabulary"``, as in the article: one unit per token; false: no such layer.
        tied_output: the output layer takes the embedding's vectors (Press & Wolf 2017); if
            their size differs, through a dense layer without activation.
        adaptive_softmax: ``{ head, tail_size }`` for large vocabularies, or false; a vocabulary
            hardly larger than the head still has a plain softmax.
        frequency_bias: start the output's bias at the log-frequencies of the training tokens, so
            that the first updates need not learn them; false: start at zero.
        ngrams: ``{ orders, rows, dropout }`` for vectors of the n-grams that the last tokens form,
            which are added to the embedding; or false.
        output_ngrams: the same, added to what the output layer reads; or false.
        members: number of networks trained together; the mean of their predictions is scored
            (see :class:`textgen.models.network.Ensemble`).

    Raises:
        ValueError: n-grams or a tied output without an embedding, or a tied output behind a
            projection.
    """

    units: Units = (320,)
    input: Literal["one_hot", "embedding"] = "one_hot"
    embedding_size: Size = 64
    dropout: Fraction = 0.0
    projection: Size | Literal["vocabulary", False] = False
    tied_output: bool = False
    adaptive_softmax: Adaptive | Literal[False] = False
    frequency_bias: bool = True
    ngrams: NGrams | Literal[False] = False
    output_ngrams: NGrams | Literal[False] = False
    members: Annotated[int, Field(gt=0, le=100)] = 1

    # whether units are dropped between layers, or by the layers themselves
    dropout_between: ClassVar[bool] = True
    # what the JavaScript of pages calls its layers, if it can compute them
    portable_cell: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        if self.tied_output and self.input != "embedding":
            raise ValueError('tied_output needs input = "embedding"')
        if self.ngrams and self.input != "embedding":
            raise ValueError('ngrams needs input = "embedding"')
        if self.tied_output and self.projection:
            raise ValueError("tied_output needs projection = false")

    def layer(self, units: int, name: str) -> "keras.layers.Layer":
        """One Keras layer: (B, T, n) float32, states → (B, T, units) float32, states. The first
        state is the output at the last position. ``get_initial_state(B)`` returns zeros."""
        raise NotImplementedError

    def normalisation_layer(self, number: int) -> "keras.layers.Layer | None":
        """The Keras layer behind a layer, counted from 1, that normalises its output, or None."""
        return None

    @property
    def embedding_width(self) -> int | None:
        """Size of the vectors of the embedding layer; None where there is no such layer."""
        return self.embedding_size if self.input == "embedding" else None

    @property
    def label(self) -> str:
        """What it is, for people: ``"LSTM of 320 units"``."""
        units = " + ".join(str(number) for number in self.units)
        name = f"{type(self).__name__} of {units} units"
        if self.ngrams or self.output_ngrams:
            name += ", with n-gram vectors"
        if self.members > 1:
            name = f"ensemble of {self.members}, each {name}"
        return name

    def build(self, size: int, *, source: str = "tokens", output: bool = True) -> "KerasNetwork":
        """A new network.

        Args:
            size: V, number of tokens; frequent ones come first.
            source: ``"tokens"``, or ``"vectors"`` of the size of a state vector.
            output: whether there is an output layer.

        Raises:
            TextgenError: a tied output, or n-grams before it, of a network that reads vectors.
        """
        from textgen.models.network import Ensemble, LayeredNetwork

        if source == "vectors" and self.tied_output:
            hint = "a one-shot decoder reads no tokens, so there is nothing to tie"
            raise TextgenError("backbone.tied_output must be false", hint)
        if source == "vectors" and self.output_ngrams:
            hint = "a one-shot decoder reads no tokens, which form n-grams"
            raise TextgenError("backbone.output_ngrams must be false", hint)
        members = [LayeredNetwork(self, size, source, output) for _ in range(self.members)]
        return members[0] if self.members == 1 else Ensemble(members)

    def projection_size(self, vocabulary_size: int, width: int) -> int | None:
        """Units of the dense layer between ``width`` units and the output layer, if any."""
        if self.tied_output:
            return None if width == self.embedding_size else self.embedding_size
        if self.projection == "vocabulary":
            return vocabulary_size
        return self.projection or None

    def adaptive(self, vocabulary_size: int) -> Adaptive | None:
        """The adaptive softmax, unless it has none, or a tail of at most one token."""
        if not self.adaptive_softmax or vocabulary_size <= self.adaptive_softmax.head + 1:
            return None
        return self.adaptive_softmax


@dataclass(frozen=True)
class Recurrent(Backbone):
    """Layers of recurrent units.

    Args:
        normalisation: ``"layer"`` normalises layer outputs over the units of each position (Ba,
            Kiros & Hinton 2016), ``"batch"`` each unit over the batch's positions and, once
            trained, by running averages (Ioffe & Szegedy 2015).
    """

    normalisation: Literal["none", "layer", "batch"] = "none"

    def normalisation_layer(self, number: int) -> "keras.layers.Layer | None":
        import keras

        name = f"normalisation{number}"
        if self.normalisation == "layer":
            return keras.layers.LayerNormalization(name=name)
        if self.normalisation == "batch":
            return keras.layers.BatchNormalization(name=name)
        return None


@dataclass(frozen=True)
class LSTM(Recurrent):
    """Layers of long short-term memory (Hochreiter & Schmidhuber 1997): the default.

    Args:
        forget_bias: whether the forget gates begin with a bias of one (Jozefowicz, Zaremba &
            Sutskever 2015), as they do in Keras by default. With carried states this bias makes
            cells diverge early.
    """

    forget_bias: bool = False

    portable_cell: ClassVar[str | None] = "lstm"

    def layer(self, units: int, name: str) -> "keras.layers.Layer":
        from textgen.models.recurrent import UnrolledLSTM

        return UnrolledLSTM(units, unit_forget_bias=self.forget_bias, name=name)


@dataclass(frozen=True)
class GRU(Recurrent):
    """Layers of gated recurrent units (Cho et al. 2014): three products and one state per
    unit, where an LSTM has four products and two states."""

    portable_cell: ClassVar[str | None] = "gru"

    def layer(self, units: int, name: str) -> "keras.layers.Layer":
        from textgen.models.recurrent import UnrolledGRU

        return UnrolledGRU(units, name=name)


@dataclass(frozen=True)
class MinGRU(Recurrent):
    """Layers of minimal gated recurrent units (Feng et al. 2024, "Were RNNs All We Needed?"): gate
    and candidate see the input alone, h[t] = (1 − z[t]) h[t−1] + z[t] c[t], so that a whole window
    is computed at once; a single layer is linear in its state."""

    portable_cell: ClassVar[str | None] = "mingru"

    def layer(self, units: int, name: str) -> "keras.layers.Layer":
        from textgen.models.recurrent import MinGRULayer

        return MinGRULayer(units, name)


@dataclass(frozen=True)
class Transformer(Backbone):
    """Blocks of causal attention (Vaswani et al. 2017) and a feed-forward layer, each behind a
    normalisation and added to what it read.

    Every position attends to the last ``context`` tokens, itself included, in every layer, so that
    tokens further back act through the layers between. Keys and values of earlier windows are
    carried along as in Transformer-XL (Dai et al. 2019): how a text is cut into windows changes no
    prediction. Positions are relative, by rotation (Su et al. 2021); normalisation is by the root
    mean square (Zhang & Sennrich 2019); the activation is a squared ReLU (So et al. 2021); layers
    have no bias.

    Args:
        units: width of each block; where it changes, a dense layer comes before the block.
        context: tokens that a position attends to in a layer.
        head_size: units per attention head, an even number, as they are rotated in pairs; a block
            has as many heads as fit into its width, and at least one.
    """

    units: Units = (128, 128, 128, 128)
    context: Size = 128
    head_size: Annotated[Size, Field(multiple_of=2)] = 32

    dropout_between: ClassVar[bool] = False

    @property
    def label(self) -> str:
        return f"{super().label}, {self.context} tokens of context"

    def heads(self, units: int) -> int:
        """Attention heads of a block of so many units."""
        return max(1, units // self.head_size)

    def layer(self, units: int, name: str) -> "keras.layers.Layer":
        from textgen.models.transformer import Block

        heads = self.heads(units)
        return Block(units, heads, self.head_size, self.context, self.dropout, name)

    def normalisation_layer(self, number: int) -> "keras.layers.Layer | None":
        import keras

        if number < len(self.units):  # blocks normalise what they read themselves
            return None
        return keras.layers.RMSNormalization(name=f"normalisation{number}")
