"""Time to quality: bits per character on the held-out tales after as long a training.

README.md says what the sides share. Both are scored alike: the state is carried through each
held-out document, every token and end mark is charged, and so is the spelling of replaced words.
A repeat is a seed. textgen keeps its best weights by validation, PyTorch its last ones.
"""

import itertools
import tempfile
from pathlib import Path

from timing import interleaved, row, serve

# experiment files, and the difference that is wanted
WANTED = {"char": "≤ -0.08", "subword_bpe": "≤ -0.08", "word_count_5": "≤ -0.06"}
# seconds of a training, those that are left for all that comes before its first update among them
SECONDS, BEFORE = 300, 30


def textgen(name, runs):
    from textgen import train

    seeds = itertools.count(1)

    def measure():
        seed = next(seeds)
        overrides = [f"seed={seed}", f"training.seconds={SECONDS - BEFORE}"]
        settings = {"name": f"{name}_{seed}", "runs_folder": runs, "quiet": True}
        metrics = train(name, overrides=overrides, **settings).metrics
        seconds, bits = all_seconds(metrics.training), metrics.test.bits_per_character
        return figures(bits.model, bits.spelling, seconds, metrics.training.updates)

    return measure


def all_seconds(training):
    """From the beginning of a run's preparation to its last update."""
    return training.preparation_seconds + training.seconds + training.validation_seconds


def figures(model, spelling, seconds, updates):
    bits = {"model": model, "spelling": spelling, "total": model + spelling}
    return bits | {"seconds": seconds, "updates": updates}


def pytorch(name, runs):
    from torch_side import Trainer

    from textgen import load_run
    from textgen.data.loading import load_corpus
    from textgen.models.batches import Windows

    seeds = itertools.count(1)

    def measure():
        seed = next(seeds)
        run = load_run(Path(runs, f"{name}_{seed}"))
        experiment, tokenizer = run.experiment, run.tokenizer
        corpus = load_corpus(experiment)
        tokens = [tokenizer.encode(d.text, training=True).tokens for d in corpus.train]
        trainer = Trainer(tokenizer.size, experiment.backbone, experiment.training, seed)
        windows, seconds = Windows(tokens, experiment.objective), all_seconds(run.metrics.training)
        updates = trainer.train(windows, seconds, seed)
        encoded = [tokenizer.encode(d.text) for d in corpus.test]
        characters = sum(e.characters + 1 for e in encoded)
        model = trainer.bits([e.tokens for e in encoded], experiment.objective) / characters
        spelling = sum(float(e.spelling_bits.sum()) for e in encoded) / characters
        return figures(model, spelling, seconds, updates)

    return measure


def measure(options):
    rows = []
    for name, wanted in WANTED.items():
        with tempfile.TemporaryDirectory() as runs:
            sides = "textgen", "pytorch"
            results = interleaved(__file__, sides, (name, runs), options.repeats)
        differences = [a["total"] - b["total"] for a, b in zip(*results, strict=True)]
        what = f"bits per character of `{name}` after {SECONDS} s"
        more = {"unit": "bpc", "results": dict(zip(sides, results, strict=True))}
        rows.append(row(what, "PyTorch float32, as long", differences, wanted, **more))
    return rows


if __name__ == "__main__":
    serve({"textgen": textgen, "pytorch": pytorch})
