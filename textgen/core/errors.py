"""The one exception shown to users: what was found, what was expected, what to do next."""

from __future__ import annotations

import csv
import errno
import zipfile
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from textgen.core.signs import visible

UNREADABLE = (
    OSError, EOFError, ValueError, OverflowError, RecursionError, MemoryError, csv.Error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading and checking a damaged file raises. A bug raises others, such as KeyError: what is
read is checked before it is used."""
LONGEST = 800
"""Characters of a part of a message."""
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What writing to a full disk, or beyond a quota, raises."""


class TextgenError(Exception):
    """A problem with the user's input or machine, shown on one screen without a traceback.

    Args:
        where: the file, folder or setting at fault, e.g. ``experiments/char.toml: training.batch``.
        found: what is there now.
        expected: what should be there.
        hint: what to do next.
        lines: more of what was found, each on a line of its own.
    """

    def __init__(
        self, where: str, *, found: str, expected: str = "", hint: str = "",
        lines: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.where, self.found, self.expected, self.hint = where, found, expected, hint
        self.lines = lines
        super().__init__(str(self))

    def __reduce__(self) -> tuple[Any, ...]:  # for errors of other processes
        parts: dict[str, Any] = {"found": self.found, "expected": self.expected, "hint": self.hint}
        if self.lines:
            parts["lines"] = self.lines
        return partial(type(self), **parts), (self.where,)

    def __str__(self) -> str:
        lines = [_shown(self.where), f"  found:    {_shown(self.found)}"]
        lines += [f"            {_shown(line)}" for line in self.lines]
        if self.expected:
            lines.append(f"  expected: {_shown(self.expected)}")
        if self.hint:
            lines.append(f"  to do:    {_shown(self.hint)}")
        return "\n".join(lines)


def _shown(text: str) -> str:
    """A part of a message: no longer than a screen bears, its line ends and controls as signs."""
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
    return visible(text).replace("\n", "\u240a")


class RefusedText(TextgenError):  # noqa: N818 - a text that was given, not a fault of the program
    """A text that cannot be read, with the place at fault.

    Attributes:
        text: the text.
        place: (start, end) of what is at fault, in characters of the text.
    """

    def __init__(
        self, where: str, *, text: str = "", place: tuple[int, int] = (0, 0), **told: str
    ) -> None:
        self.text, self.place = text, place
        super().__init__(where, **told)

    def __reduce__(self) -> tuple[Any, ...]:
        make, arguments = super().__reduce__()
        return partial(make, text=self.text, place=self.place), arguments


class CorpusUnavailable(TextgenError):  # noqa: N818 - a state of the world, not a fault of the user
    """A corpus cannot be fetched here; an experiment may name a fallback."""


class Diverged(TextgenError):  # noqa: N818 - the field's word
    """Training produced a loss that is not a number."""


def write_failed(path: Path, error: OSError, kept: str) -> TextgenError:
    """The message for a file that could not be written; ``kept`` says what is safe."""
    cure = "free some space" if error.errno in FULL else "choose a folder that can be written"
    return TextgenError(
        str(path),
        found=f"it could not be written: {error.strerror or error}",
        expected="room on the disk and write permission",
        hint=f"{kept}; {cure} and repeat the command to continue",
    )
