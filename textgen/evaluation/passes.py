"""What a network predicts along a text, and behind tokens that might have come there instead.

A text is read once, window by window, and the state of the network at every place of a window is
kept. What might have come at a place is read from the state there. The first tokens of what might
come are read in one step for all places of the window, then the second tokens, and so on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from textgen.core.numbers import ceil_div
from textgen.evaluation.sampler import reading_step
from textgen.models.graphs import compilable
from textgen.models.objectives import Objective, compiled_once
from textgen.models.types import Network, OutputStep, State, Tensor, Tensors

# Tokens of a window: the smallest number that holds the text, or else the last, which is so large
# that calls cost little.
PLACES_AT_ONCE = (32, 256, 1024)
ROWS_AT_ONCE = 256  # rows whose sums are taken together
FEW_ROWS = 64  # the same where there are no more than these
FEW_COLUMNS = 16  # sums of a row: so many, or twice, four times, … as many
# ln of a probability over the highest one for which float32 has room with all of its digits.
LOWEST = -75.0
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
            steps = tf.concat([first[None], rest], axis=0)  # (T + 1, 1, …)
            return steps[:, 0]

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
def sum_step(objective: Objective, network: Network) -> Callable[[Tensor, Tensor], Tensors]:
    """:meth:`textgen.models.types.OutputLayer.sums`, compiled.

    P stays where it was computed: it is large, and the threads of NumPy's library wait for such
    products in busy loops.
    """
    import tensorflow as tf

    @tf.function(autograph=False, jit_compile=True)
    def add_up(features: Tensor, weights: Tensor) -> Tensors:
        return network.output_layer.sums(features, weights)

    return add_up


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


class Features(NamedTuple):
    """What the output layer reads behind some paths.

    Attributes:
        values: (paths, n) float32.
        row_of: path → its row.
    """

    values: np.ndarray
    row_of: Mapping[Path, int]

    def behind(self, paths: Iterable[Path]) -> np.ndarray:
        """(k, n): those behind k of the paths, in their order."""
        return self.values[[self.row_of[path] for path in paths]]


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

        self.window = next((n for n in PLACES_AT_ONCE if length <= n), PLACES_AT_ONCE[-1])
        state = tf.nest.flatten(network.initial_state(1))
        numbers = sum(int(np.prod(tensor.shape)) for tensor in state)
        self.window = max(1, min(self.window, MAX_STATES // numbers))
        self._read = places_step(objective, network)
        self._branch = branch_step(objective, network)
        self._add_up = sum_step(objective, network)
        self._predict = probability_step(objective, network)
        start = objective.begin(network, 1)
        self._features, (_, _, self._state) = reading_step(objective, network)(start, None)
        self._start = self._end = 0
        self._size = network.output_layer.size

    def read(self, tokens: np.ndarray) -> None:
        """Go on to the next window: the places before these tokens (n,), at most ``window``, and
        the one behind them."""
        import tensorflow as tf

        is_first_window = self._end == 0
        if not is_first_window:  # go on from the place behind the last window
            last_place = self._end - self._start
            last = slice(last_place, last_place + 1)
            self._features = self._features[last]
            self._state = tf.nest.map_structure(lambda tensor: tensor[last], self._state)
        padded = np.zeros(self.window, dtype=np.int32)
        padded[: len(tokens)] = tokens
        self._features, self._state = self._read(padded, self._features, self._state)
        self._start = self._end
        self._end += len(tokens)

    def features(self, paths: Sequence[Path]) -> Features:
        """What the output layer reads behind paths that begin in the window.

        Args:
            paths: at least one, in any order. With a path on which tokens come first, the path
                without the last of these must be among them.
        """
        import tensorflow as tf

        level = [path for path in paths if not path.first]
        found = [tf.gather(self._features, [path.place - self._start for path in level])]
        ordered = level
        states = self._state
        row_of_state = {
            Path(place): place - self._start for place in range(self._start, self._end + 1)
        }
        longest = max(len(path.first) for path in paths)
        for length in range(1, longest + 1):
            level = [path for path in paths if len(path.first) == length]
            rows = [row_of_state[Path(path.place, path.first[:-1])] for path in level]
            tokens = [path.first[-1] for path in level]
            features, states = self._branch(states, tf.constant(rows), tf.constant(tokens))
            found.append(features)
            ordered = ordered + level
            row_of_state = {path: row for row, path in enumerate(level)}
        row_of = {path: row for row, path in enumerate(ordered)}
        return Features(tf.concat(found, axis=0).numpy(), row_of)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """P(next token) (rows, V) float64 by features (rows, n)."""
        return self._predict(features).numpy()

    def sums(self, features: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Σ weight · P over all tokens, (rows, m) float64, by features (rows, n) and weights (V, m)
        float64. Rows and columns are filled up to few sizes, each of which is compiled."""
        rows, columns = len(features), weights.shape[1]
        size = FEW_ROWS if rows <= FEW_ROWS else ROWS_AT_ONCE
        padded = np.zeros((ceil_div(rows, size) * size, features.shape[1]), dtype=np.float32)
        padded[:rows] = features
        padded_columns = FEW_COLUMNS
        while padded_columns < columns:
            padded_columns *= 2
        padded_weights = np.zeros((len(weights), padded_columns), dtype=np.float32)
        padded_weights[:, :columns] = weights
        result = np.empty((rows, columns))
        for start in range(0, rows, size):
            found, lowest = self._add_up(padded[start : start + size], padded_weights)
            if float(lowest) < LOWEST:
                return self.probabilities(features) @ weights
            result[start : start + size] = found.numpy()[: rows - start, :columns]
        return result
