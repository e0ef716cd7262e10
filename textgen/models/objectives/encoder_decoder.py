"""Sequence to sequence: read N tokens, write the next M (Sutskever, Vinyals & Le 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textgen.core import Backbone, Count, TextgenError
from textgen.tokenizers import BOUNDARY


@dataclass(frozen=True)
class EncoderDecoder:
    """An encoder stack reads N tokens, a decoder stack starts from its states and writes M.

    Args:
        read: N.
        write: M.
        feedback: the decoder reads the token before the one it predicts. Without it (one-shot)
            it reads the encoder's last output at every position and never learns what was written.
    """

    read: Count = 50
    write: Count = 50
    feedback: bool = True

    @property
    def before(self) -> int:
        return self.read

    @property
    def length(self) -> int:
        return self.write

    @property
    def carries_state(self) -> bool:
        return False

    @property
    def context(self) -> str:
        if self.feedback:
            return f"{self.read} to {self.read + self.write - 1} tokens"
        return f"{self.read} tokens, the last of them 1 to {self.write} back"

    def build(self, settings: Backbone, vocabulary_size: int, lstm: Any) -> Any:
        import keras

        from textgen.models.backbones.stack import stack

        if settings.tied_output and not self.feedback:
            raise TextgenError(
                "backbone.tied_output",
                found="true, with a one-shot decoder",
                expected="false: such a decoder reads no tokens, so there is nothing to tie",
            )
        encoder = stack(settings, vocabulary_size, lstm, logits=False, name="encoder")
        source = "tokens" if self.feedback else "vector"
        decoder = stack(settings, vocabulary_size, lstm, source=source, name="decoder")
        inputs = [
            keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=f"in_{i}")
            for i, tensor in enumerate([*encoder.inputs, decoder.inputs[0]])
        ]
        states = encoder(inputs[:-1])
        return keras.Model(inputs, decoder([inputs[-1], *states])[0], name="encoder_decoder")

    def logits(self, network: Any, spans: Any, states: Any, training: bool) -> tuple[Any, Any]:
        import tensorflow as tf

        spans = tf.maximum(spans, BOUNDARY)
        encoder, decoder = network.get_layer("encoder"), network.get_layer("decoder")
        encoded = encoder([spans[:, : self.read], *states], training=training)
        if self.feedback:
            inputs = spans[:, self.read - 1 : -1]
        else:
            inputs = tf.repeat(encoded[-2][:, None], self.write, axis=1)
        logits, *_ = decoder([inputs, *encoded], training=training)
        return logits, states

    def begin(self, network: Any, settings: Backbone, batch: int) -> Any:
        import tensorflow as tf

        from textgen.models.backbones.stack import zero_states

        recent = tf.fill([batch, self.read], BOUNDARY)
        summary = tf.zeros([batch, settings.units[-1]])
        return tf.constant(0), recent, summary, zero_states(settings, batch)

    def next_logits(self, network: Any, carry: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        position, recent, summary, states = carry
        encoder, decoder = network.get_layer("encoder"), network.get_layer("decoder")

        def encode() -> Any:
            empty = [tf.zeros_like(state) for state in states]
            encoded = encoder([recent, *empty], training=False)
            return encoded[-2], list(encoded)

        summary, states = tf.cond(
            position % self.write == 0, encode, lambda: (summary, list(states))
        )
        inputs = recent[:, -1:] if self.feedback else summary[:, None]
        logits, *states = decoder([inputs, *states], training=False)
        return logits[:, 0], (position, recent, summary, states)

    def append(self, carry: Any, tokens: Any) -> Any:
        import tensorflow as tf

        position, recent, summary, states = carry
        recent = tf.concat([recent[:, 1:], tokens[:, None]], axis=1)
        return position + 1, recent, summary, states
