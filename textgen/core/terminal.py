"""Text and JSON that a terminal can show: control characters as signs; and commands for it."""

import codecs
import json
import shlex
import subprocess
from collections.abc import Sequence
from typing import Any, TextIO, cast

from textgen.core import machine

# Control characters but for line end and tabulator have a picture each, such as ␛ of ESC.
PICTURES = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
DELETE = {0x7F: "\u2421"}
# One sign stands for the C1 codes, which can begin commands to a terminal as ESC does, and for what
# reverses the direction of text.
C1_CODES = range(0x80, 0xA0)
REVERSING = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
SIGNS = {**PICTURES, **DELETE, **dict.fromkeys((*C1_CODES, *REVERSING), "\ufffd")}
# The signs' characters that JSON leaves as they are.
ESCAPES = {code: f"\\u{code:04x}" for code in SIGNS if code >= 32}


def visible(text: str) -> str:
    """A text of the same length in which control characters are signs."""
    return text.translate(SIGNS)


class _Lenient:
    """A stream that writes ? in place of a character that its encoding does not have."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        encoding = self._stream.encoding
        return self._stream.write(text.encode(encoding, "replace").decode(encoding))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def lenient(stream: TextIO) -> TextIO:
    """The stream, if it can write all of Unicode; else what writes ? for what the stream cannot
    write, such as one of Windows in cp1252."""
    encoding = getattr(stream, "encoding", None)
    if encoding is None or codecs.lookup(encoding).name.startswith("utf"):
        return stream
    return cast("TextIO", _Lenient(stream))


def command_line(words: Sequence[str]) -> str:
    """A command as a user of this system types it."""
    return subprocess.list2cmdline(words) if machine.ON_WINDOWS else shlex.join(words)


def json_line(data: Any, indent: int | None = None) -> str:
    """Data as JSON for programs, which a terminal can show, too."""
    return json.dumps(data, ensure_ascii=False, indent=indent).translate(ESCAPES)
