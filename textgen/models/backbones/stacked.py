"""Settings that backbones of several layers share: what stands before and behind the layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from textgen.core import Count, Fraction


@dataclass(frozen=True)
class Adaptive:
    """An adaptive softmax: the ``head`` most frequent tokens, and all others through ``tail_size``
    dimensions (see :class:`textgen.models.output.AdaptiveSoftmax`)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    head: Count = 2000
    tail_size: Count = 64

    def applies(self, vocabulary_size: int) -> bool:
        """A tail of a single token would save nothing."""
        return vocabulary_size > self.head + 1


@dataclass(frozen=True)
class NGrams:
    """Vectors of the last n tokens for n in ``orders``, in a table of ``rows`` that they share; a
    share ``dropout`` of them is left out while training (see
    :class:`textgen.models.backbones.ngrams.NGramEmbedding`)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    orders: Annotated[tuple[Annotated[int, Field(ge=2, le=32)], ...], Field(min_length=1)] = (
        2, 3, 4, 5, 6,
    )  # fmt: skip
    rows: Count = 131_072
    dropout: Fraction = 0.0


@dataclass(frozen=True)
class Stacked:
    """Layers of units between an embedding and an output.

    Args:
        units: of each layer.
        input: ``"one_hot"`` vectors of the vocabulary's size, or an ``"embedding"``.
        embedding_size: of the vectors of an embedding.
        dropout: share of the units dropped between layers, before the output, and of the vectors of
            an embedding.
        locked_dropout: the same units for all positions of a window (Gal & Ghahramani 2016).
        projection: a dense layer without activation before the output layer, of so many units or,
            as in the article, of as many as there are tokens (``"vocabulary"``); false: none.
        tied_output: the output layer takes the embedding's vectors (Press & Wolf 2017).
        adaptive_softmax: ``{ head, tail_size }`` for large vocabularies, or false; a vocabulary
            hardly larger than its head has a plain softmax all the same.
        frequency_bias: the output's bias begins at the log-frequencies of the training tokens, so
            that the first updates need not learn them; false: at zero, and a tied output has none.
        ngrams: ``{ orders, rows, dropout }`` of vectors of the last few tokens together, which are
            added to those of the embedding, or false.
        members: so many networks are trained at once, and the mean of their predictions is scored
            (see :class:`textgen.models.backbones.ensemble.Ensemble`).

    Raises:
        ValueError: n-grams or a tied output without an embedding, or a projection of the tied
            output's own.
    """

    units: Annotated[tuple[Count, ...], Field(min_length=1)] = (320,)
    input: Literal["one_hot", "embedding"] = "one_hot"
    embedding_size: Count = 64
    dropout: Fraction = 0.0
    locked_dropout: bool = False
    projection: Count | Literal["vocabulary", False] = False
    tied_output: bool = False
    adaptive_softmax: Adaptive | Literal[False] = False
    frequency_bias: bool = True
    ngrams: NGrams | Literal[False] = False
    members: Count = 1

    dropout_between: ClassVar[bool] = True
    """Whether units are dropped between layers, or by the layers themselves."""

    def __post_init__(self) -> None:
        for name in ("tied_output", "ngrams"):
            if getattr(self, name) and self.input != "embedding":
                raise ValueError(f'{name} needs input = "embedding"')
        if self.tied_output and self.projection:
            raise ValueError("tied_output has a projection of its own: projection must be false")

    def layer(self, units: int, name: str) -> Any:
        """One Keras layer: (B, T, n), states → (B, T, units), states."""
        raise NotImplementedError

    def layer_weights(self, below: int, units: int) -> int:
        """Weights of a layer that reads ``below`` units."""
        raise NotImplementedError

    def state_shapes(self, units: int) -> tuple[tuple[int, ...], ...]:
        """Of what a layer carries from token to token, without the batch; the first is its output
        at the last position."""
        raise NotImplementedError

    def normalisation_layer(self, number: int) -> Any:
        """The Keras layer behind a layer, counted from 1, that normalises its output, or None."""
        return None

    def normalisation_weights(self, number: int) -> int:
        """Of that, for each unit."""
        return 0

    @property
    def embedding_width(self) -> int | None:
        return self.embedding_size if self.input == "embedding" else None

    @property
    def label(self) -> str:
        one = f"{type(self).__name__} of {' + '.join(map(str, self.units))} units"
        return one if self.members == 1 else f"ensemble of {self.members}, each {one}"

    def build(
        self,
        vocabulary_size: int,
        *,
        source: str = "tokens",
        output: bool = True,
        name: str = "backbone",
    ) -> Any:
        from textgen.models.backbones.ensemble import Ensemble
        from textgen.models.backbones.stack import LayerStack

        def one(name: str) -> Any:
            return LayerStack(self, vocabulary_size, source=source, output=output, name=name)

        if self.members == 1:
            return one(name)
        return Ensemble([one(f"member{i + 1}") for i in range(self.members)], name=name)

    def projection_size(self, vocabulary_size: int, width: int) -> int | None:
        """Units of the dense layer between ``width`` units and the output layer, if there is one:
        an output that is tied to an embedding of another size needs one."""
        if self.tied_output:
            return None if width == self.embedding_size else self.embedding_size
        return vocabulary_size if self.projection == "vocabulary" else self.projection or None

    def adaptive(self, vocabulary_size: int) -> Adaptive | None:
        """The adaptive softmax of a vocabulary of this size, if it has one."""
        found = self.adaptive_softmax or None
        return found if found and found.applies(vocabulary_size) else None

    def footprint(self, vocabulary_size: int, targets: int) -> tuple[int, int]:
        """Logits count three times (value, exponential, gradient), those of an adaptive softmax
        with the whole head and a quarter of the tail; one-hot inputs are as large as logits once.
        """
        size, width = vocabulary_size, self.embedding_size
        one_hot = self.input == "one_hot"
        weights = 0 if one_hot else size * width
        weights += self.ngrams.rows * width if self.ngrams else 0
        below = size if one_hot else width
        for number, units in enumerate(self.units, start=1):
            weights += self.layer_weights(below, units)
            weights += self.normalisation_weights(number) * units
            below = units
        row = size
        if projection := self.projection_size(size, below):
            weights += (below + 1) * projection
            below = projection
        if adaptive := self.adaptive(size):
            head, tail = adaptive.head, size - adaptive.head
            row = head + 1 + tail // 4
            narrow = (below + tail) * adaptive.tail_size + tail
            tied = width + 1 + size * self.frequency_bias
            weights += tied if self.tied_output else (below + 1) * (head + 1) + narrow
        else:
            weights += size * self.frequency_bias if self.tied_output else (below + 1) * size
        activations = targets * (3 * row + one_hot * size)
        return self.members * weights, self.members * activations
