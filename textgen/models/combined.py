"""Networks made of networks: an ensemble, and an encoder with a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textgen.models.base import State


class Ensemble(keras.Model):
    """Networks of the same settings side by side: the mean of what they predict (Hansen & Salamon
    1990).

    Members differ in their first weights and in the units that are dropped. Each learns by its own
    predictions, all from the same batches; only what is scored, and what writes, is the mean. The
    state is a list of theirs, the features are theirs one after another.

    Args:
        members: :class:`textgen.models.network.LayeredNetwork`, two or more.
        name: of the model.
    """

    def __init__(self, members: Sequence[Any], *, name: str) -> None:
        super().__init__(name=name)
        self.members = list(members)
        self.embedding = None
        outputs = [member.output_layer for member in members]
        self.output_layer = None if outputs[0] is None else MeanOutput(outputs)
        self.built = True

    def parts(self) -> tuple[Any, ...]:
        return tuple(self.members)

    def initial_state(self, batch: int) -> State:
        return [member.initial_state(batch) for member in self.members]

    def features(self, inputs: Any, state: State, training: bool = False) -> tuple[Any, State]:
        read = [inputs] * len(self.members)
        if not self.members[0].reads_tokens:  # each has a vector of its own
            read = tf.split(inputs, len(self.members), axis=-1)
        given = zip(self.members, read, state, strict=True)
        found = [member.features(each, own, training) for member, each, own in given]
        return tf.concat([features for features, _ in found], axis=-1), [s for _, s in found]

    def call(self, inputs: Any, state: State, training: bool = False) -> tuple[Any, State]:
        features, state = self.features(inputs, state, training)
        output: Any = self.output_layer
        return output(features), state

    def state_vector(self, state: State) -> Any:
        vectors = zip(self.members, state, strict=True)
        return tf.concat([member.state_vector(own) for member, own in vectors], axis=-1)


class MeanOutput:
    """The mean of several outputs' probabilities, as an output over what all of them read.

    Args:
        outputs: of :mod:`textgen.models.output`, all alike.
    """

    adaptive = has_logits = False  # what is scored or drawn needs the probabilities of all tokens

    def __init__(self, outputs: Sequence[Any]) -> None:
        self._outputs = tuple(outputs)
        self.size, self.head_size = outputs[0].size, outputs[0].head_size

    def __call__(self, features: Any) -> Any:
        """(…, n) float32 → log-probabilities (…, V)."""
        given = zip(self._outputs, self._divided(features), strict=True)
        each = tf.stack([tf.nn.log_softmax(output(own)) for output, own in given])
        return tf.reduce_logsumexp(each, axis=0) - np.float32(np.log(len(self._outputs)))

    def nats(self, features: Any, labels: Any, capacity: int) -> Any:
        """The mean of what each charges, for training: by what the mean charges, a member would
        learn nothing where another one is right."""
        given = zip(self._outputs, self._divided(features), strict=True)
        each = [output.nats(own, labels, capacity) for output, own in given]
        return tf.add_n(each) / len(each)

    def capacity(self, targets: int, share: float) -> int:
        return int(self._outputs[0].capacity(targets, share))

    def start_at(self, logits: np.ndarray) -> None:
        """Make every member's biases give these logits, (V,) float."""
        for output in self._outputs:
            output.start_at(logits)

    def _divided(self, features: Any) -> list[Any]:
        return list(tf.split(features, len(self._outputs), axis=-1))


class SequenceToSequence(keras.Model):
    """An encoder and a decoder of the same backbone (Sutskever, Vinyals & Le 2014); the decoder
    begins with the encoder's last state. The state is the encoder's.
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
