"""Characters that a terminal or a browser would obey and not show, as signs."""

from __future__ import annotations

import json
from typing import Any

KEPT = "\n\t"
SIGNS = {
    **{code: chr(0x2400 + code) for code in range(32) if chr(code) not in KEPT},
    0x7F: "\u2421",
    **dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd"),
}
"""Control characters but for line end and tabulator → a sign for each; C1 codes, which can begin
commands to a terminal as ESC does, and what reverses the direction of text → one for all."""
ESCAPES = {code: f"\\u{code:04x}" for code in SIGNS if code >= 32}
"""What JSON leaves as it is of these."""


def visible(text: str) -> str:
    """A text of the same length in which control characters are signs."""
    return text.translate(SIGNS)


def json_line(data: Any, indent: int | None = None) -> str:
    """Data as JSON for programs, which a terminal can show, too."""
    return json.dumps(data, ensure_ascii=False, indent=indent).translate(ESCAPES)
