"""The training step against PyTorch's, in the sizes of the experiments and in some larger ones.

Both sides: an embedding of 64, AdamW, gradients clipped, states carried from update to update, two
threads, the same made-up batches, the making of a batch included. One side is PyTorch's ``nn.LSTM``
in float32, the other textgen. Where the processor has more than AVX2,
``XLA_FLAGS=--xla_cpu_max_isa=AVX2``, ``ONEDNN_MAX_CPU_ISA=AVX2``, ``ATEN_CPU_CAPABILITY=avx2`` and
``MKL_ENABLE_INSTRUCTIONS=AVX2`` limit both sides to that.
"""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from timing import faster, serve, timed

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


def setting(size):
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


def seconds_of(update, trained):
    """What measures the seconds of an update, which waits for its result."""
    batches = trained.windows.training(trained.training.batch, 0)

    def work():
        results = [update(*next(batches)) for _ in range(UPDATES)]
        float(results[-1])

    work()
    return timed(work, UPDATES)


def textgen(size):
    from textgen.core import system

    shards = system.start_tensorflow(THREADS, parts=True)  # no more than there are cores
    from textgen.training import loop

    trained = setting(size)
    network = trained.objective.build(trained.backbone, trained.vocabulary)
    step = loop.new_step(network, trained, trained.windows, shards)
    return seconds_of(lambda spans, fresh: step.update(spans, fresh)[0], trained)


def pytorch(size):
    from torch_side import Trainer

    trained = setting(size)
    trainer = Trainer(trained.vocabulary, trained.backbone, trained.training, threads=THREADS)
    return seconds_of(lambda spans, fresh: trainer.update(spans, fresh, 1e-3), trained)


def measure(options):
    rows, figures = [], {"milliseconds": lambda seconds: round(1e3 * seconds, 2)}
    for size in SIZES:
        labels = f"training step, {size}", "PyTorch float32", "≥ 1"
        rows.append(faster(__file__, "pytorch", [size], options.repeats, *labels, **figures))
    return rows


if __name__ == "__main__":
    serve({"textgen": textgen, "pytorch": pytorch})
