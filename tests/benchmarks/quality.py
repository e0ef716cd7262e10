"""Time to quality: bits per character on the held-out tales after as long a training.

    python tests/benchmarks/quality.py [--seconds 300] [--experiments char.toml …] [--runs FOLDER]

textgen trains an experiment file as a user would, and has so many seconds from the beginning of its
preparation to its last update: compiling and validation are among them. PyTorch
trains a network of the same sizes on the same tokens, with the same batches, optimizer, learning
rate and dropout, for as long as all of that took, though its tokens are there from the start. What
the network here has beyond ``nn.LSTM`` (vectors of n-grams, an output that starts at the
frequencies of the tokens) PyTorch's has not. Both are scored alike: the state is carried through
each held-out document, every token and end mark is charged, and what the spelling of replaced words
costs comes on top. Neither has a memory of the document, of tokens or of spelled words. Model and
spelling stand apart in the JSON file.

What is reported is the difference in bits per character. A repeat is a seed. textgen keeps its best
weights by validation, PyTorch its last ones, with a learning rate that has come down to zero.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from timing import Target, Worker, interleaved, row, serve, show

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
WANTED = {"char.toml": -0.08, "subword_bpe.toml": -0.08, "word_count_5.toml": -0.06}
"""Experiment files, and the difference that is wanted."""
SECONDS = 300.0
BEFORE = 30.0
"""Seconds of these that are left for all that comes before the first update."""


def textgen(file: str, seconds: str, runs: str) -> Callable[[], dict[str, Any]]:
    from textgen.runs.pipeline import train

    seed = 0

    def measure() -> dict[str, Any]:
        nonlocal seed
        seed += 1
        overrides = [f"seed={seed}", f"training.seconds={float(seconds) - BEFORE}"]
        name = f"{Path(file).stem}_{seed}"
        found = train(file, overrides=overrides, name=name, runs_folder=runs, quiet=True)
        training = found.metrics["training"]
        passed = (
            training["preparation_seconds"] + training["seconds"] + training["validation_seconds"]
        )
        Path(runs, f"{name}.seconds").write_text(str(passed), encoding="utf-8")
        return {
            **found.metrics["test"]["bits_per_character"],
            "seconds": passed,
            "updates": training["updates"],
        }

    return measure


def pytorch(file: str, runs: str) -> Callable[..., dict[str, Any]]:
    from torch_side import Trainer

    from textgen.data.loading import load_corpus
    from textgen.models.batches import Windows
    from textgen.runs.finished import Run

    seed = 0

    def measure() -> dict[str, Any]:
        nonlocal seed
        seed += 1
        name = f"{Path(file).stem}_{seed}"
        run = Run(Path(runs, name))
        seconds = float(Path(runs, f"{name}.seconds").read_text(encoding="utf-8"))
        experiment, tokenizer = run.experiment, run.tokenizer
        loaded = load_corpus(experiment)
        tokens = [tokenizer.encode(d.text, training=True).tokens for d in loaded.train]
        trainer = Trainer(tokenizer.size, experiment.backbone, experiment.training, seed)
        windows = Windows(tokens, experiment.objective)
        updates = trainer.train(windows, seconds, seed)
        encoded = [tokenizer.encode(d.text) for d in loaded.test]
        characters = sum(e.characters + 1 for e in encoded)
        model = trainer.bits([e.tokens for e in encoded], experiment.objective) / characters
        spelling = sum(float(e.spelling_bits.sum()) for e in encoded) / characters
        return {
            "model": model,
            "spelling": spelling,
            "total": model + spelling,
            "updates": updates,
        }

    return measure


WORKERS = {"textgen": textgen, "pytorch": pytorch}


def measure(
    repeats: int,
    seconds: float = SECONDS,
    runs: Path | None = None,
    files: Sequence[str] = tuple(WANTED),
) -> list[dict[str, Any]]:
    rows = []
    for file in files:
        path = EXPERIMENTS / file
        with ExitStack() as stack:
            folder = runs or stack.enter_context(tempfile.TemporaryDirectory())
            ours = stack.enter_context(Worker(__file__, "textgen", path, seconds, folder))
            other = stack.enter_context(Worker(__file__, "pytorch", path, folder))
            found = interleaved({"textgen": ours, "PyTorch": other}, repeats)
        pairs = zip(found["textgen"], found["PyTorch"], strict=True)
        rows.append(
            row(
                f"bits per character of `{path.stem}` after {seconds:g} s",
                "PyTorch float32, as long",
                [ours["total"] - other["total"] for ours, other in pairs],
                Target(at_most=WANTED.get(file, 0.0)),
                unit="bpc",
                found=found,
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--experiments", nargs="+", default=list(WANTED))
    parser.add_argument("--runs", type=Path, help="where textgen's runs are kept")
    given = parser.parse_args()
    show(measure(given.repeats, given.seconds, given.runs, given.experiments))


if __name__ == "__main__" and not serve(WORKERS):
    main()
