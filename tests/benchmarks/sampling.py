"""Sampling against ``model.predict`` a character and a PyTorch step loop.

    python tests/benchmarks/sampling.py

2 × 256 units, 90 tokens and 20,000, the latter with a full softmax and with two levels; weights as
they are before training. ``predict`` reads the last WINDOW tokens anew for every token that it
writes, as the article's program and most tutorials do, in a network of Keras' own layers. PyTorch
carries its states, draws with ``multinomial`` and has two threads. A tail is as probable as that of
a word model on the tales, or its cost would go unnoticed.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from timing import Target, Worker, divided, interleaved, row, serve, show

WINDOW, THREADS, UNITS = 50, 2, (256, 256)
TAIL = 0.17
"""Share of the words of the tales that are not among the 2,000 most frequent ones."""
TOKENS = {"textgen": {1: 2560, 64: 256}, "pytorch": {1: 128, 64: 32}, "predict": 12}
CASES = ((90, "softmax"), (20_000, "softmax"), (20_000, "adaptive"))
WANTED = {
    "predict": Target(at_least=500),
    1: Target(at_least=3),
    64: Target(at_least=1.3),
}


def backbone(size: int, output: str) -> Any:
    from textgen.models.backbones import LSTM, Adaptive

    width = 64 if size < 1000 else 128
    levels = Adaptive() if output == "adaptive" else False
    return LSTM(units=UNITS, input="embedding", embedding_size=width, adaptive_softmax=levels)


def textgen(size: str, output: str, batch: str) -> Callable[[], float]:
    from textgen.core import system

    system.start_tensorflow(THREADS)
    from textgen.evaluation.sampler import Sampler
    from textgen.models.objectives import NextToken

    settings, objective = backbone(int(size), output), NextToken(64)
    network = objective.build(settings, int(size))
    if (layer := network.output_layer).adaptive:
        frequent = layer.head_size
        layer.head.bias.assign([0.0] * frequent + [np.log(frequent * TAIL / (1 - TAIL))])
    sampler, steps = Sampler(objective, network), TOKENS["textgen"][int(batch)]
    prompts, seeds = [np.zeros(0, int)] * int(batch), range(int(batch))

    def write() -> None:
        for _ in itertools.islice(sampler.write(prompts, seeds), steps):
            pass

    return timed(write, steps * int(batch))


def predict(size: str, output: str) -> Callable[[], float]:
    from textgen.core import system

    system.start_tensorflow(THREADS)
    import keras

    settings = backbone(int(size), output)
    network = keras.Sequential([keras.layers.Embedding(int(size), settings.embedding_size)])
    for units in UNITS:
        network.add(keras.layers.LSTM(units, return_sequences=True))
    network.add(keras.layers.Dense(int(size)))
    recent = np.full((1, WINDOW), 2, np.int32)

    def write() -> None:
        nonlocal recent
        for _ in range(TOKENS["predict"]):
            logits = network.predict(recent, verbose=0)[:, -1]
            drawn = np.argmax(logits + np.random.gumbel(size=logits.shape), axis=-1)
            recent = np.concatenate([recent[:, 1:], drawn[:, None].astype(np.int32)], axis=1)

    return timed(write, TOKENS["predict"])


def pytorch(size: str, output: str, batch: str) -> Callable[[], float]:
    import torch
    from torch_side import Network

    torch.set_num_threads(THREADS)
    network = Network(int(size), backbone(int(size), output)).eval()
    steps = TOKENS["pytorch"][int(batch)]

    def write() -> None:
        with torch.no_grad():
            states = network.zero_states(int(batch))
            drawn = torch.zeros(int(batch), 1, dtype=torch.long)
            for _ in range(steps):
                features, states = network.features(drawn, states)
                drawn = torch.multinomial(network.probabilities(features[:, 0]), 1)

    return timed(write, steps * int(batch))


def timed(write: Callable[[], Any], tokens: int) -> Callable[[], float]:
    """Seconds a token, once what has to be compiled is compiled."""

    def measure() -> float:
        begin = time.perf_counter()
        write()
        return (time.perf_counter() - begin) / tokens

    measure()
    return measure


WORKERS = {"textgen": textgen, "predict": predict, "pytorch": pytorch}


def measure(repeats: int) -> list[dict[str, Any]]:
    rows = []
    for size, output in CASES:
        levels = "two levels" if output == "adaptive" else "full softmax"
        for batch in (1, 64):
            what = f"sampling, {size:,} tokens, {levels}, batch {batch}"
            with (
                Worker(__file__, "textgen", size, output, batch) as ours,
                Worker(__file__, "pytorch", size, output, batch) as other,
            ):
                times = interleaved({"textgen": ours, "PyTorch": other}, repeats)
                ratios = divided(times["PyTorch"], times["textgen"])
                rate = round(1 / float(np.median(times["textgen"])))
                rows.append(
                    row(what, "PyTorch step loop", ratios, WANTED[batch], tokens_a_second=rate)
                )
                if batch > 1:
                    continue
                with Worker(__file__, "predict", size, output) as tutorial:
                    times = interleaved({"textgen": ours, "predict": tutorial}, repeats)
                ratios = divided(times["predict"], times["textgen"])
                rows.append(row(what, "`predict` a token", ratios, WANTED["predict"]))
    return rows


if __name__ == "__main__" and not serve(WORKERS):
    show(measure(5))
