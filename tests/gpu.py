"""Trains, scores and writes on a GPU: ``python tests/gpu.py``.

The same weights are scored on the CPU and must cost the same bits per character to 1e-3.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from conftest import run_python, write_tales

DETERMINISTIC = "training.deterministic=true"
RUNS = {  # name → experiment, and what is set
    "characters": ("char_small",), "words": ("word_small", "tokenizer.minimum_count=20"),
    "gru": ("char_small", "backbone.kind=gru"), "mingru": ("char_small", "backbone.kind=mingru"),
    "transformer": ("char_small", 'backbone={kind="transformer",units=[64]}'),
    "encoder_decoder": ("char_small", "objective.kind=encoder_decoder"),
    "learning": ("char_small", "cache.learning_rate=1e-4"),
    "deterministic": ("char_small", DETERMINISTIC),
    "deterministic_again": ("char_small", DETERMINISTIC),
}  # fmt: skip
UPDATES, CLOSE = 300, 1e-3


def main():
    code = "import tensorflow as tf; print(tf.config.list_physical_devices('GPU'))"
    if printed("-c", code).strip().endswith("[]"):
        return "no GPU that TensorFlow can use"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_tales(folder / "tales", 400, 50)
        failed = [name for name in RUNS if not passes(folder, name)]
    print("failed: " + ", ".join(failed) if failed else "everything agrees")
    return bool(failed)


def passes(folder, name):
    """Train one of RUNS, score its test text on both devices, and write with it."""
    start, run, (experiment, *own) = time.perf_counter(), folder / "runs" / name, RUNS[name]
    settings = [
        "corpus.kind=folder", f"corpus.path={folder / 'tales'}", f"training.updates={UPDATES}",
        "training.validations=6", "sampling.length=200", *own,
    ]  # fmt: skip
    command = ["-m", "textgen", "run", experiment, "--name", name]
    command += [part for each in settings for part in ("--set", each)]
    printed(*command, folder=folder)
    seconds, trained = time.perf_counter() - start, test_bits(run)
    scoring = ["-m", "textgen", "score", run, "--part", "test", "--json"]
    gpu, cpu = (
        json.loads(printed(*scoring, **hidden))["parts"]["network"]["bits_per_character"]["total"]
        for hidden in ({}, {"CUDA_VISIBLE_DEVICES": "-1"})
    )
    writing = ["-m", "textgen", "generate", run, "--seed", "1", "--json"]
    repeats = printed(*writing) == printed(*writing)
    first = folder / "runs" / "deterministic"
    same = name != "deterministic_again" or trained == test_bits(first)
    print(
        f"{name}: {seconds:.0f} s; test {trained['total']:.5f}, GPU {gpu:.5f}, CPU {cpu:.5f} bits "
        f"per character; a seed repeats its text: {repeats}; as the first: {same}",
        flush=True,
    )
    return same and repeats and max(abs(gpu - cpu), abs(trained["total"] - cpu)) < CLOSE


def test_bits(run):
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return metrics["test"]["bits_per_character"]


def printed(*arguments, **where):
    done = run_python(*arguments, seconds=3600, **where)
    if done.code:
        raise RuntimeError(f"{arguments}: {done.err or done.out}")
    return done.out


if __name__ == "__main__":
    sys.exit(main())
