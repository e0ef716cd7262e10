"""Random generators that everybody in a process shares."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds Python's and NumPy's generators, and restores both at the end of the block.

    Keras draws the seeds of first weights and of dropout from Python's generator. Its own generator
    and TensorFlow's are neither drawn from nor set.
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
