"""The training step with a large vocabulary: two levels against the full softmax.

    python tests/benchmarks/output_layer.py

1 × 256 units on an embedding of 128, batches of 16 × 32 targets drawn independently from Zipf's law
as Mandelbrot corrected it, p ∝ 1 / (rank + 2.7). That is hard on two levels: text has fewer of its
words in the tail. All arms take turns in one process. Two have dropout, ours and Keras'.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
from timing import Target, Worker, divided, row, serve, show

from textgen.models.backbones import Adaptive

SIZE, BATCH, WINDOW = 20_000, 16, 32
UPDATES, THREADS = 10, 2
WANTED = {"adaptive, head 2000": Target(at_most=0.45)}
ARMS: dict[str, dict[str, Any]] = {
    "softmax": {},
    "adaptive, head 1000": {"adaptive_softmax": Adaptive(1000)},
    "adaptive, head 2000": {"adaptive_softmax": Adaptive(2000)},
    "adaptive, head 4000": {"adaptive_softmax": Adaptive(4000)},
    "adaptive, head 2000, frozen embedding": {"adaptive_softmax": Adaptive(), "frozen": True},
    "adaptive, head 2000, dropout 0.4": {"adaptive_softmax": Adaptive(), "dropout": 0.4},
    "adaptive, head 2000, dropout 0.4 of Keras": {
        "adaptive_softmax": Adaptive(),
        "dropout": 0.4,
        "plain_dropout": True,
    },
}


def updates(
    size: int, frozen: bool = False, plain_dropout: bool = False, **output: Any
) -> tuple[Callable[[], float], int]:
    """Something that makes UPDATES updates of a compiled network, and the network's weights."""
    import keras

    from textgen.core.settings import Training
    from textgen.models import network
    from textgen.models.backbones import LSTM
    from textgen.models.dropout import HashedDropout
    from textgen.models.network import set_embedding
    from textgen.models.objectives import NextToken
    from textgen.training.step import Step

    backbone = LSTM(units=(256,), input="embedding", embedding_size=128, **output)
    objective = NextToken(WINDOW)
    dropout = keras.layers.Dropout if plain_dropout else HashedDropout
    with mock.patch.object(network, "HashedDropout", dropout):
        network = objective.build(backbone, size)
    set_embedding(network, None, frozen)
    law = 1 / (np.arange(size) + 2.7)
    law /= law.sum()
    share = float(law[Adaptive().head :].sum())
    settings = Training(updates=1, batch=BATCH, learning_rate=1e-3)
    step = Step(network, objective, settings, tail_share=share, threads=THREADS)
    spans = np.random.default_rng(0).choice(size, p=law, size=(UPDATES, BATCH, WINDOW + 1))
    fresh = np.zeros(BATCH, bool)

    def run() -> float:
        for each in spans.astype(np.int32):
            sums = step.update(each, fresh)
        return float(sums[0] / sums[2])

    return run, network.count_params()


def arms() -> Callable[[], dict[str, float]]:
    """Every arm once, in turns: milliseconds an update."""
    from textgen.core import machine

    machine.start_tensorflow(THREADS, parts=True)
    made = {name: updates(SIZE, **settings)[0] for name, settings in ARMS.items()}

    def measure() -> dict[str, float]:
        found = {}
        for name, run in made.items():
            begin = time.perf_counter()
            run()
            found[name] = 1e3 * (time.perf_counter() - begin) / UPDATES
        return found

    measure()  # compiles
    return measure


WORKERS = {"arms": arms}


def measure(repeats: int) -> list[dict[str, Any]]:
    with Worker(__file__, "arms") as worker:
        found = [worker.go() for _ in range(repeats)]
    times = {name: [each[name] for each in found] for name in ARMS}
    return [
        row(
            f"training step, {SIZE:,} tokens, {name}",
            "full softmax",
            divided(values, times["softmax"]),
            WANTED.get(name),
            milliseconds=round(statistics.median(values), 2),
        )
        for name, values in times.items()
        if name != "softmax"
    ]


if __name__ == "__main__" and not serve(WORKERS):
    show(measure(5))
