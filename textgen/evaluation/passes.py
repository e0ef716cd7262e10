"""What a network predicts along a text, and behind tokens that might have come there instead.

A text is read once, window by window, and every place keeps the state of the network behind it. So
what might come is read from there, all places of a window at once: a step for each token of the
longest of such paths.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from textgen.evaluation.sampler import reading_step
from textgen.models.graphs import compilable
from textgen.models.objectives import Objective, compiled_once
from textgen.models.types import Network, OutputStep, State, Tensor

# Tokens of a window, and of one of a short text: enough that calls cost little.
PLACES_AT_ONCE, FEW_PLACES = 256, 32
# Numbers in the states of a window at most, which those of a transformer would exceed: 134 MB.
MAX_STATES = 2**25

# (tokens (T,) int32, features (1, n) and state (1, …) before them) → features (T + 1, n) and states
# (T + 1, …) before each and behind the last
PlacesStep: TypeAlias = Callable[[Tensor, Tensor, State], tuple[Tensor, State]]
# (states (m, …), rows (k,) int32 of these, tokens (k,) int32 that are read there) → features (k, n)
# and states (k, …)
BranchStep: TypeAlias = Callable[[State, Tensor, Tensor], tuple[Tensor, State]]


@compiled_once
def places_step(objective: Objective, network: Network) -> PlacesStep:
    import tensorflow as tf

    @tf.function(autograph=False, jit_compile=compilable(network))
    def read(tokens: Tensor, features: Tensor, state: State) -> tuple[Tensor, State]:
        def step(before: tuple[Tensor, State], token: Tensor) -> tuple[Tensor, State]:
            features, state = network.features(token[None, None], before[1])
            return features[:, 0], state

        def with_first(first: Tensor, rest: Tensor) -> Tensor:
            return tf.concat([first[None], rest], axis=0)[:, 0]

        start = features, state
        return tf.nest.map_structure(with_first, start, tf.scan(step, tokens, start))

    return read


@compiled_once
def branch_step(objective: Objective, network: Network) -> BranchStep:
    import tensorflow as tf

    @tf.function(autograph=False, reduce_retracing=True)
    def read(states: State, rows: Tensor, tokens: Tensor) -> tuple[Tensor, State]:
        state = tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), states)
        features, state = network.features(tokens[:, None], state)
        return features[:, 0], state

    return read


@compiled_once
def probability_step(objective: Objective, network: Network) -> OutputStep:
    """Features (B, n) → probabilities (B, V) float64."""
    import tensorflow as tf

    @tf.function(autograph=False, reduce_retracing=True)
    def predict(features: Tensor) -> Tensor:
        return tf.nn.softmax(tf.cast(network.output_layer(features), tf.float64))

    return predict


class Path(NamedTuple):
    """A place of a text, counted in tokens before it, and tokens that come there first."""

    place: int
    first: tuple[int, ...] = ()


class TextReader:
    """A network that reads a text in windows.

    Args:
        objective: predicts the next token, with a state that goes on through the text.
        network: as the objective has built it.
        length: of the text, in tokens.

    Attributes:
        window: tokens of a window.
    """

    def __init__(self, objective: Objective, network: Network, length: int) -> None:
        import tensorflow as tf

        self.window = FEW_PLACES if length <= FEW_PLACES else PLACES_AT_ONCE
        state = tf.nest.flatten(network.initial_state(1))
        numbers = sum(int(np.prod(tensor.shape)) for tensor in state)
        self.window = max(1, min(self.window, MAX_STATES // numbers))
        self._read = places_step(objective, network)
        self._branch = branch_step(objective, network)
        self._predict = probability_step(objective, network)
        start = objective.begin(network, 1)
        self._features, (_, _, self._state) = reading_step(objective, network)(start, None)
        self._start = self._end = 0

    def read(self, tokens: np.ndarray) -> None:
        """Go on to the next window: the places before these tokens (n,), at most ``window``, and
        the one behind them."""
        import tensorflow as tf

        if self._end:
            last = slice(self._end - self._start, self._end - self._start + 1)
            self._features = self._features[last]
            self._state = tf.nest.map_structure(lambda tensor: tensor[last], self._state)
        padded = np.zeros(self.window, dtype=np.int32)
        padded[: len(tokens)] = tokens
        self._features, self._state = self._read(padded, self._features, self._state)
        self._start, self._end = self._end, self._end + len(tokens)

    def probabilities(self, paths: Sequence[Path]) -> np.ndarray:
        """P(next token) behind each path that begins in the window: (paths, V) float64.

        Args:
            paths: no path comes before the one that it goes on from, and shorter ones come first.
        """
        import tensorflow as tf

        behind = {Path(place): place - self._start for place in range(self._start, self._end + 1)}
        level = [path for path in paths if not path.first]
        found = [tf.gather(self._features, [behind[path] for path in level])]
        states, depth = self._state, 1
        while level := [path for path in paths if len(path.first) == depth]:
            rows = [behind[Path(path.place, path.first[:-1])] for path in level]
            tokens = [path.first[-1] for path in level]
            features, states = self._branch(states, tf.constant(rows), tf.constant(tokens))
            found.append(features)
            behind = {path: row for row, path in enumerate(level)}
            depth += 1
        return self._predict(tf.concat(found, axis=0)).numpy()
