"""Commands of textgen in processes of their own, and work that can be cancelled.

A process started here (``python -m textgen.core.processes MODULE …``) runs the ``main`` of a
module, and ends when its parent does, even if the parent is killed: the parent holds the other end
of its standard input.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

GRACE_SECONDS = 30.0
"""Between SIGTERM and SIGKILL."""


def start_process(arguments: Sequence[str], log: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Run the ``main`` of a module with arguments, its output redirected to a file."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "textgen.core.processes", *arguments],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            **options,
        )


def finish_process(process: subprocess.Popen[bytes]) -> int:
    """Wait for one process and return its exit code; it never outlives this call."""
    with stopped_after({"": process}):
        return process.wait()


def read_log(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def stopped_after(processes: Mapping[str, subprocess.Popen[bytes]]) -> Iterator[None]:
    """No process in ``processes`` is running any more when the block is left."""
    try:
        yield
    finally:
        started = list(processes.values())
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


_cancelled = ContextVar[threading.Event | None]("cancelled", default=None)


class Cancelled(Exception):  # noqa: N818 - nothing is wrong
    """The result is no longer wanted."""


@contextlib.contextmanager
def cancellable(cancelled: threading.Event) -> Iterator[None]:
    """Work that ends, in this thread, at the first :func:`raise_if_cancelled` after the event."""
    before = _cancelled.set(cancelled)
    try:
        yield
    finally:
        _cancelled.reset(before)


def raise_if_cancelled() -> None:
    """Raises :class:`Cancelled` if this thread's work is; for calls between two pieces of it."""
    cancelled = _cancelled.get()
    if cancelled is not None and cancelled.is_set():
        raise Cancelled


def main(arguments: Sequence[str] | None = None) -> int:
    module, *rest = sys.argv[1:] if arguments is None else arguments
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return importlib.import_module(module).main(rest)


def leave(code: int) -> NoReturn:
    """End the process at once.

    Shutting TensorFlow down takes longer than writing a page of text; and where a training has
    stopped in the middle, it can wait for ever for a thread that waits for Python. Only for
    commands that have nothing left to do at the end, such as closing files.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # the reader of the pipe has gone
        code = code or 1
    os._exit(code)


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):  # not sys.stdin, whose lock would delay the end of this process
            pass
    os._exit(1)


if __name__ == "__main__":
    leave(main())
