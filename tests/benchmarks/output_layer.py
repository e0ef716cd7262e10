"""Milliseconds of a training step with a large vocabulary: full softmax against two levels.

    python tests/benchmarks/output_layer.py

1 × 256 units on an embedding of 128, batches of 16 × 32 targets drawn independently from Zipf's law
as Mandelbrot corrected it, p ∝ 1 / (rank + 2.7). That is hard on two levels: text has fewer of its
words in the tail. Interleaved repeats in one process; medians and ratios to the full softmax
go to ``output_layer.json`` beside this file. Two arms have dropout, ours and Keras'.

``output_layer.py SIZE`` takes another vocabulary than 20,000 and writes nothing.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from textgen import backend

SIZE, BATCH, WINDOW = 20_000, 16, 32
UPDATES, REPEATS = 10, 9
ARMS: dict[str, dict[str, Any]] = {
    "softmax": {},
    "adaptive, head 1000": {"output": "adaptive", "head": 1000},
    "adaptive, head 2000": {"output": "adaptive", "head": 2000},
    "adaptive, head 4000": {"output": "adaptive", "head": 4000},
    "adaptive, head 2000, frozen embedding": {"output": "adaptive", "frozen": True},
    "adaptive, head 2000, dropout 0.4": {"output": "adaptive", "dropout": 0.4},
    "adaptive, head 2000, dropout 0.4 of Keras": {
        "output": "adaptive",
        "dropout": 0.4,
        "plain_dropout": True,
    },
}


def updates(
    size: int, frozen: bool = False, plain_dropout: bool = False, **output: Any
) -> tuple[Callable[[], float], int]:
    """Something that makes UPDATES updates of a compiled network, and the network's weights."""
    import keras
    import tensorflow as tf

    from textgen.backbone import set_embedding
    from textgen.dropout import HashedDropout
    from textgen.lstm import FusedLSTM
    from textgen.objectives.stepwise import NextToken
    from textgen.settings import Backbone
    from textgen.training import Trainer

    backbone = Backbone(units=(256,), input="embedding", embedding_size=128, **output)
    objective = NextToken(WINDOW)
    FusedLSTM.dropout_layer = keras.layers.Dropout if plain_dropout else HashedDropout
    network = objective.build(backbone, size, FusedLSTM)
    set_embedding(network, None, frozen)
    law = 1 / (np.arange(size) + 2.7)
    law /= law.sum()
    share = float(law[backbone.head :].sum())
    trainer = Trainer(network, objective, backbone, BATCH, "categorical", share)
    trainer.compile(
        optimizer=keras.optimizers.AdamW(1e-3, global_clipnorm=1.0),
        jit_compile=True,
        steps_per_execution=UPDATES,
    )
    trainer.optimizer.build(network.trainable_variables)
    spans = np.random.default_rng(0).choice(size, p=law, size=(UPDATES, BATCH, WINDOW + 1))
    data = tf.data.Dataset.from_tensor_slices(
        (spans.astype(np.int32), np.zeros((UPDATES, BATCH), bool))
    )
    batches = iter(data.repeat())
    train = trainer.make_train_function() or trainer.train_function
    return lambda: float(train(batches)["loss"]), network.count_params()


def main(size: int) -> dict[str, dict[str, float]]:
    backend.start()
    arms = {name: updates(size, **settings) for name, settings in ARMS.items()}
    for run, _ in arms.values():
        run()  # compiles
    times: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(REPEATS):
        for name, (run, _) in arms.items():
            begin = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - begin) / UPDATES)
    results = {}
    for name, values in times.items():
        ratios = np.array(values) / np.array(times["softmax"])
        results[name] = {
            "milliseconds": round(float(np.median(values)), 2),
            "ratio": round(float(np.median(ratios)), 3),
            "lowest": round(float(ratios.min()), 3),
            "highest": round(float(ratios.max()), 3),
            "weights": arms[name][1],
        }
        print(f"{name}: {results[name]}")
    return results


if __name__ == "__main__":
    results = main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE)
    if len(sys.argv) == 1:
        Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")
