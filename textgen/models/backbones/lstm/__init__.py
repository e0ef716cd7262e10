"""Long short-term memory (Hochreiter & Schmidhuber 1997): the default backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textgen.core import Fraction
from textgen.models.backbones.recurrent import Recurrent


@dataclass(frozen=True)
class LSTM(Recurrent):
    """Layers of long short-term memory.

    Args:
        weight_drop: share of the recurrent weights that an update goes without (DropConnect of the
            hidden-to-hidden matrix, Merity, Keskar & Socher 2018).
        forget_bias: whether the forget gates begin with a bias of one (Jozefowicz, Zaremba &
            Sutskever 2015), as they do in Keras by default. With carried states it lets cells run
            away early.
    """

    weight_drop: Fraction = 0.0
    forget_bias: bool = False

    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2

    def layer(self, units: int, name: str) -> Any:
        from textgen.models.backbones.lstm.layer import FusedLSTM

        made = FusedLSTM(
            units,
            return_sequences=True,
            return_state=True,
            unit_forget_bias=self.forget_bias,
            name=name,
        )
        if self.weight_drop:
            made.drop_weights(self.weight_drop)
        return made
