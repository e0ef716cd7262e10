"""Settings that recurrent backbones share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from textgen.models.backbones.stacked import Stacked

NORMALISATION = {"none": 0, "layer": 2, "batch": 4}
"""Weights a unit."""


@dataclass(frozen=True)
class Recurrent(Stacked):
    """Layers of recurrent units.

    Args:
        normalisation: of what layers put out: each position over its units (Ba, Kiros & Hinton
            2016), or each unit over the batch's positions and, once trained, by running averages
            (Ioffe & Szegedy 2015).
    """

    normalisation: Literal["none", "layer", "batch"] = "none"

    gates: ClassVar[int]
    """Products of matrices a unit."""
    biases: ClassVar[int] = 0
    """Of a unit, if they are not as many as its gates."""
    states: ClassVar[int]
    """Vectors that a layer carries from token to token."""

    def layer_weights(self, below: int, units: int) -> int:
        return units * (self.gates * (below + units) + (self.biases or self.gates))

    def state_shapes(self, units: int) -> tuple[tuple[int, ...], ...]:
        return ((units,),) * self.states

    def normalisation_layer(self, number: int) -> Any:
        import keras

        if not self.normalisation_weights(number):
            return None
        name = f"normalisation{number}"
        if self.normalisation == "layer":
            return keras.layers.LayerNormalization(name=name)
        return keras.layers.BatchNormalization(name=name)

    def normalisation_weights(self, number: int) -> int:
        return NORMALISATION[self.normalisation]
