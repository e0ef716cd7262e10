"""Commands of textgen in processes of their own.

A process that is started here (``python -m textgen.core.processes COMMAND …``) is an ordinary
command of textgen that ends when whoever started it does, however that came about: it holds the
other end of its standard input.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

GRACE_SECONDS = 30.0
"""For a process that was told to end, before it is made to."""


def start_process(arguments: Sequence[str], log: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``python -m textgen.COMMAND …`` with all it prints in a file."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "textgen.core.processes", *arguments],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            **options,
        )


def finish_process(process: subprocess.Popen[bytes]) -> int:
    """Wait for one process, and leave it at work under no circumstances: its exit code."""
    with stopped_after({"": process}):
        return process.wait()


def read_log(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def stopped_after(processes: Mapping[str, subprocess.Popen[bytes]]) -> Iterator[None]:
    """Nothing in ``processes`` is at work any more when the block is left."""
    try:
        yield
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    command, *rest = sys.argv[1:] if arguments is None else arguments
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return runpy.run_module(f"textgen.{command}")["main"](rest)


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):  # not sys.stdin, whose lock would hold up the end of this process
            pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
