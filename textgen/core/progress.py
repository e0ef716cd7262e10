"""Work that reports how far it is, and that can be cancelled."""

import threading
from collections.abc import Callable
from contextvars import ContextVar

Say = Callable[[str], object]  # called with a line for people
Moved = Callable[[int, int], object]  # called with what is done, and how much there is to do


def ignore(*_: object) -> None:
    """Reports nothing."""


# Of the work of this thread: it ends at the first :func:`raise_if_cancelled` after the event.
cancelled_by = ContextVar[threading.Event | None]("cancelled_by", default=None)


class Cancelled(Exception):  # noqa: N818 - nothing is wrong
    """The result is no longer wanted."""


def raise_if_cancelled() -> None:
    """Raises :class:`Cancelled` if this thread's work is; for calls between two pieces of it."""
    cancelled = cancelled_by.get()
    if cancelled is not None and cancelled.is_set():
        raise Cancelled
