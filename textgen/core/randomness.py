"""Random generators that everybody in a process shares."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """First weights and masks drawn inside are those of a seed, and whoever calls finds Python's
    and NumPy's generators as they were.

    Keras draws the seeds of first weights from Python's generator; its own and TensorFlow's are
    neither drawn from nor set.
    """
    of_python = random.getstate()
    of_numpy = np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
