"""Time to quality: bits per character of the held-out tales after as long a training on one core.

PyTorch learns from the tokens of a finished run with the run's sizes, rows, rate and dropout, for
as many seconds of one core. Both sides are scored alike, networks alone: the state is carried
through each held-out document; every token and end mark is charged, and so is the spelling of
replaced words. textgen keeps its best weights by validation, PyTorch its last.
"""

import tempfile

from timing import interleaved, row
from training_step import ARMS

SECONDS, WANTED = 300, "≤ -0.06"  # where a run has another budget; of the difference


def pytorch(folder):
    from torch_side import Trainer

    from textgen import load_run
    from textgen.data.loading import load_corpus
    from textgen.models.batches import Windows

    run = load_run(folder)
    experiment, tokenizer = run.experiment, run.tokenizer

    def measure():
        corpus = load_corpus(experiment)
        tokens = [tokenizer.encode(d.text, training=True).tokens for d in corpus.train]
        trainer = Trainer(tokenizer.size, experiment.backbone, experiment.training, experiment.seed)
        windows = Windows(tokens, experiment.objective)
        updates = trainer.train(windows, experiment.training.seconds or SECONDS, experiment.seed)
        encoded = [tokenizer.encode(d.text) for d in corpus.test]
        bits = trainer.bits([e.tokens for e in encoded], experiment.objective)
        spelling = sum(float(e.spelling_bits.sum()) for e in encoded)
        characters = sum(e.characters + 1 for e in encoded)
        return {"total": (bits + spelling) / characters, "updates": updates}

    return measure


def measure(options):
    from textgen import load_run, train

    def trained(arm):
        own = {"overrides": ["training.threads=1"], "runs_folder": scratch, "quiet": True}
        return train(f"matched/{arm}", **own).folder

    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for run in map(load_run, options.runs or map(trained, ARMS)):
            seconds, bits = run.experiment.training.seconds or SECONDS, run.bits()
            ((theirs,),) = interleaved([pytorch], [run.folder], 1)
            what = f"bits per character of `{run.folder.name}` after {seconds:.0f} s of one core"
            figures = {"unit": "bpc", "textgen": bits, "pytorch": theirs}
            rows.append(row(what, "PyTorch", [bits - theirs["total"]], WANTED, **figures))
    return rows
