"""Time to quality: bits per character of the held-out tales after as long a training on one core.

PyTorch learns from the tokens of a finished run for SECONDS, as long as the run by its plan: once
with the run's sizes, rows, rate and dropout, and once with PLAIN ones; the better one counts.
Both sides are scored alike: the state is carried through each held-out document, every token and
end mark is charged, and so is the spelling of replaced words. textgen keeps its best weights by
validation and mixes in its counts of the training text; PyTorch has its last weights and no more.
"""

import tempfile
from dataclasses import replace

from timing import interleaved, row, serve

EXPERIMENTS = ("char", "subword_bpe", "word_rare_signature")
SECONDS, WANTED = 300, "≤ -0.06"
PLAIN = {"units": (320,), "dropout": 0.1}, {"learning_rate": 4e-3, "batch": 16}


def trained(name, folder):
    """A run of an experiment for SECONDS of one core."""
    from textgen import train

    overrides = [f"training.seconds={SECONDS}", "training.threads=1"]
    return train(name, overrides=overrides, runs_folder=folder, quiet=True).folder


def pytorch(folder, plain):
    from torch_side import Trainer

    from textgen import load_run
    from textgen.data.loading import load_corpus
    from textgen.models.batches import Windows

    run = load_run(folder)
    experiment, tokenizer = run.experiment, run.tokenizer
    backbone, training = experiment.backbone, experiment.training
    if plain:
        backbone, training = replace(backbone, **PLAIN[0]), replace(training, **PLAIN[1])

    def measure():
        corpus = load_corpus(experiment)
        tokens = [tokenizer.encode(d.text, training=True).tokens for d in corpus.train]
        trainer = Trainer(tokenizer.size, backbone, training, experiment.seed)
        windows = Windows(tokens, experiment.objective)
        updates = trainer.train(windows, SECONDS, experiment.seed)
        encoded = [tokenizer.encode(d.text) for d in corpus.test]
        bits = trainer.bits([e.tokens for e in encoded], experiment.objective)
        spelling = sum(float(e.spelling_bits.sum()) for e in encoded)
        characters = sum(e.characters + 1 for e in encoded)
        return {"total": (bits + spelling) / characters, "updates": updates}

    return measure


def measure(options):
    from textgen import load_run

    rows, what = [], f"bits per character of `{{}}` after {SECONDS} s of one core"
    with tempfile.TemporaryDirectory() as scratch:
        for folder in options.runs or (trained(name, scratch) for name in EXPERIMENTS):
            bits = load_run(folder).bits()
            sides = "with_its_settings", "with_plain_ones"
            both = [side[0] for side in interleaved(__file__, sides, [folder], 1)]
            difference = bits - min(side["total"] for side in both)
            figures = {"unit": "bpc", "textgen": bits} | dict(zip(sides, both, strict=True))
            rows.append(row(what.format(folder.name), "PyTorch", [difference], WANTED, **figures))
    return rows


if __name__ == "__main__":
    serve(
        {
            "with_its_settings": lambda folder: pytorch(folder, plain=False),
            "with_plain_ones": lambda folder: pytorch(folder, plain=True),
        }
    )
