"""Text and JSON that a terminal can show: control characters as signs."""

import json
from typing import Any

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
