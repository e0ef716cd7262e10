"""Context variables with a value for the length of a block."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any


@contextlib.contextmanager
def holding(variable: ContextVar[Any], value: object) -> Iterator[None]:
    """Within the block a variable has this value."""
    before = variable.set(value)
    try:
        yield
    finally:
        variable.reset(before)
