"""Does a vocabulary fit: an estimate of the memory that training takes, and what is free."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from textgen.core.errors import TextgenError
from textgen.models.base import BackboneConfig

FLOAT = 4
"""Bytes."""

MEMORY_ENTRY = 360
"""Bytes of a token that a memory has counted behind a context that is new."""


def memory_needed(backbone: BackboneConfig, vocabulary_size: int, batch: int, length: int) -> int:
    """Bytes that training takes at its peak, beyond Python and TensorFlow themselves: an estimate.

    Every weight counts nine times: its value, gradient, two moments, the best value so far, and
    the copies of value, moments and best value while a checkpoint is written. Compiled programs and
    the rest: 300 MB. An encoder–decoder has two stacks; here one is counted.

    Peaks measured with 20,000 to 200,000 tokens were 0.75 to 1.1 times this.
    """
    weights, activations = backbone.footprint(vocabulary_size, batch * length)
    return FLOAT * (9 * weights + activations) + 300_000_000


def check_memory(backbone: BackboneConfig, vocabulary_size: int, batch: int, length: int) -> None:
    """Refuse what this machine cannot train, before anything is built.

    Raises:
        TextgenError: less memory is free than :func:`memory_needed`; it names the setting of which
            a smaller value would save most.
    """
    units = list(getattr(backbone, "units", ()))
    narrow: Any = replace(backbone, units=(1,) * len(units)) if units else backbone  # type: ignore[type-var]
    found = {
        "tokenizer": f"a vocabulary of {vocabulary_size:,} tokens",
        "training.batch": f"{batch:,} rows of {length:,} tokens",
        "backbone.units": f"units = {units}",
    }
    hints = {
        "tokenizer": "raise minimum_count, set a size, or use adaptive_softmax in [backbone]",
        "training.batch": "lower it, or the window in [objective]",
        "backbone.units": "take fewer",
    }
    needed_without = {
        "tokenizer": memory_needed(backbone, min(100, vocabulary_size), batch, length),
        "training.batch": memory_needed(backbone, vocabulary_size, 1, length),
        "backbone.units": memory_needed(narrow, vocabulary_size, batch, length),
    }
    where = min(needed_without, key=lambda setting: needed_without[setting])
    needed = memory_needed(backbone, vocabulary_size, batch, length)
    _check_fits(needed, where, f"{found[where]}: training this", hints[where])


def check_loading(backbone: BackboneConfig, vocabulary_size: int, where: str) -> None:
    """Refuse a network that does not fit at all, before it is built.

    Raises:
        TextgenError: less memory is free than it takes; ``where`` is the file that describes it.
    """
    weights, _ = backbone.footprint(vocabulary_size, 1)
    hint = "use a machine with more memory, or a smaller one in [backbone]"
    _check_fits(2 * FLOAT * weights, where, "a network whose backbone", hint)


def check_drawing(rows: int, steps: int, size: int, levels: int, where: str) -> None:
    """Refuse to draw more side by side than fits: for each row the chances of ``size`` tokens in a
    few copies, and for each of its ``steps`` tokens an entry at every level of a memory.

    Raises:
        TextgenError: less memory is free; ``where`` is the table of the settings.
    """
    needed = rows * (4 * FLOAT * size + steps * (20 + MEMORY_ENTRY * levels))
    hint = "take fewer samples, or shorter ones"
    _check_fits(needed, f"{where}.samples", f"drawing {rows:,} texts at once", hint)


def _check_fits(needed: float, where: str, found: str, hint: str) -> None:
    """Where the system does not say how much memory is free, nothing is refused."""
    free = _free_memory()
    if free is not None and needed > free:
        raise TextgenError(
            where,
            found=f"{found} needs about {needed / 1e9:.1f} GB",
            expected=f"less than the {free / 1e9:.1f} GB that are free",
            hint=hint,
        )


def _free_memory() -> int | None:
    """Bytes that programs can still take, memory of the file cache included where that is known."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass  # not Linux
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
