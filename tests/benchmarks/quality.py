"""Quality at equal seconds: bits per character of the held-out tales, textgen's minus PyTorch's.

PyTorch learns from the tokens of a finished run with the run's sizes, rows, rate and dropout. It
makes as many updates as take it as long as the run's updates take textgen; the ratio of the seconds
of an update is measured in turns. Both sides are scored alike, networks alone: the state is carried
through each held-out document; every token and end mark is charged, and so is the spelling of
replaced words. textgen keeps its best weights by validation, PyTorch its last.
"""

import statistics
import tempfile

from timing import interleaved, row
from training_step import ARMS, pytorch_update, textgen_update

WANTED = "≤ 0"  # PyTorch does not lead


def read(folder):
    """A run, its text, and the windows of its training text."""
    from textgen import load_run
    from textgen.data.loading import load_corpus
    from textgen.models.batches import Windows

    run = load_run(folder)
    corpus = load_corpus(run.experiment)
    tokens = [run.tokenizer.encode(d.text, training=True).tokens for d in corpus.train]
    return run, corpus, Windows(tokens, run.experiment.objective)


def textgen(folder):
    run, _, windows = read(folder)
    return textgen_update(run.experiment, run.tokenizer.size, windows, threads=1)


def pytorch(folder):
    run, _, windows = read(folder)
    return pytorch_update(run.experiment, run.tokenizer.size, windows, threads=1)


def trained_pytorch(folder, updates):
    """What trains a network of PyTorch, and finds its bits per character of the test part."""
    from torch_side import Trainer

    run, corpus, windows = read(folder)
    experiment = run.experiment

    def measure():
        trainer = Trainer(
            run.tokenizer.size, experiment.backbone, experiment.training, experiment.seed
        )
        trainer.train(windows, updates, experiment.seed)
        encoded = [run.tokenizer.encode(d.text) for d in corpus.test]
        bits = trainer.bits([e.tokens for e in encoded], experiment.objective)
        spelling = sum(float(e.spelling_bits.sum()) for e in encoded)
        characters = sum(e.characters + 1 for e in encoded)
        return (bits + spelling) / characters

    return measure


def side(bits, updates, seconds):
    """What is written down of a side; the seconds are those of one update."""
    return {"bits": bits, "updates": updates, "milliseconds": round(1e3 * seconds, 2)}


def measure(options):
    from textgen import load_run, train

    def trained(arm):
        own = {"overrides": ["training.threads=1"], "runs_folder": scratch, "quiet": True}
        return train(f"matched/{arm}", **own).folder

    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for run in map(load_run, options.runs or map(trained, ARMS)):
            seconds = interleaved([textgen, pytorch], [run.folder], options.repeats)
            ours, theirs = map(statistics.median, seconds)
            updates = run.metrics.training.updates
            as_long = round(updates * ours / theirs)
            ((reached,),) = interleaved([trained_pytorch], [run.folder, as_long], 1)
            bits = run.bits()
            figures = {
                "unit": "bpc",
                "textgen": side(bits, updates, ours),
                "pytorch": side(reached, as_long, theirs),
            }
            what = f"bits per character of `{run.folder.name}`, equal seconds of one core"
            rows.append(row(what, "PyTorch", [bits - reached], WANTED, **figures))
    return rows
