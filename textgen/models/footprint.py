"""Does a vocabulary fit: an estimate of the memory that training takes, and what is free."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from textgen.core import Backbone, TextgenError
from textgen.models.backbones.stack import has_two_levels

FLOAT = 4
"""Bytes."""

SMALL = 100
"""Tokens of a vocabulary that takes no room."""
NORMALISATION = {"none": 0, "layer": 2, "batch": 4}
"""Weights a unit."""


def memory_needed(settings: Backbone, vocabulary_size: int, batch: int, length: int) -> int:
    """Bytes that training takes at its peak, beyond Python and TensorFlow themselves: an estimate.

    Every weight counts nine times: its value, gradient, two moments, the best value so far, and
    the copies of value, moments and best value while a checkpoint is written. Logits, (batch,
    length, V), count three times (value, exponential, gradient); of a two-level output the whole
    head and a quarter of the tail. One-hot inputs are as large as logits once. Compiled programs
    and the rest: 300 MB. An encoder–decoder has two stacks; here one is counted.

    Peaks measured with 20,000 to 200,000 tokens were 0.75 to 1.1 times this.
    """
    size, width = vocabulary_size, settings.embedding_size
    one_hot = settings.input == "one_hot"
    weights = 0 if one_hot else size * width
    below = size if one_hot else width
    for units in settings.units:
        weights += 4 * units * (below + units + 1) + NORMALISATION[settings.normalisation] * units
        below = units
    row = size
    if settings.tied_output and below != width:
        weights += (below + 1) * width
    if has_two_levels(settings, size):
        tail = size - settings.head
        row = settings.head + 1 + tail // 4
        weights += (
            width + 1
            if settings.tied_output
            else (below + 1) * (settings.head + 1) + (below + tail) * settings.tail_size + tail
        )
    elif not settings.tied_output:
        weights += (below + 1) * size
    targets = batch * length
    return FLOAT * (9 * weights + targets * (3 * row + one_hot * size)) + 300_000_000


def check_memory(settings: Backbone, vocabulary_size: int, batch: int, length: int) -> None:
    """Refuse what this machine cannot train, before anything is built.

    Raises:
        TextgenError: less memory is free than :func:`memory_needed`; it names the setting that a
            smaller one of would save most. Where the system does not say how much is free, nothing
            is refused.
    """
    needed, free = memory_needed(settings, vocabulary_size, batch, length), _free_memory()
    if free is None or needed <= free:
        return
    narrow = replace(settings, units=(1,) * len(settings.units))
    left = {
        "tokenizer": memory_needed(settings, min(SMALL, vocabulary_size), batch, length),
        "training.batch": memory_needed(settings, vocabulary_size, 1, length),
        "backbone.units": memory_needed(narrow, vocabulary_size, batch, length),
    }
    where = min(left, key=lambda setting: left[setting])
    wider = settings.output == "softmax" and not settings.tied_output
    other = ', or use output = "adaptive" in [backbone]' if wider else ""
    found, hint = {
        "tokenizer": (
            f"a vocabulary of {vocabulary_size:,} tokens",
            f"raise minimum_count, set a size{other}",
        ),
        "training.batch": (
            f"{batch:,} rows of {length:,} tokens",
            "lower it, or the window in [objective]",
        ),
        "backbone.units": (f"{list(settings.units)}", "take fewer"),
    }[where]
    raise TextgenError(
        where,
        found=f"{found}, which needs about {needed / 1e9:.1f} GB to train",
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
