"""What networks read, give and carry, by name. TensorFlow is not imported: it has no types here."""

from collections.abc import Sequence
from typing import Any, TypeAlias

Tensor: TypeAlias = Any  # of TensorFlow
Tensors: TypeAlias = Sequence[Tensor]
# A nest of tensors (batch, …), as ``tf.nest`` understands it.
State: TypeAlias = "Tensor | Sequence[State]"
# What comes of reading tokens: (batch, length, n) float32, and the state after the last of them.
Reading: TypeAlias = tuple[Tensor, State]
# The number of tokens of the text, () int32; the last ones, (batch, before) int32; and a state.
Carry: TypeAlias = tuple[Tensor, Tensor, State]
