"""Does a model fit into memory: estimates of what it takes, and what is free."""

from __future__ import annotations

import os
from pathlib import Path

from textgen.core.errors import TextgenError
from textgen.models.backbones import BackboneConfig
from textgen.models.objectives import Objective

FLOAT = 4
"""Bytes."""
MEMORY_ENTRY = 360
"""Bytes of a token that a memory has counted behind a context that is new."""


def measure_network(
    objective: Objective, backbone: BackboneConfig, vocabulary_size: int
) -> tuple[int, int]:
    """Weights of a network, and logits that it computes for a target: it is built in a graph, where
    weights take no memory."""
    import tensorflow as tf

    with tf.Graph().as_default():
        network = objective.build(backbone, vocabulary_size)
        return int(network.count_params()), int(network.output_layer.width)


def check_memory(
    objective: Objective, backbone: BackboneConfig, vocabulary_size: int, batch: int
) -> None:
    """Refuse what this machine cannot train, before anything is built.

    Every weight counts nine times: its value, gradient, two moments, the best value so far, and
    the copies of value, moments and best value while a checkpoint is written. Logits count four
    times (value, exponential, gradient, and as much for inputs and states). Compiled programs and
    the rest: 300 MB.

    Raises:
        TextgenError: less memory is free than this estimate.
    """
    weights, width = measure_network(objective, backbone, vocabulary_size)
    targets = batch * objective.length
    _check_fits(
        FLOAT * (9 * weights + 4 * targets * width) + 300_000_000,
        f"training: a network of {weights:,} weights over {vocabulary_size:,} tokens, with batches "
        f"of {targets:,} tokens,",
        "take fewer units, rows or tokens (minimum_count, size), or adaptive_softmax in [backbone]",
    )


def check_loading(
    objective: Objective, backbone: BackboneConfig, vocabulary_size: int, where: str
) -> None:
    """Refuse a network that does not fit at all, before it is built.

    Raises:
        TextgenError: less memory is free than it takes; ``where`` is the file that describes it.
    """
    weights, _ = measure_network(objective, backbone, vocabulary_size)
    subject = f"{where}: a network of {weights:,} weights"
    _check_fits(2 * FLOAT * weights, subject, "use a machine with more memory")


def check_drawing(rows: int, steps: int, size: int, levels: int, where: str) -> None:
    """Refuse to draw more side by side than fits: for each row the chances of ``size`` tokens in a
    few copies, and for each of its ``steps`` tokens an entry at every level of a memory.

    Raises:
        TextgenError: less memory is free; ``where`` is the table of the settings.
    """
    needed = rows * (4 * FLOAT * size + steps * (20 + MEMORY_ENTRY * levels))
    subject = f"{where}.samples: drawing {rows:,} texts at once"
    _check_fits(needed, subject, "take fewer samples, or shorter ones")


def _check_fits(needed: float, subject: str, hint: str) -> None:
    """Where the system does not say how much memory is free, nothing is refused."""
    free = _free_memory()
    if free is not None and needed > free:
        sizes = f"needs about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
        raise TextgenError(f"{subject} {sizes}", hint)


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
