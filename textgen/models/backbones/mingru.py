"""Minimal gated recurrent units (Feng et al. 2024, "Were RNNs All We Needed?")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textgen.models.backbones.recurrent import Recurrent


@dataclass(frozen=True)
class MinGRU(Recurrent):
    """Layers whose gate and candidate see the input alone, h[t] = (1 − z[t]) h[t−1] + z[t] c[t], so
    that a whole window is computed at once; a single layer is linear in what it remembers."""

    gates: ClassVar[int] = 2
    states: ClassVar[int] = 1

    def layer(self, units: int, name: str) -> Any:
        from textgen.models.backbones.scan import MinGRULayer

        return MinGRULayer(units, name)

    def layer_weights(self, below: int, units: int) -> int:
        return self.gates * units * (below + 1)
