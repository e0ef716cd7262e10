"""Text and JSON that a terminal can show: control characters as signs."""

import json
from typing import Any

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


def json_line(data: Any, indent: int | None = None) -> str:
    """Data as JSON for programs, which a terminal can show, too."""
    return json.dumps(data, ensure_ascii=False, indent=indent).translate(ESCAPES)
