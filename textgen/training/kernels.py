"""Which way of computing an update is fastest here: timed once for each kind of work."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import textgen
from textgen.core import (
    UNREADABLE,
    Experiment,
    Training,
    cache_folder,
    has_bfloat16,
    keep,
    kept,
    processor,
)
from textgen.tokenizers import EncodedDocument
from textgen.training.loop import Engine, compiled, dataset, time_updates, updates_of, windows_of

LONG_SECONDS, LONG_UPDATES = 60, 2000
"""Trainings below this take the first kernel: timing all would cost more than it gains."""
ROUNDS, SECONDS, CALLS, UPDATES_PER_CALL = 2, 0.6, 2, 2


@dataclass(frozen=True)
class Kernel:
    """How the updates of a training are computed.

    Attributes:
        name: one of the ``kernels`` of the backbone.
        tried: kernel → seconds an update, of those that were timed; empty where none had to be.
    """

    name: str
    tried: dict[str, float]


def choose_kernel(
    experiment: Experiment,
    settings: Training,
    network: Any,
    documents: Sequence[EncodedDocument],
    threads: int,
) -> Kernel:
    """The kernel that ``[training] kernel`` names, or the fastest one.

    What was timed is kept in the cache for this processor, these versions and sizes, so that the
    same work is computed the same way the next time.

    Args:
        settings: of the training, with the budget that is left to it.
        network: is left as it was.
        documents: the training split.
        threads: that share the rows of a batch.
    """
    first, *others = network.kernels
    if settings.kernel != "auto":
        return Kernel(settings.kernel, {})
    length = settings.seconds or 0
    short = length < LONG_SECONDS and (settings.updates or 0) < LONG_UPDATES
    counted = settings.characters or settings.epochs
    short = (short and not counted) or not others
    if settings.deterministic or short or tf.config.list_logical_devices("GPU"):
        return Kernel(first, {})
    windows = windows_of(documents, experiment.objective)
    if counted and updates_of(settings, windows, documents) < LONG_UPDATES:
        return Kernel(first, {})
    path = cache_folder() / "kernels" / f"{_key(experiment, network, threads)}.json"
    tried = _read(path)
    if tried is None:
        tried = _times(experiment, network, windows, threads)
        with contextlib.suppress(OSError):  # they are found again next time
            keep(path, tried)
    return Kernel(min(tried, key=lambda name: tried[name]), tried)


def candidates(kernels: Sequence[str]) -> list[str]:
    """Those of some kernels that this process has instructions for."""
    able = has_bfloat16()
    return [name for name in kernels if able or "bfloat16" not in name]


def _times(experiment: Experiment, network: Any, windows: Any, threads: int) -> dict[str, float]:
    """Seconds an update by kernel, the better of two rounds: what else the machine does for a
    moment must not decide."""
    settings, tried = experiment.training, dict[str, float]()
    trainers: dict[str, tuple[Any, Any]] = {}
    for name in candidates(network.kernels) * ROUNDS:
        if name not in trainers:  # and traced below, before another one is made of this network
            engine = Engine(name, threads)
            trainers[name] = compiled(network, experiment, windows, engine, UPDATES_PER_CALL)
        data = dataset(windows, settings.batch, experiment.seed, 0)
        each, _ = time_updates(*trainers[name], data, SECONDS, CALLS)
        tried[name] = min(each, tried.get(name, each))
    return tried


def _key(experiment: Experiment, network: Any, threads: int) -> str:
    sizes = [list(weight.shape) for weight in network.weights]
    objective, batch = experiment.resolved["objective"], experiment.training.batch
    versions = [textgen.__version__, tf.__version__, keras.__version__]
    backbone = experiment.resolved["backbone"]
    work = [sizes, objective, batch, backbone, experiment.training.optimizer]
    data = json.dumps([processor(), threads, versions, work], sort_keys=True)
    return hashlib.sha256(data.encode()).hexdigest()[:32]


def _read(path: Path) -> dict[str, float] | None:
    try:
        return {str(k): float(v) for k, v in kept(path).items()}
    except UNREADABLE:
        return None
