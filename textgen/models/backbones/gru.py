"""Gated recurrent units (Cho et al. 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textgen.models.backbones.recurrent import Recurrent


@dataclass(frozen=True)
class GRU(Recurrent):
    """Layers of gated recurrent units: three products a unit and one state, where an LSTM has four
    and two."""

    gates: ClassVar[int] = 3
    biases: ClassVar[int] = 6  # one for inputs and one for the state
    states: ClassVar[int] = 1

    def layer(self, units: int, name: str) -> Any:
        from textgen.models.backbones.gru_layer import FusedGRU

        return FusedGRU(units, return_sequences=True, return_state=True, name=name)
