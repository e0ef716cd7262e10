"""PLUG-IN: what is predicted from what: windows, targets, scoring, generation.

``next_token`` and ``shifted`` make one prediction for every token read: of the next one, or of the
one s further on. ``shifted`` with shift s reads x[t−s] last when it predicts x[t]. With s equal to
the window the target is the next window, position by position without feedback: the article's
10 → 10 run. With s = 1 it is next-token prediction in windows that know nothing of each other: what
the article's 50 → 50 and 30 → 30 runs were, as its author's code shows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias, TypeVar, cast

from textgen.core.randomness import seeded
from textgen.core.settings import Count
from textgen.core.tokens import BOUNDARY
from textgen.models.backbones import Backbone
from textgen.models.graphs import restarted
from textgen.models.types import Carry, Network, Reading, State, Tensor

if TYPE_CHECKING:
    from textgen.models.network import SequenceToSequence

TABLE = {"next_token": "NextToken", "shifted": "Shifted", "encoder_decoder": "EncoderDecoder"}

Compiled = TypeVar("Compiled")
Build: TypeAlias = Callable[["Objective", Network], Compiled]


class Objective(Protocol):
    """How the text is cut into spans and what the network does with one.

    A span is ``before`` tokens of context followed by ``length`` targets. Targets tile a document
    without gap or overlap, so every token is charged exactly once. The probability of a target
    depends on earlier tokens only, which makes the product a distribution over documents.

    Text is generated token by token: ``begin`` gives a carry, ``next_features`` what the output
    layer reads for the next token, ``append`` the carry after it was written. A carry is the number
    of tokens, the last ``before`` of them, and a state.

    Attributes:
        carries_state: whether the state goes on from one span of a document to the next.
        fixed_windows: whether windows begin at the same places in every epoch.
    """

    carries_state: ClassVar[bool] = False
    fixed_windows: bool = False

    @property
    def before(self) -> int:
        """Tokens of context that a span begins with."""

    @property
    def length(self) -> int:
        """Targets of a span."""

    @property
    def context(self) -> str:
        """How much earlier text a prediction sees, in words for the reports."""

    def build(self, backbone: Backbone, vocabulary_size: int) -> Network:
        """A new network."""
        return backbone.build(vocabulary_size)

    def measure(self, backbone: Backbone, vocabulary_size: int) -> tuple[int, int, int]:
        """Weights of a network, how many of them are in tables, and the logits that it computes for
        a target: it is built in a graph, where weights take no memory."""
        import tensorflow as tf

        with tf.Graph().as_default(), seeded(0):
            network = self.build(backbone, vocabulary_size)
            in_tables = sum(math.prod(t.shape) for part in network.parts() for t in part.tables)
            return network.count_params(), in_tables, network.output_layer.width

    def features(self, network: Network, spans: Tensor, state: State, training: bool) -> Reading:
        """What the output layer reads at every target.

        Args:
            network: as :meth:`build` made it.
            spans: (B, before + length) int32.
            state: before the span.
            training: whether dropout and the like are at work.

        Returns:
            (B, length, n) float32, and the state after the span.
        """

    def begin(self, network: Network, batch: int) -> Carry:
        """The carry before the first token of a document."""
        import tensorflow as tf

        recent = tf.fill([batch, self.before], BOUNDARY)
        return tf.constant(0), recent, network.initial_state(batch)

    def next_features(self, network: Network, carry: Carry) -> tuple[Tensor, Carry]:
        """What the output layer reads for the next token, (B, n) float32, and the carry with what
        was computed."""

    def append(self, carry: Carry, tokens: Tensor) -> Carry:
        """The carry after the tokens (B,) int32 have been written."""
        import tensorflow as tf

        position, recent, state = carry
        return position + 1, tf.concat([recent[:, 1:], tokens[:, None]], axis=1), state


def compiled_once(build: Build[Compiled]) -> Build[Compiled]:
    """A function of (objective, network) whose result is kept with the network: what it compiles
    is compiled once."""

    @wraps(build)
    def get(objective: Objective, network: Network) -> Compiled:
        # not set as an attribute, which Keras would take for a part of the network
        results = network.__dict__.setdefault("_compiled_steps", {})
        key = build.__name__, objective
        if key not in results:
            results[key] = build(objective, network)
        return results[key]

    return get


@dataclass(frozen=True)
class NextToken(Objective):
    """The next token, with the state carried through a document and reset between documents.

    Args:
        window: steps of truncated backpropagation through time (Williams & Peng 1990).
    """

    window: Count = 64

    shift = 1  # how much further on the target is than the token that is read with it
    carries_state = True

    @property
    def before(self) -> int:
        return self.shift

    @property
    def length(self) -> int:
        return self.window

    @property
    def context(self) -> str:
        return "all earlier tokens of the document"

    def features(self, network: Network, spans: Tensor, state: State, training: bool) -> Reading:
        import tensorflow as tf

        read = spans[:, : -self.before]  # (B, length)
        return network.features(tf.maximum(read, BOUNDARY), state, training)

    def next_features(self, network: Network, carry: Carry) -> tuple[Tensor, Carry]:
        position, recent, state = carry
        last_read = recent[:, :1]  # (B, 1), the oldest of the last tokens: `shift` before the next
        features, state = network.features(last_read, state)
        return features[:, 0], (position, recent, state)


@dataclass(frozen=True)
class Shifted(NextToken):
    """N tokens in, N out, each ``shift`` further on; every window starts from an empty state.

    Args:
        window: N, tokens per window.
        shift: s, from 1 to N. The first s tokens of a document are predicted from padding.
        fixed_windows: training windows also begin at multiples of N in a document, the same in
            every epoch, as in the article; otherwise each epoch draws the beginnings.

    Raises:
        ValueError: a shift larger than the window.
    """

    window: Count = 50
    shift: Count = 50
    fixed_windows: bool = False

    carries_state = False

    def __post_init__(self) -> None:
        if self.shift > self.window:
            raise ValueError(f"shift {self.shift} is larger than window {self.window}")

    @property
    def context(self) -> str:
        return f"1 to {self.window} tokens, the last of them {self.shift} back"

    def next_features(self, network: Network, carry: Carry) -> tuple[Tensor, Carry]:

        position, recent, state = carry
        state = restarted(network, state, position % self.length == 0)
        return super().next_features(network, (position, recent, state))


@dataclass(frozen=True)
class EncoderDecoder(Objective):
    """An encoder reads N tokens, a decoder starts from its states and writes M (Sutskever, Vinyals
    & Le 2014).

    Args:
        read: N, tokens read.
        write: M, tokens written.
        feedback: the decoder reads the token before the one it predicts. If false (one-shot), the
            decoder reads the encoder's last output at every position and never what was written.
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
    def context(self) -> str:
        if self.feedback:
            return f"{self.read} to {self.read + self.write - 1} tokens"
        return f"{self.read} tokens, the last of them 1 to {self.write} back"

    def build(self, backbone: Backbone, vocabulary_size: int) -> Network:
        from textgen.models.network import SequenceToSequence

        source = "tokens" if self.feedback else "vectors"
        encoder = backbone.build(vocabulary_size, output=False)
        return SequenceToSequence(encoder, backbone.build(vocabulary_size, source=source))

    def features(self, network: Network, spans: Tensor, state: State, training: bool) -> Reading:
        import tensorflow as tf

        spans = tf.maximum(spans, BOUNDARY)  # (B, read + write)
        vector, encoded = _encoded(network, spans[:, : self.read], state, training)
        if self.feedback:
            inputs = spans[:, self.read - 1 : -1]  # (B, write), each the token before its target
        else:
            inputs = tf.repeat(vector[:, None], self.write, axis=1)  # (B, write, n)
        features, _ = _pair(network).decoder.features(inputs, encoded, training)
        return features, state

    def begin(self, network: Network, batch: int) -> Carry:
        position, recent, state = super().begin(network, batch)
        return position, recent, (_pair(network).encoder.state_vector(state), state)

    def next_features(self, network: Network, carry: Carry) -> tuple[Tensor, Carry]:
        import tensorflow as tf

        position, recent, (vector, state) = carry
        empty = network.initial_state(recent.shape[0])
        vector, state = tf.cond(
            position % self.write == 0,
            lambda: _encoded(network, recent, empty, False),
            lambda: (vector, state),
        )
        inputs = recent[:, -1:] if self.feedback else vector[:, None]
        features, state = _pair(network).decoder.features(inputs, state)
        return features[:, 0], (position, recent, (vector, state))


def _pair(network: Network) -> "SequenceToSequence":
    """The encoder and the decoder that :meth:`EncoderDecoder.build` has made."""
    return cast("SequenceToSequence", network)


def _encoded(network: Network, tokens: Tensor, state: State, training: bool) -> Reading:
    """The encoder's state vector (B, n) float32 and its state after tokens (B, read) int32."""
    encoder = _pair(network).encoder
    _, encoded = encoder.features(tokens, state, training)
    return encoder.state_vector(encoded), encoded
