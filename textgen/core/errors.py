"""Exceptions that users see, text that a terminal can show, work that reports or is cancelled."""

import contextlib
import csv
import errno
import json
import lzma
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

# What reading and checking a damaged file raises. A bug raises others, such as KeyError: what is
# read is checked before it is used.
UNREADABLE = (
    *(OSError, EOFError, ValueError, OverflowError, RecursionError, MemoryError),
    *(csv.Error, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)
MAX_MESSAGE_CHARACTERS = 1600
Say = Callable[[str], object]  # called with a line for people
Moved = Callable[[int, int], object]  # called with what is done, and how much there is to do


def ignore(*_: object) -> None:
    """Reports nothing."""


class TextgenError(Exception):
    """A problem with the user's input or machine, shown without a traceback.

    Args:
        message: one sentence: the setting or file at fault and what was found there.
        hint: what to do next.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        hint = f"\n  hint: {_on_one_line(self.hint)}" if self.hint else ""
        return _on_one_line(self.message) + hint


def _on_one_line(text: str) -> str:
    half = MAX_MESSAGE_CHARACTERS // 2
    if len(text) > MAX_MESSAGE_CHARACTERS:
        text = f"{text[:half]} … {text[-half:]} ({len(text):,} characters)"
    return visible(text).replace("\n", "\u240a")


class RefusedText(TextgenError):  # noqa: N818 - a text that was given, not a fault of the program
    """A text that cannot be read; ``place`` is (start, end) of what is at fault, in characters."""

    def __init__(self, message: str, hint: str | None = None, *, place: tuple[int, int]) -> None:
        super().__init__(message, hint)
        self.place = place


class CorpusUnavailable(TextgenError):  # noqa: N818 - a state of the world, not a fault of the user
    """A corpus cannot be fetched here; an experiment may name a fallback."""


class Diverged(TextgenError):  # noqa: N818 - the field's word
    """Training produced a loss that is not a number."""


def write_failed(path: Path, error: OSError, safe: str) -> TextgenError:
    """The error for a file that could not be written; ``safe`` says what is unharmed."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    cure = "free some space" if full else "choose a folder that you can write to"
    message = f"{path} could not be written: {error.strerror or error}"
    return TextgenError(message, f"{safe}; {cure} and repeat the command to continue")


# Control characters but for line end and tabulator → a sign for each; C1 codes, which can begin
# commands to a terminal as ESC does, and what reverses the direction of text → one for all.
SIGNS = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
SIGNS |= {0x7F: "\u2421"} | dict.fromkeys(range(0x80, 0xA0), "\ufffd")
SIGNS |= dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")
# Those that JSON leaves as they are.
ESCAPES = {code: f"\\u{code:04x}" for code in SIGNS if code >= 32}


def visible(text: str) -> str:
    """A text of the same length in which control characters are signs."""
    return text.translate(SIGNS)


def json_line(data: Any, indent: int | None = None) -> str:
    """Data as JSON for programs, which a terminal can show, too."""
    return json.dumps(data, ensure_ascii=False, indent=indent).translate(ESCAPES)


# Of the work of this thread: it ends at the first :func:`raise_if_cancelled` after the event.
cancelled_by = ContextVar[threading.Event | None]("cancelled_by", default=None)


class Cancelled(Exception):  # noqa: N818 - nothing is wrong
    """The result is no longer wanted."""


@contextlib.contextmanager
def holding(variable: ContextVar[Any], value: object) -> Iterator[None]:
    """Within the block a variable has this value."""
    before = variable.set(value)
    try:
        yield
    finally:
        variable.reset(before)


def raise_if_cancelled() -> None:
    """Raises :class:`Cancelled` if this thread's work is; for calls between two pieces of it."""
    cancelled = cancelled_by.get()
    if cancelled is not None and cancelled.is_set():
        raise Cancelled
