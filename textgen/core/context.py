"""Context variables with a value for the length of a block."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TypeVar

Value = TypeVar("Value")


@contextlib.contextmanager
def temporarily(variable: ContextVar[Value], value: Value) -> Iterator[None]:
    """Within the block the variable has this value."""
    before = variable.set(value)
    try:
        yield
    finally:
        variable.reset(before)
