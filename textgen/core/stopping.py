"""Long work that ends early once nobody waits for it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar

_left = ContextVar[threading.Event | None]("left", default=None)


class Stopped(Exception):  # noqa: N818 - nothing is wrong
    """Nobody waits for this work any more."""


@contextlib.contextmanager
def wanted_until(left: threading.Event) -> Iterator[None]:
    """What is done inside, in this thread, ends at its next :func:`check_wanted` after ``left`` has
    been set."""
    before = _left.set(left)
    try:
        yield
    finally:
        _left.reset(before)


def check_wanted() -> None:
    """Called between two pieces of long work.

    Raises:
        Stopped: nobody waits for it any more.
    """
    left = _left.get()
    if left is not None and left.is_set():
        raise Stopped
