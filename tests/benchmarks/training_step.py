"""The training step against PyTorch's, in the sizes of the experiments and in some larger ones.

Both sides: an embedding of 64, AdamW, gradients clipped, states carried from update to update, two
threads, the same made-up batches, the making of a batch included. One side is PyTorch's ``nn.LSTM``
in float32, the other textgen. Where the processor has more than AVX2,
``XLA_FLAGS=--xla_cpu_max_isa=AVX2``, ``ONEDNN_MAX_CPU_ISA=AVX2``, ``ATEN_CPU_CAPABILITY=avx2`` and
``MKL_ENABLE_INSTRUCTIONS=AVX2`` limit both sides to that.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from timing import divided, interleaved, row, serve

THREADS, UPDATES = 2, 3


class Work(NamedTuple):
    """An update: units of the layers, rows and tokens of a batch, tokens of the vocabulary, of
    which those beyond ``head`` are in the tail of an adaptive softmax."""

    units: tuple[int, ...]
    batch: int = 64
    window: int = 100
    vocabulary: int = 90
    head: int = 0


SIZES = {
    "2 × 128 units": Work((128, 128)),
    "2 × 256 units": Work((256, 256)),
    "2 × 512 units": Work((512, 512)),
    "1 × 320 units, 16 × 64": Work((320,), 16, 64),
    "1 × 512 units, 16 × 64": Work((512,), 16, 64),
    "1 × 256 units, 16 × 32 of 5,000 words": Work((256,), 16, 32, 5_000, 2_000),
}


def setting(size: str) -> Any:
    """What both sides train: an experiment, and its vocabulary and windows."""
    from textgen.core.settings import Training
    from textgen.models.backbones import LSTM, Adaptive
    from textgen.models.batches import Windows
    from textgen.models.objectives import NextToken

    work = SIZES[size]
    objective, levels = NextToken(work.window), Adaptive(work.head) if work.head else False
    backbone = LSTM(units=work.units, input="embedding", embedding_size=64, adaptive_softmax=levels)
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


def textgen(size: str) -> Callable[[], float]:
    from textgen.core import system

    shards = system.start_tensorflow(THREADS, parts=True)  # no more than there are cores
    from textgen.training import loop

    trained = setting(size)
    network = trained.objective.build(trained.backbone, trained.vocabulary)
    step = loop.new_step(network, trained, trained.windows, shards)
    return seconds_of(lambda spans, fresh: step.update(spans, fresh)[0], trained)


def pytorch(size: str) -> Callable[[], float]:
    from torch_side import Trainer

    trained = setting(size)
    trainer = Trainer(trained.vocabulary, trained.backbone, trained.training)
    return seconds_of(lambda spans, fresh: trainer.update(spans, fresh, 1e-3), trained)


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for size in SIZES:
        sides = {side: (side, size) for side in ("textgen", "pytorch")}
        times = interleaved(__file__, sides, options.repeats)
        ratios = divided(times["pytorch"], times["textgen"])
        milliseconds = round(1e3 * statistics.median(times["textgen"]), 2)
        what = f"training step, {size}"
        rows.append(row(what, "PyTorch float32", ratios, "≥ 1", milliseconds=milliseconds))
    return rows


if __name__ == "__main__":
    serve({"textgen": textgen, "pytorch": pytorch})
