"""Time to quality: bits per character on the held-out tales after as long a training.

textgen trains an experiment file as a user would; compiling and validation are among its seconds.
PyTorch trains a network of the same sizes on the same tokens, with the same batches, optimizer,
learning rate and dropout, for as long as all of that took. What the network here has beyond
``nn.LSTM`` (vectors of n-grams, an output that starts at the frequencies of the tokens) PyTorch's
has not. Both are scored alike: the state is carried through each held-out document, every token and
end mark is charged, and what the spelling of replaced words costs comes on top; without memories. A
repeat is a seed. textgen keeps its best weights by validation, PyTorch its last ones.
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import interleaved, row, serve

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
# experiment files, and the difference that is wanted
WANTED = {"char": "≤ -0.08", "subword_bpe": "≤ -0.08", "word_count_5": "≤ -0.06"}
# seconds of a training, those that are left for all that comes before its first update among them
SECONDS, BEFORE = 300, 30


def textgen(name: str, runs: str) -> Callable[[], dict[str, Any]]:
    from textgen import train

    seeds = itertools.count(1)

    def measure() -> dict[str, Any]:
        seed = next(seeds)
        overrides = [f"seed={seed}", f"training.seconds={SECONDS - BEFORE}"]
        file, settings = EXPERIMENTS / f"{name}.toml", {"runs_folder": runs, "quiet": True}
        run = train(file, overrides=overrides, name=f"{name}_{seed}", **settings)
        bits = run.metrics.test.bits_per_character
        return {
            "model": bits.model, "spelling": bits.spelling, "total": bits.total,
            "seconds": all_seconds(run), "updates": run.metrics.training.updates,
        }  # fmt: skip

    return measure


def all_seconds(run: Any) -> float:
    """From the beginning of a run's preparation to its last update."""
    training = run.metrics.training
    return training.preparation_seconds + training.seconds + training.validation_seconds


def pytorch(name: str, runs: str) -> Callable[[], dict[str, Any]]:
    from torch_side import Trainer

    from textgen import load_run
    from textgen.data.loading import load_corpus
    from textgen.models.batches import Windows

    seeds = itertools.count(1)

    def measure() -> dict[str, Any]:
        seed = next(seeds)
        run = load_run(Path(runs, f"{name}_{seed}"))
        experiment, tokenizer = run.experiment, run.tokenizer
        corpus = load_corpus(experiment)
        tokens = [tokenizer.encode(d.text, training=True).tokens for d in corpus.train]
        trainer = Trainer(tokenizer.size, experiment.backbone, experiment.training, seed)
        updates = trainer.train(Windows(tokens, experiment.objective), all_seconds(run), seed)
        encoded = [tokenizer.encode(d.text) for d in corpus.test]
        characters = sum(e.characters + 1 for e in encoded)
        model = trainer.bits([e.tokens for e in encoded], experiment.objective) / characters
        spelling = sum(float(e.spelling_bits.sum()) for e in encoded) / characters
        total = model + spelling
        return {"model": model, "spelling": spelling, "total": total, "updates": updates}

    return measure


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for name, wanted in WANTED.items():
        with tempfile.TemporaryDirectory() as runs:
            sides = {side: (side, name, runs) for side in ("textgen", "pytorch")}
            results = interleaved(__file__, sides, options.repeats)
        pairs = zip(results["textgen"], results["pytorch"], strict=True)
        differences = [ours["total"] - theirs["total"] for ours, theirs in pairs]
        what = f"bits per character of `{name}` after {SECONDS} s"
        more = {"unit": "bpc", "results": results}
        rows.append(row(what, "PyTorch float32, as long", differences, wanted, **more))
    return rows


if __name__ == "__main__":
    serve({"textgen": textgen, "pytorch": pytorch})
