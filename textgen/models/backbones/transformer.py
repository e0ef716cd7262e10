"""Attention to the last tokens (Vaswani et al. 2017), with keys and values carried along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textgen.core import Count
from textgen.models.backbones.stacked import Stacked

WIDER = 4
"""The layer inside a block is so many times as wide as the block."""


@dataclass(frozen=True)
class Transformer(Stacked):
    """Blocks of causal attention and a feed-forward layer, each behind a normalisation and added to
    what it read.

    Every position attends to the last ``context`` tokens, itself included, in every layer, so that
    tokens further back act through the layers between. Keys and values of earlier windows are
    carried along as in Transformer-XL (Dai et al. 2019): how a text is cut into windows changes no
    prediction. Positions are relative, by rotation (Su et al. 2021); normalisation is by the root
    mean square (Zhang & Sennrich 2019); the activation is a squared ReLU (So et al. 2021); layers
    have no bias.

    Args:
        units: width of each block; where it changes, a dense layer comes before the block.
        context: tokens that a position attends to in a layer.
        head_size: units of a head of attention; a block has as many heads as fit into its width,
            and one at least.

    Raises:
        ValueError: heads of an odd size, whose units cannot be rotated in pairs.
    """

    units: tuple[Count, ...] = (128, 128, 128, 128)
    context: Count = 128
    head_size: Count = 32

    dropout_between: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head_size % 2:
            raise ValueError(f"head_size is {self.head_size}: it must be even")

    @property
    def label(self) -> str:
        return f"{super().label}, {self.context} tokens of context"

    def heads(self, units: int) -> int:
        return max(1, units // self.head_size)

    def layer(self, units: int, name: str) -> Any:
        from textgen.models.backbones.attention import Block

        return Block(self, units, name)

    def layer_weights(self, below: int, units: int) -> int:
        attention = 4 * units * self.heads(units) * self.head_size
        forward = 2 * WIDER * units * units
        return attention + forward + 2 * units + (below != units) * below * units

    def state_shapes(self, units: int) -> tuple[tuple[int, ...], ...]:
        kept = (self.heads(units), self.context - 1, self.head_size)
        return (units,), kept, kept, (1,)

    def normalisation_layer(self, number: int) -> Any:
        import keras

        if not self.normalisation_weights(number):
            return None
        return keras.layers.RMSNormalization(name=f"normalisation{number}")

    def normalisation_weights(self, number: int) -> int:
        return int(number == len(self.units))
