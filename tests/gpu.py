"""Trains, resumes, scores and writes on a GPU, and holds the bits against the CPU's.

    python tests/gpu.py

Not part of the suite: it needs a GPU that TensorFlow can use. Every run is trained on the GPU on
made-up text and scored there; the same weights are scored on the CPU and must cost the same bits
per character to 1e-3. ``tests/test_gpu.py`` looks at the same graphs without a GPU.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from conftest import ROOT, made_up

from textgen.core.system import write_file

DETERMINISTIC = "training.deterministic=true"
RUNS = {  # name → experiment, and what is set
    "characters": ("char_small",),
    "words": ("word_small", "tokenizer.minimum_count=20"),
    "gru": ("char_small", "backbone.kind=gru"),
    "mingru": ("char_small", "backbone.kind=mingru"),
    "transformer": ("char_small", 'backbone={kind="transformer",units=[64]}'),
    "encoder_decoder": ("char_small", "objective.kind=encoder_decoder"),
    "learning": ("char_small", "memory.learning_rate=1e-4"),
    "deterministic": ("char_small", DETERMINISTIC),
    "deterministic_again": ("char_small", DETERMINISTIC),
    "killed": ("char_small", DETERMINISTIC),
}
UPDATES, CLOSE = 300, 1e-3


def main() -> int:
    gpus = python("-c", "import tensorflow as tf; print(tf.config.list_physical_devices('GPU'))")
    if gpus.strip().endswith("[]"):
        print("no GPU that TensorFlow can use")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for i in range(12):
            write_file(folder / "tales" / f"tale{i:02d}.txt", made_up(400 + 50 * i, i))
        failed = [name for name in RUNS if not passes(folder, name)]
    print("failed: " + ", ".join(failed) if failed else "everything agrees")
    return bool(failed)


def passes(folder: Path, name: str) -> bool:
    """Train one of RUNS, score its test text on both devices, and write with it."""
    start, run, (experiment, *own) = time.perf_counter(), folder / "runs" / name, RUNS[name]
    settings = [
        "corpus.kind=folder", f"corpus.path={folder / 'tales'}", f"training.updates={UPDATES}",
        "training.validations=6", "sampling.length=200", *own,
    ]  # fmt: skip
    command = ["-m", "textgen", "run", str(ROOT / "experiments" / f"{experiment}.toml")]
    command += ["--name", name, *(part for each in settings for part in ("--set", each))]
    if name == "killed":
        kill_after_checkpoint(folder, command, run)
    python(*command, folder=folder)
    seconds, trained = time.perf_counter() - start, test_bits(run)
    scoring = ["-m", "textgen", "score", str(run), "--part", "test", "--json"]
    gpu, cpu = (
        json.loads(python(*scoring, folder=folder, hidden=hidden))["bits_per_character"]["total"]
        for hidden in (False, True)
    )
    writing = ["-m", "textgen", "generate", str(run), "--seed", "1", "--json"]
    repeats = python(*writing, folder=folder) == python(*writing, folder=folder)
    first = folder / "runs" / "deterministic"
    same = name not in ("deterministic_again", "killed") or trained == test_bits(first)
    print(
        f"{name}: {seconds:.0f} s; test {trained['total']:.5f}, GPU {gpu:.5f}, CPU {cpu:.5f} bits "
        f"per character; a seed repeats its text: {repeats}; as the first: {same}",
        flush=True,
    )
    return same and repeats and max(abs(gpu - cpu), abs(trained["total"] - cpu)) < CLOSE


def test_bits(run: Path) -> dict[str, Any]:
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return dict(metrics["test"]["bits_per_character"])


def kill_after_checkpoint(folder: Path, command: list[str], run: Path) -> None:
    process = subprocess.Popen([sys.executable, *command], cwd=folder, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (run / "checkpoint.npz").exists():
        time.sleep(0.1)
    assert process.poll() is None, "the run ended before it could be killed"
    process.kill()
    process.wait()


def python(*arguments: str, folder: Path | None = None, hidden: bool = False) -> str:
    """What Python prints to stdout; with ``hidden`` it sees no GPU."""
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": "-1"} if hidden else {})
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr or done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
