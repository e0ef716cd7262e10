"""How fast text is written: by the sampler, in ``textgen play``, by models inside a page.

Sampling has 2 × 256 units and weights as they are before training. ``predict`` reads the last
WINDOW tokens again for every token that it writes, as the article's program and most tutorials do,
in a network of Keras' own layers. PyTorch carries its states, draws with ``multinomial`` and has
two threads. A tail is as probable as that of a word model on the tales.
"""

import itertools
import json
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from urllib.request import ProxyHandler, build_opener

import numpy as np
from timing import faster, row, serve, timed

WINDOW, THREADS, UNITS = 50, 2, (256, 256)
# the share of the words of the tales that are not among the 2,000 most frequent ones
TAIL = 0.17
TOKENS = {"textgen": {1: 2560, 64: 256}, "pytorch": {1: 128, 64: 32}, "predict": {1: 12}}
CASES = ((90, "softmax"), (20_000, "softmax"), (20_000, "adaptive"))
# by batch: what is wanted of the ratio to each side
WANTED = {1: {"pytorch": "≥ 3", "predict": "≥ 500"}, 64: {"pytorch": "≥ 1.3"}}
SIDES = {"pytorch": "PyTorch step loop", "predict": "`predict` a token"}


def backbone(size, output):
    from textgen.models.backbones import LSTM, Adaptive

    width = 64 if size < 1000 else 128
    levels = Adaptive() if output == "adaptive" else False
    return LSTM(units=UNITS, input="embedding", embedding_size=width, adaptive_softmax=levels)


def textgen(size, output, batch):
    from textgen.core import system

    system.start_tensorflow(THREADS)
    from textgen.evaluation.model import LanguageModel
    from textgen.evaluation.sampler import write_tokens
    from textgen.models.objectives import NextToken

    settings, objective = backbone(int(size), output), NextToken(64)
    network = objective.build(settings, int(size))
    if (layer := network.output_layer).head_size < layer.size:
        frequent = layer.head_size
        layer.head.bias.assign([0.0] * frequent + [np.log(frequent * TAIL / (1 - TAIL))])
    offsets = np.zeros(int(size))
    tokenizer = SimpleNamespace(size=int(size), unwritable=(0, 1))
    tokenizer.temperature_offsets = lambda temperature: offsets
    model = LanguageModel(tokenizer, objective, network)
    steps = TOKENS["textgen"][int(batch)]
    prompts, seeds = [np.zeros(0, int)] * int(batch), range(int(batch))

    def write():
        for _ in itertools.islice(write_tokens(model, prompts, seeds), steps):
            pass

    return timed(write, steps * int(batch))


def predict(size, output, batch):
    from textgen.core import system

    system.start_tensorflow(THREADS)
    import keras

    settings = backbone(int(size), output)
    network = keras.Sequential([keras.layers.Embedding(int(size), settings.embedding_size)])
    for units in UNITS:
        network.add(keras.layers.LSTM(units, return_sequences=True))
    network.add(keras.layers.Dense(int(size)))
    recent, steps = np.full((1, WINDOW), 2, np.int32), TOKENS["predict"][int(batch)]

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
    network = Network(int(size), backbone(int(size), output)).eval()
    steps = TOKENS["pytorch"][int(batch)]

    def write():
        with torch.no_grad():
            states = network.zero_states(int(batch))
            drawn = torch.zeros(int(batch), 1, dtype=torch.long)
            for _ in range(steps):
                features, states = network.features(drawn, states)
                drawn = torch.multinomial(network.probabilities(features[:, 0]), 1)

    return timed(write, steps * int(batch))


def sampling(options):
    rows, figures = [], {"tokens_a_second": lambda seconds: round(1 / seconds)}
    for (size, output), (batch, wanted) in itertools.product(CASES, WANTED.items()):
        levels = "two levels" if output == "adaptive" else "full softmax"
        what = f"sampling, {size:,} tokens, {levels}, batch {batch}"
        for other, target in wanted.items():
            sides, labels = (__file__, other, (size, output, batch)), (what, SIDES[other], target)
            rows.append(faster(*sides, options.repeats, *labels, **figures))
    return rows


ask = build_opener(ProxyHandler({})).open
CHARACTERS = 1000
BEGINNING = "At the end of the day they came to the {}house on the hill and "


def written(address, number, model):
    """Seconds to the first character, and characters a second after it."""
    text = BEGINNING.format("old " * number)
    typed = {"model": model, "what": "expect", "text": text[:-8]}
    ask(f"{address}ask", json.dumps(typed).encode()).read()
    question = {"model": model, "what": "write", "text": text, "length": CHARACTERS, "seed": number}
    start = time.perf_counter()
    with ask(f"{address}ask", json.dumps(question).encode()) as answer:
        lines = [(line, time.perf_counter() - start) for line in answer]
    if len(lines) == 1:
        raise SystemExit(lines[0][0])
    return lines[0][1], CHARACTERS / (lines[-1][1] - lines[0][1])


def playing(options):
    """All models are asked at once, as the page asks them: what they expect, while a text is typed,
    and then for a text. Every beginning is another."""
    rows, count = [], len(options.runs)
    command = [sys.executable, "-m", "textgen", "play", *map(str, options.runs)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = next(line.strip() for line in server.stdout if line.startswith("http"))
        models = [model["name"] for model in json.load(ask(f"{address}models"))]
        with ThreadPoolExecutor(count) as pool:
            rounds = [
                list(pool.map(partial(written, address, number), models))
                for number in range(options.repeats)
            ]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
    for name, times in zip(models, zip(*rounds, strict=True), strict=True):
        soon, fast = zip(*times, strict=True)
        what = f"of `{name}`, {count} models asked at once"
        rows += [
            row(f"first character {what}", "the clock", soon, "≤ 0.3", unit="s"),
            row(f"characters a second {what}", "the clock", fast, "≥ 200", unit="/s"),
        ]
    return rows


SCORED, NEXT_TOKENS = 2000, 10
ANSWERS = "return document.querySelectorAll('#ask .next li').length"
PRICE = """const [name, text, end] = arguments
    const rows = JSON.parse(document.getElementById("models").textContent)
    embedded(rows).find(model => model.name === name).price(text).then(end)"""


def page_models(options):
    """Models inside a report's page (needs Chromium): its size, how soon they answer, how far
    rounded weights move the bits of the first characters of the report's held-out passages."""
    import textgen

    sys.path.append(str(Path(__file__).parents[1]))
    from chromium import headless

    runs, seconds = list(map(textgen.load_run, options.runs)), []
    with tempfile.TemporaryDirectory() as scratch:
        settings = {"reports_folder": scratch, "embed": [], "quiet": True}
        folder = textgen.compare_runs(runs, name="page", **settings).folder
        page, content = folder / "index.html", (folder / "texts.json").read_text(encoding="utf-8")
        text = "".join(passage["text"] for passage in json.loads(content)["passages"])[:SCORED]
        with headless(Path(scratch), "about:blank") as browser:
            browser.set_script_timeout(120)
            for _ in range(options.repeats):
                start = time.perf_counter()
                browser.get(page.as_uri())
                browser.execute_script("document.getElementById('ask-form').scrollIntoView()")
                while browser.execute_script(ANSWERS) < NEXT_TOKENS * len(runs):
                    time.sleep(0.02)
                seconds.append(time.perf_counter() - start)
            names = [run.experiment.name for run in runs]
            priced = [browser.execute_async_script(PRICE, name, text) for name in names]
        size = page.stat().st_size / 1e6
    what = f"{len(runs)} models in a page"
    rows = [
        row(f"MB of {what}", "the clock", [size], "≤ 12", unit="MB"),
        row(f"until all answer: {what}", "the clock", seconds, "≤ 3", unit="s"),
    ]
    for run, price in zip(runs, priced, strict=True):
        own, expected = (it["parts"]["network"]["total"] for it in (price, run.score(text)))
        off = 100 * abs(own / expected - 1)
        label = f"`{run.experiment.name}`, bits of {len(text):,} characters, in %"
        rows.append(row(label, "the run's own", [off], "≤ 0.1", unit="%"))
    return rows


if __name__ == "__main__":
    serve({"textgen": textgen, "predict": predict, "pytorch": pytorch})
