"""Exceptions that users see."""

import errno
import os
from pathlib import Path

from textgen.core.terminal import visible

MAX_MESSAGE_CHARACTERS = 1600
# Numbers of the errors of a full disk, and of a full share of one.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


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

    def __init__(self, message: str, hint: str | None, place: tuple[int, int]) -> None:
        super().__init__(message, hint)
        self.args = message, hint, place  # what a copy is made from
        self.place = place


class CorpusUnavailable(TextgenError):  # noqa: N818 - a state of the world, not a fault of the user
    """A corpus cannot be fetched here; an experiment may name a fallback."""


class Diverged(TextgenError):  # noqa: N818 - the field's word
    """Training produced a loss that is not a number."""


def write_failed(path: Path, error: OSError, safe: str) -> TextgenError:
    """The error for a file that could not be written; ``safe`` says what is unharmed."""
    full = error.errno in DISK_FULL
    cure = "free some space" if full else "choose a folder that you can write to"
    message = f"{path} could not be written: {error.strerror or error}"
    return TextgenError(message, f"{safe}; {cure} and repeat the command to continue")


def explained(error: Exception) -> TextgenError:
    """The message for what the system refuses, where nothing more is known of it.

    Args:
        error: a :class:`TextgenError`, which is returned as it is, a ``MemoryError`` or an
            ``OSError``.
    """
    if isinstance(error, TextgenError):
        return error
    if not isinstance(error, OSError):
        hint = "close other programs, or use a smaller batch, model or text"
        return TextgenError("no more memory is available", hint)
    where = Path(os.fsdecode(error.filename or "a file, or standard output"))
    free = "free some space: no run is harmed" if error.errno == errno.ENOSPC else None
    return TextgenError(f"{where}: {error.strerror or error}", free)
