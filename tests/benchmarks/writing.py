"""How fast text is written.

Both sides have 2 × 256 units and weights as they are before training. ``predict`` reads the last
WINDOW tokens again for every token that it writes, as the article's program and most tutorials do,
in a network of Keras' own layers. PyTorch carries its states, draws with ``multinomial`` and has
two threads. A tail is as probable as that of a word model on the tales.
"""

import itertools
from types import SimpleNamespace

import numpy as np
from timing import faster, timed

WINDOW, THREADS, UNITS = 50, 2, (256, 256)
# the share of the words of the tales that are not among the 2,000 most frequent ones
TAIL = 0.17
CASES = (90, "full softmax"), (20_000, "full softmax"), (20_000, "two levels")


def backbone(size, output):
    from textgen.models.backbones import LSTM, Adaptive

    width = 64 if size < 1000 else 128
    levels = Adaptive() if output == "two levels" else False
    return LSTM(units=UNITS, input="embedding", embedding_size=width, adaptive_softmax=levels)


def textgen(size, output, batch):
    from textgen.core import system

    system.start_tensorflow(THREADS)
    from textgen.evaluation.model import LanguageModel
    from textgen.evaluation.sampler import write_tokens
    from textgen.models.objectives import NextToken

    settings, objective = backbone(size, output), NextToken(64)
    network = objective.build(settings, size)
    if (layer := network.output_layer).head_size < layer.size:
        frequent = layer.head_size
        layer.head.bias.assign([0.0] * frequent + [np.log(frequent * TAIL / (1 - TAIL))])
    offsets = np.zeros(size)
    tokenizer = SimpleNamespace(size=size, unwritable=(0, 1))
    tokenizer.temperature_offsets = lambda temperature: offsets
    model = LanguageModel(tokenizer, objective, network)
    steps = 2560 if batch == 1 else 256
    prompts, seeds = [np.zeros(0, int)] * batch, range(batch)

    def write():
        for _ in itertools.islice(write_tokens(model, prompts, seeds), steps):
            pass

    return timed(write, steps * batch)


def predict(size, output, batch):
    from textgen.core import system

    system.start_tensorflow(THREADS)
    import keras

    settings = backbone(size, output)
    network = keras.Sequential([keras.layers.Embedding(size, settings.embedding_size)])
    for units in UNITS:
        network.add(keras.layers.LSTM(units, return_sequences=True))
    network.add(keras.layers.Dense(size))
    recent, steps = np.full((1, WINDOW), 2, np.int32), 12

    def write():
        nonlocal recent
        for _ in range(steps):
            logits = network.predict(recent, verbose=0)[:, -1]
            drawn = np.argmax(logits + np.random.gumbel(size=logits.shape), axis=-1)
            recent = np.concatenate([recent[:, 1:], drawn[:, None].astype(np.int32)], axis=1)

    return timed(write, steps)


def pytorch(size, output, batch):
    import torch
    from torch_side import Network

    torch.set_num_threads(THREADS)
    network = Network(size, backbone(size, output)).eval()
    steps = 128 if batch == 1 else 32

    def write():
        with torch.no_grad():
            states = network.zero_states(batch)
            drawn = torch.zeros(batch, 1, dtype=torch.long)
            for _ in range(steps):
                features, states = network.features(drawn, states)
                drawn = torch.multinomial(network.probabilities(features[:, 0]), 1)

    return timed(write, steps * batch)


SIDES = {  # by batch: what is wanted of the ratio to each side
    1: [(pytorch, "PyTorch step loop", "≥ 3"), (predict, "`predict` a token", "≥ 500")],
    64: [(pytorch, "PyTorch step loop", "≥ 1.3")],
}


def sampling(options):
    rows, figures = [], {"tokens_a_second": lambda seconds: round(1 / seconds)}
    for (size, output), batch in itertools.product(CASES, SIDES):
        what = f"sampling, {size:,} tokens, {output}, batch {batch}"
        for other, *labels in SIDES[batch]:
            given = (textgen, other), (size, output, batch), options.repeats
            rows.append(faster(*given, what, *labels, **figures))
    return rows
