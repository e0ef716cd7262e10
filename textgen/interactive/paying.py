"""What a text costs several models, each in stretches of its own."""

from __future__ import annotations

from typing import Any

from textgen.core import RefusedText
from textgen.interactive.reader import Reader

LONGEST = 20_000
"""Characters of a text, at most."""


def paid(reader: Reader, text: str) -> dict[str, Any]:
    """What a model pays for a text, read as a document of its own.

    Args:
        reader: the model.
        text: any text.

    Returns:
        ``bits_per_character`` and ``with_memory`` (None: not a distribution over the text, or no
        memory), ``end``, the bits of the end mark, and ``stretches``: (start, end, model bits,
        spelling bits, bits with memory or None) in order, in characters of the text.

    Raises:
        RefusedText: nothing to read, or too much.
    """
    if not text or len(text) > LONGEST:
        beyond = max(0, len(text) - LONGEST)
        raise RefusedText(
            "the text", text=text, place=(len(text) - beyond, len(text)),
            found=f"{len(text):,} characters", expected=f"1 to {LONGEST:,}",
            hint=f"leave out the last {beyond:,}" if beyond else "give a passage",
        )  # fmt: skip
    found = reader.run.score(text)
    both = found["with_memory"]
    others = both["stretches"] if both else [(None, None, None)] * len(found["stretches"])
    stretches, start = list[tuple[int, int, float, float, float | None]](), 0
    for (part, model, spelling), (_, more, spelled) in zip(found["stretches"], others, strict=True):
        end = start + len(part)
        stretches.append((start, end, model, spelling, None if more is None else more + spelled))
        start = end
    return {
        "bits_per_character": found["bits_per_character"],
        "with_memory": both and both["bits_per_character"],
        "end": found["end"],
        "stretches": stretches,
    }
