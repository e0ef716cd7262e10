"""One prediction for every token read: the next one, or the one s further on.

``shifted`` with shift s reads x[t−s] last when it predicts x[t]. With s equal to the window this
is the article's "50 in, the next 50 out", position by position without feedback; with s = 1 it is
next-token prediction in windows that know nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textgen.core import Backbone, Count
from textgen.tokenizers import BOUNDARY


@dataclass(frozen=True)
class NextToken:
    """The next token, with the state carried through a document and reset between documents.

    Args:
        window: steps of truncated backpropagation through time (Williams & Peng 1990).
    """

    window: Count = 64

    @property
    def before(self) -> int:
        return 1

    @property
    def length(self) -> int:
        return self.window

    @property
    def carries_state(self) -> bool:
        return True

    @property
    def context(self) -> str:
        return "all earlier tokens of the document"

    def build(self, settings: Backbone, vocabulary_size: int, lstm: Any) -> Any:
        from textgen.models.backbones.stack import stack

        return stack(settings, vocabulary_size, lstm)

    def logits(self, network: Any, spans: Any, states: Any, training: bool) -> tuple[Any, Any]:
        import tensorflow as tf

        tokens = tf.maximum(spans[:, : spans.shape[1] - self.before], BOUNDARY)
        logits, *states = network([tokens, *states], training=training)
        return logits, states

    def begin(self, network: Any, settings: Backbone, batch: int) -> Any:
        import tensorflow as tf

        from textgen.models.backbones.stack import zero_states

        recent = tf.fill([batch, self.before], BOUNDARY)
        return tf.constant(0), recent, zero_states(settings, batch)

    def next_logits(self, network: Any, carry: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        position, recent, states = carry
        if not self.carries_state:
            fresh = position % self.length == 0
            states = [tf.where(fresh, tf.zeros_like(state), state) for state in states]
        logits, *states = network([recent[:, :1], *states], training=False)
        return logits[:, 0], (position, recent, states)

    def append(self, carry: Any, tokens: Any) -> Any:
        import tensorflow as tf

        position, recent, states = carry
        return position + 1, tf.concat([recent[:, 1:], tokens[:, None]], axis=1), states


@dataclass(frozen=True)
class Shifted(NextToken):
    """N tokens in, N out, each ``shift`` further on; every window starts from an empty state.

    Args:
        window: N.
        shift: s, from 1 to N. The first s tokens of a document are predicted from padding.

    Raises:
        ValueError: a shift larger than the window.
    """

    window: Count = 50
    shift: Count = 50

    def __post_init__(self) -> None:
        if self.shift > self.window:
            raise ValueError(f"shift {self.shift} is larger than window {self.window}")

    @property
    def before(self) -> int:
        return self.shift

    @property
    def carries_state(self) -> bool:
        return False

    @property
    def context(self) -> str:
        return f"1 to {self.window} tokens, the last of them {self.shift} back"
