"""Sequence to sequence: read N tokens, write the next M (Sutskever, Vinyals & Le 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textgen.core import Count, TextgenError
from textgen.models.backbones.base import BackboneConfig, State
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

    def build(self, backbone: BackboneConfig, vocabulary_size: int) -> Any:
        from textgen.models.sequence_to_sequence import SequenceToSequence

        if not self.feedback and getattr(backbone, "tied_output", False):
            raise TextgenError(
                "backbone.tied_output",
                found="true, with a one-shot decoder",
                expected="false: such a decoder reads no tokens, so there is nothing to tie",
            )
        source = "tokens" if self.feedback else "vectors"
        return SequenceToSequence(
            backbone.build(vocabulary_size, output=False, name="encoder"),
            backbone.build(vocabulary_size, source=source, name="decoder"),
        )

    def features(self, network: Any, spans: Any, state: State, training: bool) -> tuple[Any, State]:
        import tensorflow as tf

        spans = tf.maximum(spans, BOUNDARY)
        _, encoded = network.encoder.features(spans[:, : self.read], state, training)
        if self.feedback:
            inputs = spans[:, self.read - 1 : -1]
        else:
            vector = network.encoder.state_vector(encoded)
            inputs = tf.repeat(vector[:, None], self.write, axis=1)
        features, _ = network.decoder.features(inputs, encoded, training)
        return features, state

    def begin(self, network: Any, batch: int) -> Any:
        import tensorflow as tf

        recent, state = tf.fill([batch, self.read], BOUNDARY), network.initial_state(batch)
        return tf.constant(0), recent, network.encoder.state_vector(state), state

    def next_features(self, network: Any, carry: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        position, recent, vector, state = carry

        def encode() -> Any:
            empty = network.encoder.initial_state(recent.shape[0])
            _, encoded = network.encoder.features(recent, empty)
            return network.encoder.state_vector(encoded), encoded

        vector, state = tf.cond(position % self.write == 0, encode, lambda: (vector, state))
        inputs = recent[:, -1:] if self.feedback else vector[:, None]
        features, state = network.decoder.features(inputs, state)
        return features[:, 0], (position, recent, vector, state)

    def append(self, carry: Any, tokens: Any) -> Any:
        import tensorflow as tf

        position, recent, vector, state = carry
        recent = tf.concat([recent[:, 1:], tokens[:, None]], axis=1)
        return position + 1, recent, vector, state
