"""An encoder and a decoder as one network (Sutskever, Vinyals & Le 2014)."""

from __future__ import annotations

from typing import Any

import keras

from textgen.models.backbones.base import State


class SequenceToSequence(keras.Model):
    """Two networks of the same backbone; the decoder begins with the encoder's last state.

    Its state is the encoder's; see :class:`textgen.models.backbones.base.Network`.
    """

    def __init__(self, encoder: Any, decoder: Any) -> None:
        super().__init__(name="sequence_to_sequence")
        self.encoder, self.decoder = encoder, decoder
        self.output_layer = decoder.output_layer
        self.built = True

    def parts(self) -> tuple[Any, ...]:
        return *self.encoder.parts(), *self.decoder.parts()

    def initial_state(self, batch: int) -> State:
        return self.encoder.initial_state(batch)
