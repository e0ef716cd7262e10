"""Answers that are computed as long as somebody waits for them."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from textgen.core import Cancelled, cancellable

InThread = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a function in a thread and returns what it returns."""


async def while_somebody_waits(
    receive: Any, turns: Any, answer: Callable[[InThread], Awaitable[None]]
) -> None:
    """Answer, and stop as soon as whoever asked has gone away: what a thread is computing for them
    ends before its next piece.

    Args:
        receive: of the ASGI application, after the question has been read.
        turns: limits the threads that compute.
        answer: is given what runs a function in a thread.
    """
    import anyio

    left = threading.Event()

    def in_thread(work: Callable[[], Any]) -> Any:
        with cancellable(left):
            return work()

    async def run(work: Callable[[], Any]) -> Any:
        with suppress(Cancelled):  # by then the scope below is cancelled
            return await anyio.to_thread.run_sync(in_thread, work, limiter=turns)

    async def whole() -> None:
        await answer(run)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(whole)
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()
        group.cancel_scope.cancel()
