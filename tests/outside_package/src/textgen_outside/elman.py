"""A backbone of the simplest recurrent units (Elman 1990)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from textgen.models import Recurrent


@dataclass(frozen=True)
class Elman(Recurrent):
    """Layers whose output is fed back to them: one product a unit, one state."""

    states: ClassVar[int] = 1

    def layer(self, units: int, name: str) -> Any:
        import keras

        return keras.layers.SimpleRNN(units, return_sequences=True, return_state=True, name=name)
