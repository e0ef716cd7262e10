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


def setting(size: str, kind: str = "LSTM") -> Any:
    """What both sides train: an experiment, and its vocabulary and windows."""
    from textgen.core.settings import Training
    from textgen.models import backbones
    from textgen.models.batches import Windows
    from textgen.models.objectives import NextToken

    work, objective = (SIZES | ON_THREADS)[size], NextToken((SIZES | ON_THREADS)[size].window)
    backbone = getattr(backbones, kind)(
        units=work.units,
        input="embedding",
        embedding_size=64,
        adaptive_softmax=backbones.Adaptive(work.head) if work.head else False,
        dropout=work.dropout,
    )
    random, type_ = np.random.default_rng(0), np.uint8 if work.vocabulary < 256 else np.uint16
    documents = [random.integers(2, work.vocabulary, 20_000).astype(type_) for _ in range(40)]
    return SimpleNamespace(
        objective=objective, backbone=backbone, training=Training(updates=1, batch=work.batch),
        vocabulary=work.vocabulary, windows=Windows(documents, objective),
    )  # fmt: skip


def seconds_of(update: Callable[[np.ndarray, np.ndarray], Any], trained: Any) -> Any:
    """A function that measures the seconds of an update, which waits for its result."""
    batches = trained.windows.training(trained.training.batch, 0)

    def measure() -> float:
        begin = time.perf_counter()
        results = [update(*next(batches)) for _ in range(UPDATES)]
        float(results[-1])
        return (time.perf_counter() - begin) / UPDATES

    for _ in range(2):
        measure()
    return measure


def textgen(size: str, kind: str, threads: str) -> Callable[[], float]:
    from textgen.core import system

    shards = system.start_tensorflow(int(threads), parts=True)  # no more than there are cores
    from textgen.training import loop

    trained = setting(size, kind)
    network = trained.objective.build(trained.backbone, trained.vocabulary)
    step = loop.new_step(network, trained, trained.windows, shards)
    return seconds_of(lambda spans, fresh: step.update(spans, fresh)[0], trained)


def pytorch(size: str) -> Callable[[], float]:
    from torch_side import Trainer

    trained = setting(size)
    trainer = Trainer(trained.vocabulary, trained.backbone, trained.training)
    return seconds_of(lambda spans, fresh: trainer.update(spans, fresh, 1e-3), trained)


WORKERS = {"textgen": textgen, "pytorch": pytorch}


def timed(sides: dict[str, tuple[str, ...]], repeats: int) -> dict[str, list[float]]:
    """Seconds an update of each side, one a repeat, in turns."""
    with contextlib.ExitStack() as stack:
        opened = {n: stack.enter_context(Worker(__file__, *side)) for n, side in sides.items()}
        return interleaved(opened, repeats)


def measure(repeats: int) -> list[dict[str, Any]]:
    rows = []
    for size in SIZES:
        sides = {"textgen": ("textgen", size, "LSTM", str(THREADS)), "PyTorch": ("pytorch", size)}
        times = timed(sides, repeats)
        ratios = divided(times["PyTorch"], times["textgen"])
        milliseconds = round(1e3 * statistics.median(times["textgen"]), 2)
        subject, target = f"training step, {size}", Target(at_least=1.0)
        rows.append(row(subject, "PyTorch float32", ratios, target, milliseconds=milliseconds))
    for size in ON_THREADS:
        for kind in BACKBONES:
            times = timed({n: ("textgen", size, kind, n) for n in "123"}, repeats)
            for more, fewer, wanted in (("2", "1", 1.6), ("3", "2", 0.95)):
                subject = f"updates of {size}, {kind}, {more} threads"
                target = Target(at_least=wanted) if kind == "LSTM" else None
                ratios = divided(times[fewer], times[more])
                rows.append(row(subject, f"{fewer} threads", ratios, target))
    return rows


if __name__ == "__main__" and not serve(WORKERS):
    show(measure(5))
