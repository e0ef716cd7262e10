"""Time to quality: bits per character on the held-out tales after as long a training.

    python tests/benchmarks/quality.py [--seconds 300] [--experiments char.toml word_rare_unk.toml]

textgen trains an experiment file as a user would; PyTorch trains a network of the same sizes on the
same tokens, with the same batches, optimizer, learning rate and dropout, for as many seconds as
that training took, its calibration not counted on either side. Both are scored alike: the state is
carried through each held-out document, every token and end mark is charged, and what the spelling
of replaced words costs comes on top. Neither has a memory of the document over its tokens. What
PyTorch pays for spelling is the plain model's, without a memory of spelled words: that one is
textgen's own. Model and spelling stand apart in the JSON file.

What is reported is the difference in bits per character. A repeat is a seed. textgen keeps its best
weights by validation, PyTorch its last ones, with a learning rate that has come down to zero.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from timing import Target, Worker, interleaved, row, serve, show

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
FILES = ("char.toml", "subword_bpe.toml", "word_rare_unk.toml")
SECONDS = 300.0
WANTED = Target(at_most=-0.03)


def textgen(file: str, seconds: str, runs: str) -> Callable[[], dict[str, Any]]:
    from textgen.runs import run

    seed = 0

    def measure() -> dict[str, Any]:
        nonlocal seed
        seed += 1
        overrides = [f"seed={seed}", f"training.seconds={seconds}", "sampling.every=0"]
        overrides.append("memory.orders=[]")  # PyTorch has none
        name = f"{Path(file).stem}_{seed}"
        metrics = run(file, overrides=overrides, name=name, runs_folder=runs, quiet=True).metrics
        return {
            **metrics["test"]["bits_per_character"],
            "seconds": metrics["training"]["seconds"],
            "updates": metrics["training"]["updates"],
            "kernel": metrics["training"].get("kernel"),
        }

    return measure


def pytorch(file: str, runs: str) -> Callable[[], dict[str, Any]]:
    from torch_side import Trainer

    from textgen.data.loading import load_corpus
    from textgen.models.batches import Windows
    from textgen.runs import Run

    seed = 0

    def measure() -> dict[str, Any]:
        nonlocal seed
        seed += 1
        folder = Path(runs) / f"{Path(file).stem}_{seed}"
        run = Run(folder)
        experiment, tokenizer = run.experiment, run.tokenizer
        loaded = load_corpus(experiment)
        tokens = [tokenizer.encode(d.text, training=True).tokens for d in loaded.train]
        trainer = Trainer(tokenizer.size, experiment.backbone, experiment.training, seed)
        windows = Windows(tokens, experiment.objective)
        updates = trainer.train(windows, run.metrics["training"]["seconds"], seed)
        tokenizer = without_cache(experiment, tokenizer, loaded)
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


def without_cache(experiment: Any, tokenizer: Any, loaded: Any) -> Any:
    """The tokenizer with a plain spelling model; its tokens are the same."""
    settings = experiment.tokenizer
    policy = getattr(settings, "rare_words", None)
    if not getattr(policy, "memory", False):
        return tokenizer
    plain = replace(settings, rare_words=replace(policy, memory=False))
    texts = [d.text for d in loaded.train]
    return plain.fit(texts, [d.text for d in loaded.validation], experiment.seed)


WORKERS = {"textgen": textgen, "pytorch": pytorch}


def measure(
    repeats: int, seconds: float = SECONDS, files: Sequence[str] = FILES
) -> list[dict[str, Any]]:
    rows = []
    for file in files:
        path = EXPERIMENTS / file
        with (
            tempfile.TemporaryDirectory() as runs,
            Worker(__file__, "textgen", path, seconds, runs) as ours,
            Worker(__file__, "pytorch", path, runs) as other,
        ):
            found = interleaved({"textgen": ours, "PyTorch": other}, repeats)
        pairs = zip(found["textgen"], found["PyTorch"], strict=True)
        rows.append(
            row(
                f"bits per character of `{path.stem}` after {seconds:g} s",
                "PyTorch float32, as long",
                [ours["total"] - other["total"] for ours, other in pairs],
                WANTED,
                unit="bpc",
                found=found,
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--experiments", nargs="+", default=FILES)
    given = parser.parse_args()
    show(measure(given.repeats, given.seconds, given.experiments))


if __name__ == "__main__" and not serve(WORKERS):
    main()
