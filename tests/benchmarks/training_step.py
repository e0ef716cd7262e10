"""The training step against PyTorch's, in the sizes of the experiments and in some larger ones.

    python tests/benchmarks/training_step.py

Both sides: an embedding of 64, AdamW, gradients clipped, states carried from update to update, two
threads, the same made-up batches, the making of a batch included. One side is PyTorch's ``nn.LSTM``
in float32, the other textgen. Then textgen's updates on one, two and three threads, with dropout,
for characters and for words. Where the processor has more than AVX2,
``XLA_FLAGS=--xla_cpu_max_isa=AVX2``, ``ONEDNN_MAX_CPU_ISA=AVX2``, ``ATEN_CPU_CAPABILITY=avx2`` and
``MKL_ENABLE_INSTRUCTIONS=AVX2`` limit both sides to that.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from timing import Target, Worker, divided, interleaved, row, serve, show

THREADS, UPDATES = 2, 3


@dataclass(frozen=True)
class Work:
    """An update: units of the layers, rows and tokens of a batch, tokens of the vocabulary, of
    which those beyond ``head`` are in the tail of an adaptive softmax; share of units dropped."""

    units: tuple[int, ...]
    batch: int = 64
    window: int = 100
    vocabulary: int = 90
    head: int = 0
    dropout: float = 0.0


SIZES = {
    "2 × 128 units": Work((128, 128)),
    "2 × 256 units": Work((256, 256)),
    "2 × 512 units": Work((512, 512)),
    "1 × 320 units, 16 × 64": Work((320,), 16, 64),
    "1 × 512 units, 16 × 64": Work((512,), 16, 64),
    "1 × 256 units, 16 × 32 of 5,000 words": Work((256,), 16, 32, 5_000, 2_000),
}
ON_THREADS = {
    "characters": Work((320,), 16, 64, dropout=0.1),
    "words": Work((320,), 16, 64, 8_000, 2_000, dropout=0.4),
}
BACKBONES = ("LSTM", "GRU", "MinGRU", "Transformer")


def setting(work: Work, kind: str = "LSTM") -> tuple[Any, Any, Any, Any]:
    """Backbone, training settings, objective and windows, the same for both sides."""
    from textgen.core.settings import Training
    from textgen.models import backbones
    from textgen.models.backbones import Adaptive
    from textgen.models.batches import Windows
    from textgen.models.objectives import NextToken

    levels = Adaptive(work.head) if work.head else False
    backbone = getattr(backbones, kind)(
        units=work.units,
        input="embedding",
        embedding_size=64,
        adaptive_softmax=levels,
        dropout=work.dropout,
    )
    random = np.random.default_rng(0)
    type_ = np.uint8 if work.vocabulary < 256 else np.uint16
    documents = [random.integers(2, work.vocabulary, 20_000).astype(type_) for _ in range(40)]
    objective = NextToken(work.window)
    return backbone, Training(updates=1, batch=work.batch), objective, Windows(documents, objective)


def textgen(size: str, kind: str, threads: str) -> Callable[[], float]:
    from textgen.core import system

    shards = system.start_tensorflow(int(threads), parts=True)  # no more than there are cores
    from textgen.training import loop

    work = (SIZES | ON_THREADS)[size]
    backbone, settings, objective, windows = setting(work, kind)
    network = objective.build(backbone, work.vocabulary)
    experiment = SimpleNamespace(objective=objective, backbone=backbone, training=settings, seed=0)
    step = loop.new_step(network, experiment, windows, shards)
    batches = windows.training(work.batch, 0)

    def measure() -> float:
        begin = time.perf_counter()
        for _ in range(UPDATES):
            sums = step.update(*next(batches))
        float(sums[0])
        return (time.perf_counter() - begin) / UPDATES

    for _ in range(2):
        measure()
    return measure


def pytorch(size: str) -> Callable[[], float]:
    from torch_side import Trainer

    work = SIZES[size]
    backbone, settings, _, windows = setting(work)
    trainer = Trainer(work.vocabulary, backbone, settings)
    batches = windows.training(work.batch, 0)

    def measure() -> float:
        begin = time.perf_counter()
        for _ in range(UPDATES):
            trainer.update(*next(batches), 1e-3)
        return (time.perf_counter() - begin) / UPDATES

    for _ in range(2):
        measure()
    return measure


WORKERS = {"textgen": textgen, "pytorch": pytorch}


def timed(sides: dict[str, tuple[str, ...]], repeats: int) -> dict[str, list[float]]:
    """Seconds an update of each side, one a repeat, in turns."""
    with contextlib.ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(__file__, *arguments))
            for name, arguments in sides.items()
        }
        return interleaved(workers, repeats)


def measure(repeats: int) -> list[dict[str, Any]]:
    rows = []
    for size in SIZES:
        sides = {"textgen": ("textgen", size, "LSTM", str(THREADS)), "PyTorch": ("pytorch", size)}
        times = timed(sides, repeats)
        ratios = divided(times["PyTorch"], times["textgen"])
        middle = statistics.median(times["textgen"])
        rows.append(
            row(
                f"training step, {size}", "PyTorch float32", ratios, Target(at_least=1.0),
                milliseconds=round(1e3 * middle, 2),
            )
        )  # fmt: skip
    for size in ON_THREADS:
        for kind in BACKBONES:
            times = timed({n: ("textgen", size, kind, n) for n in "123"}, repeats)
            for more, fewer, target in (("2", "1", 1.6), ("3", "2", 0.95)):
                rows.append(
                    row(
                        f"updates of {size}, {kind}, {more} threads", f"{fewer} threads",
                        divided(times[fewer], times[more]),
                        Target(at_least=target) if kind == "LSTM" else None,
                    )
                )  # fmt: skip
    return rows


if __name__ == "__main__" and not serve(WORKERS):
    show(measure(5))
