"""The training step against PyTorch's: two layers, 90 tokens, batches of 64 × 100.

    python tests/benchmarks/training_step.py

Both sides: an embedding of 64, AdamW, gradients clipped, states carried from update to update, two
threads, the same made-up batches, the making of a batch included. One side is PyTorch's ``nn.LSTM``
in float32; the other every way in which textgen can compute an update.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from timing import Target, Worker, divided, interleaved, row, serve, show

VOCABULARY, BATCH, WINDOW, THREADS = 90, 64, 100, 2
SIZES = (128, 256, 512)
UPDATES = 3
WANTED = {"float32": Target(at_least=1.0), 512: Target(at_least=1.3)}


def setting(units: int) -> tuple[Any, Any, Any, Any]:
    """Backbone, training settings, objective and windows, the same for both sides."""
    from textgen.core.settings import Training
    from textgen.models.backbones.lstm import LSTM
    from textgen.models.batches import Windows
    from textgen.models.objectives.stepwise import NextToken

    backbone = LSTM(units=(units, units), input="embedding", embedding_size=64)
    random = np.random.default_rng(0)
    documents = [random.integers(2, VOCABULARY, 20_000).astype(np.uint8) for _ in range(40)]
    objective = NextToken(WINDOW)
    return backbone, Training(updates=1, batch=BATCH), objective, Windows(documents, objective)


def textgen(units: str, kernel: str) -> Callable[[], float]:
    from textgen.core import backend

    backend.start_tensorflow(THREADS, parts=True)
    from textgen.training import loop

    backbone, settings, objective, windows = setting(int(units))
    network = objective.build(backbone, VOCABULARY)
    experiment = SimpleNamespace(objective=objective, backbone=backbone, training=settings, seed=0)
    engine = loop.Engine(kernel, THREADS)
    trainer, _ = loop.compiled(network, experiment, windows, engine, UPDATES)
    batches = iter(loop.dataset(windows, BATCH, 0, 0))
    step = trainer.make_train_function() or trainer.train_function

    def measure() -> float:
        begin = time.perf_counter()
        float(step(batches)["loss"])
        return (time.perf_counter() - begin) / UPDATES

    for _ in range(2):
        measure()
    return measure


def pytorch(units: str) -> Callable[[], float]:
    from torch_side import Trainer

    backbone, settings, _, windows = setting(int(units))
    trainer = Trainer(VOCABULARY, backbone, settings)
    batches = windows.training(BATCH, 0)

    def measure() -> float:
        begin = time.perf_counter()
        for _ in range(UPDATES):
            trainer.update(*next(batches), 1e-3)
        return (time.perf_counter() - begin) / UPDATES

    for _ in range(2):
        measure()
    return measure


WORKERS = {"textgen": textgen, "pytorch": pytorch}


def measure(repeats: int) -> list[dict[str, Any]]:
    rows = []
    for units in SIZES:
        with (
            Worker(__file__, "pytorch", units) as reference,
            Worker(__file__, "textgen", units, "fused") as fused,
            Worker(__file__, "textgen", units, "unrolled") as unrolled,
            Worker(__file__, "textgen", units, "unrolled_bfloat16") as low,
        ):
            sides = {
                "PyTorch": reference, "fused": fused, "unrolled": unrolled,
                "unrolled_bfloat16": low,
            }  # fmt: skip
            times = interleaved(sides, repeats)
        middle = {name: statistics.median(values) for name, values in times.items()}
        exact = min(("fused", "unrolled"), key=middle.__getitem__)
        ways = {exact: WANTED["float32"], "unrolled_bfloat16": WANTED.get(units)}
        rows += [
            row(
                f"training step, 2 × {units} units, `{kernel}`",
                "PyTorch float32",
                divided(times["PyTorch"], times[kernel]),
                target,
                milliseconds=round(1e3 * middle[kernel], 2),
            )
            for kernel, target in ways.items()
        ]
    return rows


if __name__ == "__main__" and not serve(WORKERS):
    show(measure(5))
