"""Settings that layers and backbones share."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from textgen.core.settings import Fraction

# Rows or columns of a matrix.
Size = Annotated[int, Field(gt=0, le=1_000_000)]
# The numbers n of n-grams.
Orders = Annotated[tuple[Annotated[int, Field(ge=2, le=32)], ...], Field(min_length=1)]


@dataclass(frozen=True)
class Adaptive:
    """An adaptive softmax: the ``head`` most frequent tokens, and the rest through ``tail_size``
    dimensions (see :class:`textgen.models.output.AdaptiveSoftmax`)."""

    head: Size = 2000
    tail_size: Size = 64


@dataclass(frozen=True)
class NGrams:
    """Vectors of the last n tokens (see :class:`textgen.models.layers.NGramEmbedding`).

    A decoder that reads tokens begins with the one that its encoder read last. It stands twice in
    the decoder's first n-grams: as the encoder's last token and as the decoder's first.

    Args:
        orders: the numbers n of tokens.
        rows: of the table that all of them share.
        dropout: share of the vectors that is left out while training.
    """

    orders: Orders = (2, 3, 4, 5, 6)
    rows: Annotated[int, Field(gt=0, le=1 << 30)] = 131_072
    dropout: Fraction = 0.0
