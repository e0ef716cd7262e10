"""What a function that calls a network needs to know to be compiled, and to go on with a state.

TensorFlow is imported where it is used, so that scoring may be imported without it.
"""

from typing import cast

from textgen.models.types import Network, State, Tensor


def compilable(network: Network, gradients: bool = False) -> bool:
    """Whether XLA may compile a function that calls a network.

    It may not where LSTM or GRU layers compute on a GPU, for which XLA has no cuDNN kernels, or
    where their gradients are taken on a CPU: it would undo what makes these fast there
    (:mod:`textgen.models.recurrent`).

    Args:
        network: as an objective has built it.
        gradients: whether the function takes its gradients.
    """
    import keras
    import tensorflow as tf

    if not gradients and not tf.config.list_logical_devices("GPU"):
        return True
    kinds = (keras.layers.LSTM, keras.layers.GRU)
    layers = cast("keras.Model", network)._flatten_layers()
    return not any(isinstance(layer, kinds) for layer in layers)


def restarted(network: Network, state: State, fresh: Tensor) -> State:
    """The state with the initial one in some of its rows.

    Args:
        network: whose state it is.
        state: tensors (B, …).
        fresh: (B,) or scalar bool: where.
    """
    import tensorflow as tf

    def choose(before: Tensor, initial: Tensor) -> Tensor:
        other_axes = [1] * (len(initial.shape) - 1)
        return tf.where(tf.reshape(fresh, [-1, *other_axes]), initial, before)

    batch = tf.nest.flatten(state)[0].shape[0]
    return tf.nest.map_structure(choose, state, network.initial_state(batch))
